"""One pretraining run, from rows to encoders on disk; a run that was stopped goes on.

```
OUT/settings.json       what the run was begun with
OUT/checkpoints/        while it runs, see `fusion.tuning.checkpoints`
OUT/text/               the text encoder, a checkpoint folder, if it was trained
OUT/image.safetensors   the photo encoder, if it was trained
OUT/pretraining.json    written last: what was done, and the losses
```
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from pydantic import with_config

from encoders.base import Encoder
from encoders.process_lock import LOADING
from fusion.errors import JobError
from fusion.pretraining.batches import Batches
from fusion.pretraining.contrastive import ContrastiveObjective
from fusion.pretraining.losses import Losses
from fusion.pretraining.masked_language import MaskedLanguageObjective
from fusion.pretraining.objective import Objective
from fusion.pretraining.plan import Plan, claim, fingerprint_of, plan_of
from fusion.pretraining.result import FILES, write_encoder
from fusion.pretraining.rows import PretrainingRows
from fusion.pretraining.self_supervised import SelfSupervisedObjective
from fusion.pretraining.settings import PretrainingSettings
from fusion.pretraining.trainer import PretrainingTrainer, StepByStep
from fusion.progress import Stage, silent
from fusion.system.documents import (
    EXACT,
    Count,
    Finite,
    Nested,
    Sha256,
    Text,
    read_document,
    sealed,
)
from fusion.system.files import json_bytes, write_atomically
from fusion.tuning.checkpoints import latest
from fusion.tuning.trainers import OneDeviceArguments, tensorboard_callbacks, training_alone

OBJECTIVES: dict[str, type[Objective]] = {
    "contrastive": ContrastiveObjective,
    "mlm": MaskedLanguageObjective,
    "self_supervised": SelfSupervisedObjective,
}

AGAIN = "Remove pretraining.json to train again, or choose another output folder."
MAX_RESULT_BYTES = 1_000_000_000  # it names every row that was left out


@with_config(EXACT)
@dataclass(frozen=True)
class PretrainingResult:
    """What was done; the content of `pretraining.json`.

    Args:
        fingerprint: SHA-256 (hex) of what the run was begun with.
        begun_with: Settings, encoders, rows and versions.
        ended_with: Modality -> fingerprint of the encoder as it loads from the folder, for those
            that were trained.
        n_training: Rows that were learned from.
        n_validation: Rows that only measured the loss.
        training_loss: Mean loss of each epoch's batches.
        validation_loss: Mean loss of the held-out rows after each epoch.
        items: What is known of the table that the rows come from.
    """

    fingerprint: Sha256
    begun_with: Plan
    ended_with: dict[Text, Text]
    n_training: Count
    n_validation: Count
    training_loss: list[Finite]
    validation_loss: list[Finite]
    items: Nested


def pretrain_encoders(
    encoders: Mapping[str, Encoder],
    rows: PretrainingRows,
    settings: PretrainingSettings,
    output: Path,
    *,
    items: Mapping[str, Any],
    stage: Stage = silent,
) -> PretrainingResult:
    """Trains encoders on texts and photos alone and writes them; goes on where a run was stopped.

    Args:
        encoders: Encoder of each modality that the objective needs, float32; they change.
        rows: What is learned from.
        settings: How.
        output: Folder of the run; a finished one is left as it is.
        items: What is known of the table that the rows come from, JSON types.
        stage: Opens a progress bar, one step a mini-batch.

    Raises:
        FloatingPointError: If the loss is not finite.
        JobError: If the folder holds something else, or a run with other settings, or its result
            is damaged.
        ValueError: If there are too few rows, or the encoders do not fit the settings.
    """
    plan = plan_of(encoders, rows, settings)
    with training_alone():
        torch.manual_seed(settings.seed)
        objective = OBJECTIVES[settings.objective](encoders, rows, settings)
        training, validation = _batches(objective, settings)
        claim(output, plan)
        done = output / "pretraining.json"
        if not os.path.lexists(done):
            losses = _train(objective, training, validation, settings, output, stage=stage)
            made = PretrainingResult(
                fingerprint=fingerprint_of(plan),
                begun_with=plan,
                ended_with={
                    name: write_encoder(objective.encoder(name), output).fingerprint
                    for name in settings.modalities
                    if objective.encoder(name).is_trainable
                },
                n_training=len(training.rows),
                n_validation=len(validation.rows),
                training_loss=losses.training,
                validation_loss=losses.validation,
                items=dict(items),
            )
            write_atomically(done, sealed(json_bytes(asdict(made))))
    result = _result(done)
    shutil.rmtree(output / "checkpoints", ignore_errors=True)
    return result


def _result(path: Path) -> PretrainingResult:
    """What a finished run wrote, with its encoders beside it.

    Raises:
        JobError: If the file is damaged, or an encoder is gone.
    """
    try:
        result = read_document(path, PretrainingResult, max_bytes=MAX_RESULT_BYTES)
        gone = [
            FILES[name] for name in result.ended_with if not (path.parent / FILES[name]).exists()
        ]
    except (ValueError, KeyError) as error:
        raise JobError(f"{path} is damaged: {error}. {AGAIN}") from error
    if gone:
        raise JobError(
            f"{path.parent} must have {', '.join(gone)} of its result, got none. {AGAIN}"
        )
    return result


def _batches(objective: Objective, settings: PretrainingSettings) -> tuple[Batches, Batches]:
    """Batches of training and of validation.

    Raises:
        ValueError: If there are too few rows, or a batch would have fewer than the objective needs.
    """
    chosen = objective.rows.split(share=settings.validation, seed=settings.seed)
    training, validation = (
        Batches(objective, rows, batch_size=settings.batch_size, epochs=epochs, seed=settings.seed)
        for rows, epochs in zip(chosen, (settings.epochs, 1), strict=True)
    )
    for name, batches in {"training": training, "validation": validation}.items():
        if batches.smallest < objective.min_batch:
            raise ValueError(
                f"batches must have at least {objective.min_batch} rows, got one of "
                f"{batches.smallest}: batch_size is {settings.batch_size} and there are "
                f"{len(batches.rows)} {name} rows. Use a larger batch_size or more items."
            )
    return training, validation


def _train(
    objective: Objective,
    training: Batches,
    validation: Batches,
    settings: PretrainingSettings,
    output: Path,
    *,
    stage: Stage,
) -> Losses:
    """Trains in place from the latest checkpoint on."""
    found = latest(output / "checkpoints", Losses)
    losses = Losses() if found is None else found.notes
    with stage("pretraining", len(training), "steps") as work:
        work.known(0 if found is None else found.step)
        steps = StepByStep(per_epoch=training.per_epoch, losses=losses, advance=work)
        with LOADING.held():  # it sets how much transformers says
            trainer = PretrainingTrainer(
                objective,
                training=training,
                validation=validation,
                losses=losses,
                args=_arguments(settings, training, folder=output / "checkpoints"),
                callbacks=[steps, *tensorboard_callbacks(settings.tensorboard)],
            )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train(resume_from_checkpoint=None if found is None else str(found.folder))
    objective.cpu().eval()  # the Trainer leaves it on its device
    return losses


def _arguments(
    settings: PretrainingSettings, training: Batches, *, folder: Path
) -> OneDeviceArguments:
    """To the Trainer, a batch is a row and the run is one epoch."""
    return OneDeviceArguments(
        output_dir=str(folder),
        num_train_epochs=1,
        per_device_train_batch_size=1,
        train_sampling_strategy="sequential",
        learning_rate=settings.suited().learning_rate or 0.0,
        weight_decay=settings.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=int(settings.warmup * len(training)),
        max_grad_norm=settings.max_gradient,
        seed=settings.seed,
        eval_strategy="steps",
        eval_steps=training.per_epoch,
        save_strategy="steps",
        save_steps=settings.save_steps,
        logging_strategy="no",
        report_to=[],
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )

"""One training run: mini-batches, AdamW, warm-up and decay, early stopping, best weights kept."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor

from encoders.process_lock import LOADING
from fusion.data.batch import ModelInputs
from fusion.data.known import known_rows, on_known_rows
from fusion.network import FusionNetwork
from fusion.progress import Stage, silent
from fusion.training.loss import BalancedLoss
from fusion.training.settings import TrainingSettings
from fusion.training.threads import computing_with, threads_for
from fusion.training.trainer import BestWeights, FusionTrainer, RowDataset
from fusion.training.trainers import OneDeviceArguments, tensorboard_callbacks, training_alone
from heads.decoders.base import ClosedForm

Rows = NDArray[np.int64]
Targets = Mapping[str, NDArray[np.float64]]


@dataclass
class TrainingHistory:
    """What happened: losses by epoch (1.0 = the best constant answer) and the epoch kept."""

    train_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    best_epoch: int = 0


def fit_model(
    model: FusionNetwork,
    inputs: ModelInputs,
    targets: Targets,
    *,
    rows: tuple[Rows, Rows],
    settings: TrainingSettings,
    stage: Stage = silent,
) -> TrainingHistory:
    """Trains a model in place and leaves it in eval mode with the weights of its best epoch.

    Decoders that are solved in closed form are solved on all given rows; the others are trained by
    gradient, the losses of their heads each divided by that of the best constant answer, so that no
    unit outweighs another.

    Args:
        model: The model; only its trained part changes.
        inputs: Model inputs of all rows.
        targets: Targets `[n, *target_shape]` in business units for each head, NaN where there is
            none: such a row counts for the other heads alone.
        rows: Positions of the training rows and of the validation rows.
        settings: How to train.
        stage: Opens the progress bar, one step an epoch.

    Returns:
        Losses by epoch.

    Raises:
        ValueError: If there are no training or validation rows.
        FloatingPointError: If the loss is not finite.
    """
    train_rows, validation_rows = rows
    if len(train_rows) == 0 or len(validation_rows) == 0:
        raise ValueError(
            "rows must hold at least one training and one validation row, "
            f"got {len(train_rows)} and {len(validation_rows)}."
        )
    with computing_with(threads_for(settings.threads, inputs)):
        if model.is_closed_form:
            _solve(model, inputs, targets, rows=np.concatenate(rows))
            return TrainingHistory()
        return _train(model, inputs, targets, rows=rows, settings=settings, stage=stage)


def _solve(model: FusionNetwork, inputs: ModelInputs, targets: Targets, *, rows: Rows) -> None:
    model.eval()
    with torch.inference_mode():
        batch = inputs.batch(rows)
        embeddings = {**batch["embeddings"], **model.encode(batch["inputs"])}
        fused = model.fuse(embeddings, batch["present"]).double().numpy()
    for name, head in model.heads.items():
        known = known_rows(targets[name][rows])
        scores = head.additive_scale(targets[name][rows[known]])
        cast(ClosedForm, model.decoder(name)).solve(fused[known], scores)


def _train(
    model: FusionNetwork,
    inputs: ModelInputs,
    targets: Targets,
    *,
    rows: tuple[Rows, Rows],
    settings: TrainingSettings,
    stage: Stage,
) -> TrainingHistory:
    encoded = encoded_targets(model, targets)
    train_rows, validation_rows = rows
    settings = settings.suited_to(len(train_rows))
    module = model.trained_part()
    loss = BalancedLoss(model, rows_of(encoded, train_rows))
    with (
        tempfile.TemporaryDirectory() as scratch,
        training_alone(),
        stage("training", settings.epochs, "epochs") as work,
    ):
        best = BestWeights(patience=settings.patience, advance=work)
        with LOADING.held():  # it sets how much transformers says
            trainer = FusionTrainer(
                module,
                args=_arguments(settings, n_rows=len(train_rows), scratch=scratch),
                train_dataset=RowDataset(train_rows),
                eval_dataset=RowDataset(validation_rows),
                validation_rows=validation_rows,
                callbacks=[best, *tensorboard_callbacks(settings.tensorboard)],
                inputs=inputs,
                targets=encoded,
                balanced_loss=loss,
                noise=settings.noise,
                mixup=settings.mixup,
            )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    best.restore(module)
    module.cpu()  # the Trainer leaves it on its device
    model.eval()
    return TrainingHistory(best.train_losses, best.validation_losses, best.best_epoch)


def encoded_targets(model: FusionNetwork, targets: Targets) -> dict[str, Tensor]:
    """Targets `[n, *target_shape]` as each head's loss takes them, float32, NaN for none."""
    return {
        name: torch.from_numpy(on_known_rows(model.heads[name].encode_target, values)).float()
        for name, values in targets.items()
    }


def rows_of(encoded: Mapping[str, Tensor], rows: Rows) -> dict[str, Tensor]:
    """Encoded targets of some rows."""
    return {name: target[torch.as_tensor(rows)] for name, target in encoded.items()}


def _arguments(settings: TrainingSettings, *, n_rows: int, scratch: str) -> OneDeviceArguments:
    batch_size, rate = settings.batch_size or n_rows, settings.learning_rate or 0.0
    steps = -(-n_rows // batch_size) * settings.epochs
    return OneDeviceArguments(
        output_dir=scratch,
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=batch_size,
        learning_rate=rate,
        weight_decay=settings.weight_decay,
        lr_scheduler_type="cosine",
        warmup_steps=int(settings.warmup * steps),
        max_grad_norm=settings.max_gradient,
        seed=settings.seed,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        eval_strategy="epoch",
        save_strategy="no",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
    )

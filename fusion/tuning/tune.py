"""One tuning run: encoders, a fusion and decoders learn the target together."""

import copy
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from torch import Tensor, nn

from encoders.adapter import reached
from encoders.base import Encoder
from encoders.dtype import Precision, resolve_dtype
from encoders.process_lock import LOADING
from fusion.errors import ConfigError
from fusion.network import FusionNetwork, TrainedPart
from fusion.progress import Stage, silent
from fusion.system.processes import in_all_processes, processes, weights_are_shared_out, whole
from fusion.training.loss import BalancedLoss, encoded_targets, rows_of
from fusion.tuning import states
from fusion.tuning.checkpoints import Checkpoint, latest
from fusion.tuning.fusion_trainer import RowDataset
from fusion.tuning.guards import (
    check_batch_norm,
    check_computable,
    check_not_diverged,
    check_something_trains,
    check_whole_step,
    smaller_batches,
)
from fusion.tuning.identity import identity_of
from fusion.tuning.optimiser import depths
from fusion.tuning.order import N_RANGES, RowOrder, balanced_chances
from fusion.tuning.rows import TuningRows
from fusion.tuning.settings import TuningSettings
from fusion.tuning.states import Progress, TuningRun
from fusion.tuning.trainer import TuningProgress, TuningTrainer, activations_recomputed
from fusion.tuning.trainers import OneDeviceArguments, tensorboard_callbacks, training_alone

Rows = NDArray[np.int64]


def tune_model(
    model: FusionNetwork,
    rows: TuningRows,
    *,
    settings: TuningSettings,
    folder: Path | None = None,
    stage: Stage = silent,
) -> TuningRun:
    """Tunes a model in place and leaves it in eval mode with the weights of its best epoch.

    Started with `torchrun` or `accelerate launch`, all processes share each step: a batch of b rows
    in each of n processes is a batch of n x b rows.

    Args:
        model: Encoders with adapters that train, a fusion and decoders.
        rows: What they hold, and which are learned from.
        settings: How.
        folder: Holds states that a killed run goes on from; None keeps none.
        stage: Opens the progress bar, one step an optimiser step.

    Raises:
        ConfigError: If nothing would train, a batch of one row meets BatchNorm, or an encoder does
            not take the bfloat16 that is asked for.
        FloatingPointError: If the loss is not finite, or the run has diverged.
        JobError: If the folder holds states of another tuning.
        MemoryError: If memory is too short for a batch of one row.
    """
    tuned = {name: e for name in model.modalities if (e := model.encoder(name)).adapter is not None}
    check_something_trains(tuned)
    if settings.dropout is not None:
        _set_dropout(tuned, settings.dropout)
    module = model.trained_part()
    check_batch_norm(module, n_rows=len(rows.learn), batch_size=settings.batch_size)
    job = _Run(
        module,
        tuned,
        rows,
        settings=settings,
        stage=stage,
        precision=_precision(settings, tuned),
    )
    run = job.in_scratch(model) if folder is None else job.in_folder(model, folder)
    module.cpu()  # the Trainer leaves it on its device
    model.eval()
    return run


@dataclass
class _Run:
    module: TrainedPart
    encoders: dict[str, Encoder]
    rows: TuningRows
    settings: TuningSettings
    stage: Stage
    precision: Precision

    def in_scratch(self, model: FusionNetwork) -> TuningRun:
        with tempfile.TemporaryDirectory() as scratch:
            return self._until_it_fits(model, Path(scratch), saves=False)

    def in_folder(self, model: FusionNetwork, folder: Path) -> TuningRun:
        with processes().main_process_first():
            identity = identity_of(model, self.rows, settings=self.settings)
            self.precision = states.claim(folder, identity, precision=self.precision)
        finished = states.load_result(folder)
        if finished is not None:
            self.module.load_delta_state_dict(finished[0])
            return finished[1]
        check_computable(self.precision, folder)
        run = self._until_it_fits(model, folder / "checkpoints", saves=True)
        if processes().is_main_process:
            states.save_result(folder, self.module.delta_state_dict(), run)
        processes().wait_for_everyone()
        return run

    def _until_it_fits(self, model: FusionNetwork, folder: Path, *, saves: bool) -> TuningRun:
        """Trains, with smaller batches and their gradients summed as often as memory is short."""
        start = {name: tensor.clone() for name, tensor in self.module.delta_state_dict().items()}
        found = _latest(folder) if saves else None
        settings = self.settings
        if found is not None:  # what did not fit before the kill would not fit now
            settings = settings.model_copy(update=asdict(found.notes.batches))
        while True:
            try:
                return self._train(model, settings, folder, saves=saves)
            except (RuntimeError, MemoryError) as error:
                settings = smaller_batches(error, settings, n_processes=processes().num_processes)
            self.module.load_delta_state_dict(start)

    def _train(
        self, model: FusionNetwork, settings: TuningSettings, folder: Path, *, saves: bool
    ) -> TuningRun:
        lengths = self._lengths()
        learn, validation = self.rows.learn, self.rows.validation
        validation = validation[np.argsort(lengths[validation], kind="stable")]
        encoded = encoded_targets(model, self.rows.targets)
        chances = self._chances(model, encoded) if settings.balance else None
        order = self._order(lengths[learn], chances, settings)
        resumed = _latest(folder) if saves else None
        learner = copy.deepcopy(model) if weights_are_shared_out() else model
        module = learner.trained_part()
        encoders = {name: learner.encoder(name) for name in self.encoders}
        blocks = _tuned_blocks(encoders) if settings.checkpointing else []
        with (
            training_alone(),
            activations_recomputed(blocks),
            self.stage(self._name(settings), order.n_steps * settings.epochs, "steps") as work,
        ):
            progress = TuningProgress(settings, order=order, saves=saves, work=work)
            if resumed is not None:
                progress.go_on_from(resumed)
            with LOADING.held():  # it sets how much transformers says
                trainer = TuningTrainer(
                    settings=settings,
                    order=order,
                    depth_of=depths(encoders),
                    precision=self.precision,
                    module=module,
                    args=self._arguments(settings, folder, saves=saves),
                    train_dataset=RowDataset(learn),
                    eval_dataset=RowDataset(validation),
                    validation_rows=validation,
                    callbacks=[progress, *tensorboard_callbacks(settings.tensorboard)],
                    inputs=self.rows.inputs,
                    targets=encoded,
                    balanced_loss=BalancedLoss(learner, rows_of(encoded, learn)),
                )
            trainer.remove_callback(transformers.PrinterCallback)
            if not progress.is_past:
                trainer.train(None if resumed is None else str(resumed.folder))
        if learner is not model:
            self.module.load_delta_state_dict(whole(module.delta_state_dict()))
        progress.restore(self.module)
        if progress.validation_losses:
            training = [progress.first_loss, *progress.train_losses]
            check_not_diverged(min(progress.validation_losses), training, settings)
        return TuningRun(
            progress.train_losses,
            progress.validation_losses,
            progress.best_epoch or len(progress.train_losses),
            settings.batch_size,
            self.precision,
        )

    def _name(self, settings: TuningSettings) -> str:
        """What the progress is called: another name where memory was short and it begins anew."""
        smaller = settings.batch_size < self.settings.batch_size
        return f"tuning in batches of {settings.batch_size}" if smaller else "tuning"

    def _lengths(self) -> Rows:
        """Characters `[n]` of the texts of each row; all alike where there are none."""
        lengths = np.ones(len(self.rows.inputs), dtype=np.int64)
        for values in self.rows.inputs.values.values():
            if all(isinstance(value, str | None) for value in values):
                lengths += [len(value or "") for value in values]
        return lengths

    def _order(
        self, lengths: Rows, chances: NDArray[np.float64] | None, settings: TuningSettings
    ) -> RowOrder:
        n_processes = processes().num_processes
        check_whole_step(len(lengths), settings, n_processes=n_processes)
        return RowOrder(
            lengths,
            step_rows=settings.batch_size * settings.accumulation * n_processes,
            seed=settings.seed,
            chances=chances,
            whole_steps=n_processes > 1,
        )

    def _chances(self, model: FusionNetwork, encoded: Mapping[str, Tensor]) -> NDArray[np.float64]:
        """Chances of the rows to learn from, balanced by the target of the first head."""
        name, targets = next(iter(encoded.items()))
        head, first = model.heads[name], targets[torch.as_tensor(self.rows.learn)].double().numpy()
        if head.reads_labels:
            return balanced_chances(first, n_ranges=max(head.raw_dim, N_RANGES))
        return balanced_chances(first)

    def _arguments(
        self, settings: TuningSettings, folder: Path, *, saves: bool
    ) -> OneDeviceArguments:
        return OneDeviceArguments(
            output_dir=str(folder),
            num_train_epochs=settings.epochs,
            per_device_train_batch_size=settings.batch_size,
            gradient_accumulation_steps=settings.accumulation,
            max_grad_norm=settings.max_gradient,
            seed=settings.seed,
            logging_steps=1,
            logging_nan_inf_filter=False,
            report_to=[],
            eval_strategy="epoch" if len(self.rows.validation) else "no",
            save_strategy="steps" if saves else "no",
            save_steps=settings.save_steps,
            remove_unused_columns=False,
            dataloader_num_workers=settings.workers,
            dataloader_pin_memory=torch.cuda.is_available(),
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        )


def _precision(settings: TuningSettings, encoders: Mapping[str, Encoder]) -> Precision:
    """What to compute in: the same in every process, also where their processors differ.

    Raises:
        ConfigError: If bfloat16 is asked for and ends in an error in one of the encoders.
    """
    unable = [name for name, encoder in encoders.items() if not encoder.takes_bfloat16]
    if unable and settings.precision == "bfloat16":
        raise ConfigError(
            f"precision must be 'auto' or 'float32' for the {unable[0]} encoder, got 'bfloat16': "
            "its attention does not take it. Use 'auto'."
        )
    low = resolve_dtype(settings.precision, name="precision") == "bfloat16" and not unable
    return "bfloat16" if in_all_processes(low) else "float32"


def _latest(folder: Path) -> Checkpoint[Progress] | None:
    """The checkpoint to go on from; the first process removes what is not complete."""
    with processes().main_process_first():
        return latest(folder, Progress)


def _tuned_blocks(encoders: dict[str, Encoder]) -> list[nn.Module]:
    return [
        block
        for encoder in encoders.values()
        if encoder.adapter is not None
        for block in reached(encoder.adapter, encoder.blocks)
    ]


def _set_dropout(encoders: dict[str, Encoder], rate: float) -> None:
    for encoder in encoders.values():
        for part in encoder.modules():
            if isinstance(part, nn.Dropout):
                part.p = rate

"""Settings that cannot end well, found before or as soon as they show."""

from collections.abc import Mapping
from pathlib import Path

import torch
from accelerate.state import AcceleratorState
from accelerate.utils.memory import should_reduce_batch_size
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from encoders.base import Encoder
from encoders.dtype import Precision, processor_has_bfloat16
from fusion.errors import ConfigError, JobError
from fusion.system.processes import in_all_processes
from fusion.tuning.settings import TuningSettings

DIVERGED = 10.0
"""Validation loss from which a run is called diverged; the best constant answer has 1."""


def check_something_trains(encoders: Mapping[str, Encoder]) -> None:
    """Refuse to tune where no weight of any encoder would change.

    Raises:
        ConfigError: If every weight is frozen.
    """
    if not any(encoder.is_trainable for encoder in encoders.values()):
        raise ConfigError(
            "tuning must reach at least one weight of a text or photo encoder, got encoders that "
            f"are all frozen ({', '.join(encoders) or 'none'}). Tune a modality that is there, "
            "with bert or resnet."
        )


def check_batch_norm(module: nn.Module, *, n_rows: int, batch_size: int) -> None:
    """Refuse batches of one row where BatchNorm learns from batches.

    Raises:
        ConfigError: If a batch would have one row.
    """
    module.train()
    learns = any(isinstance(part, _BatchNorm) and part.training for part in module.modules())
    if learns and (batch_size == 1 or n_rows % batch_size == 1):
        raise ConfigError(
            f"batch_size must leave no batch of one row for BatchNorm, got {batch_size} for "
            f"{n_rows} rows: one row has no variance. Use another batch_size."
        )


def check_computable(precision: Precision, folder: Path) -> None:
    """Refuse to go on in bfloat16 where it would have to be emulated.

    Raises:
        JobError: If a processor of this run lacks what the run was begun in.
    """
    has = in_all_processes(processor_has_bfloat16())
    if precision == "bfloat16" and not has:
        raise JobError(
            f"a tuning begun in bfloat16 must go on where the processor has it, got one without: "
            f"{folder}. Go on where it was begun, or remove the folder to begin anew in float32."
        )


def check_not_diverged(best: float, training: list[float], settings: TuningSettings) -> None:
    """Refuse a result that is far worse than a constant answer, and than it was at the start.

    Args:
        best: Best validation loss.
        training: Loss of the first step, then of each epoch.
        settings: How it was tuned.

    Raises:
        FloatingPointError: If the best validation loss is at least 10 times a constant's, and
            the training loss has not fallen.
    """
    if best >= DIVERGED and training[-1] >= training[0]:
        raise FloatingPointError(
            f"validation loss must be below {DIVERGED} (a constant answer has 1), got {best:.3g} "
            f"at best while the training loss went from {training[0]:.3g} to {training[-1]:.3g}: "
            f"the tuning has diverged. {lower_rate(settings)}"
        )


def lower_rate(settings: TuningSettings) -> str:
    """What to do against a loss that explodes."""
    return (
        f"Use a smaller learning_rate (it is {settings.learning_rate:g}; 1e-5 to 5e-4 are usual), "
        "a smaller weight_decay, a longer warmup, or precision='float32'."
    )


def check_whole_step(n_rows: int, settings: TuningSettings, *, n_processes: int) -> None:
    """Refuse more processes than the rows keep busy.

    Raises:
        ConfigError: If the rows do not fill one step of all processes.
    """
    needed = settings.batch_size * settings.accumulation * n_processes
    if n_processes > 1 and n_rows < needed:
        raise ConfigError(
            f"rows to learn from must fill a step of all processes, which has {needed} rows "
            f"({settings.batch_size} batch_size x {settings.accumulation} accumulation x "
            f"{n_processes} processes), got {n_rows} rows. Use fewer processes or a smaller "
            "batch_size."
        )


def check_whole_weights(state: AcceleratorState) -> None:
    """Refuse to share weights out in ways from which they cannot be put together again here.

    Args:
        state: What accelerate's own file asks for.

    Raises:
        ConfigError: If it is FSDP 1 or stage 3 of DeepSpeed's ZeRO.
    """
    fsdp = getattr(state, "fsdp_plugin", None)
    if fsdp is not None and fsdp.fsdp_version != 2:
        raise ConfigError(
            f"fsdp_version must be 2 in accelerate's file, got {fsdp.fsdp_version}: parts of "
            "weights are put together from version 2 alone."
        )
    deepspeed = getattr(state, "deepspeed_plugin", None)
    if deepspeed is not None and deepspeed.zero_stage == 3:
        raise ConfigError(
            "zero_stage must be 0, 1 or 2 in accelerate's file, got 3. To share out weights too, "
            "use FSDP with fsdp_version 2."
        )


def smaller_batches(
    error: Exception, settings: TuningSettings, *, n_processes: int
) -> TuningSettings:
    """Settings to try next after an error: the same steps in smaller batches, if memory was short.

    Args:
        error: What stopped the training.
        settings: What it was tried with.
        n_processes: Processes that share the steps; with several, one cannot change alone.

    Raises:
        Exception: The error itself, where memory is not its cause.
        MemoryError: If a batch has one row already, or there are several processes.
    """
    batch_size = settings.batch_size
    if not (isinstance(error, MemoryError) or should_reduce_batch_size(error)):
        raise error
    if batch_size == 1:
        raise MemoryError(
            "memory must hold one row, got too little. Set checkpointing=True, tune fewer layers, "
            "use mode='lora', or shorten the texts (max_length of BertEncoder)."
        ) from error
    if n_processes > 1:
        raise MemoryError(
            f"memory must hold a batch of {batch_size} rows in each of {n_processes} processes, "
            "got too little. Use a smaller batch_size; accumulation keeps the rows of a step."
        ) from error
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    rows = batch_size * settings.accumulation
    size = next(size for size in range(batch_size // 2, 0, -1) if rows % size == 0)
    return settings.model_copy(update={"batch_size": size, "accumulation": rows // size})

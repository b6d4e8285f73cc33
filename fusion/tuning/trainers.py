"""What every run of transformers' Trainer needs here: the process to itself, logs on request."""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from accelerate.state import AcceleratorState, GradientState, PartialState
from transformers.integrations.integration_utils import TensorBoardCallback

from encoders.process_lock import ProcessLock
from fusion.training.logs import summary_writer

_TRAINING = ProcessLock()


@contextmanager
def training_alone() -> Iterator[None]:
    """One thread at a time trains; what it changes in the process is put back after the block.

    Why: transformers' Trainer seeds the global generators of Python, NumPy and torch and draws from
    them, and leaves accelerate's state behind. Two at once would learn other numbers than alone.
    """
    with _TRAINING.held():
        python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
        accelerate = _state_of_accelerate()
        try:
            with torch.random.fork_rng(range(torch.cuda.device_count())):
                yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            for shared, before in accelerate:
                shared.clear()
                shared.update(before)


def _state_of_accelerate() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What accelerate keeps for the whole process, and a copy; nothing where processes share it."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        return []
    kept = (PartialState._shared_state, AcceleratorState._shared_state, GradientState._shared_state)
    return [(shared, dict(shared)) for shared in kept]


class OneDeviceArguments(transformers.TrainingArguments):
    """Arguments of a Trainer that computes on one device: the first GPU of its process, or the CPU.

    Why: encoders lay out their inputs for a whole batch, and some losses compare its rows, while
    the Trainer cuts batches over all GPUs that it sees; several take one process each, as a
    launcher starts them.
    """

    @property
    def device(self) -> torch.device:
        """A CPU without a number: torch before 2.14 loads no tensor to the `cpu:0` of a group."""
        device = super().device
        return torch.device("cpu") if device.type == "cpu" else device

    @property
    def n_gpu(self) -> int:
        """0 or 1."""
        return min(int(super().n_gpu), 1)


def tensorboard_callbacks(folder: Path | None) -> list[transformers.TrainerCallback]:
    """The callback that writes TensorBoard logs into a folder; none where there is no folder.

    Raises:
        MissingExtraError: If tensorboard is not installed.
    """
    if folder is None:
        return []
    return [TensorBoardCallback(tb_writer=summary_writer(folder))]

"""What every run of transformers' Trainer needs here: the caller's chance kept, logs on request."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers.integrations.integration_utils import TensorBoardCallback

from fusion.errors import MissingExtraError


@contextmanager
def random_states_kept() -> Iterator[None]:
    """The Trainer seeds the global generators of Python, NumPy and torch; they are the caller's."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def on_one_device(arguments: transformers.TrainingArguments) -> transformers.TrainingArguments:
    """The same arguments for one GPU a process: the Trainer would cut batches over all it sees.

    Why: encoders lay out their inputs for a whole batch, and some losses compare its rows; several
    GPUs take one process each, as a launcher starts them.
    """
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


def tensorboard_callbacks(folder: Path | None) -> list[transformers.TrainerCallback]:
    """The callback that writes TensorBoard logs into a folder; none where there is no folder.

    Raises:
        MissingExtraError: If tensorboard is not installed.
    """
    if folder is None:
        return []
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("tensorboard", extra="tensorboard") from error
    return [TensorBoardCallback(tb_writer=SummaryWriter(str(folder)))]

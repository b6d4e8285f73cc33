"""Logs of a training for TensorBoard."""

from pathlib import Path
from typing import Any

from fusion.errors import MissingExtraError


def summary_writer(folder: Path) -> Any:
    """TensorBoard's writer for a folder.

    Raises:
        MissingExtraError: If tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("tensorboard", extra="tensorboard") from error
    return SummaryWriter(str(folder))

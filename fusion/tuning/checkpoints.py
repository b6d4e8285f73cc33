"""Checkpoints of a training run, and the receipts that make them count.

```
FOLDER/checkpoint-200/       written by transformers' Trainer, file after file
FOLDER/checkpoint-200.json   its receipt: SHA-256 of every file, and notes
```

A checkpoint without a receipt, or with other bytes than its receipt says, does not exist.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import with_config

from encoders.text.checkpoints import file_sha256
from fusion.system.documents import EXACT, Nested, Sha256, Text, checked, read_document, sealed
from fusion.system.files import write_atomically

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Notes = TypeVar("Notes")

MAX_RECEIPT_BYTES = 200_000_000  # of the losses of 10,000,000 steps


@with_config(EXACT)
@dataclass(frozen=True)
class _Receipt:
    files: dict[Text, Sha256]
    notes: Nested


@dataclass(frozen=True)
class Checkpoint(Generic[Notes]):
    """A complete checkpoint: its folder, and what was noted with it."""

    folder: Path
    notes: Notes

    @property
    def step(self) -> int:
        """Steps that were done."""
        return _step(self.folder)


def commit(folder: Path, notes: "DataclassInstance") -> None:
    """Makes a checkpoint count, and removes those before it.

    Args:
        folder: Of the checkpoint, complete.
        notes: What else to remember; an instance of the class that `latest` is given.

    Raises:
        OSError: If the receipt cannot be written; the checkpoint before stays.
    """
    receipt = _Receipt(_hashes(folder), asdict(notes))
    write_atomically(_receipt(folder), sealed(json.dumps(asdict(receipt), indent=1).encode()))
    for other in folder.parent.glob("checkpoint-*/"):
        if other != folder:
            _remove(other)


def latest(checkpoints: Path, notes: type[Notes]) -> Checkpoint[Notes] | None:
    """The latest complete checkpoint of a run, if there is one; incomplete ones are removed.

    Args:
        checkpoints: The folder that they lie in.
        notes: Class of what was noted; one with other notes is not complete.
    """
    found: list[Checkpoint[Notes]] = []
    folders = [path for path in checkpoints.glob("checkpoint-*/") if _number(path).isdecimal()]
    for folder in sorted(folders, key=_step):
        try:
            found.append(Checkpoint(folder, _read(folder, notes)))
        except (FileNotFoundError, ValueError):
            _remove(folder)
    return found[-1] if found else None


def _read(folder: Path, notes: type[Notes]) -> Notes:
    """The notes in a receipt.

    Raises:
        FileNotFoundError, ValueError: If the checkpoint is not what the receipt says.
    """
    receipt = read_document(_receipt(folder), _Receipt, max_bytes=MAX_RECEIPT_BYTES)
    if receipt.files != _hashes(folder):
        raise ValueError(f"{folder.name} must have the files of its receipt, got others")
    return checked(receipt.notes, notes)


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def _receipt(folder: Path) -> Path:
    return folder.with_suffix(".json")


def _remove(folder: Path) -> None:
    if not _receipt(folder).is_dir():
        _receipt(folder).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _step(folder: Path) -> int:
    return int(_number(folder))


def _number(folder: Path) -> str:
    return folder.name.rpartition("-")[2]

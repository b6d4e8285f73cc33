"""Checkpoints of a training run, and the receipts that make them count.

```
FOLDER/checkpoint-200/       written by transformers' Trainer, file after file
FOLDER/checkpoint-200.json   its receipt: SHA-256 of every file, and notes
```

A checkpoint without a receipt, or with other bytes than its receipt says, does not exist.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from encoders.checkpoints import file_sha256
from fusion.files import write_atomically


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint: its folder, and what was noted with it."""

    folder: Path
    notes: dict[str, Any]

    @property
    def step(self) -> int:
        """Steps that were done."""
        return _step(self.folder)


def commit(folder: Path, notes: Mapping[str, Any]) -> None:
    """Makes a checkpoint count, and removes those before it.

    Args:
        folder: Of the checkpoint, complete.
        notes: What else to remember, JSON types.

    Raises:
        OSError: If the receipt cannot be written; the checkpoint before stays.
    """
    receipt = {"files": _hashes(folder), "notes": dict(notes)}
    write_atomically(_receipt(folder), json.dumps(receipt, indent=1).encode())
    for other in folder.parent.glob("checkpoint-*/"):
        if other != folder:
            _remove(other)


def latest(checkpoints: Path) -> Checkpoint | None:
    """The latest complete checkpoint of a run, if there is one; incomplete ones are removed."""
    found: list[Checkpoint] = []
    for folder in sorted(checkpoints.glob("checkpoint-*/"), key=_step):
        notes = _read(folder)
        if notes is None:
            _remove(folder)
        else:
            found.append(Checkpoint(folder, notes))
    return found[-1] if found else None


def _read(folder: Path) -> dict[str, Any] | None:
    """The notes in a receipt, if the checkpoint is what the receipt says."""
    try:
        receipt: dict[str, Any] = json.loads(_receipt(folder).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    notes: dict[str, Any] = receipt["notes"]
    return notes if receipt["files"] == _hashes(folder) else None


def _hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def _receipt(folder: Path) -> Path:
    return folder.with_suffix(".json")


def _remove(folder: Path) -> None:
    _receipt(folder).unlink(missing_ok=True)
    shutil.rmtree(folder)


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])

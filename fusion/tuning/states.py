"""The folder of one tuning: whose it is, and its result."""

import json
import shutil
from pathlib import Path
from typing import cast

from safetensors.torch import load, save
from torch import Tensor

from encoders.dtype import Precision
from fusion.errors import JobError
from fusion.files import write_atomically


def claim(folder: Path, identity: str, *, precision: Precision) -> Precision:
    """Makes a folder that of one run, or finds that it is.

    Args:
        folder: Made if absent.
        identity: Says what is tuned, on which rows, and how.
        precision: What a run that begins computes in.

    Returns:
        What the run computes in: one that goes on keeps what it was begun in.

    Raises:
        JobError: If it is that of another run.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "identity.json"
    if not path.is_file():
        content = {"identity": identity, "precision": precision}
        write_atomically(path, json.dumps(content).encode())
    begun = json.loads(path.read_text(encoding="utf-8"))
    if begun["identity"] != identity:
        raise JobError(
            f"folder must hold states of the same tuning, got those of another one: {folder}. "
            "Settings, rows or encoders have changed: remove the folder to begin anew, or choose "
            "another."
        )
    return cast(Precision, begun["precision"])


def save_result(folder: Path, weights: dict[str, Tensor], facts: dict[str, object]) -> None:
    """Keeps the result of a finished run and removes its checkpoints."""
    content = save({name: tensor.contiguous() for name, tensor in weights.items()})
    write_atomically(folder / "weights.safetensors", content)
    write_atomically(folder / "result.json", json.dumps(facts, indent=1).encode())
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def load_result(folder: Path) -> tuple[dict[str, Tensor], dict[str, object]] | None:
    """What `save_result` kept; None if the run is not finished."""
    if not (folder / "result.json").is_file():
        return None
    facts = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return load((folder / "weights.safetensors").read_bytes()), facts

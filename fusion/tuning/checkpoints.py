"""States that a killed run goes on from: only those that were finished count."""

import json
import shutil
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from fusion.errors import JobError
from fusion.files import write_atomically

RECEIPT = "receipt.json"
PREFIX = "checkpoint-"  # what transformers' Trainer calls its folders


def write_receipt(folder: Path) -> None:
    """Marks a state as whole: names and sizes of its files, written last."""
    sizes = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    write_atomically(folder / RECEIPT, json.dumps(sizes, indent=1).encode())


def newest_state(folder: Path) -> Path | None:
    """The newest whole state below a folder; None if there is none."""
    states = [path for path in folder.glob(f"{PREFIX}*") if _is_whole(path)]
    return max(states, key=lambda path: int(path.name.removeprefix(PREFIX)), default=None)


def remove_unfinished(folder: Path) -> None:
    """Removes the states that a kill left unfinished."""
    for path in folder.glob(f"{PREFIX}*"):
        if not _is_whole(path):
            shutil.rmtree(path)


def claim(folder: Path, identity: str) -> None:
    """Makes a folder that of one run, or finds that it is.

    Args:
        folder: Made if absent.
        identity: Says what is tuned, on which rows, and how.

    Raises:
        JobError: If another run's states lie there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "identity.txt"
    if path.is_file() and path.read_text(encoding="utf-8") != identity:
        raise JobError(
            f"folder must hold states of the same tuning, got those of another one: {folder}. "
            "Settings, rows or encoders have changed: remove the folder to begin anew, or choose "
            "another."
        )
    write_atomically(path, identity.encode())


def save_result(folder: Path, weights: dict[str, Tensor], facts: dict[str, object]) -> None:
    """Keeps the result of a finished run and removes its states."""
    scratch = folder / "weights.tmp"
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, scratch)
    scratch.replace(folder / "weights.safetensors")
    write_atomically(folder / "result.json", json.dumps(facts, indent=1).encode())
    for path in folder.glob(f"{PREFIX}*"):
        shutil.rmtree(path)


def load_result(folder: Path) -> tuple[dict[str, Tensor], dict[str, object]] | None:
    """What `save_result` kept; None if the run is not finished."""
    if not (folder / "result.json").is_file():
        return None
    facts = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return load_file(folder / "weights.safetensors"), facts


def _is_whole(folder: Path) -> bool:
    receipt = folder / RECEIPT
    if not receipt.is_file():
        return False
    sizes = json.loads(receipt.read_text(encoding="utf-8"))
    files = {path.name: path for path in folder.iterdir()}
    return all(name in files and files[name].stat().st_size == n for name, n in sizes.items())

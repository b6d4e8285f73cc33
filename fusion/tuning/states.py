"""The folder of one tuning: whose it is, and its result."""

import hashlib
import json
import os
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import with_config
from safetensors.torch import load, save
from torch import Tensor

from encoders.dtype import Precision
from fusion.errors import JobError
from fusion.system.documents import (
    EXACT,
    Count,
    Finite,
    Positive,
    Sha256,
    Text,
    read_document,
    sealed,
)
from fusion.system.files import write_atomically
from fusion.system.folders import claim_empty

T = TypeVar("T")


@with_config(EXACT)
@dataclass(frozen=True)
class TuningRun:
    """What a run ended with; a loss of 1.0 is that of the best constant answer.

    Args:
        train_loss: By epoch.
        validation_loss: By epoch; empty where no rows were held out.
        best_epoch: The epoch whose weights were kept, from 1.
        batch_size: Rows of a batch; fewer than asked for where memory was short.
        precision: What it was computed in.
    """

    train_loss: list[Finite] = field(default_factory=list)
    validation_loss: list[Finite] = field(default_factory=list)
    best_epoch: Count = 0
    batch_size: Count = 0
    precision: Precision = "float32"


@with_config(EXACT)
@dataclass(frozen=True)
class Batches:
    """How many rows a step has, and over how many batches gradients are summed."""

    batch_size: Positive
    accumulation: Positive


@with_config(EXACT)
@dataclass(frozen=True)
class Progress:
    """What is noted with a checkpoint: the facts of `TuningProgress`, and sizes of batches."""

    train_losses: list[Finite]
    step_losses: list[Finite]
    validation_losses: list[Finite]
    best_epoch: Count
    first_loss: Finite
    batches: Batches


@with_config(EXACT)
@dataclass(frozen=True)
class Begun:
    """The content of `identity.json`: what is tuned, and what it computes in."""

    identity: Text
    precision: Precision


@with_config(EXACT)
@dataclass(frozen=True)
class Result:
    """The content of `result.json`; SHA-256 of the weights beside it."""

    run: TuningRun
    weights_sha256: Sha256


def claim(folder: Path, identity: str, *, precision: Precision) -> Precision:
    """Makes a folder that of one run, or finds that it is.

    Args:
        folder: Made if absent.
        identity: Says what is tuned, on which rows, and how.
        precision: What a run that begins computes in.

    Returns:
        What the run computes in: one that goes on keeps what it was begun in.

    Raises:
        JobError: If it is that of another run, or of none and not empty.
    """
    path = folder / "identity.json"
    if not os.path.lexists(path):
        claim_empty(folder, kind="the folder of a tuning")  # its checkpoints are removed in the end
        content = json.dumps(asdict(Begun(identity, precision))).encode()
        write_atomically(path, sealed(content))
    begun = _read(path, Begun, again="Remove the folder to begin anew, or choose another.")
    if begun.identity != identity:
        raise JobError(
            f"folder must hold states of the same tuning, got those of another one: {folder}. "
            "Settings, rows or encoders have changed: remove the folder to begin anew, or choose "
            "another."
        )
    return begun.precision


def save_result(folder: Path, weights: dict[str, Tensor], run: TuningRun) -> None:
    """Keeps the result of a finished run and removes its checkpoints."""
    content = save({name: tensor.contiguous() for name, tensor in weights.items()})
    write_atomically(folder / "weights.safetensors", content)
    result = asdict(Result(run, hashlib.sha256(content).hexdigest()))
    write_atomically(folder / "result.json", sealed(json.dumps(result, indent=1).encode()))
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def load_result(folder: Path) -> tuple[dict[str, Tensor], TuningRun] | None:
    """What `save_result` kept; None if the run is not finished.

    Raises:
        JobError: If it is damaged.
    """
    path = folder / "result.json"
    if not os.path.lexists(path):
        return None
    again = "Remove result.json to tune again."
    result = _read(path, Result, again=again)
    weights = folder / "weights.safetensors"
    content = weights.read_bytes() if weights.is_file() else b""
    if hashlib.sha256(content).hexdigest() != result.weights_sha256:
        raise JobError(f"{weights} must be what result.json names, got other bytes. {again}")
    return load(content), result.run


def _read(path: Path, kind: type[T], *, again: str) -> T:
    try:
        return read_document(path, kind)
    except ValueError as error:
        raise JobError(f"{path} is damaged: {error}. {again}") from error

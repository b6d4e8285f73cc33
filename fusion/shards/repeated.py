"""The list of rows whose id stood before: written with the plan, read and checked by shard."""

import hashlib
import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusion.errors import JobError
from fusion.shards.shard import Repeats, Shard
from fusion.system.files import open_regular_file, write_atomically

REPEATED_IDS = "repeated_ids.npy"
PAIR = np.dtype("<i8")
PAIR_BYTES = 2 * PAIR.itemsize
ADVICE = "Put the file back, or begin a new output folder; embeddings in a --store are found again."


def write_repeated(
    folder: Path, shards: Sequence[Shard], repeated: NDArray[np.int64]
) -> list[Shard]:
    """Writes `[k, 2]` pairs, sorted by row; gives the shards with what each must find there."""
    file = io.BytesIO()
    np.save(file, repeated.astype(PAIR))
    content = file.getvalue()
    write_atomically(folder / REPEATED_IDS, content)
    header = len(content) - PAIR_BYTES * len(repeated)
    ends = np.searchsorted(repeated[:, 0], [shard.first_row + shard.n_rows for shard in shards])
    marked = []
    first = 0
    for shard, last in zip(shards, ends.tolist(), strict=True):
        repeats = None
        if last > first:
            start, stop = (header + PAIR_BYTES * place for place in (first, last))
            repeats = Repeats(start, last - first, hashlib.sha256(content[start:stop]).hexdigest())
        marked.append(shard._replace(repeats=repeats))
        first = last
    return marked


def read_repeated(folder: Path, shard: Shard) -> NDArray[np.int64]:
    """Rows of a shard whose id stood before, and the row of the first time: `[k, 2]`.

    Raises:
        JobError: If the list is gone or has other bytes than the plan says.
    """
    if shard.repeats is None:
        return np.zeros((0, 2), dtype=np.int64)
    start, n_rows, sha256 = shard.repeats
    try:
        with open_regular_file(folder / REPEATED_IDS) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(min(start, size))
            content = file.read(min(PAIR_BYTES * n_rows, size))
    except FileNotFoundError:
        content = b""
    except ValueError as error:
        raise JobError(f"{folder / REPEATED_IDS} {error}. {ADVICE}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise JobError(
            f"{folder / REPEATED_IDS} must hold the repeated ids of shard {shard.number} as they "
            f"were planned, got other bytes or none. {ADVICE}"
        )
    return np.frombuffer(content, PAIR).reshape(-1, 2).astype(np.int64)

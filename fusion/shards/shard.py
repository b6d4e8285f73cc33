"""A shard, and what one pass over a file finds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Shard:
    """Some rows of one file, the unit of work: done as a whole or not at all.

    Args:
        number: Position among all shards.
        file: Position of the file in the plan.
        first_row: Position of its first row in the whole input, from 0.
        n_rows: Number of rows.
        start: First byte (CSV), or first row inside the row group (Parquet).
        stop: The byte or row behind the last.
        row_group: Row group; None in CSV.
    """

    number: int
    file: int
    first_row: int
    n_rows: int
    start: int
    stop: int
    row_group: int | None = None


@dataclass(frozen=True)
class Scanned:
    """A file after one pass: pieces `(n_rows, start, stop, row_group)` and two hashes of each id.

    Args:
        pieces: One for each shard.
        ids: `[n, 2]` uint64 in row order; missing ids are 0; empty without an id column.
    """

    pieces: list[tuple[int, int, int, int | None]]
    ids: NDArray[np.uint64]

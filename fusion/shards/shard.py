"""Files of the input and shards of them: what one pass over a file finds, and how it is known."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, with_config

from fusion.errors import JobError
from fusion.system.documents import EXACT, Count, Sha256, Text

MOST_SHOWN = 3  # runs of rows in one message


def _below(name: str) -> str:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\0" in name:
        raise ValueError("must be the name of a file below the items folder")
    return name


@with_config(EXACT)
@dataclass(frozen=True)
class InputFile:
    """One file of the input, as it was read when the job was planned.

    Args:
        name: Name below the items folder.
        size: Bytes.
        columns: Names of the columns, in order.
        delimiter: What separates the cells of a CSV file; empty in Parquet.
        header_bytes: Length of what gives the rows their meaning: the header line at the beginning
            of a CSV file, the footer at the end of a Parquet file.
        header_sha256: SHA-256 (hex) of it.
    """

    name: Annotated[Text, AfterValidator(_below)]
    size: Count
    columns: list[Text]
    delimiter: Annotated[Text, Field(max_length=1)]
    header_bytes: Count
    header_sha256: Sha256


class Repeats(NamedTuple):
    """A shard's part of `repeated_ids.npy`: its first byte, rows and SHA-256 (hex)."""

    start: int
    n_rows: int
    sha256: str


class Shard(NamedTuple):
    """Some rows of one file, the unit of work: done as a whole or not at all.

    Args:
        number: Position among all shards.
        file: Position of the file in the plan.
        first_row: Position of its first row in the whole input, from 0.
        n_rows: Number of rows.
        start: First byte (CSV), or first row inside the row group (Parquet).
        stop: The byte or row behind the last.
        row_group: Row group; None in CSV.
        sha256: SHA-256 (hex) of what is read for it: the file's header and, of a CSV file, bytes
            `start` to `stop`; of a Parquet file, the column chunks of the row group that are read,
            in the order in which they lie. Shards of one row group share theirs.
        repeats: Where rows are noted whose id stood before; None if it has none.
    """

    number: int
    file: int
    first_row: int
    n_rows: int
    start: int
    stop: int
    row_group: int | None
    sha256: str
    repeats: Repeats | None = None


@dataclass(frozen=True)
class Scanned:
    """A file after one pass.

    Args:
        file: What it is known by.
        pieces: `(n_rows, start, stop, row_group, sha256)`, one for each shard.
        ids: Two hashes of each id, `[n, 2]` uint64 in row order; missing ids are 0; empty without
            an id column.
    """

    file: InputFile
    pieces: list[tuple[int, int, int, int | None, str]]
    ids: NDArray[np.uint64]


def rows_of(shards: Iterable[Shard]) -> str:
    """The rows of some shards in words, counted from 1 through the whole input.

    Example:
        >>> rows_of([Shard(1, 0, 10, 10, 0, 9, None, ""), Shard(2, 0, 20, 5, 9, 12, None, "")])
        'rows 11 to 25'
    """
    runs: list[list[int]] = []
    for shard in shards:
        if not runs or runs[-1][1] != shard.first_row:
            runs.append([shard.first_row, shard.first_row])
        runs[-1][1] += shard.n_rows
    shown = [f"{first + 1} to {stop}" for first, stop in runs[:MOST_SHOWN]]
    more = f" and {len(runs) - MOST_SHOWN} more runs" if len(runs) > MOST_SHOWN else ""
    return f"rows {', '.join(shown)}{more}"


def check_bytes(sha256: str, shard: Shard, *, file: InputFile) -> None:
    """Refuses rows of another table than the job was planned with, before anything is made of them.

    Args:
        sha256: Of the very bytes that are about to be parsed.
        shard: Which rows they should be.
        file: Their file.

    Raises:
        JobError: If they are others.
    """
    if sha256 != shard.sha256:
        raise JobError(
            "items must be the table that the job was planned with, got other content "
            f"({file.name}, {rows_of([shard])}). Put that table back and run the same command "
            "again, or begin a new output folder."
        )

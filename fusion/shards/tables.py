"""Tables of any size: cut into shards without holding them, and read shard by shard."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from fusion.data.problems import Problem
from fusion.data.tables import DELIMITED
from fusion.errors import CatalogueError
from fusion.shards.csv_rows import (
    csv_delimiter,
    csv_header,
    first_csv_rows,
    read_csv,
    scan_csv,
)
from fusion.shards.parquet_rows import (
    first_parquet_rows,
    parquet_columns,
    read_parquet,
    scan_parquet,
)
from fusion.shards.shard import Scanned, Shard

SUFFIXES = (".csv", ".tsv", ".parquet")
WHOLE = (".gz", ".jsonl", ".feather", ".xlsx", ".xls")  # tables that cannot be cut into shards


def list_files(items: Path) -> list[Path]:
    """The table itself, or every table below a folder, in the order of their names.

    Raises:
        CatalogueError: If there is none, kinds are mixed, or one is of a kind that is only read as
            a whole.
    """
    if items.is_file():
        found = [items]
    else:
        found = sorted(p for p in items.rglob("*") if p.is_file() and _is_shown(p, items))
        found = [path for path in found if path.suffix.lower() in (*SUFFIXES, *WHOLE)]
    suffixes = {path.suffix.lower() for path in found}
    if len(suffixes) == 1 and suffixes <= set(SUFFIXES):
        return found
    got = ", ".join(sorted(suffixes)) or "none"
    raise CatalogueError(
        f"items must be a .csv, .tsv or .parquet file, or a folder of files of one of these kinds, "
        f"got {got} in {items}. Other tables, and those in .gz, cannot be cut into shards: save "
        "them as CSV (UTF-8) or Parquet."
    )


def _is_shown(path: Path, root: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in path.relative_to(root).parts)


def scan_file(
    path: Path, *, shard_rows: int, id_column: str | None, delimiter: str | None = None
) -> Scanned:
    """One pass over a file: where shards begin and end, and what its ids are.

    Raises:
        CatalogueError: If the file cannot be read as a table or lacks the id column.
    """
    if _is_csv(path):
        mark = delimiter or csv_delimiter(path)
        names = column_names(path, delimiter=mark)
        return scan_csv(
            path, names=names, shard_rows=shard_rows, id_column=id_column, delimiter=mark
        )
    return scan_parquet(path, shard_rows=shard_rows, id_column=id_column)


def first_rows(path: Path, *, n_rows: int, delimiter: str | None = None) -> pd.DataFrame:
    """The first rows of a table, at most `n_rows`, with all columns."""
    if not _is_csv(path):
        return first_parquet_rows(path, names=column_names(path), n_rows=n_rows)
    mark = delimiter or csv_delimiter(path)
    names = column_names(path, delimiter=mark)
    return first_csv_rows(path, names=names, n_rows=n_rows, delimiter=mark)


def column_names(path: Path, *, delimiter: str | None = None) -> list[str]:
    """Names of a table's columns; "" for empty ones at the end of a spreadsheet.

    Raises:
        CatalogueError: If there are none, one stands twice, or they are not UTF-8.
    """
    if _is_csv(path):
        names = csv_header(path, delimiter=delimiter or csv_delimiter(path))
    else:
        names = parquet_columns(path)
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if not names or twice:
        got = f"{', '.join(twice)} twice" if twice else "none"
        raise CatalogueError(f"{path.name} must have columns of different names, got {got}.")
    return names


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() in DELIMITED


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_rows(
    path: Path,
    shard: Shard,
    *,
    names: Sequence[str],
    columns: Sequence[str],
    delimiter: str | None = None,
) -> tuple[pd.DataFrame, list[Problem]]:
    """Rows of a shard, and what is wrong with rows as a whole; these are empty in the frame.

    Args:
        path: The shard's file.
        shard: Which rows.
        names: All columns of the file.
        columns: Columns to read.
        delimiter: What separates the cells of a CSV file; found in it where None.

    Returns:
        A frame of `n_rows` rows (cells of CSV are text or None) and problems.

    Raises:
        CatalogueError: If the file does not hold these rows any more.
    """
    if shard.row_group is None:
        mark = delimiter or csv_delimiter(path)
        frame, problems = read_csv(path, shard, names=names, columns=columns, delimiter=mark)
    else:
        frame, problems = read_parquet(path, shard, columns=columns), []
    if len(frame) != shard.n_rows:
        raise CatalogueError(
            f"{path.name} must hold {shard.n_rows} rows from row {shard.first_row + 1} on, as it "
            f"did when the job was planned, got {len(frame)}. Begin a new output folder."
        )
    return frame, problems

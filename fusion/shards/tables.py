"""Tables of any size: cut into shards without holding them, and read shard by shard."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.data.header import DELIMITED, check_width
from fusion.data.packed import unpacked_suffix
from fusion.data.problems import Problem
from fusion.errors import CatalogueError, JobError
from fusion.shards.csv_rows import (
    csv_delimiter,
    csv_digests,
    csv_header,
    first_csv_rows,
    read_csv,
    scan_csv,
)
from fusion.shards.parquet_rows import (
    first_parquet_rows,
    parquet_columns,
    parquet_digests,
    read_parquet,
    scan_parquet,
)
from fusion.shards.shard import InputFile, Scanned, Shard, rows_of

if TYPE_CHECKING:
    import pandas as pd

SAMPLE_ROWS = 4096  # first rows, in which columns are looked for
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


def no_rows(table: Path, *, of: str = "items") -> CatalogueError:
    """The error for a table, or a folder of tables, without a row.

    Args:
        table: The file or folder.
        of: What its rows are about.
    """
    got = "headers alone" if table.is_dir() else "a header alone"
    return CatalogueError(f"{table.name} must hold rows, got {got}. Add {of}.")


def table_path(items: Path, name: str) -> Path:
    """Where a table of a plan lies: what stands for it, or its place below the items folder.

    Raises:
        JobError: If it is gone.
    """
    path = items if items.is_file() else items / name
    if not path.exists():
        raise JobError(
            f"items must hold the table {name}, with which the job was planned, got none of that "
            f"name in {items}. Put it back and run the same command again, or begin a new output "
            "folder."
        )
    return path


def _is_shown(path: Path, root: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in path.relative_to(root).parts)


def scan_file(
    path: Path,
    *,
    shard_rows: int,
    columns: Sequence[str],
    id_column: str | None,
    delimiter: str | None = None,
) -> Scanned:
    """One pass over a file: where shards begin and end, what they are known by, what its ids are.

    Args:
        path: The file.
        shard_rows: Most rows of a shard.
        columns: Columns that shards read, that of the ids among them.
        id_column: Column of the ids.
        delimiter: What separates the cells of a CSV file; found in it where None.

    Raises:
        CatalogueError: If the file cannot be read as a table or lacks the id column.
    """
    if _is_csv(path):
        mark = delimiter or csv_delimiter(path)
        names = column_names(path, delimiter=mark)
        return scan_csv(
            path, names=names, shard_rows=shard_rows, id_column=id_column, delimiter=mark
        )
    there = _there(columns, column_names(path))
    return scan_parquet(path, shard_rows=shard_rows, columns=there, id_column=id_column)


def first_rows(path: Path, *, n_rows: int, delimiter: str | None = None) -> "pd.DataFrame":
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
    check_width(len(names), source=path.name)
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if not names:
        raise CatalogueError(f"{path.name} must hold a header line and rows, got an empty file.")
    if twice:
        raise CatalogueError(
            f"{path.name} must have columns of different names, got {', '.join(twice)} twice. "
            "Rename one of them."
        )
    return names


def _is_csv(path: Path) -> bool:
    return unpacked_suffix(path) in DELIMITED


def input_digests(
    path: Path, shards: Iterable[Shard], *, file: InputFile, columns: Sequence[str]
) -> Iterator[str]:
    """SHA-256 (hex) of a file's header as it is now, then of what each of its shards would read.

    Args:
        path: Where the file lies.
        shards: Some of its shards, in order.
        file: What it is known by.
        columns: Columns that shards read.
    """
    if file.delimiter:
        return csv_digests(path, shards, file=file)
    return parquet_digests(path, shards, file=file, columns=_there(columns, file.columns))


def read_rows(
    path: Path, shard: Shard, *, file: InputFile, columns: Sequence[str]
) -> tuple["pd.DataFrame", list[Problem]]:
    """Rows of a shard, and what is wrong with rows as a whole; these are empty in the frame.

    Args:
        path: Where the shard's file lies.
        shard: Which rows.
        file: What it is known by.
        columns: Columns to read; those that the file lacks are empty.

    Returns:
        A frame of `n_rows` rows (cells of CSV are text or None) and problems.

    Raises:
        JobError: If the bytes that were read are not those that the job was planned with.
    """
    there = _there(columns, file.columns)
    if file.delimiter:
        frame, problems = read_csv(path, shard, file=file, columns=there)
    else:
        frame, problems = read_parquet(path, shard, file=file, columns=there), []
    if len(frame) != shard.n_rows:
        raise JobError(
            f"{rows_of([shard])} of {file.name} must be {shard.n_rows} rows, as when the job was "
            f"planned, got {len(frame)} from the same bytes. Begin a new output folder."
        )
    absent = dict.fromkeys(name for name in columns if name not in frame.columns)
    return frame.assign(**absent)[list(columns)], problems


def _there(columns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Those of some columns that a file has."""
    there = set(names)
    return [name for name in columns if name in there]

"""What a table says of itself before its rows are read: its kind, its columns' names."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from encoders.spelling import near_names
from fusion.data.packed import is_packed, unpacked_suffix
from fusion.data.problems import Problem, raise_for
from fusion.errors import CatalogueError
from fusion.system.files import expanded

DELIMITED = (".csv", ".tsv")
KINDS = (*DELIMITED, ".jsonl", ".parquet", ".feather")
WRITTEN = (".csv", ".parquet")
"""Suffixes of tables that are written."""
MOST_COMPARED = 1000
"""Files of a folder whose names are looked at for one that was meant."""
MAX_COLUMNS = 100_000
"""Columns of a table, at most: reading takes time and memory for each, whatever it holds."""


def table_kind(path: Path) -> str:
    """What a table file is, by its suffix: one of `KINDS`.

    Raises:
        CatalogueError: If it is none of them, or there is no such file.
    """
    path = expanded(path)
    if not path.is_file():
        got = "a folder" if path.is_dir() else "none"
        raise CatalogueError(f"{path} must be a file, got {got}. {_file_advice(path)}")
    suffix = unpacked_suffix(path)
    if suffix in KINDS and not (is_packed(path) and suffix in (".parquet", ".feather")):
        return suffix
    raise CatalogueError(
        f"{path.name} must end in {', '.join(KINDS[:-1])} or {KINDS[-1]}, text also in .gz, got "
        f"{path.suffix!r}. Save it as CSV (UTF-8) or Parquet."
    )


def _file_advice(path: Path) -> str:
    """What to do where no table lies; the nearest table in its folder."""
    folder = path if path.is_dir() else path.parent
    try:
        names = [each.name for each in islice(folder.iterdir(), MOST_COMPARED)]
    except OSError:
        return "Check the name and the folder."
    tables = [name for name in names if name.lower().removesuffix(".gz").endswith(KINDS)]
    near = near_names(path.name, tables) if folder != path else sorted(tables)
    if not near:
        return "Check the name and the folder."
    return f"Did you mean {folder / near[0]}?"


def arrow_file(path: Path) -> pa.NativeFile:
    """A file opened for Arrow, which by itself finds only names in UTF-8."""
    return pa.OSFile(os.fsencode(path))


def csv_names(header: Sequence[str], *, is_empty: Callable[[int], bool]) -> list[str]:
    """Names of a CSV file's columns: without those at the end that have neither name nor value.

    One column without a name is called `unnamed`.

    Args:
        header: Cells of the header line.
        is_empty: True for the place of a column that has no value.

    Raises:
        CatalogueError: If several columns with values have no name.
    """
    n = len(header)
    while n > 1 and not header[n - 1] and is_empty(n - 1):
        n -= 1
    return [name or "unnamed" for name in header[:n]]


def check_width(n_columns: int, *, source: str) -> None:
    """Stops before a table of more than 100,000 columns is taken apart.

    Raises:
        CatalogueError: With the number of columns.
    """
    if n_columns > MAX_COLUMNS:
        raise CatalogueError(
            f"{source} must have at most {MAX_COLUMNS:,} columns, got {n_columns:,}. Leave out "
            "those that say nothing."
        )


def check_names(names: list[str], *, source: str) -> None:
    """Stops where columns share a name, or are more than 100,000.

    Raises:
        CatalogueError: With every such name.
    """
    check_width(len(names), source=source)
    twice = [name for name, count in Counter(names).items() if count > 1]
    message = "must be the name of one column, got it more than once."
    raise_for([Problem("column_twice", message, column=name) for name in twice], source=source)

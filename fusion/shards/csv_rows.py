"""Rows of CSV files: where shards begin and end by bytes, and the cells between two bytes."""

import csv
from collections.abc import Iterator, Sequence
from io import BytesIO, StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.delimiters import SAMPLE_BYTES, SAMPLE_ROWS, find_delimiter
from fusion.data.problems import Problem, shown
from fusion.data.tables import csv_names
from fusion.errors import CatalogueError
from fusion.shards.ids import hash_ids, stacked
from fusion.shards.shard import Scanned, Shard
from fusion.shards.utf8 import decoded, is_undecoded

END = ("\x00end\n", ["\x00end"])  # a line behind the last one: an open quote would swallow it
BOM = b"\xef\xbb\xbf"
MAX_RECORD = 2**31 - 1


def csv_delimiter(path: Path) -> str:
    """What separates the cells of a file, see `find_delimiter`.

    Raises:
        CatalogueError: If two characters fit equally well.
    """
    expected = "\t" if path.suffix.lower() == ".tsv" else None
    return find_delimiter(_sample(path), source=path.name, expected=expected)


def csv_header(path: Path, *, delimiter: str) -> list[str]:
    """Cells of the header line; empty ones as `unnamed`, and as "" at the end of a spreadsheet.

    Raises:
        CatalogueError: If they are not UTF-8.
    """
    with path.open("rb") as file:
        header = next(_records(file, path=path, delimiter=delimiter), (0, []))[1]
    rows = csv.reader(StringIO(_sample(path), newline=""), delimiter=delimiter)
    sample = list(islice(rows, SAMPLE_ROWS)) if header and not header[-1] else []
    kept = csv_names(
        header, is_empty=lambda place: not any(row[place] for row in sample[1:] if row[place:])
    )
    names = [*map(decoded, kept), *[""] * (len(header) - len(kept))]
    if any(map(is_undecoded, names)):
        raise CatalogueError(
            f"{path.name} must be UTF-8 text, got a header line of other bytes: "
            f"{shown(delimiter.join(names))}. Save the table as CSV UTF-8."
        )
    return names


def _sample(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(SAMPLE_BYTES).removeprefix(BOM).decode("latin-1")


def first_csv_rows(
    path: Path, *, names: Sequence[str], n_rows: int, delimiter: str
) -> pd.DataFrame:
    """The first rows, at most `n_rows`."""
    with path.open("rb") as file:
        records = islice(_records(file, path=path, delimiter=delimiter), n_rows + 1)
        ends = [end for end, _ in records]
    shard = Shard(0, 0, 0, 0, ends[0], ends[-1])
    columns = [name for name in names if name]
    return read_csv(path, shard, names=names, columns=columns, delimiter=delimiter)[0]


def scan_csv(
    path: Path, *, names: list[str], shard_rows: int, id_column: str | None, delimiter: str
) -> Scanned:
    """Shards of a file, and hashes of its ids."""
    n_named = len(names) - names.count("")
    place = None if id_column is None else names.index(id_column)
    pieces: list[tuple[int, int, int, int | None]] = []
    hashes: list[NDArray[np.uint64]] = []
    ids: list[str] = []
    n_rows = start = 0
    with path.open("rb") as file:
        for end, cells in _records(file, path=path, delimiter=delimiter):
            if n_named < len(names) == len(cells) and start:
                _check_unnamed(cells[n_named:], path=path, column=n_named + 1)
            if start == 0:
                start = last = end  # the header line
                continue
            if cells or len(names) == 1:
                n_rows += 1
                if place is not None:
                    ids.append(decoded(cells[place]) if len(cells) == len(names) else "")
            last = end
            if n_rows == shard_rows:
                pieces.append((n_rows, start, end, None))
                hashes.append(hash_ids(ids))
                n_rows, start, ids = 0, end, []
    if n_rows:
        pieces.append((n_rows, start, last, None))
        hashes.append(hash_ids(ids))
    return Scanned(pieces, stacked(hashes))


def read_csv(
    path: Path, shard: Shard, *, names: Sequence[str], columns: Sequence[str], delimiter: str
) -> tuple[pd.DataFrame, list[Problem]]:
    """Cells of a shard as text or None, and the lines that are no rows."""
    with path.open("rb") as file:
        file.seek(shard.start)
        content = file.read(shard.stop - shard.start)
    # Lines must end where they did when the file was scanned: a lone CR is no line end.
    lines = (line.decode("utf-8", errors="surrogateescape") for line in BytesIO(content))
    csv.field_size_limit(MAX_RECORD)
    rows: list[list[str | None]] = []
    problems = []
    places = [names.index(name) for name in columns]
    for cells in csv.reader(lines, delimiter=delimiter):
        if not cells and len(names) > 1:
            continue
        problem = _line_problem(cells or [""], n_columns=len(names), row=len(rows))
        if problem is not None:
            problems.append(problem)
            rows.append([None] * len(columns))
        else:
            rows.append([(cells or [""])[place] or None for place in places])
    cells_of = zip(*rows, strict=True) if rows else ([] for _ in columns)
    named = {name: list(values) for name, values in zip(columns, cells_of, strict=True)}
    return pd.DataFrame(named, dtype=object), problems


def _check_unnamed(cells: Sequence[str], *, path: Path, column: int) -> None:
    if any(cells):
        raise CatalogueError(
            f"{path.name} must have a name over every cell, got none over {shown(cells)} from "
            f"column {column} on. Name the columns or empty the cells."
        )


def _line_problem(cells: list[str], *, n_columns: int, row: int) -> Problem | None:
    if len(cells) != n_columns:
        message = f"must have {n_columns} cells, got {len(cells)}: {shown(','.join(cells))}"
        return Problem("line_cells", message, row=row)
    if any(map(is_undecoded, cells)):
        return Problem("line_not_utf8", f"must be UTF-8, got {shown(','.join(cells))}", row=row)
    return None


def _records(file: Any, *, path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Each record of a CSV file with the byte behind it; bytes of cells still to be decoded."""
    places = [0]
    ended: list[bool] = []  # a file may hold the line `END` itself

    def lines() -> Iterator[str]:
        for line in file:
            mark = BOM if places[0] == 0 else b""
            places[0] += len(line)
            yield line.removeprefix(mark).decode("latin-1")
        ended.append(True)
        yield END[0]

    before = 0
    csv.field_size_limit(MAX_RECORD)
    reader = csv.reader(lines(), delimiter=delimiter)
    try:
        for cells in reader:
            if ended and cells == END[1]:
                return
            if ended:
                raise CatalogueError(
                    f"{path.name} must close every quote, got one that is open to the end; the "
                    f"record begins at byte {before}. Close it."
                )
            yield places[0], cells
            before = places[0]
    except csv.Error as error:
        raise CatalogueError(
            f"{path.name} must be a CSV table with line ends LF or CRLF, got at line "
            f"{reader.line_num}: {error}. Save it again."
        ) from error

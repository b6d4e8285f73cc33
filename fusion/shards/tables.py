"""Tables of any size: cut into shards without holding them, and read shard by shard."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fusion.data.cells import is_missing, plain_text
from fusion.data.problems import Problem, shown
from fusion.errors import CatalogueError

SUFFIXES = (".csv", ".parquet")
END = ("\x00end\n", ["\x00end"])  # a line behind the last one: an open quote would swallow it
BOM = b"\xef\xbb\xbf"
MAX_RECORD = 2**31 - 1
BATCH_ROWS = 4096


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
        columns: Names of the columns.
        ids: `[n, 2]` uint64 in row order; missing ids are 0; empty without an id column.
    """

    pieces: list[tuple[int, int, int, int | None]]
    columns: list[str]
    ids: NDArray[np.uint64]


def list_files(items: Path) -> list[Path]:
    """The table itself, or every table below a folder, in the order of their names.

    Raises:
        CatalogueError: If there is none, or CSV and Parquet are mixed.
    """
    if items.is_file():
        found = [items]
    else:
        found = sorted(p for p in items.rglob("*") if p.is_file() and _is_shown(p, items))
        found = [path for path in found if path.suffix.lower() in SUFFIXES]
    suffixes = {path.suffix.lower() for path in found}
    if len(suffixes) == 1 and suffixes <= set(SUFFIXES):
        return found
    got = ", ".join(sorted(suffixes)) or "none"
    raise CatalogueError(
        f"items must be a .csv or .parquet file, or a folder of files of one of these kinds, got "
        f"{got} in {items}. Check the path."
    )


def _is_shown(path: Path, root: Path) -> bool:
    return not any(part.startswith((".", "_")) for part in path.relative_to(root).parts)


def scan_file(path: Path, *, shard_rows: int, id_column: str | None) -> Scanned:
    """One pass over a file: where shards begin and end, and what its ids are.

    Raises:
        CatalogueError: If the file cannot be read as a table or lacks the id column.
    """
    if path.suffix.lower() == ".csv":
        return _scan_csv(path, shard_rows=shard_rows, id_column=id_column)
    return _scan_parquet(path, shard_rows=shard_rows, id_column=id_column)


def first_rows(path: Path, *, n_rows: int) -> pd.DataFrame:
    """The first rows of a table, at most `n_rows`, with all columns."""
    names = column_names(path)
    if path.suffix.lower() == ".csv":
        with path.open("rb") as file:
            ends = [end for end, _ in islice(_records(file, path=path), n_rows + 1)]
        text = Shard(0, 0, 0, 0, ends[0], ends[-1])
        return _read_csv(path, text, names=names, columns=names)[0]
    file = _open_parquet(path)
    with _named_damage(path):
        for batch in file.iter_batches(n_rows):
            frame: pd.DataFrame = batch.to_pandas()
            return frame
    return pd.DataFrame({name: [] for name in names})


def column_names(path: Path) -> list[str]:
    """Names of a table's columns.

    Raises:
        CatalogueError: If there are none, one stands twice, or they are not UTF-8.
    """
    if path.suffix.lower() == ".csv":
        with path.open("rb") as file:
            header = next(_records(file, path=path), (0, []))[1]
        names = [_decoded(name) or "unnamed" for name in header]
        if any(map(_is_undecoded, names)):
            raise CatalogueError(
                f"{path.name} must be UTF-8 text, got a header line of other bytes: "
                f"{shown(','.join(names))}. Save the table as CSV UTF-8."
            )
    else:
        names = list(_open_parquet(path).schema_arrow.names)
    twice = sorted({name for name in names if names.count(name) > 1})
    if not names or twice:
        got = f"{', '.join(twice)} twice" if twice else "none"
        raise CatalogueError(f"{path.name} must have columns of different names, got {got}.")
    return names


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_rows(
    path: Path, shard: Shard, *, names: Sequence[str], columns: Sequence[str]
) -> tuple[pd.DataFrame, list[Problem]]:
    """Rows of a shard, and what is wrong with rows as a whole; these are empty in the frame.

    Args:
        path: The shard's file.
        shard: Which rows.
        names: All columns of the file.
        columns: Columns to read.

    Returns:
        A frame of `n_rows` rows (cells of CSV are text or None) and problems.

    Raises:
        CatalogueError: If the file does not hold these rows any more.
    """
    if shard.row_group is None:
        frame, problems = _read_csv(path, shard, names=names, columns=columns)
    else:
        frame, problems = _read_parquet(path, shard, columns=columns), []
    if len(frame) != shard.n_rows:
        raise CatalogueError(
            f"{path.name} must hold {shard.n_rows} rows from row {shard.first_row + 1} on, as it "
            f"did when the job was planned, got {len(frame)}. Begin a new output folder."
        )
    return frame, problems


def _records(file: Any, *, path: Path) -> Iterator[tuple[int, list[str]]]:
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
    reader = csv.reader(lines())
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


def _scan_csv(path: Path, *, shard_rows: int, id_column: str | None) -> Scanned:
    names = column_names(path)
    place = None if id_column is None else names.index(id_column)
    pieces: list[tuple[int, int, int, int | None]] = []
    hashes: list[NDArray[np.uint64]] = []
    ids: list[str] = []
    n_rows = start = 0
    with path.open("rb") as file:
        for end, cells in _records(file, path=path):
            if start == 0:
                start = last = end  # the header line
                continue
            if cells or len(names) == 1:
                n_rows += 1
                if place is not None:
                    ids.append(_decoded(cells[place]) if len(cells) == len(names) else "")
            last = end
            if n_rows == shard_rows:
                pieces.append((n_rows, start, end, None))
                hashes.append(hash_ids(ids))
                n_rows, start, ids = 0, end, []
    if n_rows:
        pieces.append((n_rows, start, last, None))
        hashes.append(hash_ids(ids))
    return Scanned(pieces, names, _stacked(hashes))


def _read_csv(
    path: Path, shard: Shard, *, names: Sequence[str], columns: Sequence[str]
) -> tuple[pd.DataFrame, list[Problem]]:
    with path.open("rb") as file:
        file.seek(shard.start)
        content = file.read(shard.stop - shard.start)
    # Lines must end where they did when the file was scanned: a lone CR is no line end.
    lines = (line.decode("utf-8", errors="surrogateescape") for line in BytesIO(content))
    csv.field_size_limit(MAX_RECORD)
    rows: list[list[str | None]] = []
    problems = []
    places = [names.index(name) for name in columns]
    for cells in csv.reader(lines):
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


def _line_problem(cells: list[str], *, n_columns: int, row: int) -> Problem | None:
    if len(cells) != n_columns:
        message = f"must have {n_columns} cells, got {len(cells)}: {shown(','.join(cells))}"
        return Problem("line_cells", message, row=row)
    if any(map(_is_undecoded, cells)):
        return Problem("line_not_utf8", f"must be UTF-8, got {shown(','.join(cells))}", row=row)
    return None


def _decoded(cell: str) -> str:
    """A cell of bytes as UTF-8; bytes that are none become lone surrogates."""
    return cell.encode("latin-1").decode("utf-8", errors="surrogateescape")


def _is_undecoded(cell: str) -> bool:
    """True for a cell with bytes that are not UTF-8."""
    return not cell.isascii() and any("\udc80" <= mark <= "\udcff" for mark in cell)


def _open_parquet(path: Path) -> Any:
    with _named_damage(path):
        return pq.ParquetFile(path, memory_map=False)


@contextmanager
def _named_damage(path: Path) -> Iterator[None]:
    """Names the Parquet file whose damage Arrow meets inside the block, text of no UTF-8 too."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CatalogueError(f"{path.name} must be a Parquet table: {error}") from error


def _scan_parquet(path: Path, *, shard_rows: int, id_column: str | None) -> Scanned:
    file = _open_parquet(path)
    pieces: list[tuple[int, int, int, int | None]] = []
    for group in range(file.num_row_groups):
        n_rows = file.metadata.row_group(group).num_rows
        for start in range(0, n_rows, shard_rows):
            stop = min(start + shard_rows, n_rows)
            pieces.append((stop - start, start, stop, group))
    hashes: list[NDArray[np.uint64]] = []
    if id_column is not None:
        with _named_damage(path):
            for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=[id_column]):
                hashes.append(hash_ids([_id_text(cell) for cell in batch.column(0).to_pylist()]))
    return Scanned(pieces, list(file.schema_arrow.names), _stacked(hashes))


def _id_text(cell: object) -> str:
    """An id as the catalogue reads it; empty where it is missing or no text."""
    try:
        return "" if is_missing(cell) else plain_text(cell)
    except TypeError:
        return ""


def _read_parquet(path: Path, shard: Shard, *, columns: Sequence[str]) -> pd.DataFrame:
    """Rows `start` to `stop` of a row group, batch by batch: photos before them are not kept."""
    file = _open_parquet(path)
    kept: list[pa.RecordBatch] = []
    row = 0
    groups = [shard.row_group]
    size = min(BATCH_ROWS, shard.n_rows)  # of photos in the table no more than the shard's
    with _named_damage(path):
        for batch in file.iter_batches(size, row_groups=groups, columns=list(columns)):
            first, last = max(shard.start - row, 0), min(shard.stop - row, batch.num_rows)
            if first < last:
                kept.append(batch.slice(first, last - first))
            row += batch.num_rows
            if row >= shard.stop:
                break
        table = pa.Table.from_batches(kept) if kept else file.schema_arrow.empty_table()
        table.validate(full=True)  # text that is not UTF-8 would raise where nobody expects it
        # Else one missing id would turn the others into floats of 15 digits.
        frame: pd.DataFrame = table.select(list(columns)).to_pandas(integer_object_nulls=True)
    return frame


def hash_ids(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Two 64-bit hashes of each id `[n, 2]`, 0 where it is missing or not UTF-8.

    Why two: together they are too long to collide. At 100 million ids, one alone would give a
    false alarm once in a few thousand jobs.
    """
    given = (word.strip() for word in ids)
    words = pd.Series(["" if _is_undecoded(word) else word for word in given], dtype=object)
    if not len(words):
        return np.zeros((0, 2), dtype=np.uint64)
    both = [
        pd.util.hash_array(words.to_numpy(), hash_key=key, categorize=False)
        for key in ("first key of ids", "other key of ids")
    ]
    hashes = np.stack(both, axis=1)
    hashes[(words == "").to_numpy()] = 0
    return hashes


def _stacked(hashes: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    return np.concatenate([np.zeros((0, 2), dtype=np.uint64), *hashes])


def repeated_rows(ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows whose id stood before, with the row of its first time.

    Shape:
        ids `[n, 2]` -> `[k, 2]`, sorted by row.
    """
    if not len(ids):
        return np.zeros((0, 2), dtype=np.int64)
    order = np.lexsort((ids[:, 1], ids[:, 0]))  # stable: equal ids stay in row order
    ranked = ids[order]
    given = (ranked != 0).any(axis=1)
    again = np.zeros(len(ids), dtype=bool)
    again[1:] = (ranked[1:] == ranked[:-1]).all(axis=1) & given[1:]
    starts = np.where(again, 0, np.arange(len(ids)))
    first = np.maximum.accumulate(starts)
    rows = np.stack([order[again], order[first[again]]], axis=1).astype(np.int64)
    return np.asarray(rows[np.argsort(rows[:, 0])])

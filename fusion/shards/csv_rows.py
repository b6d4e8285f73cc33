"""Rows of CSV files: where shards begin and end by bytes, and the cells between two bytes."""

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from io import BytesIO, StringIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fusion.data.delimiters import SAMPLE_BYTES, SAMPLE_ROWS, find_delimiter
from fusion.data.header import csv_names
from fusion.data.long_cells import long_cells
from fusion.data.packed import is_packed, open_packed, unpacked_suffix
from fusion.data.problems import Problem, shown
from fusion.errors import CatalogueError
from fusion.shards.digests import BLOCK_BYTES, Digest, add_range, open_table
from fusion.shards.ids import hash_ids, stacked
from fusion.shards.shard import InputFile, Scanned, Shard, check_bytes
from fusion.shards.utf8 import decoded, is_undecoded

if TYPE_CHECKING:
    import pandas as pd

END = ("\x00end\n", ["\x00end"])  # a line behind the last one: an open quote would swallow it
BOM = b"\xef\xbb\xbf"
MOST_RECORD_BYTES = 2**26
"""Of one row: a table of one endless line, or with an open quote, must not fill memory."""


def csv_delimiter(path: Path) -> str:
    """What separates the cells of a file, see `find_delimiter`.

    Raises:
        CatalogueError: If two characters fit equally well.
    """
    expected = "\t" if unpacked_suffix(path) == ".tsv" else None
    return find_delimiter(_sample(path), source=path.name, expected=expected)


def csv_header(path: Path, *, delimiter: str) -> list[str]:
    """Cells of the header line; empty ones as `unnamed`, and as "" at the end of a spreadsheet.

    Raises:
        CatalogueError: If they are not UTF-8.
    """
    with _open_text(path) as file:
        header = next(_records(_Lines(file, path.name), path, delimiter), [])
    rows = csv.reader(StringIO(_sample(path), newline=""), delimiter=delimiter)
    with long_cells():
        sample = list(islice(rows, SAMPLE_ROWS)) if header and not header[-1] else []
    kept = csv_names(
        header, is_empty=lambda place: not any(row[place] for row in sample[1:] if place < len(row))
    )
    names = [*map(decoded, kept), *[""] * (len(header) - len(kept))]
    if any(map(is_undecoded, names)):
        raise CatalogueError(
            f"{path.name} must be UTF-8 text, got a header line of other bytes: "
            f"{shown(delimiter.join(names))}. Save the table as CSV UTF-8."
        )
    return names


def _open_text(path: Path) -> AbstractContextManager[BinaryIO]:
    """A table, packed or not, to look at its first lines."""
    return open_packed(path) if is_packed(path) else open_table(path)


def _sample(path: Path) -> str:
    with _open_text(path) as file:
        return file.read(SAMPLE_BYTES).removeprefix(BOM).decode("latin-1")


def first_csv_rows(
    path: Path, *, names: Sequence[str], n_rows: int, delimiter: str
) -> "pd.DataFrame":
    """The first rows, at most `n_rows`."""
    with open_table(path) as file:
        lines = _Lines(file, path.name)
        ends = [lines.end for _ in islice(_records(lines, path, delimiter), n_rows + 1)]
        file.seek(ends[0])
        content = file.read(ends[-1] - ends[0])
    columns = [name for name in names if name]
    return _cells(content, names=names, columns=columns, delimiter=delimiter)[0]


def scan_csv(
    path: Path, *, names: list[str], shard_rows: int, id_column: str | None, delimiter: str
) -> Scanned:
    """Shards of a file with the SHA-256 of their bytes, and hashes of its ids."""
    n_named = len(names) - names.count("")
    place = None if id_column is None else names.index(id_column)
    cuts: list[tuple[int, int, int, Digest]] = []
    hashes: list[NDArray[np.uint64]] = []
    ids: list[str] = []
    n_rows = 0
    with open_table(path) as file:
        lines = _Lines(file, path.name)
        records = _records(lines, path, delimiter)
        next(records, None)
        header_bytes = start = last = lines.end
        header = lines.cut()
        for cells in records:
            if n_named < len(names) == len(cells):
                _check_unnamed(cells[n_named:], path=path, column=n_named + 1)
            if cells or len(names) == 1:
                n_rows += 1
                if place is not None:
                    ids.append(decoded(cells[place]) if len(cells) == len(names) else "")
            last = lines.end
            if n_rows == shard_rows:
                cuts.append((n_rows, start, last, lines.cut()))
                hashes.append(hash_ids(ids))
                n_rows, start, ids = 0, last, []
        if n_rows:
            cuts.append((n_rows, start, last, lines.cut()))
            hashes.append(hash_ids(ids))
        elif cuts:  # empty lines at the end belong to the last shard
            n_rows, first, stop, digest = cuts.pop()
            add_range(digest, file, stop, last)
            cuts.append((n_rows, first, last, digest))
        else:
            add_range(header, file, header_bytes, last)
            header_bytes = last
    return Scanned(
        InputFile(path.name, last, names, delimiter, header_bytes, header.hexdigest()),
        [(n, first, stop, None, digest.hexdigest()) for n, first, stop, digest in cuts],
        stacked(hashes),
    )


def csv_digests(path: Path, shards: Iterable[Shard], *, file: InputFile) -> Iterator[str]:
    """SHA-256 of a file's header as it is now, then of each shard's bytes, as `scan_csv` makes."""
    with open_table(path) as opened:
        header = hashlib.sha256(opened.read(file.header_bytes))
        yield header.hexdigest()
        for shard in shards:
            digest = header.copy()
            add_range(digest, opened, shard.start, shard.stop)
            yield digest.hexdigest()


def read_csv(
    path: Path, shard: Shard, *, file: InputFile, columns: Sequence[str]
) -> tuple["pd.DataFrame", list[Problem]]:
    """Cells of a shard as text or None, and the lines that are no rows.

    Raises:
        JobError: If the bytes that were read are not those that the job was planned with.
    """
    with open_table(path) as opened:
        digest = hashlib.sha256(opened.read(file.header_bytes))
        opened.seek(shard.start)
        content = opened.read(shard.stop - shard.start)
    digest.update(content)
    check_bytes(digest.hexdigest(), shard, file=file)
    return _cells(content, names=file.columns, columns=columns, delimiter=file.delimiter)


def _cells(
    content: bytes, *, names: Sequence[str], columns: Sequence[str], delimiter: str
) -> tuple["pd.DataFrame", list[Problem]]:
    """Rows of some bytes as text or None, and the lines that are no rows."""
    import pandas as pd  # so late: to compare a table with its plan does without it

    # Lines must end where they did when the file was scanned: a lone CR is no line end.
    lines = (line.decode("utf-8", errors="surrogateescape") for line in BytesIO(content))
    rows: list[list[str | None]] = []
    problems = []
    place_of = {name: place for place, name in enumerate(names)}
    places = [place_of[name] for name in columns]
    has_odd_bytes = not _is_utf8(content)  # asked once: to ask for each cell takes long
    with long_cells():
        for cells in csv.reader(lines, delimiter=delimiter):
            if not cells and len(names) > 1:
                continue
            problem = None
            if has_odd_bytes or len(cells) != len(names):
                problem = _line_problem(cells or [""], n_columns=len(names), row=len(rows))
            if problem is not None:
                problems.append(problem)
                rows.append([None] * len(columns))
            else:
                rows.append([(cells or [""])[place] or None for place in places])
    cells_of = zip(*rows, strict=True) if rows else ([] for _ in columns)
    named = {name: list(values) for name, values in zip(columns, cells_of, strict=True)}
    return pd.DataFrame(named, dtype=object), problems


def _is_utf8(content: bytes) -> bool:
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


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


class _Lines:
    """Lines of an open CSV file: where the last one ends, and a digest of all since the last cut.

    Bytes of cells are still to be decoded: a character is a byte.
    """

    def __init__(self, file: BinaryIO, source: str) -> None:
        self.end = 0
        self.begin = 0  # of the record at hand
        self.is_over = False
        self._file = file
        self._source = source
        self._block = b""
        self._block_end = 0
        self._hashed = 0
        self._header: Digest | None = None
        self._digest: Digest = hashlib.sha256()

    def __iter__(self) -> Iterator[str]:
        while block := self._file.read(BLOCK_BYTES):
            self._block = block if block.endswith(b"\n") else block + self._rest_of_line()
            self._block_end += len(self._block)
            text = self._block.decode("latin-1")
            if self.end == 0 and self._block.startswith(BOM):
                self.end, text = len(BOM), text[len(BOM) :]
            for line in StringIO(text, newline="\n"):
                self.end += len(line)
                self._check_record()
                yield line
            self._add_read()
        self.is_over = True
        yield END[0]

    def _rest_of_line(self) -> bytes:
        return self._file.readline(MOST_RECORD_BYTES + 1)

    def _check_record(self) -> None:
        """Refuses a record that comes to no end.

        Raises:
            CatalogueError: With the byte where it begins.
        """
        if self.end - self.begin > MOST_RECORD_BYTES:
            raise CatalogueError(
                f"{self._source} must have rows of at most {MOST_RECORD_BYTES:,} bytes, got a "
                f"longer one that begins at byte {self.begin}. Close its quote, or shorten it."
            )

    def cut(self) -> Digest:
        """Digest of the lines since the last cut, with those of the first cut before them."""
        self._add_read()
        done = self._digest
        self._header = self._header or done.copy()
        self._digest = self._header.copy()
        return done

    def _add_read(self) -> None:
        """Hashes what was given out of the block; the reader never has more than one record."""
        base = self._block_end - len(self._block)
        self._digest.update(memoryview(self._block)[self._hashed - base : self.end - base])
        self._hashed = self.end


def _records(lines: _Lines, path: Path, delimiter: str) -> Iterator[list[str]]:
    """Each record of a CSV file; `lines.end` is the byte behind it."""
    reader = csv.reader(lines, delimiter=delimiter)
    try:
        with long_cells():
            for cells in reader:
                if lines.is_over and cells == END[1]:  # a file may hold the line `END` itself
                    return
                if lines.is_over:
                    raise CatalogueError(
                        f"{path.name} must close every quote, got one that is open to the end; "
                        f"the record begins at byte {lines.begin}. Close it."
                    )
                yield cells
                lines.begin = lines.end
    except csv.Error as error:
        raise CatalogueError(
            f"{path.name} must be a CSV table with line ends LF or CRLF, got at line "
            f"{reader.line_num}: {error}. Save it again."
        ) from error

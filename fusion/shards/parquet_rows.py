"""Rows of Parquet files: shards are runs of rows inside a row group.

The column chunks that are read are taken from the file once, as they are: hashed, and parsed from
the same bytes in memory. So what a shard is made of is what its SHA-256 says, whatever becomes of
the file meanwhile. One row group at a time is held.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fusion.data.header import arrow_file
from fusion.errors import CatalogueError
from fusion.shards.digests import add_range, open_table
from fusion.shards.ids import hash_ids, stacked
from fusion.shards.shard import InputFile, Scanned, Shard, check_bytes

if TYPE_CHECKING:
    import pandas as pd

BATCH_ROWS = 4096
SAMPLE_BATCH_ROWS = 16
SAMPLE_BYTES = 2**25
"""Of rows in which columns are looked for: 4,096 photos in cells would take gigabytes."""
MARK = b"PAR1"
END_BYTES = 8  # of a file: length of the metadata and the mark
SLACK_BYTES = 100  # that Arrow reads behind a chunk whose length an old writer gave too small,
OLD_WRITERS = tuple(f"parquet-mr version 1.{minor}." for minor in range(3))  # see PARQUET-816


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns."""
    return list(_open_parquet(path).schema_arrow.names)


def first_parquet_rows(path: Path, *, names: Sequence[str], n_rows: int) -> "pd.DataFrame":
    """The first rows, at most `n_rows`; fewer where these are large, as photos in cells are."""
    import pandas as pd  # so late: to compare a table with its plan does without it

    file = _open_parquet(path)
    batches: list[pa.RecordBatch] = []
    n_read = n_bytes = 0
    with _named_damage(path):
        for batch in file.iter_batches(min(n_rows, SAMPLE_BATCH_ROWS)):
            batch.validate(full=True)  # as in `read_parquet`
            batches.append(batch)
            n_read += batch.num_rows
            n_bytes += batch.nbytes
            if n_read >= n_rows or n_bytes >= SAMPLE_BYTES:
                break
        if batches:
            sample = pa.Table.from_batches(batches).slice(0, n_rows)
            frame: pd.DataFrame = sample.to_pandas(integer_object_nulls=True)
            return frame
    return pd.DataFrame({name: [] for name in names})


def scan_parquet(
    path: Path, *, shard_rows: int, columns: Sequence[str], id_column: str | None
) -> Scanned:
    """Shards of a file with the SHA-256 of what they read, and hashes of its ids."""
    pieces: list[tuple[int, int, int, int | None, str]] = []
    hashes: list[NDArray[np.uint64]] = []
    with open_table(path) as opened, _named_damage(path):
        table = _RawTable(opened, _read_footer(opened), columns=columns)
        kept = [] if id_column is None else [id_column]
        for group in range(table.metadata.num_row_groups):
            sha256 = table.read_group(group, kept=kept)
            n_rows = table.metadata.row_group(group).num_rows
            for start in range(0, n_rows, shard_rows):
                stop = min(start + shard_rows, n_rows)
                pieces.append((stop - start, start, stop, group, sha256))
            for batch in table.batches(group, BATCH_ROWS, kept) if kept else ():
                hashes.append(hash_ids([_id_text(cell) for cell in batch.column(0).to_pylist()]))
    file = InputFile(
        name=path.name,
        size=table.size,
        columns=list(table.parsed.schema_arrow.names),
        delimiter="",
        header_bytes=len(table.footer),
        header_sha256=_sha256(table.footer),
    )
    return Scanned(file, pieces, stacked(hashes))


def _id_text(cell: object) -> str:
    """An id as the catalogue reads it; empty where it is missing or no text."""
    from fusion.data.cells import CellFault, is_missing, read_id

    try:
        return "" if is_missing(cell) else read_id(cell)
    except CellFault:
        return ""


def parquet_digests(
    path: Path, shards: Iterable[Shard], *, file: InputFile, columns: Sequence[str]
) -> Iterator[str]:
    """SHA-256 of a file's footer as it is now, then of what each shard reads; "" if it is gone."""
    with open_table(path) as opened:
        footer = _read_footer(opened)
        yield _sha256(footer)
        if _sha256(footer) != file.header_sha256:
            yield from ("" for _ in shards)
            return
        with _named_damage(path):
            table = _RawTable(opened, footer, columns=columns)
            for group, of_group in groupby(shards, key=lambda shard: shard.row_group or 0):
                sha256 = table.read_group(group, kept=[])
                yield from (sha256 for _ in of_group)


def read_parquet(
    path: Path, shard: Shard, *, file: InputFile, columns: Sequence[str]
) -> "pd.DataFrame":
    """Rows `start` to `stop` of a row group, batch by batch: photos before them are not kept.

    Raises:
        JobError: If the bytes that were read are not those that the job was planned with.
    """
    from fusion.data.frames import as_frame

    kept: list[pa.RecordBatch] = []
    row = 0
    group = shard.row_group or 0
    size = min(BATCH_ROWS, shard.n_rows)  # of photos in the table no more than the shard's
    with open_table(path) as opened, _named_damage(path):
        footer = _read_footer(opened)
        if _sha256(footer) != file.header_sha256:  # it says where the rows lie
            check_bytes(_sha256(footer), shard, file=file)
        table = _RawTable(opened, footer, columns=columns)
        check_bytes(table.read_group(group, kept=columns), shard, file=file)
        for batch in table.batches(group, size, columns):
            first, last = max(shard.start - row, 0), min(shard.stop - row, batch.num_rows)
            if first < last:
                kept.append(batch.slice(first, last - first))
            row += batch.num_rows
            if row >= shard.stop:
                break
        rows = pa.Table.from_batches(kept)
        rows.validate(full=True)  # text that is not UTF-8 would raise where nobody expects it
        # Else one missing id would turn the others into floats of 15 digits.
        frame: pd.DataFrame = rows.select(list(columns)).to_pandas(integer_object_nulls=True)
    return as_frame(frame)[list(columns)]  # levels of a saved index are columns


class _RawTable:
    """An open Parquet file whose bytes are read by this class alone, each of them once.

    Args:
        file: The file.
        footer: Its footer, which says where everything lies.
        columns: Names of the columns that are read; those of nested ones stand for all inside.
    """

    def __init__(self, file: BinaryIO, footer: bytes, *, columns: Collection[str]) -> None:
        self.footer = footer
        self.size = file.seek(0, os.SEEK_END)
        self.metadata: Any = pq.read_metadata(pa.BufferReader(footer))
        self._file = file
        self._held = _HeldChunks(self.size)
        self.parsed: Any = pq.ParquetFile(self._held, metadata=self.metadata, pre_buffer=False)
        self._slack = SLACK_BYTES * str(self.metadata.created_by).startswith(OLD_WRITERS)
        schema, names = self.metadata.schema, set(columns)
        paths = enumerate(schema.column(leaf).path for leaf in range(len(schema)))
        self._leaves = {leaf: path for leaf, path in paths if _is_in(path, names)}

    def read_group(self, group: int, *, kept: Collection[str]) -> str:
        """SHA-256 of the footer and the chunks of a row group; those of `kept` stay in memory."""
        digest = hashlib.sha256(self.footer)
        held: dict[int, bytes] = {}
        names = set(kept)
        for start, stop, path in self._chunks(group):
            if _is_in(path, names):
                self._file.seek(start)
                held[start] = self._file.read(stop - start)
                digest.update(held[start])
            else:
                add_range(digest, self._file, start, stop)
        self._held.chunks = held
        return digest.hexdigest()

    def _chunks(self, group: int) -> list[tuple[int, int, str]]:
        """First byte, byte behind the last, and column path of each chunk, as they lie."""
        found = []
        row_group = self.metadata.row_group(group)
        for leaf, path in self._leaves.items():
            chunk = row_group.column(leaf)
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
                start = chunk.dictionary_page_offset
            stop = min(start + chunk.total_compressed_size + self._slack, self.size)
            found.append((start, stop, path))
        return sorted(found)

    def batches(self, group: int, size: int, columns: Sequence[str]) -> Iterator[Any]:
        """Rows of the row group that was read last, parsed from the kept chunks."""
        yield from self.parsed.iter_batches(size, row_groups=[group], columns=list(columns))


class _HeldChunks:
    """A file for Arrow of which only some column chunks are there, in memory."""

    closed = False

    def __init__(self, size: int) -> None:
        self.chunks: dict[int, bytes] = {}
        self._size = size
        self._place = 0

    def readable(self) -> bool:
        """True, as Arrow asks."""
        return True

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        """Moves the place at which is read."""
        self._place = place + {os.SEEK_CUR: self._place, os.SEEK_END: self._size}.get(whence, 0)
        return self._place

    def tell(self) -> int:
        """The place at which is read."""
        return self._place

    def read(self, n_bytes: int) -> memoryview:
        """Bytes from the beginning of a chunk, not copied.

        Raises:
            OSError: If they are in none: what was not hashed must not be parsed.
        """
        chunk = self.chunks.get(self._place, b"")
        if n_bytes > len(chunk):
            raise OSError(f"bytes {self._place} to {self._place + n_bytes} are in no column chunk")
        self._place += n_bytes
        return memoryview(chunk)[:n_bytes]

    def close(self) -> None:
        """Nothing: the chunks go with the object."""


def _is_in(path: str, names: Collection[str]) -> bool:
    """True for a leaf of one of these columns: `photo.bytes` is one of `photo`."""
    ends = [place for place, mark in enumerate(path) if mark == "."]
    return any(path[:end] in names for end in (*ends, len(path)))


def _read_footer(file: BinaryIO) -> bytes:
    """The end of a Parquet file: metadata, their length, a mark; without it, the last bytes."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - END_BYTES))
    ending = file.read(END_BYTES)
    length = int.from_bytes(ending[:4], "little") + END_BYTES
    if not ending.endswith(MARK) or length > size:
        return ending
    file.seek(size - length)
    return file.read(length)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _open_parquet(path: Path) -> Any:
    with _named_damage(path):
        return pq.ParquetFile(arrow_file(path))


@contextmanager
def _named_damage(path: Path) -> Iterator[None]:
    """Names the Parquet file whose damage Arrow meets inside the block, text of no UTF-8 too."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise CatalogueError(f"{path.name} must be a Parquet table: {error}") from error

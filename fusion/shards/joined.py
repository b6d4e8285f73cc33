"""Predictions of all shards as one table in input order, written part by part."""

import io
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fusion.data.header import arrow_file
from fusion.shards.commit import ERROR_SCHEMA
from fusion.shards.plan import Plan
from fusion.shards.receipts import part_name
from fusion.system.files import write_parts_atomically

BESIDE = ("row", "warnings")
"""Columns of a shard's predictions that the joined table does not have."""


def write_joined(folder: Path, plan: Plan, output: Path) -> None:
    """Writes a finished job of predictions as one CSV or Parquet file, whole or not at all.

    One row for each row of the input, in its order: `id`, the columns of every head (missing where
    there is no answer), `present` and `error` (empty where there is none). One shard at a time is
    held.

    Args:
        folder: Folder of the job.
        plan: Its plan, of which every shard is done.
        output: The file, `.csv` or `.parquet`.

    Raises:
        OSError: If it cannot be read or written; no partial file is left.
    """
    tables = (shard_answers(folder, shard.number) for shard in plan.shards)
    parts = _csv if output.suffix.lower() == ".csv" else _parquet
    write_parts_atomically(output, parts(tables))


def shard_answers(folder: Path, number: int) -> pa.Table:
    """Every row of a finished shard in input order, with its answer or its error."""
    found = _read(folder / part_name("predictions", number))
    path = folder / part_name("errors", number)
    errors = _read(path) if path.exists() else ERROR_SCHEMA.empty_table()
    errors = errors.select(["row", "id", "message"]).rename_columns(["row", "id", "error"])
    both = pa.concat_tables([found, errors], promote_options="default").sort_by("row")
    for name in ("present", "error"):
        place = both.column_names.index(name)
        both = both.set_column(place, name, both[name].fill_null(""))
    return both.drop_columns(list(BESIDE))


def _read(path: Path) -> pa.Table:
    return pq.ParquetFile(arrow_file(path)).read()


def _csv(tables: Iterator[pa.Table]) -> Iterator[bytes]:
    header = True
    for table in tables:
        text = table.to_pandas().to_csv(index=False, header=header, lineterminator="\r\n")
        yield text.encode()
        header = False


def _parquet(tables: Iterator[pa.Table]) -> Iterator[bytes]:
    sink = _Sink()
    writer = None
    for table in tables:
        writer = writer or pq.ParquetWriter(sink, table.schema)
        writer.write_table(table)
        yield sink.taken()
    if writer is not None:
        writer.close()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file for Arrow whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._n_bytes = 0

    def writable(self) -> bool:
        """True, as Arrow asks."""
        return True

    def write(self, content: bytes) -> int:  # type: ignore[override]
        """Takes bytes."""
        self._parts.append(bytes(content))
        self._n_bytes += len(content)
        return len(content)

    def tell(self) -> int:
        """Number of bytes so far."""
        return self._n_bytes

    def taken(self) -> bytes:
        """What was written since the last time."""
        content = b"".join(self._parts)
        self._parts = []
        return content

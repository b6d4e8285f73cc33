"""Rows of Parquet files: shards are runs of rows inside a row group."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fusion.data.cells import CellFault, is_missing, read_id
from fusion.data.frames import as_frame
from fusion.errors import CatalogueError
from fusion.shards.ids import hash_ids, stacked
from fusion.shards.shard import Scanned, Shard

BATCH_ROWS = 4096


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns."""
    return list(_open_parquet(path).schema_arrow.names)


def first_parquet_rows(path: Path, *, names: Sequence[str], n_rows: int) -> pd.DataFrame:
    """The first rows, at most `n_rows`."""
    file = _open_parquet(path)
    with _named_damage(path):
        for batch in file.iter_batches(n_rows):
            batch.validate(full=True)  # as in `read_parquet`
            frame: pd.DataFrame = batch.to_pandas(integer_object_nulls=True)
            return frame
    return pd.DataFrame({name: [] for name in names})


def scan_parquet(path: Path, *, shard_rows: int, id_column: str | None) -> Scanned:
    """Shards of a file, and hashes of its ids."""
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
    return Scanned(pieces, stacked(hashes))


def _id_text(cell: object) -> str:
    """An id as the catalogue reads it; empty where it is missing or no text."""
    try:
        return "" if is_missing(cell) else read_id(cell)
    except CellFault:
        return ""


def read_parquet(path: Path, shard: Shard, *, columns: Sequence[str]) -> pd.DataFrame:
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
    return as_frame(frame)[list(columns)]  # levels of a saved index are columns


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

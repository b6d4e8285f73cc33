"""Past sales in a job: summed up once, when it is planned, and looked up shard by shard."""

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fusion.data.header import DELIMITED
from fusion.data.panel.asof import item_history
from fusion.data.panel.cells import Parts, frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.files import csv_parts, parquet_parts
from fusion.data.panel.frequency import Unit
from fusion.data.panel.reading import read_panel
from fusion.data.problems import Problem, raise_for
from fusion.data.tables import read_table
from fusion.errors import JobError
from fusion.shards.commit import HISTORY, parquet_bytes
from fusion.shards.csv_rows import csv_delimiter
from fusion.shards.plan import cut_input
from fusion.shards.predict_settings import PastSales
from fusion.shards.tables import SUFFIXES, no_rows, read_rows
from fusion.system.files import read_regular_file, write_atomically

PART_ROWS = 65_536
CutTable = Callable[[], Iterator[tuple[pd.DataFrame, list[Problem]]]]
MAX_BYTES = 2**36
ROWS = {"sales": "rows of what was sold", "planned": "rows of what is planned"}
"""What messages call a table -> what its rows are."""


def sales_columns(info: Mapping[str, Any], sales: PastSales) -> SalesColumns:
    """Columns of a sales table, as the configuration of a trained model named them.

    Raises:
        ConfigError: If the model was trained without a sales table.
    """
    known = sales.as_trained(info)
    return SalesColumns(
        known["item"],
        known["date"],
        known["units"],
        price=known.get("price"),
        promotion=known.get("promotion"),
        stock=known.get("stock"),
        in_stock=known.get("in_stock"),
        shop=known.get("shop"),
        past=tuple(known.get("past", ())),
        known=tuple(known.get("known", ())),
    )


def sales_unit(info: Mapping[str, Any], sales: PastSales) -> Unit:
    """What a period of the sales was in training.

    Raises:
        ConfigError: If the model was trained without a sales table.
    """
    unit: Unit = sales.as_trained(info)["frequency"]
    return unit


def write_history(folder: Path, sales: PastSales, *, columns: SalesColumns, unit: Unit) -> str:
    """Sums up a sales table as of its date; gives the SHA-256 of what was written.

    Raises:
        CatalogueError: If the table cannot be read, lacks a column or is faulty.
    """
    panel = read_panel(sales_parts(sales.table, columns), columns=columns, frequency=unit)
    found = item_history(panel, as_of=sales.as_of)
    content = parquet_bytes(pa.Table.from_pandas(found.rename_axis("item").reset_index()))
    write_atomically(folder / HISTORY, content)
    return hashlib.sha256(content).hexdigest()


def read_history(folder: Path, sha256: str) -> pd.DataFrame:
    """What was written, by the ids of the items; kept in memory by its content.

    Raises:
        JobError: If it is gone or damaged.
    """
    return _history(folder.resolve(), sha256)


@lru_cache(maxsize=2)
def _history(folder: Path, sha256: str) -> pd.DataFrame:
    try:
        content = read_regular_file(folder / HISTORY, max_bytes=MAX_BYTES)
    except (FileNotFoundError, ValueError):
        content = b""
    if hashlib.sha256(content).hexdigest() != sha256:
        raise JobError(
            f"{folder / HISTORY} must hold the past sales as they were planned, got other bytes or "
            "none. Put the file back, or begin a new output."
        )
    found: pd.DataFrame = pq.read_table(io.BytesIO(content)).to_pandas()
    return found.set_index("item")


def sales_parts(table: Path, columns: SalesColumns) -> Parts:
    """A sales table in parts, see `table_parts`.

    Raises:
        CatalogueError: If the table cannot be read or lacks a column.
    """
    return table_parts(table, columns.needed, source="sales")


def table_parts(table: Path, wanted: Sequence[str], *, source: str) -> Parts:
    """Some columns of a table in parts; where its kind cannot be cut, all of them.

    Args:
        table: A file or a folder.
        wanted: Names of the columns.
        source: What messages call the table.

    Raises:
        CatalogueError: If the table cannot be read or lacks a column.
    """
    if not table.is_dir() and (not table.is_file() or table.suffix.lower() not in SUFFIXES):
        return frame_parts(read_table(table))
    if table.is_dir():
        cut = cut_table(table, wanted, of=ROWS[source])
        return lambda: _careful_rows(cut, 0, source=source)
    delimiter = csv_delimiter(table) if table.suffix.lower() in DELIMITED else None
    return lambda: _quick_rows(table, wanted, delimiter=delimiter, source=source)


def _quick_rows(
    table: Path, wanted: Sequence[str], *, delimiter: str | None, source: str
) -> Iterator[pd.DataFrame]:
    """Rows of a file by Arrow; where that stops, the careful reader says what is wrong, and where.

    Raises:
        CatalogueError: As `cut_table`, or if lines are no rows.
    """
    n_rows = 0
    try:
        if delimiter is None:
            found = parquet_parts(table, wanted)
        else:
            found = csv_parts(table, wanted, delimiter=delimiter)
        for frame in found:
            yield frame
            n_rows += len(frame)
    except (pa.ArrowException, KeyError, OSError):
        yield from _careful_rows(cut_table(table, wanted, of=ROWS[source]), n_rows, source=source)
    else:
        if not n_rows:
            cut_table(table, wanted, of=ROWS[source])


def _careful_rows(cut: CutTable, n_known: int, *, source: str) -> Iterator[pd.DataFrame]:
    """Rows after the first that are known."""
    for frame, problems in cut():
        raise_for(problems, source=source)
        if n_known < len(frame):
            yield frame.iloc[n_known:].reset_index(drop=True)
        n_known = max(0, n_known - len(frame))


def cut_table(
    table: Path, columns: Sequence[str], *, delimiter: str | None = None, of: str = "items"
) -> CutTable:
    """A reader of some columns of a table of any size, in parts, and of the lines that are no rows.

    `of` says what rows are about.

    Raises:
        CatalogueError: If the table cannot be read, lacks a column or holds no rows.
    """
    files, shards, _ = cut_input(
        table, shard_rows=PART_ROWS, columns=columns, id_column=None, delimiter=delimiter
    )
    if not shards:
        raise no_rows(table, of=of)

    def parts() -> Iterator[tuple[pd.DataFrame, list[Problem]]]:
        for shard in shards:
            file = files[shard.file]
            path = table if table.is_file() else table / file.name
            yield read_rows(path, shard, file=file, columns=columns)

    return parts

"""Sales tables of many rows a day, summed up by DuckDB before they are read."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.data.header import DELIMITED
from fusion.data.panel.cells import COUNT, Parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.files import parquet_parts
from fusion.errors import MissingExtraError
from fusion.progress import say_once
from fusion.shards.csv_rows import csv_delimiter
from fusion.shards.history import sales_parts
from fusion.shards.tables import column_names, list_files

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_MB = 512
ISO = r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?"
PLAIN = r"\s*-?\d+(\.\d+)?\s*"


@contextmanager
def duckdb_parts(
    table: Path, columns: SalesColumns, *, memory_mb: int = MEMORY_MB
) -> Iterator[Parts]:
    r"""A sales table of which rows that differ in units alone are summed up.

    When: the rows are single sales, many an item and day, or their dates have a time of day. What
    does not fit into memory goes to the folder of temporary files. The panel is the same as from
    `sales_parts`, which is what it gives, with a line that says so, for a table whose cells are not
    plain to DuckDB. Messages about faults tell rows of the summed table: read a faulty one by
    `sales_parts`, as `panel_of` does.

    Args:
        table: CSV, TSV or Parquet, a file or a folder.
        columns: Names of its columns.
        memory_mb: What DuckDB may hold, in MB.

    Raises:
        CatalogueError: If the table cannot be read or lacks a column.
        MissingExtraError: If DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise MissingExtraError("DuckDB", extra="duckdb") from None
    whole = sales_parts(table, columns)
    files = list_files(table) if table.is_dir() else [table]
    with tempfile.TemporaryDirectory() as folder:
        summed = Path(folder) / "summed.parquet"
        with duckdb.connect() as database:
            database.execute(f"SET memory_limit = '{memory_mb}MB'")
            database.execute(f"SET temp_directory = {_text(folder)}")
            try:
                _write(database, files, columns, summed)
            except duckdb.Error as error:  # cells that are not plain, or lines that are no rows
                summed.unlink(missing_ok=True)
                reason = str(error).strip().splitlines()[0]
                say_once(f"{table.name} is read without DuckDB, which says: {reason}")
        names = [*columns.needed, COUNT]
        yield (lambda: parquet_parts(summed, names)) if summed.is_file() else whole


def _write(
    database: "DuckDBPyConnection", files: list[Path], columns: SalesColumns, out: Path
) -> None:
    """Sums the rows of files up.

    Raises:
        duckdb.Error: If cells are not plain.
    """
    database.execute("SET preserve_insertion_order = false")
    selects = [_select(database, path, columns) for path in files]
    units = _name(columns.units)
    groups = [_name(name) for name in columns.needed if name != columns.units]
    query = (
        f"SELECT {', '.join(groups)}, sum({units}) AS {units}, count(*) AS {_name(COUNT)} "
        f"FROM ({' UNION ALL '.join(selects)}) GROUP BY {', '.join(groups)}, {units} < 0"
    )
    database.execute(f"COPY ({query}) TO {_text(out)} (FORMAT parquet)")


def _select(database: "DuckDBPyConnection", path: Path, columns: SalesColumns) -> str:
    """Plain cells of the columns of a file."""
    source = _source(path)
    described = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    kinds = {str(row[0]): str(row[1]) for row in described}
    cells = [
        f"{_cell(name, kinds.get(name, ''), columns)} AS {_name(name)}" for name in columns.needed
    ]
    return f"SELECT {', '.join(cells)} FROM {source}"


def _source(path: Path) -> str:
    if path.suffix.lower() not in DELIMITED:
        return f"read_parquet({_text(path)})"
    delimiter = csv_delimiter(path)
    names = column_names(path, delimiter=delimiter)
    kinds = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in names)
    return (
        f"read_csv({_text(path)}, auto_detect = false, header = true, delim = {_text(delimiter)}, "
        f"quote = '\"', escape = '\"', columns = {{{kinds}}})"
    )


def _cell(name: str, kind: str, columns: SalesColumns) -> str:
    """What stands for a cell: days without their time, numbers as doubles, ids as they are."""
    cell = _name(name)
    if name == columns.date:
        if kind == "DATE" or kind in ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"):
            return f"strftime({cell}, '%Y-%m-%d')"
        stamp = f"regexp_full_match({cell}, {_text(ISO)})"
        return f"CASE WHEN {stamp} THEN left({cell}, 10) ELSE {cell} END"
    if name in columns.keys:
        return cell
    if kind == "VARCHAR":
        return (
            f"CASE WHEN {cell} = '' THEN NULL "
            f"WHEN regexp_full_match({cell}, {_text(PLAIN)}) THEN CAST({cell} AS DOUBLE) "
            f"WHEN {cell} IS NOT NULL THEN error('no plain number') END"
        )
    return f"nullif(CAST({cell} AS DOUBLE), 'NaN'::DOUBLE)"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"

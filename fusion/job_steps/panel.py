"""The sales panel that a configuration describes: sales, launches, market and plan together."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fusion.data.header import DELIMITED
from fusion.data.packed import unpacked_suffix
from fusion.data.panel.cells import Parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.launches import launch_days
from fusion.data.panel.panel import Panel
from fusion.data.panel.plan import with_plan
from fusion.data.panel.reading import read_panel
from fusion.data.panel.tables import item_keys, no_shared_ids, refuse_no_sales
from fusion.data.problems import raise_for
from fusion.data.tables import read_table
from fusion.errors import CatalogueError
from fusion.job_steps.config import SalesTable
from fusion.shards.duckdb_sales import duckdb_parts
from fusion.shards.history import sales_parts, table_parts
from fusion.shards.tables import column_names, list_files
from fusion.shards.whole import is_whole

if TYPE_CHECKING:
    from fusion.forecasting.history import SalesSpec


def names_of(section: SalesTable) -> str:
    """What messages call the tables that tell sales and plan: `sales.csv`, `planned.csv`."""
    tables = (section.table, section.planned)
    return ", ".join(table.name for table in tables if table is not None)


def sales_spec(section: SalesTable) -> "SalesSpec":
    """How sales are read, apart from tables of the market and the plan, which are read apart."""
    from fusion.forecasting.history import SalesSpec  # most jobs forecast nothing

    return SalesSpec(section.columns, section.frequency, section.launch)


def panel_of(section: SalesTable, items: pd.DataFrame) -> Panel:
    """As `read_sales`; refused if the sales table has no rows, or none of the items is in it.

    Raises:
        CatalogueError: Also then.
    """
    panel = read_sales(section, items)
    refuse_no_sales(panel)
    if len(items) and not panel.n_series:
        raise no_shared_ids(section.item)
    return panel


def read_sales(section: SalesTable, items: pd.DataFrame) -> Panel:
    """The sales of some items, by item and shop, with all that a section says of them.

    Args:
        section: Names of tables and columns.
        items: Items table; its ids choose the series, and its launches say since when they were on
            sale.

    Raises:
        CatalogueError: If a table cannot be read, lacks a column or is faulty.
    """
    keys = item_keys(items, section.item)
    launches = launch_days(items, keys, section.launch)
    wanted = {key for key in keys if key is not None}
    market = None if section.market is None else read_table(section.market)
    columns = section.columns
    in_sales = columns.without(_planned_alone(section))
    read = partial(
        read_panel,
        columns=in_sales,
        items=wanted,
        launches=launches,
        frequency=section.frequency,
        market=market,
    )
    panel = _read(section, read)
    if section.planned is not None:
        parts = plan_parts(section.planned, columns)
        panel = with_plan(panel, parts, columns=columns, items=wanted)
    return panel


def plan_parts(planned: Path, columns: SalesColumns) -> Parts:
    """A table of what is planned, for `with_plan`.

    Args:
        planned: The table.
        columns: Names of the sales columns.

    Raises:
        CatalogueError: If it cannot be read.
    """
    there = set(header_of(planned))
    names = [*columns.keys, *(name for name in columns.known if name in there)]
    return table_parts(planned, names, source="planned")


def _read(section: SalesTable, read: Callable[[Parts], Panel]) -> Panel:
    _check_header(section)
    own = own_columns(section)
    if section.duckdb:
        with duckdb_parts(section.table, own) as parts, suppress(CatalogueError):
            return read(parts)  # a fault is told below, with its row of the table as it is
    return read(sales_parts(section.table, own))


def own_parts(section: SalesTable) -> Parts:
    """The sales table in parts, by its own columns.

    Raises:
        CatalogueError: If it lacks one of them (of a table that is only read as a whole, what
            reads the parts tells it), or a table cannot be read.
    """
    _check_header(section)
    return sales_parts(section.table, own_columns(section))


def _check_header(section: SalesTable) -> None:
    if not _is_read_whole(section.table):
        check_columns(section)


def check_columns(section: SalesTable) -> None:
    """Refuses a sales table that lacks columns; of its rows nothing is read.

    Raises:
        CatalogueError: With all of them, and where else each may stand.
    """
    market = None if section.market is None else header_of(section.market)
    found = own_columns(section).missing(header_of(section.table), market=market)
    raise_for(found, source="sales")


def own_columns(section: SalesTable) -> SalesColumns:
    """The columns that stand in the sales table itself, not in those of the market or the plan.

    Raises:
        CatalogueError: If one of these tables cannot be read.
    """
    market = () if section.market is None else header_of(section.market)
    elsewhere = {*market, *_planned_alone(section)} - {section.date}
    return section.columns.without(elsewhere)


def _planned_alone(section: SalesTable) -> set[str]:
    """Columns that are known ahead and stand in the table of plans alone."""
    if section.planned is None:
        return set()
    known = set(section.known).intersection(header_of(section.planned))
    return known.difference(header_of(section.table))


def header_of(table: Path) -> Sequence[str]:
    """Names of the columns of a table, or of the first file of a folder."""
    if _is_read_whole(table):
        return [str(name) for name in read_table(table).columns]
    return column_names(list_files(table)[0] if table.is_dir() else table)


def _is_read_whole(table: Path) -> bool:
    """Whether a table must be read to know its columns, so that its readers tell what lacks."""
    if not table.exists():
        return True
    return is_whole(table) and unpacked_suffix(table) not in DELIMITED

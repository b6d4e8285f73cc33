"""From an items table and a sales table to items with their sales, aligned."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusion.data.panel.cells import Parts, frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Unit
from fusion.data.panel.items import left_to, of_items
from fusion.data.panel.launches import launch_days, launch_periods
from fusion.data.panel.panel import Panel
from fusion.data.panel.plan import with_plan
from fusion.data.panel.reading import read_panel
from fusion.data.panel.tables import item_keys, no_shared_ids, refuse_no_sales, tell_left_out
from fusion.data.problems import shown
from fusion.data.schema import HISTORY
from fusion.errors import CatalogueError
from fusion.forecasting.content import CheckedItems, ContentSpec, ready_items
from fusion.forecasting.examples import Ints
from fusion.forecasting.heads import panel_of
from fusion.progress import Stage, say_once, silent
from fusion.ready import ReadyItems
from heads.sales_path import SalesPathHead

TARGET = re.compile(r"units_next_\d+[dwm]", re.ASCII)
"""Columns that `add_target` makes."""
ReadSales = Callable[[pd.DataFrame], Panel]
"""From the items table to the sales of these items, as far as there are any."""


@dataclass(frozen=True)
class SalesSpec:
    """How the sales of items are read.

    Args:
        columns: Names of the columns.
        frequency: What a period is; None: as the dates are.
        launch: Column of the items table with the first day of an item; None where none has it.
        market: Table of dates and numbers of the whole market.
        planned: Table of item, date and what is planned, see `fusion.data.panel.plan.with_plan`.
    """

    columns: SalesColumns
    frequency: Unit | None = None
    launch: str | None = None
    market: pd.DataFrame | None = None
    planned: pd.DataFrame | None = None


@dataclass(frozen=True)
class ItemSales:
    """Sales of all items of a table, read and checked; the items themselves are not, so far.

    Args:
        items: One row an item.
        item: Column of their ids.
        panel: Their sales, an empty series where there are none.
        launches: Period in which each series is new, `[n_series]`; `NO_LAUNCH` where unknown.
        source: What messages call the tables that tell the sales and the plan.
    """

    items: pd.DataFrame
    item: str
    panel: Panel
    launches: Ints
    source: str = "sales"


@dataclass(frozen=True)
class History:
    """Items with their sales, aligned.

    Args:
        ready: Items that were read and embedded.
        rows: Row of `ready` of each series of the panel, `[n_series]`.
        panel: The sales of these items, an empty series where there are none; as the head that is
            asked forecasts them, see `panel_of`.
        launches: Period in which each series is new, `[n_series]`; `NO_LAUNCH` where unknown.
    """

    ready: ReadyItems
    rows: Ints
    panel: Panel
    launches: Ints


def sales_of_items(
    items: pd.DataFrame, read: ReadSales, spec: SalesSpec, *, may_all_be_new: bool = False
) -> ItemSales:
    """The sales of items, before these are read: what is wrong with them is told at once.

    Args:
        items: One row an item.
        read: Reads their sales.
        spec: Names of columns.
        may_all_be_new: Whether items may be asked about of which none was ever sold.

    Raises:
        CatalogueError: If a table lacks a column or holds faulty cells, with rows and columns; if
            the sales table has no rows; if no item is in it and that must not be.
    """
    keys = item_keys(items, spec.columns.item)
    days = launch_days(items, keys, spec.launch)
    panel = read(items)
    refuse_no_sales(panel)
    if not panel.n_series and not may_all_be_new:
        raise no_shared_ids(spec.columns.item)
    if not panel.n_series:
        say_once("None of the items is in the sales table: all of them are forecast as new.")
    tell_left_out(panel)
    tell_silent(panel)
    panel = of_items(panel, {key for key in keys if key is not None})
    return ItemSales(items, spec.columns.item, panel, launch_periods(panel, days))


def read_history(
    sales: ItemSales,
    checked: CheckedItems,
    content: ContentSpec,
    *,
    head: type[SalesPathHead] = SalesPathHead,
    stage: Stage = silent,
) -> History:
    """Items with their sales, embedded.

    Args:
        sales: Items and their sales.
        checked: The items, see `check_items`.
        content: How items are read.
        head: What is forecast of them.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If photos are faulty and must not be.
    """
    ready = ready_items(checked, content, stage=stage)
    own = item_keys(ready.catalogue.frame, sales.item)
    row_of = {key: row for row, key in enumerate(own) if key is not None}
    kept = np.array([name in row_of for name in sales.panel.ids], dtype=bool)
    panel = left_to(sales.panel, row_of.keys())
    rows = np.array([row_of[name] for name in panel.ids], dtype=np.int64)
    return History(ready, rows, panel_of(head, panel), sales.launches[kept])


def frames_reader(sales: Parts, spec: SalesSpec) -> ReadSales:
    """Reads sales out of tables in memory.

    Args:
        sales: The sales table, see `frame_parts`.
        spec: How sales are read.
    """

    def read(items: pd.DataFrame) -> Panel:
        keys = item_keys(items, spec.columns.item)
        wanted = {key for key in keys if key is not None}
        panel = read_panel(
            sales,
            columns=spec.columns.without(planned_alone(sales, spec)),
            items=wanted,
            launches=launch_days(items, keys, spec.launch),
            frequency=spec.frequency,
            market=spec.market,
        )
        if spec.planned is None:
            return panel
        parts = frame_parts(spec.planned)
        return with_plan(panel, parts, columns=spec.columns, items=wanted)

    return read


def refuse_sums_of_sales(names: Iterable[str], content: ContentSpec) -> None:
    """Refuses columns of items that tell of sales up to one date, or after it.

    Why: a forecast learns from many dates, before most of which such a number was not known.

    Args:
        names: Columns of the items table.
        content: How items are read: which columns play no role, or which.

    Raises:
        CatalogueError: With the columns.
    """
    own = set(content.columns.get("history") or ())
    found = [
        name
        for name in names
        if name not in content.exclude
        and (name in own or HISTORY.fullmatch(name) or TARGET.fullmatch(name))
    ]
    if found:
        raise CatalogueError(
            "items must hold no columns that tell of sales, which the sales table does, got "
            f"{', '.join(shown(name) for name in found)}. Take them out of the table, or of a "
            "configuration by data.exclude."
        )


def tell_silent(panel: Panel) -> None:
    """Says which periods have no row of any item, and that nothing is learned from them."""
    days = panel.frequency.first_day(panel.start + panel.silent)
    if len(days):
        first = ", ".join(str(day) for day in days[:3])
        say_once(
            f"{len(days)} {panel.frequency.unit}(s) of the sales table have no row of any item, "
            f"such as that of {first}. Their units count as unknown; give rows of 0 units where "
            "nothing was sold."
        )


def planned_alone(sales: Parts, spec: SalesSpec) -> set[str]:
    """Columns that are known ahead and stand in the table of plans alone."""
    if spec.planned is None:
        return set()
    header = next(iter([list(part.columns) for part in sales()][:1]), [])
    return set(spec.columns.known).intersection(spec.planned.columns).difference(header)

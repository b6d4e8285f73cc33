"""History and target joined to a table of items."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from fusion.data.frames import as_frame
from fusion.data.panel.asof import history_columns, target_column, target_name
from fusion.data.panel.cells import Parts, frame_parts, read_item_ids
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Unit
from fusion.data.panel.panel import Panel
from fusion.data.panel.reach import SHOWN_IDS, AsOf, as_of_dates
from fusion.data.panel.reading import read_panel
from fusion.data.problems import raise_for, shown
from fusion.errors import CatalogueError
from fusion.progress import say_once


def add_history(
    items: pd.DataFrame,
    sales: Any,
    *,
    columns: SalesColumns,
    as_of: AsOf,
    windows: Sequence[int] = (),
    frequency: Unit | None = None,
) -> pd.DataFrame:
    """Items with columns about their past sales; nothing at or after `as_of` has any influence.

    For a table of weeks it adds `units_last_{n}w` (units of the last n weeks), `weeks_on_sale`
    (since the first unit), `weeks_since_last_sale` (1: the week before `as_of`) and, with a price
    column, `mean_price_last_{n}w` (mean over units, in the unit of the column); `..d` and `days_..`
    for days, `..m` and `months_..` for months. All are missing for an item that was never sold
    before.

    A sales table that ends before the date makes all items look as if nobody bought them any more.
    Where one whole period or more before the date has no row at all, a line says so, with the
    dates; where this is so for the whole of the shortest window (2 periods at least), the table is
    refused. A row of zero units says that its period is known.

    Args:
        items: Items table; not changed.
        sales: Sales table (pandas, polars, Arrow), one row per item and period; several add up.
        columns: Names of the sales columns.
        as_of: The date of the forecast: one for all, or one per item row.
        windows: Lengths of the windows in periods, each >= 1; none: 4, 13 and 52 weeks, or about
            as many days or months.
        frequency: What a period is: `day`, `week` or `month`; None: as the dates are.

    Raises:
        CatalogueError: If a table lacks a column, a sales row is faulty, no item was ever sold, or
            the table has no row in the whole of the shortest window before a date.
        ValueError: If a window is shorter than a period.
    """
    if windows and min(windows) < 1:
        raise ValueError(f"windows must be periods >= 1, got {windows}. Give 1 or more.")
    items, keys = _items(items, columns)
    panel = panel_of_items(keys, frame_parts(sales), columns=columns, frequency=frequency)
    tell_left_out(panel)
    dates = as_of_dates(as_of, n=len(keys))
    return with_columns(items, history_columns(panel, keys, dates, windows=windows))


def add_target(
    items: pd.DataFrame,
    sales: Any,
    *,
    columns: SalesColumns,
    as_of: AsOf,
    horizon: int,
    frequency: Unit | None = None,
) -> pd.DataFrame:
    """Items with `units_next_{h}w`, the units of the h weeks from `as_of` on; `d` days, `m` months.

    The target is missing where it is not known: for an item without any row up to the end of the
    horizon or that was not to be had in the whole of it, and where the sales end before it does.

    Args:
        items: Items table; not changed.
        sales: Sales table (pandas, polars, Arrow), one row per item and period; several add up.
        columns: Names of the sales columns.
        as_of: The date of the forecast: one for all, or one per item row.
        horizon: Length of the horizon in periods, >= 1.
        frequency: What a period is: `day`, `week` or `month`; None: as the dates are.

    Raises:
        CatalogueError: If a table lacks a column, a sales row is faulty, or the sales table ends
            before every horizon.
        ValueError: If the horizon is shorter than a period.
    """
    if horizon < 1:
        raise ValueError(f"horizon must be >= 1, got {horizon}. Give periods.")
    items, keys = _items(items, columns)
    panel = panel_of_items(keys, frame_parts(sales), columns=columns, frequency=frequency)
    tell_left_out(panel)
    dates = as_of_dates(as_of, n=len(keys))
    values = target_column(panel, keys, dates, horizon=horizon)
    return with_columns(items, {target_name(panel.frequency.unit, horizon): values})


def panel_of_items(
    keys: Sequence[str | None], parts: Parts, *, columns: SalesColumns, frequency: Unit | None
) -> Panel:
    """The sales of some items.

    Raises:
        CatalogueError: If rows are faulty, or there are none, or no item is in the table.
    """
    wanted = {key for key in keys if key is not None}
    panel = read_panel(parts, columns=columns, items=wanted, frequency=frequency)
    refuse_no_sales(panel)
    if len(keys) and not panel.n_series:
        raise no_shared_ids(columns.item)
    return panel


def tell_left_out(panel: Panel) -> None:
    """Says which items of the sales table are not among the items."""
    if panel.left_out:
        first = ", ".join(shown(name) for name in panel.left_out[:SHOWN_IDS])
        say_once(
            f"{len(panel.left_out)} item(s) of the sales table are not among the items and are "
            f"left out, such as {first}."
        )


def item_keys(items: pd.DataFrame, column: str) -> list[str | None]:
    """Ids of items as the sales table has them.

    Raises:
        CatalogueError: If the column is missing or an id is faulty.
    """
    keys, problems = read_item_ids(items, column)
    raise_for(problems, source="items")
    return keys


def refuse_no_sales(panel: Panel) -> None:
    """Refuses the panel of a table without rows: it has no period, so nothing comes after it.

    Raises:
        CatalogueError: Saying so.
    """
    if panel.end == panel.start:
        raise CatalogueError(
            "sales must hold rows of what was sold, got a table without rows. Give the sales up to "
            "now."
        )


def no_shared_ids(column: str) -> CatalogueError:
    """The error for items of which none is in the sales table."""
    return CatalogueError(
        f"items and sales must share ids in column {column}, got none in common. Compare how both "
        "tables write them."
    )


def with_columns(items: pd.DataFrame, new: dict[str, Any]) -> pd.DataFrame:
    """A table with more columns.

    Raises:
        CatalogueError: If it has one of them already.
    """
    twice = [name for name in new if name in items.columns]
    if twice:
        raise CatalogueError(
            f"items must not have the columns {', '.join(twice)} already. Rename or remove them."
        )
    added = pd.DataFrame({name: np.asarray(values) for name, values in new.items()})
    return pd.concat([items, added.set_index(items.index)], axis=1)


def _items(items: Any, columns: SalesColumns) -> tuple[pd.DataFrame, list[str | None]]:
    """Items that keep their index (frames of other packages have none), and their ids."""
    frame = items if isinstance(items, pd.DataFrame) else as_frame(items)
    return frame, item_keys(as_frame(frame), columns.item)

"""Past sales of each item from a sales table of any size, read part by part."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from fusion.data.cells import cells, is_missing
from fusion.data.dates import find_date_format
from fusion.data.problems import Problem, raise_for
from fusion.data.sales import (
    HISTORY_WEEKS,
    AsOf,
    SalesColumns,
    as_of_dates,
    check_reaches,
    no_shared_ids,
    sales_cells,
    tell_few_sold,
)

MOST_PROBLEMS = 10_000
"""Faulty cells that are held; a table with more is told with the first of them."""
Parts = Callable[[], Iterable[pd.DataFrame]]
"""Gives the parts of a table in order, again each time it is called."""
NAMES = (*(f"units_last_{weeks}w" for weeks in HISTORY_WEEKS), "weeks_on_sale",
         "weeks_since_last_sale")  # fmt: skip
"""Columns that `add_history` adds, without those of prices."""


def item_history(parts: Parts, *, columns: SalesColumns, as_of: AsOf) -> pd.DataFrame:
    """What `add_history` says of each item of a sales table for one date, without prices.

    Memory grows with the items, not with the rows of the table: a part is read, added to what is
    known, and let go. The table is read twice, as the form of its dates is one for all.

    Args:
        parts: The sales table; cells as they are written.
        columns: Names of its columns; a price is not read.
        as_of: The date of the forecast.

    Returns:
        One row an item, its id as the index, in the order of ids: columns `NAMES`, missing where
        it was never sold before the date.

    Raises:
        CatalogueError: If rows are faulty, the form of the dates is in doubt, or the table has no
            row in the whole of the shortest window before the date.
    """
    date = as_of_dates(as_of, n=1)[0]
    columns = replace(columns, price=None)
    form = _date_format(parts, columns.week)
    known = _aggregate(pd.DataFrame({"id": [], "units": [], "ago": []}))
    weeks = np.array([], dtype="datetime64[us]")
    first, problems = 0, list[Problem]()
    for part in parts():
        rows, found = sales_cells(part, columns, date_format=form)
        problems += [replace(p, row=None if p.row is None else p.row + first) for p in found]
        first += len(part)
        if len(problems) > MOST_PROBLEMS:
            break
        if not problems:
            weeks = np.union1d(weeks, rows["week"].to_numpy(weeks.dtype))
            days = (date - rows["week"]).dt.total_seconds() / 86_400
            known = _together(known, _aggregate(rows.assign(ago=np.floor(days / 7))))
    raise_for(problems, source="sales")
    check_reaches(weeks, np.array([date]), history_weeks=HISTORY_WEEKS)
    tell_few_sold(known["weeks_since_last_sale"].to_numpy(), np.array([date]))
    return known.where(known["weeks_on_sale"].notna()).sort_index()


def _aggregate(rows: pd.DataFrame) -> pd.DataFrame:
    """Sums and spans of some rows `id`, `units`, `ago` by item."""
    past = rows[rows["ago"] >= 1]
    by_item = {
        f"units_last_{weeks}w": past[past["ago"] <= weeks].groupby("id")["units"].sum()
        for weeks in HISTORY_WEEKS
    }
    sold = past[past["units"] > 0].groupby("id")["ago"]
    by_item |= {"weeks_on_sale": sold.max(), "weeks_since_last_sale": sold.min()}
    found = pd.DataFrame(by_item, index=rows["id"].unique(), columns=list(NAMES), dtype=np.float64)
    units = [name for name in NAMES if name.startswith("units")]
    return found.fillna(dict.fromkeys(units, 0.0))


def _together(known: pd.DataFrame, more: pd.DataFrame) -> pd.DataFrame:
    """What two parts of a table say of each item."""
    both = pd.concat([known, more]).groupby(level=0)
    rules = {name: "sum" if name.startswith("units") else "max" for name in NAMES}
    return both.agg(rules | {"weeks_since_last_sale": "min"})


def _date_format(parts: Parts, column: str) -> str:
    """The one form of the dates of all parts.

    Raises:
        CatalogueError: If it is in doubt.
    """
    texts: dict[str, None] = {}
    for part in parts():
        given = (cell for cell in cells(part[column]) if isinstance(cell, str))
        texts |= dict.fromkeys(cell for cell in given if not is_missing(cell))
    form, doubt = find_date_format(list(texts))
    if doubt:
        raise_for([Problem("date_doubt", doubt, column=column)], source="sales")
    return form


def check_shared(history: pd.DataFrame, keys: Iterable[set[str]], *, column: str) -> None:
    """Refuses items of which none was ever sold: the tables would write ids differently.

    Args:
        history: What `item_history` gave.
        keys: Ids of the items, in parts; read no further than to the first that is known.
        column: Name of the id column.

    Raises:
        CatalogueError: If no id is in both.
    """
    known = set(history.index)
    if not any(known & part for part in keys):
        raise no_shared_ids(column)

"""Sales history and targets from a table of weekly sales, joined strictly as of a date.

A row of the sales table covers the seven days from its week's date on. History uses weeks that
have ended by `as_of`, targets weeks that begin at `as_of` or later, so a week that straddles the
date is in neither. A week without a row counts as zero units once an item has been sold. Dates are
those on the wall: an offset or time zone is dropped, so that no week moves.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.cells import read_cells, read_id
from fusion.data.dates import date_advice, date_cells, read_date_column
from fusion.data.frames import as_frame
from fusion.data.numbers import number_cells
from fusion.data.problems import Problem, raise_for
from fusion.data.schema import missing_columns
from fusion.errors import CatalogueError
from fusion.progress import say_once

FLOAT_ID = re.compile(r"^(-?(?:0|[1-9]\d*))\.0$", re.ASCII)
"""A whole number that passed through a float on its way to a CSV file: `7.0` is the item `7`."""
WEEK = np.timedelta64(7, "D")
HISTORY_WEEKS = (4, 13, 52)
FEW_WEEKS, MANY_WEEKS, FEW_ITEMS, FEW_SHARE = 4, 13, 20, 0.1
"""When hardly an item was sold lately, see `tell_few_sold`."""
AsOf = str | int | date | np.datetime64 | pd.Period | Sequence[Any]


@dataclass(frozen=True)
class SalesColumns:
    """Names of the columns of a sales table.

    Args:
        id: Item that was sold; the items table has a column of the same name.
        week: First day of the week.
        units: Units sold in it (returns may make it negative).
        price: Mean price of a unit in that week, where the table has one.
    """

    id: str = "id"
    week: str = "week"
    units: str = "units"
    price: str | None = None


def add_history(
    items: pd.DataFrame,
    sales: pd.DataFrame,
    *,
    columns: SalesColumns,
    as_of: AsOf,
    history_weeks: Sequence[int] = HISTORY_WEEKS,
) -> pd.DataFrame:
    """Items with columns about their past sales; nothing at or after `as_of` has any influence.

    Adds `units_last_{w}w` (units of the last w weeks), `weeks_on_sale` (since the first unit),
    `weeks_since_last_sale` (1: the week before `as_of`) and, with a price column,
    `mean_price_last_{w}w` (mean over units, in the unit of the column). All are missing for an
    item that was never sold before.

    A sales table that ends before the date makes all items look as if nobody bought them any more.
    Where one whole week or more before the date has no row at all, a line says so, with the dates;
    where this is so for the whole of the shortest window (2 weeks at least), the table is refused.
    A row of zero units says that its week is known.

    Args:
        items: Items table; not changed.
        sales: Sales table, one row per item and week; several rows add up.
        columns: Names of the sales columns.
        as_of: The date of the forecast: one for all, or one per item row.
        history_weeks: Lengths of the windows in weeks, each >= 1.

    Raises:
        CatalogueError: If a table lacks a column, a sales row is faulty, no item was ever sold, or
            the table has no row in the whole of the shortest window before a date.
        ValueError: If a window is shorter than a week.
    """
    if not history_weeks or min(history_weeks) < 1:
        raise ValueError(f"history_weeks must be weeks >= 1, got {history_weeks}. Give 1 or more.")
    items, sales = _pandas(items), as_frame(sales)
    joined = _joined(items, sales, columns=columns, as_of=as_of)
    dates = as_of_dates(as_of, n=len(items))
    check_reaches(read_date_column(sales[columns.week])[0], dates, history_weeks=history_weeks)
    past = joined[joined["ago"] >= 1]
    sold = past[past["units"] > 0].groupby("row")["ago"]
    rows = pd.RangeIndex(len(items))
    first = sold.max().reindex(rows)
    new = {}
    for weeks in history_weeks:
        window = past[past["ago"] <= weeks]
        units = window.groupby("row")["units"].sum().reindex(rows, fill_value=0.0)
        new[f"units_last_{weeks}w"] = units.where(first.notna())
        if columns.price is not None:
            new[f"mean_price_last_{weeks}w"] = _mean_price(window).reindex(rows)
    new["weeks_on_sale"] = first
    new["weeks_since_last_sale"] = sold.min().reindex(rows)
    tell_few_sold(new["weeks_since_last_sale"].to_numpy(), dates)
    return _with_columns(items, new)


def sales_gap(weeks: Any, as_of: str) -> str:
    """What to say of a sales table that ends a week or more before a date; empty where it does not.

    Args:
        weeks: First days of the weeks of the whole table, as the table writes them.
        as_of: The date.
    """
    return _gap_line(*_longest_gap(read_date_column(weeks)[0], as_of_dates(as_of, n=1)))


def _gap_line(n_weeks: int, last: np.datetime64, day: np.datetime64) -> str:
    if n_weeks < 1:
        return ""
    return (
        f"The sales table ends with the week of {_day(last)}, {n_weeks} whole week(s) before "
        f"{_day(day)}, which count as weeks without a sale. Add these weeks, or take "
        f"{_day(last + WEEK)} as the date."
    )


def check_reaches(
    weeks: NDArray[np.datetime64], dates: NDArray[np.datetime64], *, history_weeks: Sequence[int]
) -> None:
    """Says that the sales end before a date, or refuses them; see `add_history`.

    Args:
        weeks: First days of the weeks of the table, NaT where missing.
        dates: Dates of forecasts.
        history_weeks: Lengths of the windows in weeks.

    Raises:
        CatalogueError: If the whole of the shortest window before a date has no row, or no week
            ended by any of the dates.
    """
    ends = weeks[~np.isnat(weeks)] + WEEK
    if len(ends) and len(dates) and ends.min() > dates.max():
        raise CatalogueError(
            f"the sales table must hold weeks that ended by as_of {_day(dates.max())}, got "
            f"{_day(ends.min() - WEEK)} as its first week. Correct the date, or add the weeks "
            "before it."
        )
    shortest = max(2, min(history_weeks))
    n_weeks, last, day = _longest_gap(weeks, dates)
    if n_weeks >= shortest:
        raise CatalogueError(
            f"the sales table must hold sales of the {shortest} week(s) before as_of {_day(day)}, "
            f"got {_day(last)} as its last week before it. Take {_day(last + WEEK)} as the date, "
            "or add the later weeks (0 units where nothing was sold)."
        )
    line = _gap_line(n_weeks, last, day)
    if line:
        say_once(line)


def tell_few_sold(weeks_since: NDArray[np.float64], dates: NDArray[np.datetime64]) -> None:
    """Says that hardly an item was sold lately: a few late rows hide that the others end early.

    Why these bounds: of items that were sold at random times in 13 weeks, 4 in 13 were sold in the
    last 4 of them.

    Args:
        weeks_since: Weeks since the last sale of each item; NaN where it was never sold.
        dates: Dates of forecasts; the last is told.
    """
    n_lately = int((weeks_since <= FEW_WEEKS).sum())
    n_before = int((weeks_since <= MANY_WEEKS).sum())
    if n_before >= FEW_ITEMS and n_lately < FEW_SHARE * n_before:
        say_once(
            f"Of {n_before} items that were sold in the {MANY_WEEKS} weeks before "
            f"{_day(dates.max())}, {n_lately} were sold in the last {FEW_WEEKS}. If the sales "
            "table lacks the late weeks of the others, add them, or take an earlier date."
        )


def _longest_gap(
    weeks: NDArray[np.datetime64], dates: NDArray[np.datetime64]
) -> tuple[int, np.datetime64, np.datetime64]:
    """Whole weeks without a row before a date, the last week before, and the date: the worst.

    Only weeks that ended by the date count, as in the history; a date before all of them has none.
    """
    ends = np.unique(weeks + WEEK)
    ends = ends[~np.isnat(ends)]
    never = np.datetime64("NaT", "D")
    worst = (0, never, never)
    for day in np.unique(dates):
        before = ends[ends <= day]
        if len(before):
            n_weeks = int((day - before[-1]) // WEEK)
            worst = max(worst, (n_weeks, before[-1] - WEEK, day), key=lambda found: found[0])
    return worst


def _day(moment: np.datetime64) -> str:
    return str(np.datetime_as_string(moment, unit="D"))


def _mean_price(window: pd.DataFrame) -> "pd.Series[float]":
    """Mean price of a sold unit per row of the items table."""
    priced = window[(window["units"] > 0) & window["price"].notna()]
    turnover = (priced["units"] * priced["price"]).groupby(priced["row"]).sum()
    return turnover / priced.groupby("row")["units"].sum()


def add_target(
    items: pd.DataFrame,
    sales: pd.DataFrame,
    *,
    columns: SalesColumns,
    as_of: AsOf,
    horizon_weeks: int,
) -> pd.DataFrame:
    """Items with `units_next_{h}w`, the units of the h weeks from `as_of` on.

    The target is missing where it is not known: for an item without any row up to the end of the
    horizon, and where the sales table ends before the horizon does.

    Args:
        items: Items table; not changed.
        sales: Sales table, one row per item and week; several rows add up.
        columns: Names of the sales columns.
        as_of: The date of the forecast: one for all, or one per item row.
        horizon_weeks: Length of the horizon in weeks, >= 1.

    Raises:
        CatalogueError: If a table lacks a column, a sales row is faulty, or the sales table ends
            before every horizon.
        ValueError: If the horizon is shorter than a week.
    """
    if horizon_weeks < 1:
        raise ValueError(f"horizon_weeks must be >= 1, got {horizon_weeks}. Give weeks.")
    items, sales = _pandas(items), as_frame(sales)
    joined = _joined(items, sales, columns=columns, as_of=as_of)
    dates = as_of_dates(as_of, n=len(items))
    weeks, _ = read_date_column(sales[columns.week])
    last = np.append(weeks, np.datetime64(0, "us")).max()
    covered = last + WEEK >= dates + horizon_weeks * WEEK
    if len(items) and not covered.any():
        raise CatalogueError(
            f"the sales table must reach {_day(dates.min() + horizon_weeks * WEEK)}, got "
            f"{_day(last)} as its last week. Choose an earlier date or a shorter horizon."
        )
    rows = pd.RangeIndex(len(items))
    ahead = joined[(joined["ahead"] >= 0) & (joined["ahead"] < horizon_weeks)]
    units = ahead.groupby("row")["units"].sum()
    before = joined[(joined["ago"] >= 1) & (joined["units"] > 0)]["row"]
    known = covered & (rows.isin(units.index) | rows.isin(before))
    values = units.reindex(rows, fill_value=0.0).where(known)
    return _with_columns(items, {f"units_next_{horizon_weeks}w": values})


def _pandas(items: Any) -> pd.DataFrame:
    """An items table that keeps its index; frames of other packages have none."""
    return items if isinstance(items, pd.DataFrame) else as_frame(items)


def _joined(
    items: pd.DataFrame, sales: pd.DataFrame, *, columns: SalesColumns, as_of: AsOf
) -> pd.DataFrame:
    """One line per sales row and item row: `row`, `units`, `price`, `ago` and `ahead`.

    `ago` is 1 for the last whole week before the date, `ahead` 0 for the first one from it on;
    a week that straddles the date has `ago` 0 and `ahead` -1.
    """
    keys, problems = read_item_ids(as_frame(items), columns.id)
    raise_for(problems, source="items")
    table = _read_sales(sales, columns)
    wanted = pd.DataFrame({"id": pd.Series(keys, dtype=object), "row": np.arange(len(keys))})
    wanted["as_of"] = as_of_dates(as_of, n=len(keys))
    joined = wanted.dropna(subset="id").merge(table, on="id", how="inner")
    if len(wanted) and joined.empty:
        raise no_shared_ids(columns.id)
    days = (joined["as_of"] - joined["week"]).dt.total_seconds() / 86_400
    return joined.assign(ago=np.floor(days / 7), ahead=np.floor(-days / 7))


def no_shared_ids(column: str) -> CatalogueError:
    """The error for items of which none is in the sales table."""
    return CatalogueError(
        f"items and sales must share ids in column {column}, got none in common. Compare how both "
        "tables write them."
    )


def read_item_ids(frame: pd.DataFrame, column: str) -> tuple[list[str | None], list[Problem]]:
    """Ids `[n]` of items as both tables have them, None where missing, and what is wrong.

    White space around them, and the `.0` of a whole number that passed through a float, go.
    """
    missing = missing_columns([column], frame.columns)
    if missing:
        return [], missing
    return read_cells(frame[column], lambda cell: FLOAT_ID.sub(r"\1", read_id(cell).strip()))


def _read_sales(sales: pd.DataFrame, columns: SalesColumns) -> pd.DataFrame:
    """Columns id, week, units and price of the sales table; every cell is checked."""
    names = [columns.id, columns.week, columns.units]
    names += [columns.price] if columns.price is not None else []
    raise_for(missing_columns(names, sales.columns), source="sales")
    table, problems = sales_cells(sales, columns)
    raise_for(problems, source="sales")
    return table


def sales_cells(
    sales: pd.DataFrame, columns: SalesColumns, *, date_format: str | None = None
) -> tuple[pd.DataFrame, list[Problem]]:
    """Columns id, week, units and price of rows of a sales table, and what is wrong with cells.

    Args:
        sales: Rows of the table, which has these columns.
        columns: Names of the columns.
        date_format: Form of its weeks; None: found in these rows.
    """
    keys, problems = read_item_ids(sales, columns.id)
    if date_format is None:
        weeks, found = read_date_column(sales[columns.week])
    else:
        weeks, found = date_cells(sales[columns.week], date_format)
    problems += found
    units, found = number_cells(sales[columns.units])
    problems += found
    price = np.full(len(sales), np.nan)
    if columns.price is not None:
        price, found = number_cells(sales[columns.price])
        problems += found
    faulty = {(problem.row, problem.column) for problem in problems}
    empty: dict[str, NDArray[np.bool_]] = {
        columns.id: np.array([key is None for key in keys], dtype=bool),
        columns.week: np.isnat(weeks),
        columns.units: np.isnan(units),
    }
    for name, mask in empty.items():
        for row in np.flatnonzero(mask).tolist():
            if (row, name) not in faulty:
                message = "must be given, got none"
                problems.append(Problem("sales_missing", message, row, column=name))
    key_column = pd.Series(keys, dtype=object)
    table = pd.DataFrame({"id": key_column, "week": weeks, "units": units, "price": price})
    return table, problems


def as_of_dates(as_of: AsOf, *, n: int) -> NDArray[np.datetime64]:
    """`[n]` dates on the wall."""
    single = isinstance(as_of, str) or not isinstance(as_of, Iterable)
    dates_given: list[Any] = [as_of] * n if single else list(as_of)  # type: ignore[arg-type]
    given = pd.Series(dates_given, dtype=object, name="as_of")
    dates, problems = read_date_column(given)
    unknown = np.flatnonzero(np.isnat(dates)).tolist()
    if isinstance(as_of, str) and unknown:
        raise CatalogueError(
            f"as_of must be a date such as 2024-01-31, got {as_of!r}. {date_advice(as_of)}".rstrip()
        )
    if problems or unknown or len(dates) != n:
        rows = ", ".join(str(row + 1) for row in unknown[:5])
        raise CatalogueError(
            f"as_of must be one date such as 2024-01-31, or one for each of {n} items, got "
            f"{len(dates)} of which {len(unknown)} are no dates (rows {rows}). Correct them."
        )
    return dates


def _with_columns(items: pd.DataFrame, new: dict[str, Any]) -> pd.DataFrame:
    twice = [name for name in new if name in items.columns]
    if twice:
        raise CatalogueError(
            f"items must not have the columns {', '.join(twice)} already. Rename or remove them."
        )
    added = pd.DataFrame({name: np.asarray(values) for name, values in new.items()})
    return pd.concat([items, added.set_index(items.index)], axis=1)

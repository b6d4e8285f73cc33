"""What was known of items at a date, and what was sold after it, out of a panel.

History uses periods that have ended by the date, targets periods that begin at it or later, so one
that straddles the date is in neither.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.panel.frequency import Days, Unit
from fusion.data.panel.layout import Numbers
from fusion.data.panel.panel import Panel, over_shops
from fusion.data.panel.reach import WINDOWS, AsOf, as_of_dates, check_reaches, tell_few_sold
from fusion.errors import CatalogueError

Columns = dict[str, NDArray[np.float64]]


def history_names(
    unit: Unit, *, windows: Sequence[int] = (), price: bool = False
) -> tuple[str, ...]:
    """Columns that tell of past sales, in their order.

    Example:
        >>> history_names("week", windows=(4,))
        ('units_last_4w', 'weeks_on_sale', 'weeks_since_last_sale')
    """
    kinds = ("units_last", "mean_price_last") if price else ("units_last",)
    sums = [f"{kind}_{n}{unit[0]}" for n in windows or WINDOWS[unit] for kind in kinds]
    return (*sums, f"{unit}s_on_sale", f"{unit}s_since_last_sale")


def target_name(unit: Unit, horizon: int) -> str:
    """Column of the units of a horizon: `units_next_8w`."""
    return f"units_next_{horizon}{unit[0]}"


def history_columns(
    panel: Panel, keys: Sequence[str | None], dates: Days, *, windows: Sequence[int] = ()
) -> Columns:
    """Past sales of items at dates: units and prices of windows, time since first and last sale.

    Nothing at or after its date has any influence on a row. All is missing where an item was never
    sold before. Shops are added up.

    Args:
        panel: The sales.
        keys: Item of each row `[n]`.
        dates: Date of each row `[n]`.
        windows: Lengths of the windows in periods; none: `WINDOWS`.

    Returns:
        Columns `history_names`, `[n]`.

    Raises:
        CatalogueError: As `check_reaches`.
    """
    panel = over_shops(panel)
    unit = panel.frequency.unit
    spans = tuple(windows) or WINDOWS[unit]
    check_reaches(panel, dates, windows=spans)
    rows = _Rows(panel, keys, panel.frequency.period(dates))
    first, last = rows.first_and_last_sale()
    never = np.isnan(first)
    units = np.nan_to_num(panel.units, nan=0.0)
    columns: Columns = {}
    for n in spans:
        summed = rows.sums(units, n)
        columns[f"units_last_{n}{unit[0]}"] = np.where(never, np.nan, summed)
        if "price" in panel.columns:
            columns[f"mean_price_last_{n}{unit[0]}"] = _mean_price(rows, panel, n)
    columns[f"{unit}s_on_sale"] = first
    columns[f"{unit}s_since_last_sale"] = last
    tell_few_sold(last, dates, unit=unit)
    return columns


def target_column(
    panel: Panel, keys: Sequence[str | None], dates: Days, *, horizon: int
) -> NDArray[np.float64]:
    """Units of the periods from a date on; missing where they are not known.

    Not known is the target of an item without any row up to the end of the horizon, of one that was
    not to be had in the whole of it, and of all where the sales end before the horizon does.

    Args:
        panel: The sales.
        keys: Item of each row `[n]`.
        dates: Date of each row `[n]`.
        horizon: Periods.

    Raises:
        CatalogueError: If the sales end before every horizon.
    """
    panel = over_shops(panel)
    begin = panel.frequency.next_whole(dates)
    covered = begin + horizon <= panel.end
    if len(keys) and not covered.any():
        unit = panel.frequency.unit
        raise CatalogueError(
            f"the sales table must reach {panel.frequency.first_day(begin.min() + horizon)}, got "
            f"{panel.frequency.first_day(panel.end - 1)} as its last {unit}. Choose an earlier "
            "date or a shorter horizon."
        )
    ahead = _Rows(panel, keys, begin + horizon)
    past = _Rows(panel, keys, panel.frequency.period(dates))
    first, _ = past.first_and_last_sale()
    known = covered & (~np.isnan(first) | (ahead.sums(panel.given, horizon) > 0))
    has_any = ahead.sums(~np.isnan(panel.units), horizon) > 0
    units = ahead.sums(np.nan_to_num(panel.units, nan=0.0), horizon)
    return np.where(known & has_any, units, np.nan)


def item_history(panel: Panel, *, as_of: AsOf) -> pd.DataFrame:
    """Past sales of each item of a panel at one date.

    Returns:
        One row an item, its id as the index: columns `history_names`.

    Raises:
        CatalogueError: As `check_reaches`.
    """
    panel = over_shops(panel)
    dates = np.repeat(as_of_dates(as_of, n=1), max(panel.n_series, 1))
    columns = history_columns(panel, panel.ids, dates[: panel.n_series])
    return pd.DataFrame(columns, index=pd.Index(list(panel.ids), dtype=object))


class _Rows:
    """Rows that ask for values of series before a period each."""

    def __init__(self, panel: Panel, keys: Sequence[str | None], ends: Numbers) -> None:
        where = panel.positions
        series = np.array([-1 if key is None else where.get(key, -1) for key in keys], dtype=int)
        self.panel = panel
        self.known = series >= 0
        series = np.maximum(series, 0)
        if panel.n_series:
            self.begin, self.stop = panel.offsets[series], panel.offsets[series + 1]
            self.end = self.begin + ends - panel.first[series]
        else:
            self.begin = self.stop = self.end = np.zeros(len(series), dtype=np.int64)
        self.last = np.clip(self.end, self.begin, self.stop)

    def sums(self, values: NDArray[Any], length: int) -> NDArray[np.float64]:
        """Sums of the last values before each end; later ones, those of others too, are not read.

        Why no running sums over all values: their rounding would let the others in.
        """
        first = np.clip(self.end - length, self.begin, self.last)
        if not len(first):
            return np.zeros(0)
        closed = np.append(values, values.dtype.type(0))
        bounds = np.stack([first, self.last], axis=1).ravel()
        summed = np.add.reduceat(closed, bounds, dtype=np.float64)[::2]
        return np.where(self.known & (first < self.last), summed, 0.0)

    def first_and_last_sale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Periods from the first, and from the last, sale on to each end; NaN without one."""
        sold = np.append(np.flatnonzero(self.panel.units > 0), len(self.panel.units))
        first = sold[np.searchsorted(sold[:-1], self.begin)]
        last = sold[np.maximum(np.searchsorted(sold[:-1], self.last) - 1, 0)]
        known = self.known & (first < self.last)
        return (
            np.where(known, self.end - first, np.nan),
            np.where(known, self.end - last, np.nan),
        )


def _mean_price(rows: _Rows, panel: Panel, length: int) -> NDArray[np.float64]:
    """Mean price of a sold unit."""
    price = panel.columns["price"]
    units = np.where((panel.units > 0) & ~np.isnan(price), panel.units, 0).astype(np.float64)
    sold = rows.sums(units, length)
    turnover = rows.sums(units * np.nan_to_num(price, nan=0.0), length)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sold > 0, turnover / sold, np.nan)

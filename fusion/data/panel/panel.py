"""All sales of all items as one array of numbers, which windows look into."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fusion.data.panel.frequency import Frequency

Floats = NDArray[np.float32]
LEAST_SHARE = 0.2
"""Share of a period in stock from which on its sales tell a rate."""
Quantity = Literal["units", "demand", "price"]
SOLD = "units_sold"
"""Column of the units of a panel whose price is what is forecast."""
USUAL_ROWS = 20
"""Rows of a period from which on one without any is no accident."""


@dataclass(frozen=True)
class Panel:
    """Sales by series (an item, or an item in a shop) and period.

    A series runs from its first row, or the launch where that is earlier, to the end of the panel;
    those of all series lie one behind the other. Units of a period without a row are 0, and
    unknown (NaN) where the item was not to be had.

    Args:
        frequency: What a period is.
        start: Number of the first period of the panel, by `frequency`.
        ids: Item of each series, ascending.
        shops: Shop of each series, ascending within an item; None where there are none.
        first: Period of the first value of each series, `[n_series]`.
        offsets: Where each series begins, and the end, `[n_series + 1]`.
        units: Units sold, float32 `[n_values]` (whole numbers to 16,777,216 are exact); negative
            where more came back than was sold.
        given: Whether the table has a row, `[n_values]`.
        reported: Whether any item has a row, also one that is not in the panel, `[n_periods]`.
        columns: Further numbers by name, float32 `[n_values]`, NaN where unknown; beside a `stock`
            in units `in_stock` too, the share of the rows of a period with any.
        planned: Those of `columns` that are known ahead, from `end` on, by name: float32
            `[n_series, n_ahead]`, NaN where unknown; a series may have no other values. Empty
            where the table has no planned rows.
        market: Numbers of the whole market by name, float32 `[n_periods]` and on, where a column
            that is known ahead goes on after the sales.
        known: Those of `columns` and `market` that are known ahead.
        left_out: Items of the table that were not wanted.
        open_weekdays: Where rows are days, the weekdays that may have any, see `RowPeriods`.
        quantity: What is asked of `units`: what was sold; what was wanted, the `demand`, see
            `fusion.data.panel.stock`, of which units without full stock are lower bounds; or they
            are the `price` of one, see `fusion.data.panel.priced`: NaN where it is unknown, and
            > 0 elsewhere.
    """

    frequency: Frequency
    start: int
    ids: tuple[str, ...]
    shops: tuple[str, ...] | None
    first: NDArray[np.int64]
    offsets: NDArray[np.int64]
    units: Floats
    given: NDArray[np.bool_]
    reported: NDArray[np.bool_]
    columns: Mapping[str, Floats] = field(default_factory=dict)
    planned: Mapping[str, Floats] = field(default_factory=dict)
    market: Mapping[str, Floats] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    left_out: tuple[str, ...] = ()
    open_weekdays: tuple[int, ...] = ()
    quantity: Quantity = "units"

    @property
    def n_series(self) -> int:
        """How many series there are."""
        return len(self.ids)

    @property
    def end(self) -> int:
        """The first period after the panel."""
        return self.start + len(self.reported)

    @property
    def n_ahead(self) -> int:
        """How many periods from `end` on `planned` tells of."""
        return max((values.shape[1] for values in self.planned.values()), default=0)

    def window(self, series: int, as_of: Any, length: int, *, column: str | None = None) -> Floats:
        """The last values of a series that were known at a date: a view, never a copy.

        Args:
            series: Position of the series.
            as_of: A date; periods that had not ended by then are out.
            length: Periods, >= 1.
            column: One of `columns`; None: the units.

        Shape:
            Returns `[n]`, n <= length: no more than the series had by then.
        """
        end = int(self.frequency.period(np.array([as_of], dtype="datetime64[D]"))[0])
        values = self.units if column is None else self.columns[column]
        begin, stop = int(self.offsets[series]), int(self.offsets[series + 1])
        last = min(max(begin + end - int(self.first[series]), begin), stop)
        earliest = begin + max(0, end - length - int(self.first[series]))
        return values[min(earliest, last) : last]

    @cached_property
    def first_row(self) -> NDArray[np.int64]:
        """Period of the first row of each series, `[n_series]`; `end` where it has none.

        Before it nobody knew of the series, also where a launch lets it begin earlier.
        """
        places = np.append(np.flatnonzero(self.given), len(self.given))
        place = places[np.searchsorted(places[:-1], self.offsets[:-1])]
        found = self.first + place - self.offsets[:-1]
        return np.where(place < self.offsets[1:], found, self.end)

    def places(self) -> NDArray[np.int64]:
        """Position in `reported` of the period of each value, `[n_values]`."""
        _, series = ragged(np.diff(self.offsets))
        shift = self.first - self.start - self.offsets[:-1]
        places: NDArray[np.int64] = np.arange(len(series)) + shift[series]
        return places

    @cached_property
    def market_units(self) -> Floats:
        """Units of all series by period, `[n_periods]`; unknown ones add nothing.

        Of prices their mean over the series, NaN where none is known.
        """
        places, n_periods = self.places(), len(self.reported)
        sums = np.bincount(places, np.nan_to_num(self.units, nan=0.0), minlength=n_periods)
        if self.quantity == "price":
            counts = np.bincount(places[~np.isnan(self.units)], minlength=n_periods)
            sums = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return sums.astype(np.float32)

    @cached_property
    def silent(self) -> NDArray[np.int64]:
        """Positions of the periods in which no item has a row though many are usual.

        Nothing was sold by anybody, or nothing was written down: either says nothing of an item.
        Many are 20 rows in half of the periods before it or more; with fewer a period without a
        sale is one like others. Periods behind it play no part, so that what is known of it at a
        date does not change later.
        """
        counts = np.bincount(self.places()[self.given], minlength=len(self.reported))
        empty = np.flatnonzero(~self.reported & (counts == 0))
        usual = [np.median(counts[:place]) >= USUAL_ROWS if place else False for place in empty]
        silent: NDArray[np.int64] = empty[np.array(usual, dtype=bool)]
        return silent

    @cached_property
    def in_stock(self) -> Floats:
        """Share of each period in which the item was to be had, 0 to 1, `[n_values]`.

        A period of which nothing is told is like the one before it where that was without stock,
        else in full stock; so is all where nothing tells of stock.
        """
        told = self.columns.get("in_stock")
        if told is None:
            return np.ones(len(self.units), dtype=np.float32)
        last = carried(told.astype(np.float64), self.offsets)
        shares = np.where(np.isnan(told), np.where(last == 0.0, 0.0, 1.0), told)
        return shares.astype(np.float32)

    @cached_property
    def is_bound(self) -> NDArray[np.bool_] | None:
        """Periods of which the units are less than or all that was wanted, `[n_values]`.

        Their units count as unknown. None where demand is not asked for.
        """
        return self.in_stock < 1.0 if self.quantity == "demand" else None

    @cached_property
    def known_units(self) -> Floats:
        """Units `[n_values]`, NaN in `silent` periods and those of `is_bound` too."""
        is_unknown = np.zeros(len(self.units), dtype=bool)
        if len(self.silent):
            is_unknown = np.isin(self.places(), self.silent)
        if self.is_bound is not None:
            is_unknown = is_unknown | self.is_bound
        if not is_unknown.any():
            return self.units
        return np.where(is_unknown, np.float32(np.nan), self.units)

    @cached_property
    def lag_units(self) -> Floats:
        """Units `[n_values]` as histories tell them: the known ones, and of bounds a rate.

        What was sold in a period that was in stock for a fifth of it or more counts as so many
        units in full stock as would have been sold at the same rate; of less nothing is known.
        """
        if self.is_bound is None:
            return self.known_units
        share = self.in_stock
        is_told = self.is_bound & (share >= LEAST_SHARE) & (self.units >= 0)
        return np.where(is_told, self.units / np.where(is_told, share, 1.0), self.known_units)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Position of each item's first series."""
        return {name: row for row, name in reversed(list(enumerate(self.ids)))}


def ragged(lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets `[n + 1]` of series of some lengths, and the series of each value."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return offsets, np.repeat(np.arange(len(lengths)), lengths)


def carried(values: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """Each value, or the last one known before it in its series."""
    last = np.arange(len(values), dtype=np.int32 if len(values) < 2**31 else np.int64)
    last[np.isnan(values)] = -1
    np.maximum.accumulate(last, out=last)
    outside = last < np.repeat(offsets[:-1].astype(last.dtype), np.diff(offsets))
    last[outside] = 0
    found: NDArray[np.float64] = values[last]
    found[outside] = np.nan
    return found


def over_shops(panel: Panel) -> Panel:
    """The panel by item: units and stock of all shops added up, other numbers their mean.

    Prices count by the units that were sold at them, also where they are what is forecast. Units
    are unknown where they are in all shops.
    """
    if panel.shops is None:
        return panel
    ids, item = np.unique(np.array(panel.ids, dtype=object), return_inverse=True)
    first = np.full(len(ids), panel.end, dtype=np.int64)
    np.minimum.at(first, item, panel.first)
    offsets, _ = ragged(panel.end - first)
    _, series = ragged(np.diff(panel.offsets))
    shift = panel.first - first[item] + offsets[item] - panel.offsets[:-1]
    target = np.arange(len(panel.units)) + shift[series]
    n = int(offsets[-1])
    given = np.zeros(n, dtype=bool)
    given[target[panel.given]] = True
    is_price = panel.quantity == "price"
    sold = panel.columns[SOLD] if is_price else panel.units
    sold = np.where(sold > 0, sold, 0)
    columns = {
        name: _over(name, values, sold if name == "price" else None, target, n)
        for name, values in panel.columns.items()
    }
    rows = (item[:, None] * panel.n_ahead + np.arange(panel.n_ahead)).ravel()
    planned = {
        name: _over(name, values.ravel(), None, rows, len(ids) * panel.n_ahead).reshape(
            len(ids), panel.n_ahead
        )
        for name, values in panel.planned.items()
    }
    return replace(
        panel,
        ids=tuple(ids.tolist()),
        shops=None,
        first=first,
        offsets=offsets,
        units=_means(panel.units, sold, target, n) if is_price else _sums(panel.units, target, n),
        given=given,
        columns=columns,
        planned=planned,
    )


def _over(
    name: str, values: Floats, weights: Floats | None, target: NDArray[np.int64], n: int
) -> Floats:
    """What values of a column that go to one place are together."""
    is_sum = name in ("stock", SOLD)
    return _sums(values, target, n) if is_sum else _means(values, weights, target, n)


def _sums(values: Floats, target: NDArray[np.int64], n: int) -> Floats:
    """Sums of the known values that go to one place, NaN where none goes."""
    known = ~np.isnan(values)
    sums = np.bincount(target[known], values[known], minlength=n)
    sums[np.bincount(target[known], minlength=n) == 0] = np.nan
    return sums.astype(np.float32)


def _means(values: Floats, weights: Floats | None, target: NDArray[np.int64], n: int) -> Floats:
    """Means of the known values that go to one place, by weights where any is there."""
    known = ~np.isnan(values)
    place, value = target[known], values[known].astype(np.float64)
    counts = np.bincount(place, minlength=n).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.bincount(place, value, minlength=n) / counts
        if weights is not None:
            weight = np.bincount(place, weights[known], minlength=n)
            weighted = np.bincount(place, value * weights[known], minlength=n) / weight
            means = np.where(weight > 0, weighted, means)
    return means.astype(np.float32)

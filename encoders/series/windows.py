"""What was known of some series at some dates, as views into arrays that all of them share."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from encoders.series.known import Array
from encoders.series.levels import LEVEL_PERIODS, MOST_LEVEL_PERIODS, Measure, levels_of

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Unit = Literal["day", "week", "month"]
"""What a period is."""
THURSDAY = 3
"""Weekday of 1970-01-01, which is day 0; Monday is 0."""
UNITS = "units"
"""Name of the units sold, in `columns` and in `market`."""


@dataclass(frozen=True)
class Calendar:
    """What a period is: a day, a week or a month; periods are numbered without a gap.

    Args:
        unit: Its length.
        shift: Days from 1970-01-01 to the first day of week 0, 0 to 6; weeks alone have one.

    Example:
        >>> print(Calendar("week", shift=4).first_day(np.array([0, 1])))
        ['1970-01-05' '1970-01-12']
    """

    unit: Unit
    shift: int = 0

    def first_day(self, periods: Ints) -> NDArray[np.datetime64]:
        """First day of periods, of the same shape."""
        if self.unit == "month":
            return periods.astype("datetime64[M]").astype("datetime64[D]")
        days = periods if self.unit == "day" else periods * 7 + self.shift
        return days.astype("datetime64[D]")


@dataclass(frozen=True, eq=False)
class Windows:
    """Histories of `n` examples, with what is known ahead of the steps that are asked for.

    A history is cut out when it is read, so that memory does not grow with the number of examples.
    Nothing that was not known before the first step can be read through the methods, save what is
    `known` ahead.

    Args:
        columns: Numbers by name, float32 `[n_values]`, the series one behind the other; `units`
            stands always among them. NaN where a number is unknown.
        series: Position of the series of each example, `[n]`.
        begin: Place of the first value of each history, `[n]`.
        end: Place after the last value that was known, `[n]`; equal to `begin` without a history.
        stop: Place after the last value of the series, `[n]`.
        is_cut: Whether the series may be older than its first value, as the table begins with it.
        period: Number of the first step, `[n]`, by `calendar`.
        calendar: What a period is.
        n_steps: Steps that are asked for, >= 1.
        series_end: Number of the period behind the last value of every series.
        market: Numbers of the whole market by name, float32 `[n_periods]`; `units` (their sum over
            all series) stands always among them.
        market_start: Number of the first period of the market.
        planned: Numbers known ahead behind the end of all series, `[n_series, n_ahead]` by name.
        known: Names of `columns` and `market` that are known ahead.
        measure: What the units of each history are measured by, see `levels`.
    """

    columns: Mapping[str, Floats]
    series: Ints
    begin: Ints
    end: Ints
    stop: Ints
    is_cut: Mask
    period: Ints
    calendar: Calendar
    n_steps: int
    series_end: int
    market: Mapping[str, Floats]
    market_start: int
    planned: Mapping[str, Floats] = field(default_factory=dict)
    known: frozenset[str] = frozenset()
    measure: Measure = "mean"

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.begin)

    @property
    def lengths(self) -> Ints:
        """Periods of each history, `[n]`, >= 0."""
        return self.end - self.begin

    def take(self, rows: Ints) -> "Windows":
        """The windows of some examples, in the given order."""
        names = ("series", "begin", "end", "stop", "is_cut", "period")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def recent(self, most: Ints) -> "Windows":
        """The same examples as if each series had begun at most so many periods ago.

        Args:
            most: Periods of history that are left, `[n]`, >= 0.
        """
        begin = np.maximum(self.begin, self.end - most)
        return replace(self, begin=begin, is_cut=self.is_cut & (begin == self.begin))

    def past(self, column: str, length: int) -> Floats:
        """The last values of a column before the first step.

        Shape:
            Returns `[n, length]`: the last entry is the last period that was known; NaN where a
            value is unknown or the history shorter.
        """
        places = self.end[:, None] + np.arange(-length, 0)
        return values_at(self.columns[column], places, places >= self.begin[:, None])

    def last(self, column: str) -> Array:
        """The last known number of each history, `[n]`, float64; NaN where none is known."""
        values = self.columns[column]
        places = np.flatnonzero(~np.isnan(values))
        nth = np.searchsorted(places, self.end) - 1
        place = np.where(nth >= 0, places[nth] if len(places) else -1, -1)
        return values_at(values, place, place >= self.begin).astype(np.float64)

    def levels(self) -> Array:
        """Level of the units of each history, see `levels_of`: `[n]`; NaN where none is known.

        Where the last periods are unknown, such as those out of stock, those before them tell it.
        """
        if self.measure == "last":
            return self.last(UNITS)
        found = levels_of(self.past(UNITS, LEVEL_PERIODS).astype(np.float64))
        unknown = np.flatnonzero(np.isnan(found) & (self.lengths > 0))
        if len(unknown):
            longer = self.take(unknown).past(UNITS, MOST_LEVEL_PERIODS).astype(np.float64)
            found[unknown] = levels_of(longer, periods=MOST_LEVEL_PERIODS)
        return found

    def past_market(self, name: str, length: int) -> Floats:
        """The last values of a number of the market before the first step; see `past`."""
        values = self.market[name]
        places = (self.period - self.market_start)[:, None] + np.arange(-length, 0)
        return values_at(values, places, (places >= 0) & (places < len(values)))

    def future(self, column: str) -> Floats:
        """What is known ahead of each step, `[n, n_steps]`; NaN where it is unknown.

        Raises:
            ValueError: If the column is not known ahead.
        """
        self._check_known(column)
        found = values_at(self.columns[column], *self.step_places())
        if column in self.planned:
            ahead = (self.period - self.series_end)[:, None] + np.arange(self.n_steps)
            plan = self.planned[column]
            in_plan = (ahead >= 0) & (ahead < plan.shape[1])
            flat = self.series[:, None] * plan.shape[1] + ahead
            found = np.where(in_plan, values_at(plan.ravel(), flat, in_plan), found)
        return found

    def future_market(self, name: str) -> Floats:
        """What is known ahead of the market in each step, `[n, n_steps]`; see `future`.

        Raises:
            ValueError: If it is not known ahead.
        """
        self._check_known(name)
        values = self.market[name]
        places = (self.period - self.market_start)[:, None] + np.arange(self.n_steps)
        return values_at(values, places, (places >= 0) & (places < len(values)))

    def step_places(self) -> tuple[Ints, Mask]:
        """Place of the value of each step `[n, n_steps]`, and whether the series has one."""
        first = self.stop + self.period - self.series_end
        places = first[:, None] + np.arange(self.n_steps)
        return places, (places >= self.end[:, None]) & (places < self.stop[:, None])

    def step_dates(self) -> NDArray[np.datetime64]:
        """First day of each step, `[n, n_steps]`."""
        return self.calendar.first_day(self.period[:, None] + np.arange(self.n_steps))

    def check_like(self, columns: Iterable[str], market: Iterable[str], *, n_steps: int) -> None:
        """Refuses windows that are not like those that an encoder was fitted with.

        Raises:
            ValueError: If a column or number of the market is not there, or steps are others.
        """
        missing = [name for name in columns if name not in self.columns]
        missing += [name for name in market if name not in self.market]
        if missing:
            raise ValueError(
                f"windows must have the columns {', '.join(missing)}, got windows without them. "
                "Give the numbers that the encoder was fitted with."
            )
        if self.n_steps != n_steps:
            raise ValueError(
                f"windows must ask for {n_steps} steps, got {self.n_steps}. "
                "Ask for the horizon that the encoder was fitted for."
            )

    def _check_known(self, name: str) -> None:
        if name not in self.known:
            raise ValueError(
                f"{name} must be known ahead to be read for the steps to come, got one that is "
                f"not. Known ahead: {', '.join(sorted(self.known)) or 'nothing'}."
            )


def values_at(values: Floats, places: Ints, there: Mask) -> Floats:
    """Values `[n_values]` at places of any shape, NaN where `there` is False.

    Example:
        >>> values_at(np.array([5.0, 6.0]), np.array([[0, 9]]), np.array([[True, False]])).tolist()
        [[5.0, nan]]
    """
    if not len(values):
        return np.full(places.shape, np.nan, dtype=np.float32)
    found = values[np.where(there, places, 0)]
    return np.where(there, found, np.float32(np.nan))

"""On which weekdays a table of days is open, and which weeks and months its days make whole."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.data.panel.frequency import Days, Frequency, Unit, chosen_frequency, weekdays_of
from fusion.errors import CatalogueError

Numbers = NDArray[np.int64]
DAY = np.timedelta64(1, "D")
N_WEEKDAYS = 7
LEAST_WEEKS = 8
"""Weeks of days from which on a weekday counts as closed."""
FEW_WEEKS, NEARLY_ALL = 3, 0.8
"""Fewer weeks do where each other weekday has rows in nearly all of them."""
RARE = 0.2
"""Share of weeks in which a closed weekday may have rows all the same: special Sundays."""
USUAL = 0.5
"""Share of weeks in which each open weekday must have rows, so that a closed one is no chance."""


@dataclass(frozen=True)
class RowPeriods:
    """Which periods the rows of a sales table are about.

    Args:
        frequency: The periods.
        open_weekdays: Where rows are days, the weekdays that may have any, ascending, Monday is 0;
            empty where each row covers a whole week or month.
        since: The period that follows those of an earlier table, where there is one.
    """

    frequency: Frequency
    open_weekdays: tuple[int, ...] = ()
    since: int | None = None

    @property
    def is_summed(self) -> bool:
        """Whether days are added up to weeks or months."""
        return self.frequency.unit != "day" and bool(self.open_weekdays)

    def whole(self, days: Days) -> tuple[int, int]:
        """The first period and the one after the last, without those that the table cuts.

        A period is whole if no open day of it lies before the first or after the last date: weeks
        of a shop that is closed on Sundays may end on Saturday. Closed days alone between an
        earlier table and the first date are periods too.

        Args:
            days: The different dates, ascending, at least one.

        Raises:
            CatalogueError: If none is left, or the first one behind an earlier table is cut.
        """
        frequency = self.frequency
        first, end = int(frequency.period(days[0])), int(frequency.period(days[-1])) + 1
        start = first
        if self.is_summed:
            start = int(frequency.period(self._next_open(days[:1], -DAY))[0]) + 1
            end = int(frequency.period(self._next_open(days[-1:], DAY))[0])
            if self.since is not None and first >= self.since and (start > first or end <= start):
                self._refuse_cut(days)
        elif self.since is not None and self.is_closed(np.arange(self.since, start)).all():
            start = min(start, self.since)
        if end <= start:
            unit = frequency.unit
            raise CatalogueError(
                f"sales must hold a whole {unit}, got days from {days[0]} to {days[-1]}. Give more "
                f"days, or leave frequency = {unit} out."
            )
        return start, end

    def _refuse_cut(self, days: Days) -> None:
        """Names the open days that the first of the periods that go on lacks."""
        frequency, unit = self.frequency, self.frequency.unit
        first = int(frequency.period(days[0]))
        begin, last = frequency.first_day(first), frequency.last_day(first)
        n_before, n_behind = int((days[0] - begin) / DAY), int((last - days[-1]) / DAY)
        around = np.concatenate(
            [begin + DAY * np.arange(n_before), days[-1] + DAY * np.arange(1, n_behind + 1)]
        )
        missing = around[np.isin(weekdays_of(around), self.open_weekdays)]
        raise CatalogueError(
            f"sales must hold the rows of all days of a {unit}, as kept {unit}s were added up from "
            f"days, got none of {', '.join(map(str, missing[:N_WEEKDAYS]))}"
            f"{', ...' if len(missing) > N_WEEKDAYS else ''}. Give the rows of these days; where "
            "all was closed on one, a row of 0 units."
        )

    def is_closed(self, periods: Numbers) -> NDArray[np.bool_]:
        """Whether each period is a day on which there are never rows."""
        if self.frequency.unit != "day" or not self.open_weekdays:
            return np.zeros(len(periods), dtype=bool)
        return ~np.isin(weekdays_of(self.frequency.first_day(periods)), self.open_weekdays)

    def _next_open(self, day: Days, step: np.timedelta64) -> Days:
        """The open day after (or before) a date, `[1]`."""
        nearest = day + step * np.arange(1, N_WEEKDAYS + 1)
        return nearest[np.isin(weekdays_of(nearest), self.open_weekdays)][:1]


CountPeriods = Callable[[Days, Numbers, Days], RowPeriods]
"""Dates of all rows, the row of each, dates of sales -> the periods that they are about."""


def counted_as(asked: Unit | None) -> CountPeriods:
    """Finds periods in the dates of a table, or adds days up to those that are asked for.

    Args:
        asked: What a period is; None: as the dates are.
    """

    def count(days: Days, rows: Numbers, sold: Days) -> RowPeriods:
        if not len(sold):
            return RowPeriods(Frequency(asked or "week"))
        frequency = chosen_frequency(days, rows, asked)
        if frequency.unit != "day" and are_whole(days, frequency):
            return RowPeriods(frequency)
        return RowPeriods(frequency, open_weekdays(sold))

    return count


def counted_on(rows_of: RowPeriods) -> CountPeriods:
    """Counts as an earlier table: a row on a closed day, such as one special Sunday, opens none."""
    return lambda days, rows, sold: rows_of


def open_weekdays(days: Days) -> tuple[int, ...]:
    """Weekdays that usually have rows, ascending, Monday is 0; all where that may be by chance.

    Closed is a weekday with rows in at most `RARE` of `LEAST_WEEKS` weeks and more, where each
    other weekday has rows in at least `USUAL` of them; of `FEW_WEEKS` and more, in `NEARLY_ALL`.

    Args:
        days: The different dates, ascending, at least one.

    Example:
        >>> open_weekdays(np.arange("2024-01-01", "2024-03-25", dtype="datetime64[D]"))
        (0, 1, 2, 3, 4, 5, 6)
    """
    n_weeks = int((days[-1] - days[0]) / DAY + 1) // N_WEEKDAYS
    counts = np.bincount(weekdays_of(days), minlength=N_WEEKDAYS)
    share = USUAL if n_weeks >= LEAST_WEEKS else NEARLY_ALL
    is_usual, is_closed = counts >= share * n_weeks, counts <= RARE * n_weeks
    if n_weeks < FEW_WEEKS or not (is_usual | is_closed).all():
        return tuple(range(N_WEEKDAYS))
    return tuple(np.flatnonzero(is_usual).tolist())


def are_whole(days: Days, frequency: Frequency) -> bool:
    """Whether each date stands for a whole week or month: as all are its first or last day."""
    place = frequency.day_of_period(days)
    next_place = frequency.day_of_period(days + 1)
    return bool((place == 0).all() or (frequency.unit == "month" and (next_place == 0).all()))

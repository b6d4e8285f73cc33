"""How often a sales table counts: days, weeks from one weekday on, or months."""

from dataclasses import dataclass
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray

from encoders.series.windows import THURSDAY, Calendar
from encoders.series.windows import Unit as Unit
from encoders.spelling import did_you_mean
from fusion.errors import CatalogueError, ConfigError

UNITS: tuple[Unit, ...] = get_args(Unit)
Days = NDArray[np.datetime64]
"""Dates of datetime64[D]."""
ALIASES: dict[str, Unit] = {"d": "day", "w": "week", "m": "month", "ms": "month", "me": "month"}
"""How pandas and others call the units, capitals and anchors aside."""
RUN = 6
"""Dates of one weekday in a row, without another between them, that no table of days has."""
MONTHS_RUN = 4
FARTHEST_PERIOD = 10**7
"""Periods from 1970 on, either way, that no date lies behind: what a saved number may be."""


@dataclass(frozen=True)
class Frequency:
    """Numbers periods without a gap: equal differences are equal numbers of periods.

    Args:
        unit: What a period is.
        anchor: Weekday that weeks begin with, Monday is 0.

    Example:
        >>> weeks = Frequency("week")
        >>> print(weeks.first_day(weeks.period(np.datetime64("2024-01-31"))))
        2024-01-29
    """

    unit: Unit
    anchor: int = 0

    @property
    def letter(self) -> str:
        """How names of columns tell the unit: `d`, `w` or `m`."""
        return self.unit[0]

    def period(self, dates: Days) -> NDArray[np.int64]:
        """Number of the period that holds each date."""
        days = np.asarray(dates, dtype="datetime64[D]")
        if self.unit == "month":
            return cast(NDArray[np.int64], days.astype("datetime64[M]").astype(np.int64))
        numbers = days.astype(np.int64)
        return numbers if self.unit == "day" else (numbers - self.shift) // 7

    def first_day(self, periods: NDArray[np.int64] | int) -> Days:
        """First day of periods."""
        return self.calendar.first_day(np.asarray(periods, dtype=np.int64))

    def last_day(self, periods: NDArray[np.int64] | int) -> Days:
        """Last day of periods."""
        return self.first_day(np.asarray(periods, dtype=np.int64) + 1) - np.timedelta64(1, "D")

    def next_whole(self, dates: Days) -> NDArray[np.int64]:
        """The first period that begins at a date or later; those before `period` have ended."""
        inside = self.period(dates)
        begun = self.first_day(inside) < np.asarray(dates, dtype="datetime64[D]")
        return inside + begun

    def day_of_period(self, dates: Days) -> NDArray[np.int64]:
        """Days from the first one of its period on, from 0."""
        days = np.asarray(dates, dtype="datetime64[D]")
        return (days - self.first_day(self.period(days))).astype(np.int64)

    def name(self, period: int) -> str:
        """What messages call a period: `the week of 2024-02-12`."""
        first = str(self.first_day(period))
        return {"day": first, "week": f"the week of {first}", "month": f"the month {first[:7]}"}[
            self.unit
        ]

    @property
    def calendar(self) -> Calendar:
        """The same, as windows have it."""
        return Calendar(self.unit, shift=self.shift)

    @property
    def shift(self) -> int:
        """Days from 1970-01-01 to the first day of week 0."""
        return (self.anchor - THURSDAY) % 7


def find_frequency(days: Days, rows: NDArray[np.int64]) -> Frequency:
    """The frequency of the dates of a table.

    One weekday alone: weeks that begin with it. First days of months alone, or last ones: months.
    Everything else: days, unless the table begins or ends as one of weeks or months.

    Args:
        days: The different dates, ascending, at least one.
        rows: Row of the table that each stands in first, from 0.

    Raises:
        CatalogueError: If the frequency changes, with the rows.

    Example:
        >>> find_frequency(np.array(["2024-01-01", "2024-01-15"], dtype="datetime64[D]"),
        ...                np.array([0, 1])).unit
        'week'
    """
    weekdays = weekdays_of(days)
    if (weekdays == weekdays[0]).all():
        return Frequency("week", int(weekdays[0]))
    if are_months(days):
        return Frequency("month")
    place = _change(days)
    if place is not None:
        before, after = place - 1, place
        raise CatalogueError(
            "sales must have one frequency, got dates that change it between "
            f"{days[before]} (row {rows[before] + 1}) and {days[after]} (row {rows[after] + 1}). "
            'Give one table for each, or say frequency = "day" where each row covers one day.'
        )
    return Frequency("day")


def chosen_frequency(days: Days, rows: NDArray[np.int64], asked: Unit | None) -> Frequency:
    """The frequency of a panel: that of the table, or weeks or months that days are added up to.

    Raises:
        CatalogueError: If the frequency changes, or rows of weeks or months are asked for by
            another period.
    """
    if asked == "day":
        return Frequency("day")
    if asked == "month" and are_months(days):
        return Frequency("month")
    found = find_frequency(days, rows)
    if asked is None or found.unit == asked:
        return found
    if found.unit != "day":
        raise CatalogueError(
            f"frequency must be {found.unit}, as the rows of the sales table cover {found.unit}s "
            f"({days[0]} to {days[-1]}), got {asked}. Leave it out, or give a table of days."
        )
    return Frequency(asked)


def check_unit(frequency: object) -> None:
    """Refuses a frequency that is none; None is one that is to be found.

    Raises:
        ConfigError: With the unit that was meant, such as `week` for `W-MON`.
    """
    if frequency is not None and frequency not in UNITS:
        raise ConfigError(f"frequency {unknown_unit(frequency)}")


def unknown_unit(given: object) -> str:
    """What to say of a unit that is none, without its name.

    Example:
        >>> unknown_unit("W-MON")
        "must be one of day, week, month, got 'W-MON'. Did you mean 'week'?"
    """
    plain = str(given).split("-")[0].casefold()
    meant = ALIASES.get(plain, plain.removesuffix("ly").replace("dai", "day"))
    return f"must be one of {', '.join(UNITS)}, got {given!r}.{did_you_mean(meant, UNITS)}"


def are_months(days: Days) -> bool:
    """Whether all dates are first days of months, or all are last ones."""
    return bool(_is_first(days).all() or _is_first(days + 1).all())


def weekdays_of(days: Days) -> NDArray[np.int64]:
    """Weekday of each date, Monday is 0."""
    numbers: NDArray[np.int64] = (days.astype("datetime64[D]").astype(np.int64) + THURSDAY) % 7
    return numbers


def _is_first(days: Days) -> NDArray[np.bool_]:
    return cast(NDArray[np.bool_], days.astype("datetime64[M]").astype("datetime64[D]") == days)


def _change(days: Days) -> int | None:
    """Where a table that begins or ends with weeks or months goes over to something else."""
    weekdays = weekdays_of(days)
    kinds = [
        (weekdays == weekdays[0], weekdays == weekdays[-1], RUN),
        (_is_first(days), _is_first(days), MONTHS_RUN),
        (_is_first(days + 1), _is_first(days + 1), MONTHS_RUN),
    ]
    for from_begin, from_end, least in kinds:
        if (n_first := _run(from_begin)) >= least:
            return n_first
        if (n_last := _run(from_end[::-1])) >= least:
            return len(days) - n_last
    return None


def _run(fits: NDArray[np.bool_]) -> int:
    """How many of the first ones fit."""
    return len(fits) if fits.all() else int(fits.argmin())

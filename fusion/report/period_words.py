"""Periods and dates in words."""

from typing import Any

import numpy as np

from fusion.data.panel.frequency import Frequency, Unit
from fusion.system.words import number_of

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def periods(n: int, frequency: Frequency) -> str:
    """So many periods: `8 weeks`, `1 day`."""
    return number_of(n, frequency.unit)


def day_text(day: Any, *, unit: Unit = "day", year: bool = True) -> str:
    """A date in words.

    Example:
        >>> day_text(np.datetime64("2025-03-03")), day_text("2025-03-01", unit="month", year=False)
        ('3 Mar 2025', 'Mar')
    """
    whole_year, month, of_month = str(np.datetime64(day, "D")).split("-")
    words = [MONTHS[int(month) - 1]]
    if unit != "month":
        words.insert(0, str(int(of_month)))
    return " ".join([*words, whole_year] if year else words)


def span_text(first: int, n: int, frequency: Frequency) -> str:
    """The days of some periods: `3 Mar 2025 to 27 Apr 2025`; months without days."""
    ends = frequency.first_day(first), frequency.last_day(first + n - 1)
    begin_text, end_text = (day_text(day, unit=frequency.unit) for day in ends)
    return begin_text if begin_text == end_text else f"{begin_text} to {end_text}"

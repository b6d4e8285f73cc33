"""Feasts that move what is sold, by rule: Christmas (New Year is a week behind it) and Easter."""

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.datetime64]
REACH_DAYS = 56
"""Days from which on a feast is near."""


def easter(years: NDArray[np.int64]) -> Days:
    """Easter Sunday of years of the Gregorian calendar, from 1583 on.

    Source: Meeus (1991), Astronomical Algorithms, chapter 8 (the rule of Butcher, 1876).

    Example:
        >>> print(easter(np.array([2024, 2025])))
        ['2024-03-31' '2025-04-20']
    """
    golden, century, rest = years % 19, years // 100, years % 100
    shift = (century - (century + 8) // 25 + 1) // 3
    moon = (19 * golden + century - century // 4 - shift + 15) % 30
    sunday = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    late = (golden + 11 * moon + 22 * sunday) // 451
    day = moon + sunday - 7 * late + 22  # of March, from the 1st on
    march = (years - 1970).astype("datetime64[Y]").astype("datetime64[M]") + 2
    found: Days = march.astype("datetime64[D]") + (day - 1)
    return found


def nearness(days: Days) -> dict[str, NDArray[np.float64]]:
    """How near feasts are that come, or have been, in [0, 1]: 1 on the day, 0 from 56 days on.

    Returns:
        By name, each of the shape of `days`.

    Example:
        >>> near = nearness(np.array(["2024-12-18"], dtype="datetime64[D]"))
        >>> near["before_christmas"], near["after_easter"]
        (array([0.875]), array([0.]))
    """
    years = days.astype("datetime64[Y]").astype(np.int64) + 1970
    christmas, last_christmas = (
        (days.astype("datetime64[Y]") + shift).astype("datetime64[D]") - 7 for shift in (1, 0)
    )
    sundays = [easter(years + shift) for shift in (-1, 0, 1)]
    return {
        "before_christmas": _near(christmas - days),
        "after_christmas": np.maximum(_near(days - christmas), _near(days - last_christmas)),
        "before_easter": np.max([_near(sunday - days) for sunday in sundays], axis=0),
        "after_easter": np.max([_near(days - sunday) for sunday in sundays], axis=0),
    }


def _near(distance: NDArray[np.timedelta64]) -> NDArray[np.float64]:
    """1 at a distance of no day, 0 at 56 days and on the other side."""
    days = distance.astype("timedelta64[D]").astype(np.float64)
    return np.where(days >= 0, np.maximum(0.0, 1.0 - days / REACH_DAYS), 0.0)

"""Levels: what the numbers of a series are measured by, so that large and small ones look alike."""

import math
from typing import Literal

import numpy as np

from encoders.series.known import Array, known_mean, last_known

Measure = Literal["mean", "last"]
"""`mean`: the mean of the last 8 known periods and 1 besides, for what is counted and often 0;
`last`: the last known number, for what stays as it is unless it is moved, such as a price."""
LEVEL_PERIODS = 8
"""Periods, the latest, whose mean is a level."""
MOST_LEVEL_PERIODS = 52
"""Periods, the latest, whose mean is a level where all of the last 8 are unknown."""
ADDED: dict[Measure, float] = {"mean": 1.0, "last": 0.0}
"""What is added to a number before its logarithm is held against that of a level."""


def levels_of(past: Array, measure: Measure = "mean", *, periods: int = LEVEL_PERIODS) -> Array:
    """Levels of pasts `[n, length]`: `[n]`, NaN where nothing is known.

    Args:
        past: The last entry is the last period; NaN where a number is unknown.
        measure: What the level is.
        periods: How many, the latest, a mean is of.

    Example:
        >>> past = np.array([[2.0, 4.0, np.nan]])
        >>> levels_of(past).tolist(), levels_of(past, "last").tolist()
        ([4.0], [4.0])
    """
    if measure == "mean":
        return own_means(past[:, -periods:], otherwise=math.nan, least=0.0) + 1.0
    if not past.shape[1]:
        return np.full(len(past), math.nan)
    return last_known(past)


def own_means(values: Array, *, otherwise: float, least: float = -math.inf) -> Array:
    """Mean of the known numbers of each row `[n]`, at least `least`; `otherwise` without any."""
    means = known_mean(values)
    return np.where(np.isnan(means), otherwise, np.maximum(means, least))

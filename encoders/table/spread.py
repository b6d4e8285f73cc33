"""Where the numbers of a column lie and how far they spread, whatever numbers they are."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encoders.table.columns import read_numbers

MIN_SKEW_ROWS = 20
"""Rows below which a skewness says nothing."""


def quantiles(numbers: NDArray[np.float64], levels: Any) -> NDArray[np.float64]:
    """Quantiles `[len(levels), columns]` of what is not missing; zeros for an empty column."""
    output = np.zeros((len(levels), numbers.shape[1]))
    for column in range(numbers.shape[1]):
        known = numbers[:, column][~np.isnan(numbers[:, column])]
        if len(known):
            # halves: the difference of two huge numbers of opposite sign stays finite
            output[:, column] = np.quantile(known / 2, levels) * 2
    return output


def is_skewed(frame: pd.DataFrame, name: str) -> bool:
    """Whether a column has no negative number, a skewness above 1, and half of it or less in logs.

    Why: units, prices and counts act by factors, not by differences.
    """
    numbers = read_numbers(frame, name)
    known = np.clip(numbers[~np.isnan(numbers)], None, 1e100)  # the cube stays finite
    if len(known) < MIN_SKEW_ROWS or known.min() < 0:
        return False
    if known.min() == known.max():  # all alike: there is no skewness
        return False
    from scipy import stats  # takes a second to import

    plain, logs = float(stats.skew(known)), float(stats.skew(np.log1p(known)))
    return plain > 1.0 and abs(logs) <= plain / 2


def medians(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Median `[columns]` of what is not missing; 0 for an empty column."""
    return np.asarray(quantiles(numbers, [0.5])[0])


def spreads(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interquartile range of each column; its standard deviation, then 1, where that is 0."""
    low, high = quantiles(numbers, [0.25, 0.75])
    spread = high / 2 - low / 2
    for column in np.flatnonzero(spread == 0):
        known = numbers[:, column][~np.isnan(numbers[:, column])]
        spread[column] = _deviation(known) / 2
    return np.where(spread > 0, np.minimum(spread, np.finfo(float).max / 2) * 2, 1.0)


def _deviation(numbers: NDArray[np.float64]) -> float:
    """Standard deviation that does not overflow for the largest numbers."""
    largest = float(np.abs(numbers).max(initial=0.0))
    return 0.0 if largest == 0.0 else float(np.std(numbers / largest)) * largest

"""Exponential smoothing of many histories at once: what is kept of a history as one number.

Histories are arrays `[n, length]`, the last entry the latest period, NaN where a period is not
known (before the series began, or not to be had). An unknown period changes nothing: what was kept
before it is kept. A history without a known period has no answer, NaN.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def exponential_smoothing(past: Floats, *, alpha: float | Floats) -> Floats:
    """Level of each history: a mean whose weights fall by the factor 1 - alpha with each period.

    The forecast of every coming period. The first known period begins the level.
    Source: Brown (1959), simple exponential smoothing: `level += alpha * (units - level)`.

    Args:
        past: Units `[n, length]`, NaN where unknown.
        alpha: Weight of the latest period, in (0, 1]: one number, or one a row `[n]`.

    Returns:
        `[n]`, in units a period, between the least and the largest known one; NaN without any.

    Raises:
        ValueError: If an alpha is not in (0, 1].

    Example:
        >>> exponential_smoothing(np.array([[np.nan, 10.0, 20.0]]), alpha=0.2).tolist()
        [12.0]
    """
    weight = _checked("alpha", alpha)
    level = np.full(len(past), np.nan)
    for units in np.asarray(past, dtype=np.float64).T:
        level = _updated(level, units, weight)
    return level


def teunter_syntetos_babai(
    past: Floats, *, alpha: float | Floats, beta: float | Floats
) -> tuple[Floats, Floats]:
    """Size of a demand and probability of one, smoothed apart, of each history.

    When: for items that sell in few periods. Unlike Croston's method the probability falls with
    each period without a sale, so an item that is over goes to 0. The forecast of every coming
    period is `size * probability`.
    Source: Teunter, Syntetos and Babai (2011), equations 1 and 2; the first sale begins the size,
    the first known period the probability. Periods of returns (units below 0) are without demand.

    Args:
        past: Units `[n, length]`, NaN where unknown.
        alpha: Weight of the latest sale in the size, in (0, 1]: one number, or one a row `[n]`.
        beta: Weight of the latest period in the probability, in (0, 1], likewise.

    Returns:
        Size `[n]` in units a period that sells, > 0 (NaN without a sale), and probability `[n]` in
        [0, 1] (NaN without a known period).

    Raises:
        ValueError: If an alpha or beta is not in (0, 1].

    Example:
        >>> size, probability = teunter_syntetos_babai(np.array([[8.0, 0.0]]), alpha=0.5, beta=0.5)
        >>> (size * probability).tolist()
        [4.0]
    """
    of_size, of_probability = _checked("alpha", alpha), _checked("beta", beta)
    size = np.full(len(past), np.nan)
    probability = size.copy()
    for units in np.asarray(past, dtype=np.float64).T:
        sold = units > 0  # False where unknown
        size = _updated(size, np.where(sold, units, np.nan), of_size)
        probability = _updated(probability, np.where(np.isnan(units), np.nan, sold), of_probability)
    return size, probability


def _updated(level: Floats, value: Floats, weight: Floats) -> Floats:
    """The level moved towards a value by its weight; kept where there is no value."""
    moved = np.where(np.isnan(level), value, level + weight * (value - level))
    return np.where(np.isnan(value), level, moved)


def _checked(name: str, given: float | Floats) -> Floats:
    weight = np.asarray(given, dtype=np.float64)
    wrong = weight[~((weight > 0) & (weight <= 1))]
    if wrong.size:
        raise ValueError(f"{name} must be in (0, 1], got {wrong.flat[0]}. Give 0.2.")
    return weight

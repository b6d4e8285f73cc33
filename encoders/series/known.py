"""What is known of each row `[n, length]`: what is NaN is not known, and counts for nothing."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def known_mean(values: NDArray[np.floating]) -> Array:
    """Mean of what is known in each row, `[n]`; NaN where nothing is.

    Example:
        >>> known_mean(np.array([[np.nan, 4.0, 8.0], [np.nan] * 3])).tolist()
        [6.0, nan]
    """
    known = ~np.isnan(values)
    counts = known.sum(axis=1)
    sums = np.where(known, values, 0.0).sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def known_quantiles(values: NDArray[np.floating], levels: Sequence[float]) -> list[Array]:
    """Quantiles of what is known in each row, `[n]` each, linear between two values.

    Example:
        >>> known_quantiles(np.array([[8.0, np.nan, 4.0]]), (0.5, 1.0))
        [array([6.]), array([8.])]
    """
    ordered = np.sort(values, axis=1)  # NaN last
    counts = (~np.isnan(values)).sum(axis=1)
    found = []
    for level in levels:
        place = level * np.maximum(counts - 1, 0)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, np.maximum(counts - 1, 0))
        below, above = (np.take_along_axis(ordered, p[:, None], 1)[:, 0] for p in (low, high))
        found.append(below + (above - below) * (place - low))
    return found


def last_known(values: NDArray[np.floating]) -> Array:
    """The last number that is known in each row, `[n]`; NaN where none is.

    Example:
        >>> last_known(np.array([[4.0, 8.0, np.nan]])).tolist()
        [8.0]
    """
    back = ~np.isnan(values)[:, ::-1]
    return np.asarray(values[np.arange(len(values)), values.shape[1] - 1 - back.argmax(axis=1)])

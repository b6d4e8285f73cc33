"""Prices of each period and of a whole window: between quantiles that were learned."""

import numpy as np

from heads.base import Floats
from heads.sales_distribution import LearnedSales


class LearnedPrices(LearnedSales):
    """Prices instead of units: the last entry is the mean over the window, and no price is 0.

    Args:
        mean: Price in each step, > 0, `[n, horizon]`.
        points: Quantiles of prices, > 0, `[n, horizon + 1, n_levels]`; they are put in order.
        levels: Of the quantiles, two or more, ascending in (0, 1).

    Example:
        >>> points = np.array([[[9.0, 10.0, 11.0]] * 3])
        >>> prices = LearnedPrices(np.array([[10.0, 12.0]]), points, [0.1, 0.5, 0.9])
        >>> prices.mean[0].tolist(), prices.periods_in_window, prices.horizon
        ([10.0, 12.0, 11.0], 1, 2)
    """

    @property
    def periods_in_window(self) -> int:
        """1: the last entry is as large as one step."""
        return 1

    def _of_window(self, mean: Floats) -> Floats:
        return np.asarray(mean.mean(axis=1, keepdims=True))

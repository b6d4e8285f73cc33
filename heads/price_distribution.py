"""Prices of each period and of a whole window: between quantiles that were learned."""

import numpy as np

from heads.base import Floats
from heads.sales_distribution import LearnedSales

LEAST_SHARE = 0.01
"""No quantile lies below this share of the lowest that was learned: no price is 0."""


class LearnedPrices(LearnedSales):
    """Prices instead of units: the last entry is the mean over the window, and no price is 0.

    Below the lowest quantile lies the tail of an exponential distribution, as above the highest: a
    price that seldom moves is not likely to lie anywhere between 0 and its last one.

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

    def probability_above(self, threshold: Floats | float) -> Floats:
        """Probability, see `SalesDistribution.probability_above`."""
        asked = np.broadcast_to(threshold, self.mean.shape)
        lowest, tail = self.points[..., 0], self._low_tail
        short = np.maximum(lowest - asked, 0.0) / np.where(tail > 0, tail, 1.0)
        below = self.levels[0] * np.where(tail > 0, np.exp(-short), 0.0)
        found = super().probability_above(threshold)
        return np.where(asked < lowest, 1.0 - below, found)

    def _quantile(self, level: float) -> Floats:
        """Prices `[n, horizon + 1]`."""
        if level >= self.levels[0]:
            return super()._quantile(level)
        lowest = self.points[..., 0]
        found = lowest - self._low_tail * np.log(self.levels[0] / level)
        return np.asarray(np.maximum(found, LEAST_SHARE * lowest))

    @property
    def _low_tail(self) -> Floats:
        """Mean of the exponential tail below the lowest quantile, `[n, horizon + 1]`, >= 0."""
        span = np.log(self.levels[1] / self.levels[0])
        tail: Floats = (self.points[..., 1] - self.points[..., 0]) / span
        return tail

    def _of_window(self, mean: Floats) -> Floats:
        return np.asarray(mean.mean(axis=1, keepdims=True))

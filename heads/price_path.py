"""Price path: the price in each of the coming periods, and its mean over all of them."""

from typing import ClassVar

import numpy as np

from heads.base import Floats, Parts
from heads.price_distribution import LEAST_SHARE, LearnedPrices
from heads.sales_path import SalesPathHead
from heads.sales_units import SalesUnits, Stages


class PricePathHead(SalesPathHead):
    """The price in each coming period and its mean over all of them: median, mean and quantiles.

    Targets and answers are relative: prices divided by the last known price of the item, so that
    1 is a price that does not move. What is learned, and how, is that of `SalesPathHead`; prices
    are no counts, so nothing is rounded, and the window is a mean and not a sum.

    Shape:
        As `SalesPathHead`.

    Args:
        horizon: Steps, >= 1.
        levels: Levels of the quantile columns, in (0, 1), in any order.
        starts: Best constant raw outputs, as of `SalesPathHead`.
        units: Always the default: between quantiles that were learned, not rounded.

    Raises:
        ValueError: As `SalesPathHead`, and if `units` say anything else.

    Example:
        >>> head = PricePathHead.fitted(np.array([[0.9, 1.0, 0.95], [1.0, 1.1, 1.05]]))
        >>> head.columns[0].name, head.columns[0].unit, head.columns[-1].name
        ('price_step_1_p50', 'price', 'price_window_p90')
    """

    stem: ClassVar[str] = "price"
    unit: ClassVar[str] = "price"
    says: ClassVar[str] = "price in each of {n} periods and its mean"
    beside: ClassVar[str] = "the last price"

    def check_units(self) -> None:
        """Refuses rounding and distributions of counts."""
        if self.units != SalesUnits():
            raise ValueError(
                f"units must be left out of a head of prices, got {self.units.family}. Prices are "
                "no counts."
            )

    def distribution(self, raw: Floats, level: Floats, *, stages: Stages) -> LearnedPrices:
        """The price in each step and its mean over the window, > 0.

        The mean of a step lies between its outermost quantiles: prices have no long tails.

        Args:
            raw: `[n, horizon + 1, raw_dim]`.
            level: Price that each row is measured by, `[n]`, > 0.
            stages: Not read.
        """
        del stages
        prices = np.maximum(raw, LEAST_SHARE) * level[:, None, None]
        steps = np.sort(prices[:, :-1, 1:], axis=-1)
        mean = np.clip(prices[:, :-1, 0], steps[..., 0], steps[..., -1])
        return LearnedPrices(mean, prices[..., 1:], self.grid)

    def actual(self, path: Floats, level: Floats) -> Floats:
        """Prices of the steps and their mean, of relative ones; see `SalesPathHead.actual`."""
        return path * level[:, None]

    def fit_units(
        self, raw: Floats, path: Floats, *, level: Floats, stages: Stages, parts: Parts
    ) -> None:
        """Does nothing: prices are told between the quantiles that were learned."""

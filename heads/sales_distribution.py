"""Sales of each period and of a whole window in units: means, quantiles and probabilities."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from heads.base import Floats
from heads.count_distributions import Counts


class SalesDistribution(ABC):
    """How much is sold in each step and, as a last entry, in the whole window.

    Args:
        mean: Units of each step, >= 0, `[n, horizon]`. That of the window is their sum.
    """

    def __init__(self, mean: Floats) -> None:
        self.mean = np.concatenate([mean, self._of_window(mean)], axis=1)
        """Mean units, >= 0, `[n, horizon + 1]`."""

    @property
    @abstractmethod
    def is_whole(self) -> bool:
        """True where units are whole numbers."""

    @property
    def horizon(self) -> int:
        """Steps, >= 1."""
        return int(self.mean.shape[1]) - 1

    @property
    def periods_in_window(self) -> int:
        """How many steps the last entry is as large as: their number, as it is their sum."""
        return self.horizon

    def _of_window(self, mean: Floats) -> Floats:
        """Mean of the window `[n, 1]`."""
        return np.asarray(mean.sum(axis=1, keepdims=True))

    @abstractmethod
    def quantile(self, levels: Sequence[float]) -> Floats:
        """Units, >= 0, that sales stay at or below with given probabilities.

        Args:
            levels: In (0, 1), in any order.

        Returns:
            `[n, horizon + 1, n_levels]`; a higher level has no smaller quantile.
        """

    @abstractmethod
    def probability_above(self, threshold: Floats | float) -> Floats:
        """Probability `[n, horizon + 1]` that so many units or more are sold.

        It is 0.5 or more where the median is the threshold or more, and nowhere else.

        Args:
            threshold: Units: one number, or some that broadcast to `[n, horizon + 1]`.
        """


class LearnedSales(SalesDistribution):
    """Between quantiles that were learned.

    Between two levels a quantile lies on the line between theirs, below the lowest on that from 0
    units, and above the highest on the tail of the exponential distribution through the last two.

    Args:
        mean: Units of each step, >= 0, `[n, horizon]`.
        points: Quantiles in units, `[n, horizon + 1, n_levels]`; they are put in order.
        levels: Of the quantiles, two or more, ascending in (0, 1).
        rounding: What is added to each quantile before the fraction is cut off, `[horizon + 1,
            n_levels]`, in [0, 1); None where units need not be whole.

    Example:
        >>> points = np.array([[[1.0, 2.0, 4.0], [1.0, 2.0, 4.0]]])
        >>> sold = LearnedSales(np.array([[2.5]]), points, [0.1, 0.5, 0.9])
        >>> sold.quantile([0.05, 0.5, 0.7])[0, 0].round(6).tolist()
        [0.5, 2.0, 3.0]
        >>> sold.probability_above(3.0)[0].round(6).tolist()
        [0.3, 0.3]
    """

    def __init__(
        self,
        mean: Floats,
        points: Floats,
        levels: Sequence[float],
        rounding: Floats | None = None,
    ) -> None:
        super().__init__(mean)
        self.levels = np.asarray(levels, dtype=np.float64)
        self._is_whole = rounding is not None
        above = points if rounding is None else points + rounding
        self.points = np.sort(np.maximum(above, 0.0), axis=-1)

    @property
    def is_whole(self) -> bool:
        """True where quantiles are rounded."""
        return self._is_whole

    def quantile(self, levels: Sequence[float]) -> Floats:
        """Units, see `SalesDistribution.quantile`."""
        found = np.stack([self._quantile(level) for level in levels], axis=-1)
        return np.floor(found) if self.is_whole else found

    def _quantile(self, level: float) -> Floats:
        """Before rounding, `[n, horizon + 1]`."""
        place = int(np.searchsorted(self.levels, level))
        if place == len(self.levels):
            beyond: Floats = self._tail * np.log((1.0 - self.levels[-1]) / (1.0 - level))
            return self.points[..., -1] + beyond
        high = self.points[..., place]
        low = self.points[..., place - 1] if place else np.zeros_like(high)
        start = self.levels[place - 1] if place else 0.0
        share = (level - start) / (self.levels[place] - start)
        found: Floats = low + share * (high - low)
        return found

    @property
    def _tail(self) -> Floats:
        """Mean of the exponential tail, `[n, horizon + 1]`, >= 0."""
        span = np.log((1.0 - self.levels[-2]) / (1.0 - self.levels[-1]))
        tail: Floats = (self.points[..., -1] - self.points[..., -2]) / span
        return tail

    def probability_above(self, threshold: Floats | float) -> Floats:
        """Probability, see `SalesDistribution.probability_above`."""
        asked = np.ceil(threshold) if self.is_whole else threshold
        asked = np.broadcast_to(asked, self.mean.shape)[..., None]
        place = (self.points < asked).sum(axis=-1, keepdims=True)  # of the next quantile
        start = np.zeros((*self.mean.shape, 1))
        points = np.concatenate([start, self.points], axis=-1)
        levels = np.concatenate([[0.0], self.levels])
        last = len(self.levels)
        low = np.take_along_axis(points, place, axis=-1)
        high = np.take_along_axis(points, np.minimum(place + 1, last), axis=-1)
        span = np.where(high > low, high - low, 1.0)
        between = levels[place] + (asked - low) / span * np.diff(levels, append=1.0)[place]
        tail = self._tail[..., None]
        beyond = np.exp(-np.maximum(asked - points[..., -1:], 0.0) / np.where(tail > 0, tail, 1.0))
        over = 1.0 - (1.0 - levels[-1]) * np.where(tail > 0, beyond, 0.0)
        below = np.where(place == last, over, between)
        found: Floats = np.where(asked <= 0, 1.0, 1.0 - below)[..., 0].clip(0.0, 1.0)
        return found


class CountSales(SalesDistribution):
    """Counts that follow a distribution of their own in each step and in the window.

    Args:
        mean: Units of each step, > 0, `[n, horizon]`.
        counts: Distributions of whole units, of `[n, horizon + 1]`.
    """

    def __init__(self, mean: Floats, counts: Counts) -> None:
        super().__init__(mean)
        self.counts = counts

    @property
    def is_whole(self) -> bool:
        """True: these are counts."""
        return True

    def quantile(self, levels: Sequence[float]) -> Floats:
        """Whole units, see `SalesDistribution.quantile`."""
        return np.stack([self.counts.quantile(level) for level in levels], axis=-1)

    def probability_above(self, threshold: Floats | float) -> Floats:
        """Probability, see `SalesDistribution.probability_above`."""
        asked = np.broadcast_to(np.ceil(threshold), self.mean.shape)
        return 1.0 - self.counts.cumulative(asked - 1.0)


def whole_rounding(
    quantiles: Floats, units: Floats, levels: Sequence[float], *, known: NDArray[np.bool_]
) -> Floats:
    """What to add to quantiles before the fraction is cut off, so that whole numbers hold.

    As many of the rows as a level says fall short of a quantile below the median, and exceed one
    above it. At the median whole numbers are the nearest.

    Why: of learned quantiles half may be tiny and not 0, so that no week of 0 lies inside a range.

    Args:
        quantiles: Of rows that were not learned from, in units, `[n, n_levels]`.
        units: What was sold, `[n]`.
        levels: Of the quantiles.
        known: Rows of which it is known, `[n]`.

    Returns:
        Numbers in [0, 1), `[n_levels]`.
    """
    tried = np.concatenate([np.linspace(0.0, 0.9, 19), 1.0 - np.geomspace(0.08, 0.001, 14)])
    found = np.full(len(levels), 0.5)
    sold = units[known]
    for place, level in enumerate(levels):
        if level == 0.5 or not len(sold):
            continue
        given = quantiles[known, place]
        side = 1.0 if level < 0.5 else -1.0
        share = [(side * sold < side * np.floor(given + added)).mean() for added in tried]
        found[place] = tried[int(np.abs(np.subtract(share, min(level, 1.0 - level))).argmin())]
    return found

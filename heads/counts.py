"""Distributions of counts: how likely at most so many units are, and where quantiles lie."""

from dataclasses import dataclass

import numpy as np

from heads.base import Floats


@dataclass(frozen=True)
class CountDistribution:
    """Poisson or negative binomial counts of `n` rows, or of any other shape.

    Why not `scipy.stats`: its import takes longer than a prediction; the numbers are the same.

    Args:
        mean: `[n]`, > 0.
        size: `[n]`, > 0: the variance is `mean + mean^2 / size`; None for Poisson counts.

    Example:
        >>> sold = CountDistribution(np.array([2.0]), None)
        >>> sold.quantile(0.5).tolist(), sold.cumulative(np.array([0.0])).round(3).tolist()
        ([2.0], [0.135])
    """

    mean: Floats
    size: Floats | None

    def cumulative(self, units: Floats) -> Floats:
        """Probability `[n]` of at most so many units `[n]`; 0 of numbers below 0."""
        from scipy import special

        whole = np.floor(units)
        if self.size is None:
            found = special.pdtr(np.maximum(whole, 0.0), self.mean)
        else:
            share = self.size / (self.size + self.mean)
            found = special.betainc(self.size, np.maximum(whole, 0.0) + 1.0, share)
        below: Floats = np.where(whole < 0, 0.0, found)
        return below

    def quantile(self, level: float | Floats) -> Floats:
        """The least numbers of units `[n]` with at least this probability, in (0, 1), below.

        Args:
            level: One for all rows, or `[n]`.
        """
        from scipy import special

        if self.size is None:
            near = special.pdtrik(level, self.mean)
        else:
            near = special.nbdtrik(level, self.size, self.size / (self.size + self.mean))
        units = np.maximum(np.ceil(near), 0.0)
        lower = np.maximum(units - 1.0, 0.0)
        least: Floats = np.where(self.cumulative(lower) >= level, lower, units)
        return least

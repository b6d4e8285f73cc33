"""Distributions of counts around a mean, whose dispersion was found on sales that came later."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np

from heads.base import Floats
from heads.counts import CountDistribution

POWER = 1.5
"""Of the Tweedie distribution: between Poisson (1) and gamma (2)."""
LARGEST_EVENTS = 1e3
"""Mean number of purchases beyond which a Tweedie distribution keeps its shape."""
N_EVENTS = 81
"""Numbers of purchases between which shapes of the Tweedie distribution are interpolated."""
BISECTIONS = 48


class Counts(Protocol):
    """Whole units of rows and entries, of any shape."""

    def cumulative(self, units: Floats) -> Floats:
        """Probability of at most so many units; 0 of numbers below 0."""

    def quantile(self, level: float) -> Floats:
        """The least numbers of units with at least this probability, in (0, 1), below."""


@dataclass(frozen=True, eq=False)
class ZeroInflated:
    """Counts that are 0 more often than their distribution says. *Source:* Lambert (1992).

    Args:
        zeros: Probability that nothing can be sold, in [0, 1).
        counts: What is sold otherwise.
    """

    zeros: Floats
    counts: CountDistribution

    def cumulative(self, units: Floats) -> Floats:
        """Probability of at most so many units."""
        found = self.zeros + (1.0 - self.zeros) * self.counts.cumulative(units)
        return np.where(units < 0, 0.0, found)

    def quantile(self, level: float) -> Floats:
        """The least numbers of units with at least this probability below."""
        left = (level - self.zeros) / (1.0 - self.zeros)
        least = self.counts.quantile(np.clip(left, 1e-12, None))
        return np.where(self.cumulative(np.zeros_like(self.zeros)) >= level, 0.0, least)


@dataclass(frozen=True, eq=False)
class Tweedie:
    """Sums of a Poisson number of gamma amounts: often 0, else any amount > 0.

    *Source:* Jørgensen (1987): the variance is `dispersion * mean ** power`; Smyth (1996) for the
    sum. A shape depends on the mean number of purchases alone, which is `mean ** (2 - power) /
    (dispersion * (2 - power))`; quantiles are interpolated between 81 shapes.

    Args:
        mean: > 0, of any shape.
        dispersion: > 0, of the same shape.
        power: In (1, 2).
    """

    mean: Floats
    dispersion: Floats
    power: float

    def quantile(self, level: float) -> Floats:
        """Amounts, >= 0, that are not exceeded with this probability, in (0, 1)."""
        events = self.mean ** (2.0 - self.power) / (self.dispersion * (2.0 - self.power))
        shares = np.interp(np.log(events), *_shares(self.power, level))
        return np.asarray(self.mean * shares)


@lru_cache(maxsize=512)
def _shares(power: float, level: float) -> tuple[Floats, Floats]:
    """Logarithms of numbers of purchases, and the quantile as a share of the mean at each."""
    from scipy import special

    events = np.geomspace(1e-3, LARGEST_EVENTS, N_EVENTS)
    alpha = (2.0 - power) / (power - 1.0)
    shares = np.zeros(N_EVENTS)
    for place, mean in enumerate(events):
        spread = 8.0 * np.sqrt(mean) + 10.0
        number = np.arange(max(1, int(mean - spread)), int(mean + spread) + 1)
        chance = np.exp(number * np.log(mean) - mean - special.gammaln(number + 1.0))
        if np.exp(-mean) >= level:
            continue
        low, high = 0.0, 1.0
        while (
            np.exp(-mean) + chance @ special.gammainc(number * alpha, high * mean * alpha) < level
        ):
            high *= 2.0
        for _ in range(BISECTIONS):
            middle = (low + high) / 2.0
            below = chance @ special.gammainc(number * alpha, middle * mean * alpha)
            low, high = (middle, high) if np.exp(-mean) + below < level else (low, middle)
        shares[place] = high
    return np.log(events), shares

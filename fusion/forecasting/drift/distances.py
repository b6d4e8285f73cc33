"""How far what came lies from what was learned: the three measures of drift, in plain numpy."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def population_stability(expected: Floats, found: Floats) -> Floats:
    """Population stability index: 0 where both are alike, >= 0; about 0.25 and more counts as much.

    *Source:* the sum of `(f - e) * ln(f / e)` over bins: the symmetric divergence of Kullback and
    Leibler (1951), as used in credit scoring (Siddiqi 2006).

    Shape:
        `expected` `[n_bins]`, `found` `[..., n_bins]`; returns `[...]`.

    Args:
        expected: Share of each bin, > 0, see `smoothed_shares`.
        found: The same of what came.

    Example:
        >>> even, found = np.array([0.5, 0.5]), np.array([0.25, 0.75])
        >>> float(population_stability(even, found).round(4))
        0.2747
    """
    index: Floats = ((found - expected) * np.log(found / expected)).sum(axis=-1)
    return index


def smoothed_shares(counts: Floats) -> Floats:
    """Share of each bin, > 0: half a case is added to each (Jeffreys' prior), same shape."""
    shares: Floats = (counts + 0.5) / (counts + 0.5).sum(axis=-1, keepdims=True)
    return shares


def energy_distance(first: Floats, second: Floats) -> float:
    """Energy distance of two samples: 0 where both are alike, >= 0, in units of the columns.

    *Source:* Székely and Rizzo (2013), the root of `2 E|X - Y| - E|X - X'| - E|Y - Y'|`; with one
    column it is `scipy.stats.energy_distance`.

    Shape:
        `[n, dim]` and `[m, dim]`, n and m >= 1.

    Example:
        >>> round(energy_distance(np.array([[0.0]]), np.array([[2.0]])), 4)
        2.0
    """
    between = pairwise_distances(first, second).mean()
    own = pairwise_distances(first, first).mean() + pairwise_distances(second, second).mean()
    return math.sqrt(max(2.0 * float(between) - float(own), 0.0))


def pairwise_distances(first: Floats, second: Floats) -> Floats:
    """Euclidean distance of each row of one sample to each of another, `[n, m]`."""
    distances: Floats = np.linalg.norm(first[:, None] - second[None], axis=-1)
    return distances


def cusum(scores: Floats, *, slack: float) -> Floats:
    """Cumulative sums of standard scores upwards and downwards, `[2, ..., n]`, >= 0.

    *Source:* Page (1954): `s = max(0, s + z - slack)`, from 0 on; finds small lasting shifts that
    no single period shows. A score that is not known changes nothing.

    Args:
        scores: `[..., n]`, 0 on average and of spread 1 without drift; NaN where unknown.
        slack: Half of the shift that is looked for, >= 0.

    Example:
        >>> cusum(np.array([1.0, 1.0, -3.0]), slack=0.5).tolist()
        [[0.5, 1.0, 0.0], [0.0, 0.0, 2.5]]
    """
    known = ~np.isnan(scores)
    steps = np.where(known, [scores - slack, -scores - slack], 0.0)
    sums = np.zeros_like(steps)
    running = np.zeros(steps.shape[:-1])
    for place in range(steps.shape[-1]):
        running = np.maximum(0.0, running + steps[..., place])
        sums[..., place] = running
    return sums


def tail_limit(draws: Floats, share: float) -> Floats:
    """What a number exceeds with a small probability, by draws of it, `[...]`.

    The highest tenth of the draws says how fast the tail falls; beyond it an exponential tail is
    taken, so that a share of 1 in 10,000 does not need as many draws. Give squares of what falls as
    a normal distribution does: these have such a tail.

    *Source:* Pickands (1975), excesses over a high threshold; *differs:* of shape 0.

    Args:
        draws: `[..., n_draws]`.
        share: The probability, in (0, 0.1].
    """
    high = np.quantile(draws, 0.9, axis=-1)
    over = draws > high[..., None]
    excess = np.where(over, draws - high[..., None], 0.0).sum(axis=-1)
    scale = excess / np.maximum(over.sum(axis=-1), 1)
    limit: Floats = high + scale * math.log(0.1 / share)
    return limit

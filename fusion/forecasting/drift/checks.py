"""New items held against those of a reference: each check is a number and its limit."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from fusion.forecasting.drift.distances import (
    Floats,
    Mask,
    energy_distance,
    pairwise_distances,
    population_stability,
    smoothed_shares,
    tail_limit,
)
from fusion.forecasting.drift.items import (
    CountSketch,
    ItemContent,
    ItemSketch,
    Levels,
    LevelSketch,
    absences,
    known_levels,
    ranks,
)
from fusion.forecasting.drift.signals import Key

N_DRAWS = 600
MOST_COMPARED = 64
"""Items whose vectors are compared with the reference at once; of more, evenly spaced ones."""
MOST_COUNTED = 200
"""Items that count as so many at most: of very many the smallest difference would be certain."""
LEAST_NEW = 3
MOST_LIMITS = 256
"""Limits that are kept once they were drawn."""


@dataclass(frozen=True)
class Check:
    """What was measured of some new items.

    Args:
        value: The measure.
        limit: What it exceeds by chance with the stated probability.
    """

    value: float
    limit: float


def checks(sketch: ItemSketch, items: ItemContent, *, share: float) -> Iterator[tuple[Key, Check]]:
    """Every measure of some items against a reference, by column and measure.

    `absent`: share of items that lack a column or modality. `unseen`: share with a level that no
    item of the reference had. `levels`: population stability index of levels. `energy`: energy
    distance of numbers and embeddings. Fewer than 3 items say nothing.

    Args:
        sketch: Of the items of the reference.
        items: New ones.
        share: Probability that a check exceeds its limit by chance, in (0, 0.1].
    """
    missing = absences(items)
    for name, counts in sketch.absent.items():
        if name in missing and len(items) >= LEAST_NEW:
            yield (name, "absent"), _count_check(counts, missing[name], share)
    for name, levels in sketch.categories.items():
        own = items.categories.get(name, np.empty(0, dtype=object))
        own = own[known_levels(own)]
        if len(own) >= LEAST_NEW:
            yield (name, "levels"), _levels_check(levels, levels.counted(own), share)
            if levels.known is not None:
                yield (name, "unseen"), _count_check(levels.unseen, unseen(levels, own), share)
    for name, sample, vectors in _vectors(sketch, items):
        if len(vectors) >= LEAST_NEW:
            yield (name, "energy"), _energy_check(sample, vectors, share)


def count_checks(sketch: ItemSketch) -> int:
    """How many measures `checks` gives at most."""
    judged = [levels.known is not None for levels in sketch.categories.values()]
    parts = (sketch.absent, judged, sketch.numbers, sketch.vectors)
    return sum(map(len, parts)) + sum(judged)


def unseen(levels: LevelSketch, own: Levels) -> Mask:
    """Which levels no item of the reference had."""
    known = set(levels.known or ())
    return np.array([level not in known for level in own], dtype=bool)


def _vectors(sketch: ItemSketch, items: ItemContent) -> Iterator[tuple[str, Floats, Floats]]:
    """Each column and embedding: the reference and some items, as vectors on one scale."""
    for name, values in sketch.numbers.items():
        if name in items.numbers:
            found, among = items.numbers[name], np.array(values)
            yield name, ranks(among, among), ranks(found[~np.isnan(found)], among)
    for name, sample in sketch.vectors.items():
        if name in items.vectors:
            yield name, np.array(sample.sample), sample.scaled(items.known_vectors(name))


def _count_check(counts: CountSketch, found: Mask, share: float) -> Check:
    """Share of items with which something happened, and how high it gets by chance."""
    n = min(len(found), MOST_COUNTED)
    return Check(float(np.mean(found)), _count_limit(n, counts.n_found, counts.n, share) / n)


@lru_cache(MOST_LIMITS)
def _count_limit(n: int, happened: int, of: int, share: float) -> int:
    """The most of `n` items with which something happens that is not rarer than a share.

    *Source:* beta-binomial prediction under Jeffreys' prior: the reference is not sure either.
    """
    a, b = happened + 0.5, of - happened + 0.5
    logs = [
        math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        + math.lgamma(k + a) + math.lgamma(n - k + b) - math.lgamma(n + a + b)
        + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        for k in range(n + 1)
    ]  # fmt: skip
    more = np.exp(logs)[::-1].cumsum()[::-1] - np.exp(logs)
    return int(np.argmax(more <= share))


def _levels_check(levels: LevelSketch, counts: Floats, share: float) -> Check:
    """Population stability index of levels, and how high it gets by chance with so few items."""
    n = int(min(counts.sum(), MOST_COUNTED))
    own = tuple(levels.expected.tolist())
    expected = smoothed_shares(levels.expected)
    found = population_stability(expected, smoothed_shares(counts))
    return Check(float(found), _levels_limit(own, n, share))


@lru_cache(MOST_LIMITS)
def _levels_limit(counts: tuple[float, ...], n: int, share: float) -> float:
    draw = np.random.default_rng(0)
    likely = draw.dirichlet(np.array(counts) + 0.5, size=N_DRAWS)
    drawn = smoothed_shares(draw.multinomial(n, likely).astype(np.float64))
    expected = smoothed_shares(np.array(counts))
    return float(tail_limit(population_stability(expected, drawn), share))


def _energy_check(sample: Floats, vectors: Floats, share: float) -> Check:
    """Energy distance from the sample, and that of as many items of the sample from its rest."""
    n = min(len(vectors), MOST_COMPARED, len(sample) // 2)
    rows = np.linspace(0, len(vectors) - 1, n).astype(np.int64)
    found = energy_distance(vectors[rows], sample)
    return Check(found, _energy_limit(sample.tobytes(), sample.shape[1], n, share))


@lru_cache(MOST_LIMITS)
def _energy_limit(sample: bytes, dim: int, n: int, share: float) -> float:
    drawn = _drawn_distances(np.frombuffer(sample).reshape(-1, dim), n)
    return math.sqrt(tail_limit(drawn**2, share))


def _drawn_distances(sample: Floats, n: int) -> Floats:
    """Energy distances of `n` rows of a sample from its other rows, `[n_draws]`."""
    draw = np.random.default_rng(0)
    distances = pairwise_distances(sample, sample)
    m, total, sums = len(sample), distances.sum(), distances.sum(axis=1)
    rest = m - n
    some = draw.random((N_DRAWS, m)).argpartition(n - 1, axis=1)[:, :n]
    own = distances[some[:, :, None], some[:, None]].sum(axis=(1, 2))
    across = sums[some].sum(axis=1) - own
    others = total - 2.0 * across - own
    squares = 2.0 * across / (n * rest) - own / n**2 - others / rest**2
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))

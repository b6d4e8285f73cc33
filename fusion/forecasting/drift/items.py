"""What is known of items beside their sales, as arrays that are compared; and their sketch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.forecasting.drift.distances import Floats, Ints, Mask

Levels = NDArray[np.object_]
LEAST_SAMPLE = 10
"""Items of a reference with fewer of which its numbers or embeddings are not compared."""
ROUNDING = 1e-6
"""Part of their size by which embeddings of one value may differ, as each batch rounds its own."""
MOST_SAMPLE = 256
"""Items of a reference that stand for all of them."""
MOST_DIM = 16
"""Dimensions of an embedding that are compared; of more, as many random mixtures of them."""
MOST_LEVELS = 50
"""Levels of a category that are counted one by one, the most frequent ones."""
MOST_KNOWN_LEVELS = 20_000
"""Levels that are remembered; of a column of more it is not told which are new."""


UNSEEN = "(not seen in training)"
"""Level of items whose own level an encoder does not know."""


@dataclass(frozen=True, eq=False)
class ItemContent:
    """Items with what is known of them, `n` rows.

    Args:
        ids: Of the items, `[n]`.
        periods: Period in which each item is new, `[n]`, see `Panel.frequency`.
        numbers: Numeric columns, `[n]` each; NaN where a cell is missing.
        categories: Category columns, text or None, `[n]` each.
        vectors: Embeddings by name, `[n, dim]`: that of a modality, alone or with a part of it
            behind a dot, such as `text.words`; rows of absent ones say nothing.
        present: Whether each modality is there, `[n]`.
    """

    ids: Levels
    periods: Ints
    numbers: Mapping[str, Floats]
    categories: Mapping[str, Levels]
    vectors: Mapping[str, Floats]
    present: Mapping[str, Mask]

    def __len__(self) -> int:
        """Number of items."""
        return len(self.periods)

    def take(self, rows: Ints | Mask) -> "ItemContent":
        """Some of the items."""

        def some(found: Mapping[str, Any]) -> dict[str, Any]:
            return {name: values[rows] for name, values in found.items()}

        return ItemContent(
            self.ids[rows],
            self.periods[rows],
            some(self.numbers),
            some(self.categories),
            some(self.vectors),
            some(self.present),
        )

    def known_vectors(self, name: str) -> Floats:
        """Embeddings of the items that have their modality."""
        return self.vectors[name][self.present[modality_of(name)]]


@dataclass(frozen=True)
class CountSketch:
    """How often something happened among the items of a reference.

    Args:
        n: Items.
        n_found: Those with which it happened.
    """

    n: int
    n_found: int


@dataclass(frozen=True)
class SampleSketch:
    """Vectors of items, scaled to about unit length of their differences.

    Args:
        mean: Of each column of the sample.
        std: What all columns are divided by, > 0.
        sample: `[m, dim]`, scaled.
    """

    mean: list[float]
    std: float
    sample: list[list[float]]

    @classmethod
    def of(cls, vectors: Floats, *, seed: int) -> "SampleSketch":
        """The sketch of vectors that are not all alike."""
        mixed = mixtures(vectors)
        mean = mixed.mean(axis=0)
        std = math.sqrt(float(((mixed - mean) ** 2).sum(axis=1).mean()))
        rows = np.arange(len(mixed))
        if len(rows) > MOST_SAMPLE:
            rows = np.sort(np.random.default_rng(seed).choice(rows, MOST_SAMPLE, replace=False))
        sample = ((mixed[rows] - mean) / std).round(6)
        return cls(mean.tolist(), std, sample.tolist())

    def scaled(self, vectors: Floats) -> Floats:
        """Vectors on the scale of the sample."""
        scaled: Floats = (mixtures(vectors) - np.array(self.mean)) / self.std
        return scaled


@dataclass(frozen=True)
class LevelSketch:
    """How often items of a reference had each level of a category.

    Args:
        counts: Items by level, the most frequent ones.
        n_others: Items of other levels.
        known: All levels that were seen; None where there are too many.
        unseen: How often items that came later had a level that was not seen before.
    """

    counts: dict[str, int]
    n_others: int
    known: list[str] | None
    unseen: CountSketch

    @classmethod
    def of(cls, levels: Levels, periods: Ints) -> "LevelSketch":
        """The sketch of known levels, at least one, of items that came in some periods."""
        names, place, counts = np.unique(levels, return_inverse=True, return_counts=True)
        often = np.argsort(-counts, kind="stable")[:MOST_LEVELS]
        kept = {str(names[one]): int(counts[one]) for one in often}
        first = np.full(len(names), np.iinfo(np.int64).max)
        np.minimum.at(first, place, periods)
        later = periods > np.median(periods)
        n_unseen = int((later & ((first[place] == periods) | (levels == UNSEEN))).sum())
        known = (
            [str(name) for name in names if name != UNSEEN]
            if len(names) <= MOST_KNOWN_LEVELS
            else None
        )
        unseen = CountSketch(int(later.sum()), n_unseen)
        return cls(kept, int(counts.sum()) - sum(kept.values()), known, unseen)

    def counted(self, levels: Levels) -> Floats:
        """How many of some items have each of the kept levels, then any other."""
        found, counts = np.unique(levels, return_counts=True)
        own = dict(zip(found.tolist(), counts.tolist(), strict=True))
        kept = [float(own.get(name, 0)) for name in self.counts]
        return np.array([*kept, len(levels) - sum(kept)])

    @property
    def expected(self) -> Floats:
        """The same of the reference."""
        return np.array([*self.counts.values(), self.n_others], dtype=np.float64)


@dataclass(frozen=True)
class ItemSketch:
    """What the items of a reference were like, in bounded space.

    Args:
        numbers: Values of numeric columns, ascending, evenly spaced among all.
        categories: Levels of category columns.
        vectors: Samples of embeddings, by name.
        absent: How often a cell of a column, or a modality, was missing.
        not_compared: Numeric columns and embeddings that fewer than 10 items have, or that are
            alike in all of them: of these nothing is unusual, or everything.
    """

    numbers: dict[str, list[float]]
    categories: dict[str, LevelSketch]
    vectors: dict[str, SampleSketch]
    absent: dict[str, CountSketch]
    not_compared: list[str]

    @classmethod
    def of(cls, items: ItemContent, *, seed: int) -> "ItemSketch":
        """The sketch of items; what none of them has is left out."""
        absent = {name: CountSketch(len(m), int(m.sum())) for name, m in absences(items).items()}
        there = {name for name, found in absent.items() if found.n_found < found.n}
        numbers = {name: one[~np.isnan(one)] for name, one in items.numbers.items()}
        vectors = {name: items.known_vectors(name) for name in items.vectors}
        told = {name for name, one in numbers.items() if _tells(one[:, None], noise=0.0)}
        told |= {name for name, one in vectors.items() if _tells(one, noise=ROUNDING)}
        return cls(
            numbers={name: _quantiles(one) for name, one in numbers.items() if name in told},
            categories={
                name: LevelSketch.of(levels[known_levels(levels)], _at(items, levels))
                for name, levels in items.categories.items()
                if name in there
            },
            vectors={
                name: SampleSketch.of(one, seed=seed)
                for name, one in vectors.items()
                if name in told
            },
            absent={name: found for name, found in absent.items() if name in there},
            not_compared=[
                name for name, one in (numbers | vectors).items() if len(one) and name not in told
            ],
        )


def _tells(sample: Floats, *, noise: float) -> bool:
    """Whether so many rows, and ones that differ by more than a part of their size, say enough."""
    if len(sample) < LEAST_SAMPLE:
        return False
    return bool(np.ptp(sample, axis=0).max() > noise * np.abs(sample).max())


def modality_of(name: str) -> str:
    """Modality of embeddings, by their name."""
    return name.partition(".")[0]


def absences(items: ItemContent) -> dict[str, Mask]:
    """Whether each column and each modality is missing, `[n]`; modalities go before columns."""
    columns = {name: np.isnan(values) for name, values in items.numbers.items()}
    columns |= {name: ~known_levels(levels) for name, levels in items.categories.items()}
    return columns | {name: ~there for name, there in items.present.items()}


def known_levels(levels: Levels) -> Mask:
    """Which levels are no missing cells."""
    return np.array([level is not None for level in levels], dtype=bool)


def mixtures(vectors: Floats) -> Floats:
    """Vectors `[n, dim]` of at most 16 dimensions: random mixtures, always the same ones.

    *Source:* Johnson and Lindenstrauss (1984): distances are kept, but for chance.
    """
    dim = vectors.shape[1]
    if dim <= MOST_DIM:
        return vectors
    weights = np.random.default_rng(dim).normal(size=(dim, MOST_DIM)) / math.sqrt(MOST_DIM)
    mixed: Floats = vectors @ weights
    return mixed


def ranks(values: Floats, among: Floats) -> Floats:
    """Where values lie among ascending ones, `[n, 1]`, 0 to 1: the middle of those alike.

    Why: a column may be of any scale, and a few huge values must not hide all others.
    """
    places = np.searchsorted(among, values, "left") + np.searchsorted(among, values, "right")
    return places[:, None] / (2.0 * len(among))


def _quantiles(values: Floats) -> list[float]:
    """Values, ascending; of more than 256 evenly spaced ones."""
    ascending = np.sort(values)
    if len(ascending) > MOST_SAMPLE:
        ascending = ascending[np.linspace(0, len(ascending) - 1, MOST_SAMPLE).astype(np.int64)]
    kept: list[float] = ascending.tolist()
    return kept


def _at(items: ItemContent, levels: Levels) -> Ints:
    periods: Ints = items.periods[known_levels(levels)]
    return periods

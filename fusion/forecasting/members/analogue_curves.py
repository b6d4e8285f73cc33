"""Curves of past items by age, and what the nearest of them say of items at an age."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from encoders.series.levels import ADDED, Measure, levels_of
from encoders.series.windows import UNITS
from fusion.bundle.content import Content
from fusion.forecasting.examples import Examples, Floats, Ints
from fusion.forecasting.likeness import similarities

SOLD_ALIKE = 3.0
"""How much the distance of what was sold so far counts beside that of the content."""
SOFT = 0.1
"""Share of the mean distance of the chosen that is added to each: an equal item is not all."""


@dataclass(frozen=True)
class AnalogueCurves:
    """Past items: what they are, when they came, what they sold.

    Args:
        content: Of `n` items.
        first: First period of each, `[n]`.
        curves: Units by age, `[n, n_ages]`, NaN where unknown.
    """

    content: Content
    first: Ints
    curves: Floats

    def __len__(self) -> int:
        """Number of items."""
        return len(self.first)

    @cached_property
    def _ordered(self) -> Ints:
        return np.sort(self.first)

    def n_over(self, as_of: Ints, ages: Ints, *, horizon: int) -> Ints:
        """How many items had been on sale for a whole window at each age by each date, `[n]`."""
        return np.searchsorted(self._ordered, as_of - ages - horizon, side="right")

    def content_distances(self, asked: Content) -> Floats:
        """Distances in content `[n_asked, n]`, about 1 in the mean; 1 where nothing is compared."""
        if not len(self):
            return np.zeros((len(asked), 0))
        means = np.array(list(self.content.mean_distances.values()))
        mean = len(means) / (1.0 / means).sum() if len(means) else 1.0
        similar = similarities(self.content, self._completed(asked))
        return np.nan_to_num((1.0 - similar) / mean, nan=1.0)

    def points(self, examples: Examples, distances: Floats, *, age: int, k: int) -> Floats:
        """Relative points `[n, horizon + 1]` of examples of one age.

        Args:
            examples: Each has `k` analogues or more, see `n_over`.
            distances: In content, `[n, n_items]`.
            age: Periods that they have been on sale.
            k: Analogues of each.
        """
        horizon = examples.horizon
        if age:
            distances = distances + SOLD_ALIKE * self._sold_distances(examples, age)
        late = self.first > (examples.as_of - age - horizon)[:, None]
        distances = np.where(late, np.inf, distances)
        nearest = np.argpartition(distances, k - 1, axis=1)[:, :k]
        far = np.take_along_axis(distances, nearest, axis=1)
        weight = 1.0 / (far + SOFT * far.mean(axis=1, keepdims=True) + 1e-9)
        measure = examples.windows.measure
        early = self.curves[:, :age]
        level = _levels(early, measure) if age else np.full(len(self), examples.new_level)
        relative = (self.curves[:, age : age + horizon] / level[:, None]).clip(min=0.0)
        whole = np.concatenate([relative, relative.mean(axis=1, keepdims=True)], axis=1)
        return _root_means(whole[nearest], weight)

    def _completed(self, asked: Content) -> Content:
        """The same with every part that these items have: what is not there is absent."""
        n = len(asked)
        vectors = {
            name: asked.vectors.get(name, np.zeros((n, one.shape[1]), dtype=np.float32))
            for name, one in self.content.vectors.items()
        }
        n_columns = self.content.levels.shape[1]
        is_whole = asked.levels.shape[1] == n_columns
        levels = asked.levels if is_whole else np.zeros((n, n_columns), dtype=np.int64)
        return Content(vectors, levels)

    def _sold_distances(self, examples: Examples, age: int) -> Floats:
        """Squared distances in early sales `[n, n_items]`, about 1 in the mean."""
        measure = examples.windows.measure
        known = _early(self.curves[:, :age], measure)
        asked = _early(examples.windows.past(UNITS, age).astype(np.float64), measure)
        std = known.std(axis=0)
        apart = (asked[:, None] - known[None]) / np.where(std > 1e-9, std, 1.0)
        return np.asarray(np.square(apart).sum(axis=2) / (2.0 * known.shape[1]))


def _early(past: Floats, measure: Measure) -> Floats:
    """Logarithm of the level of the first periods, and of the last of them by it: `[n, 2]`."""
    level, added = _levels(past, measure), ADDED[measure]
    last = np.where(np.isnan(past[:, -1]), level - added, past[:, -1].clip(min=0.0))
    return np.stack([np.log(level), np.log(last + added) - np.log(level)], axis=1)


def _levels(past: Floats, measure: Measure) -> Floats:
    """Levels `[n]` as `Examples.levels` of items so young; 1 where nothing is known."""
    return np.nan_to_num(levels_of(past, measure), nan=1.0)


def _root_means(relative: Floats, weight: Floats) -> Floats:
    """Squares of weighted means of roots `[n, n_entries]` over analogues; unknown ones left out.

    Args:
        relative: `[n, k, n_entries]`, NaN where unknown.
        weight: `[n, k]`, > 0.
    """
    known = ~np.isnan(relative)
    counts = known * weight[:, :, None]
    total = counts.sum(axis=1)
    roots = (counts * np.sqrt(np.where(known, relative, 0.0))).sum(axis=1)
    means = np.square(roots / np.where(total > 0.0, total, 1.0))
    other = means.sum(axis=1, keepdims=True) / np.maximum((total > 0.0).sum(axis=1), 1)[:, None]
    return np.asarray(np.where(total > 0.0, means, other))

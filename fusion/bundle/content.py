"""What items are: texts, photos, categories, numbers; and how alike two items are in these."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from encoders import NumericEncoder
from encoders.base import Tensors
from encoders.table.columns import FIRST_LEVEL
from fusion.data.batch import ModelInputs
from fusion.modalities import MODALITIES
from fusion.model import ProductModel

Floats = NDArray[np.float32]
Levels = NDArray[np.int64]
Mask = NDArray[np.bool_]
HAPPENED = "history"
"""The modality that says what happened to an item and not what it is."""
LEAST_DISTANCE = 0.05
"""Mean distances are at least this, so that a part in which all are alike does not rule."""
SCORES = 2**23
"""Scores that are held at once: 32 MiB."""
SIMILARITY_DIGITS = 6
"""Further digits of a similarity are rounding, which must not decide an order."""


def _no_levels() -> Levels:
    return np.zeros((0, 0), dtype=np.int64)


@dataclass(frozen=True)
class Content:
    """Texts, photos, categories and numbers of `n` items, ready to be compared.

    Why: a person who asks what is like an item expects the same kind of thing, whatever the model
    leans on; see `docs/similarity.md` for what either predicts.

    Args:
        vectors: Modality -> `[n, dim]`, float32, of unit length; zeros where absent.
        levels: Number of the level `[n, n_columns]` of each category; below 2 where it is missing,
            or was never or too seldom in training.
    """

    vectors: Mapping[str, Floats] = field(default_factory=dict)
    levels: Levels = field(default_factory=_no_levels)

    def __len__(self) -> int:
        """Number of items."""
        return len(self.levels)

    def take(self, rows: NDArray[np.int64]) -> "Content":
        """The content of some items, in the given order."""
        return Content({name: one[rows] for name, one in self.vectors.items()}, self.levels[rows])

    @cached_property
    def mean_distances(self) -> dict[str, float]:
        """Part -> mean distance (1 - similarity) of two different items; 1 where none has it."""
        means = {name: _mean_cosine(vectors) for name, vectors in self.vectors.items()}
        if self.levels.shape[1]:
            means["categories"] = float(np.mean([_share_equal(one) for one in self.levels.T]))
        return {name: max(1.0 - mean, LEAST_DISTANCE) for name, mean in means.items()}

    def similarity(self, queries: "Content") -> Iterator[Floats]:
        """How alike these items are to each query, some queries at a time.

        It is the mean over the parts that the query has, cosines of texts, photos and numbers and
        the share of equal categories, each weighted by 1 over the mean distance of two items in
        it, as photos of a shop are all more alike than its texts. An item that lacks a part is as
        far from the query as two items are in the mean.

        Yields:
            `[n_queries, n]`, in [-1, 1]; nan where the query or the item has none of the parts.
        """
        step = max(1, SCORES // max(len(self), 1))
        for start in range(0, len(queries), step):
            rows = np.arange(start, min(start + step, len(queries)))
            yield self._similarity(queries.take(rows))

    def nearest(
        self, queries: "Content", k: int, *, ids: Sequence[str]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Places and similarities `[n_queries, k]` of the items most like each query.

        The most alike come first, nan last; equal ones in the order of their `ids`, `[n]`.
        """
        order = np.argsort(np.asarray(ids, dtype=str), kind="stable")
        places = [np.zeros((0, k), dtype=np.int64)]
        values = [np.zeros((0, k))]
        for similarity in self.similarity(queries):
            scores = similarity[:, order].astype(np.float64).round(SIMILARITY_DIGITS)
            found = largest(scores, k)
            places.append(order[found])
            values.append(np.take_along_axis(scores, found, axis=1))
        return np.concatenate(places), np.concatenate(values)

    def _similarity(self, queries: "Content") -> Floats:
        total = np.zeros((len(queries), len(self)), dtype=np.float32)
        weights = np.zeros((len(queries), 1), dtype=np.float32)
        is_known = np.zeros(len(self), dtype=bool)
        for name, distance in self.mean_distances.items():
            scores, asked, known = self._part(name, queries)
            weight = np.float32(1.0 / distance)
            scores = np.where(known[None, :], scores, np.float32(1.0 - distance))
            total += weight * np.where(asked[:, None], scores, np.float32(0.0))
            weights += weight * asked[:, None]
            is_known |= known
        compared = (weights > 0) & is_known[None, :]
        similarity: Floats = np.full_like(total, np.nan)
        np.divide(total, weights, out=similarity, where=compared)
        return similarity

    def _part(self, name: str, queries: "Content") -> tuple[Floats, Mask, Mask]:
        """Scores `[n_queries, n]` of one part, and which queries and which items have it."""
        if name in self.vectors:
            asked, known = queries.vectors[name], self.vectors[name]
            return asked @ known.T, _any(asked != 0), _any(known != 0)
        has = queries.levels >= FIRST_LEVEL
        equal = np.zeros((len(queries), len(self)), dtype=np.float32)
        for mine, theirs, there in zip(self.levels.T, queries.levels.T, has.T, strict=True):
            equal += (theirs[:, None] == mine[None, :]) & there[:, None]
        n_asked = np.maximum(has.sum(axis=1, keepdims=True), 1).astype(np.float32)
        return equal / n_asked, _any(has), _any(self.levels >= FIRST_LEVEL)


def largest(scores: NDArray[np.float64], k: int) -> NDArray[np.int64]:
    """Places `[n, k]` of the `k` largest of each row `[n, m]`, the largest first, nan last.

    Why: a partial sort finds the last of them, a whole one puts these alone in order. Equal scores
    come in the order of their places.

    Example:
        >>> largest(np.asarray([[0.5, np.nan, 0.9, 0.5]]), 3)
        array([[2, 0, 3]])
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    n, m = known.shape
    found = np.empty((n, k), dtype=np.int64)
    last = np.partition(known, m - k, axis=1)[:, m - k] if n else known
    for row, (values, least) in enumerate(zip(known, last, strict=True)):
        among = np.flatnonzero(values >= least)
        found[row] = among[np.argsort(-values[among], kind="stable")[:k]]
    return found


def content_of(model: ProductModel, inputs: ModelInputs) -> Content:
    """What the items are that model inputs tell of; past sales only where nothing else is read.

    Args:
        model: A trained model.
        inputs: Its inputs of `n` items.
    """
    vectors: dict[str, Floats] = {}
    levels = [np.zeros((len(inputs), 0), dtype=np.int64)]
    read = model.modalities
    told = [name for name in read if name != HAPPENED and not MODALITIES[name].repeats]
    for name in told or read:
        encoder = model.encoder(name)
        if isinstance(encoder, NumericEncoder):
            tensors = inputs.tensors[name]
            levels.append(tensors["codes"].numpy())
            vectors[name] = _numbers(encoder, tensors)
        elif name in inputs.embeddings:
            there = inputs.present[name].numpy()[:, None]
            vectors[name] = np.where(there, inputs.embeddings[name].float().numpy(), 0.0)
    units = {name: _unit(found) for name, found in vectors.items() if found.shape[1]}
    return Content(units, np.concatenate(levels, axis=1))


@torch.inference_mode()
def _numbers(encoder: NumericEncoder, tensors: Tensors) -> Floats:
    """Scaled numbers `[n, dim]`; zeros where an item has none, which is nothing to be alike in."""
    has_any = ~tensors["numbers"].isnan().all(dim=1, keepdim=True)
    found: Floats = (encoder.numbers(tensors) * has_any).float().cpu().numpy()
    return found


def _any(mask: Mask) -> Mask:
    """Rows `[n]` in which anything holds of a mask `[n, dim]`."""
    rows: Mask = np.any(mask, axis=1)
    return rows


def _unit(vectors: Floats) -> Floats:
    """Vectors of length 1; zeros where a vector has no direction."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = np.zeros(vectors.shape, dtype=np.float32)
    np.divide(vectors, lengths, out=unit, where=lengths > 0)
    return unit


def _mean_cosine(vectors: Floats) -> float:
    """Mean cosine of two different items that have a vector; 0 where there are no two."""
    n = int(vectors.any(axis=1).sum())
    total = vectors.sum(axis=0, dtype=np.float64)
    return float((total @ total - n) / (n * (n - 1))) if n > 1 else 0.0


def _share_equal(levels: Levels) -> float:
    """Share of the pairs of items with a known level that have the same; 0 where there are none."""
    _, counts = np.unique(levels[levels >= FIRST_LEVEL], return_counts=True)
    n = int(counts.sum())
    return float((counts * (counts - 1.0)).sum() / (n * (n - 1))) if n > 1 else 0.0

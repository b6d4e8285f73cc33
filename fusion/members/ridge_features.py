"""What a linear member reads of a view: columns, dense or sparse, each block around its mean."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.blocks import Block
from fusion.members.base import Floats
from fusion.members.view import Mask, View

MOST_POLYNOMIAL = 60
"""Number columns whose products are read, at most: 60 have 1,830."""
REACH = 3.0
"""Standard deviations within which a number stays before it is multiplied."""
LEAST_VARIANCE = 1e-12
"""Variance of a block below which it is constant and says nothing."""


@dataclass(frozen=True)
class Source:
    """One block that a linear member reads.

    Args:
        name: Of the block; of products of numbers, that of the block with the numbers.
        kind: Kind of the block, or `"products"`.
        dim: Number of columns that are made of it.
    """

    name: str
    kind: str
    dim: int

    @property
    def n_numbers(self) -> int:
        """Numbers whose products these columns are."""
        return int((np.sqrt(8 * self.dim + 1) - 1) / 2)


def sources_of(view: View, *, degree: int) -> list[Source]:
    """The blocks of a view that say something linear, categories and terms included."""
    found = []
    for name, block in view.of_kinds("vectors", "numbers", "category", "terms").items():
        found.append(Source(name, block.kind, _n_columns(block)))
    if degree == 2:
        for name, block in view.of_kinds("raw").items():
            n = min(block.dim, MOST_POLYNOMIAL)
            found.append(Source(name, "products", n * (n + 1) // 2))
    return [source for source in found if source.dim]


def _n_columns(block: Block) -> int:
    return block.n_levels if block.kind == "category" else block.dim


def columns_of(view: View, source: Source, rows: NDArray[np.int64], numbers: Floats | None) -> Any:
    """Columns `[len(rows), dim]` of a source in some rows, all of which have it.

    Args:
        view: Rows.
        source: What is read.
        rows: Positions of rows in which the block is present.
        numbers: Of products: mean and standard deviation `[2, n]` of the numbers.

    Raises:
        ValueError: If the block is not there or has other columns.
    """
    block = view.blocks.get(source.name)
    if block is None or (source.kind != "products" and _n_columns(block) != source.dim):
        raise ValueError(f"{source.name} must be a block of {source.dim} columns, got another.")
    values = block.values[rows]
    if source.kind == "category":
        from scipy import sparse

        ones = np.ones(len(values), dtype=np.float32)
        starts = np.arange(len(values) + 1)
        return sparse.csr_matrix((ones, values, starts), shape=(len(values), source.dim))
    if source.kind == "products":
        assert numbers is not None
        return products(values[:, : numbers.shape[1]], numbers)
    return values


def number_scales(values: Floats) -> Floats:
    """Mean and standard deviation `[2, n]` of the first number columns `[rows, columns]`."""
    known = np.where(np.isfinite(values), values, np.nan)[:, :MOST_POLYNOMIAL]
    n_known = np.isfinite(known).sum(axis=0).clip(min=1)
    mean = np.nansum(known / n_known, axis=0)
    away = np.nan_to_num(known - mean)
    largest = np.abs(away).max(axis=0, initial=0.0)
    away = away / np.where(largest > 0, largest, 1.0)
    std = np.sqrt((away**2).sum(axis=0) / n_known) * largest
    return np.stack([mean, np.where(std > 0, std, 1.0)])


def products(values: Floats, scales: Floats) -> Floats:
    """Products of any two number columns, squares included; a missing number is its mean."""
    scaled = np.nan_to_num((values - scales[0]) / scales[1], posinf=1e12, neginf=-1e12)
    scaled = scaled.clip(-1e12, 1e12)
    scaled = scaled / np.sqrt(1.0 + (scaled / REACH) ** 2)
    one, other = np.triu_indices(values.shape[1])
    return np.asarray(scaled[:, one] * scaled[:, other])


class Features:
    """Columns of all rows of a view, each block around its mean and of variance 1 in all.

    A block is 0 in rows that lack it, as in its mean. Means of sparse blocks are taken away where
    products are formed, so that they stay sparse. They are kept by rows and once more by columns,
    as only products that walk along what is multiplied are quick for several vectors at once.

    Args:
        view: All rows.
        sources: What is read.
        weight: `[n]`, how much each row counts in means and variances.

    Attributes:
        mean: Mean of each column, `[n_columns]`.
        scale: What a centred column is multiplied by, `[n_columns]`; 0 where a block is constant.
        group: Position of its source, for each column `[n_columns]`.
    """

    def __init__(self, view: View, sources: Sequence[Source], weight: Floats) -> None:
        self.n, self.sources = len(view), list(sources)
        self.numbers: dict[str, Floats] = {}
        ends = np.cumsum([0, *(one.dim for one in sources)])
        self.places = [np.arange(*edges) for edges in pairwise(ends)]
        self.group = np.repeat(np.arange(len(sources)), np.diff(ends))
        self.mean, self.scale = np.zeros(len(self.group)), np.zeros(len(self.group))
        self.there = [view.present[one.name] for one in sources]
        self.parts = [self._part(view, place, weight) for place in range(len(sources))]
        self.by_column = [p if isinstance(p, np.ndarray) else p.tocsc() for p in self.parts]

    def _part(self, view: View, place: int, weight: Floats) -> Any:
        """The columns `[n, dim]` of one source, float32; sets their mean and scale."""
        source, columns = self.sources[place], self.places[place]
        rows = np.flatnonzero(self.there[place])
        if source.kind == "products":
            self.numbers[source.name] = number_scales(view.blocks[source.name].values[rows])
        found = columns_of(view, source, rows, self.numbers.get(source.name))
        counts = weight[rows]
        total = max(counts.sum(), 1e-300)
        dense = isinstance(found, np.ndarray)
        exact = found if dense else found.astype(np.float64)  # rounding is no variance
        squares = np.square(found, dtype=np.float64) if dense else exact.multiply(exact)
        mean = np.asarray(counts @ found, dtype=np.float64).ravel() / total
        square = np.asarray(counts @ squares, dtype=np.float64).ravel() / total
        variance = float((square - mean * mean).clip(min=0.0).sum())
        size = float(square.sum())
        varies = variance > LEAST_VARIANCE * size
        self.mean[columns] = mean
        self.scale[columns] = 1.0 / np.sqrt(variance) if varies else 0.0
        if not dense:
            return _spread_out(found.astype(np.float32), rows, self.n)
        whole = np.zeros((self.n, source.dim), dtype=np.float32)
        whole[rows] = (found - mean) * self.scale[columns]
        return whole

    @property
    def constant(self) -> set[str]:
        """Names of the sources that are the same in all rows that have them, or that none has."""
        zero = [not self.scale[columns].any() for columns in self.places]
        return {source.name for source, none in zip(self.sources, zero, strict=True) if none}

    def times(self, theta: Floats) -> Floats:
        """Rows times weights `[n_columns, k]` of the scaled columns: `[n, k]`."""
        total = np.zeros((self.n, theta.shape[1]))
        for place, part in enumerate(self.by_column):
            own = theta[self.places[place]]
            if isinstance(part, np.ndarray):
                total += part @ own.astype(np.float32)
            else:
                own = own * self.scale[self.places[place]][:, None]
                total += _product(part, own.astype(np.float32))
                middle = self.mean[self.places[place]] @ own
                total -= self.there[place][:, None] * middle
        return total

    def transposed(self, rows: Floats) -> Floats:
        """Scaled columns times numbers `[n, k]` of the rows: `[n_columns, k]`."""
        found = np.empty((len(self.group), rows.shape[1]))
        single = rows.astype(np.float32)
        for place, part in enumerate(self.parts):
            columns = self.places[place]
            found[columns] = _product(part.T, single)
            if not isinstance(part, np.ndarray):
                middle = self.there[place] @ rows
                found[columns] -= self.mean[columns][:, None] * middle
                found[columns] *= self.scale[columns][:, None]
        return found

    def dense(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Some scaled columns, in ascending order, of some rows: `[len(rows), len(columns)]`."""
        found = np.empty((len(rows), len(columns)), dtype=np.float32)
        for place, part in enumerate(self.by_column):
            at = np.flatnonzero(self.group[columns] == place)
            some, own = columns[at] - self.places[place][:1], columns[at]
            if isinstance(part, np.ndarray):
                found[:, at] = part[np.ix_(rows, some)]
            elif len(at):
                whole = part[:, some][rows].toarray()
                middle = np.outer(self.there[place][rows], self.mean[own])
                found[:, at] = (whole - middle) * self.scale[own]
        return found

    def kernels(self, rows: NDArray[np.int64]) -> Iterator[Floats]:
        """For each source the products `[len(rows), len(rows)]` of some rows with each other.

        They are formed in float64: in float32 sums of many are no covariances any more where some
        rows lie far from the mean, as rows of little weight may.
        """
        for place, part in enumerate(self.parts):
            some, columns = part[rows].astype(np.float64), self.places[place]
            if isinstance(part, np.ndarray):
                yield some @ some.T
                continue
            there = self.there[place][rows].astype(np.float64)
            scale = float(self.scale[columns].max(initial=0.0)) ** 2
            middle = self.mean[columns]
            crossed = np.asarray(some @ middle)[:, None] * there
            square = float(middle @ middle) * there[:, None] * there
            full = (some @ some.T).toarray() - crossed - crossed.T + square
            yield scale * full

    def kernel(self, rows: NDArray[np.int64], variances: Floats) -> Floats:
        """Sum of `kernels`, each times the variance of its source `[n_sources]`."""
        total = np.zeros((len(rows), len(rows)))
        for variance, kernel in zip(variances, self.kernels(rows), strict=True):
            total += variance * kernel
        return total


def _product(part: Any, numbers: NDArray[np.float32]) -> Any:
    """A matrix times `[columns, k]`; sparse ones are quick for a vector or for each four."""
    k = numbers.shape[1]
    if k == 1:
        return (part @ numbers[:, 0])[:, None]
    if isinstance(part, np.ndarray):
        return part @ numbers
    return (part @ np.pad(numbers, ((0, 0), (0, -k % 4))))[:, :k]


def _spread_out(part: Any, rows: NDArray[np.int64], n: int) -> Any:
    """A sparse matrix of `n` rows that holds given ones in their places, and else nothing."""
    from scipy import sparse

    sizes = np.zeros(n, dtype=np.int64)
    sizes[rows] = np.diff(part.indptr)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    return sparse.csr_matrix((part.data, part.indices, starts), shape=(n, part.shape[1]))


def scores_of(
    view: View,
    sources: Sequence[Source],
    weights: Mapping[str, Sequence[NDArray[np.float32]]],
    *,
    numbers: Mapping[str, Floats],
    offsets: Mapping[str, Floats],
) -> dict[str, Floats]:
    """Linear scores `[n, n_scores]` of some heads, without their intercepts.

    Args:
        view: Rows; a block adds nothing to those that lack it.
        sources: What is read.
        weights: Of each head, for each source `[dim, n_scores]`, of columns as they are.
        numbers: See `columns_of`.
        offsets: Of each head `[n_sources, n_scores]`: what the means of each source would add.
    """
    found = {name: np.zeros((len(view), some.shape[1])) for name, some in offsets.items()}
    for place, source in enumerate(sources):
        there: Mask = view.present[source.name]
        rows = np.flatnonzero(there)
        if len(rows):
            columns = columns_of(view, source, rows, numbers.get(source.name)).astype(np.float64)
            for name, head_weights in weights.items():
                own = np.asarray(head_weights[place], dtype=np.float64)
                found[name][rows] += columns @ own - offsets[name][place]
    return found

"""Columns of a linear model of examples, and the sums that it is solved from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from fusion.data.batch import chunks
from fusion.forecasting.examples import Examples, Floats, Ints
from fusion.forecasting.members.path_answers import evenly
from fusion.forecasting.members.path_features import PathFeatures, Table
from fusion.members.base import State

SCALE_EXAMPLES = 20_000
"""Examples, evenly over all, that means and deviations of columns are found on."""
CHUNK_EXAMPLES = 8192
FARTHEST = 5.0
"""Standard deviations beyond which a column says nothing more."""


@dataclass(frozen=True)
class RidgeDesign:
    """Turns examples into the columns of a linear model.

    Args:
        features: What is read.
        mean: Of each column of the table `[n_columns]`.
        std: Likewise, > 0.
        n_codes: Number of codes of each category.
    """

    features: PathFeatures
    mean: Floats
    std: Floats
    n_codes: list[int]

    @classmethod
    def fitted(cls, examples: Examples) -> Self:
        """Learned from training examples."""
        features = PathFeatures.fitted(examples)
        some = evenly(np.arange(len(examples)), SCALE_EXAMPLES)
        table = features.table(examples.take(some)).astype(np.float64)
        known = ~np.isnan(table)
        counts = np.maximum(known.sum(axis=0), 1)
        mean = np.where(known, table, 0.0).sum(axis=0) / counts
        variance = np.where(known, (table - mean) ** 2, 0.0).sum(axis=0) / counts
        std = np.where(variance > 1e-12 * mean**2, np.sqrt(variance), 1.0)
        codes = table[:, features.categorical]
        n_codes = [int(c) + 1 for c in np.nan_to_num(codes).max(axis=0, initial=0.0)]
        return cls(features, mean, np.where(std > 0, std, 1.0), n_codes)

    @property
    def n_columns(self) -> int:
        """Numbers, an indicator of each code, and 1."""
        return self.features.n_columns - len(self.n_codes) + sum(self.n_codes) + 1

    def parts(self, examples: Examples) -> Iterator[tuple[Ints, Floats]]:
        """Positions of some examples at a time, and their columns `[len(rows), n_columns]`."""
        for rows in chunks(len(examples), CHUNK_EXAMPLES):
            yield rows, self._columns(self.features.table(examples.take(rows)))

    def _columns(self, table: Table) -> Floats:
        """Columns of a table: numbers around their means, in deviations; missing ones 0."""
        categorical = self.features.categorical
        is_number = np.ones(table.shape[1], dtype=bool)
        is_number[categorical] = False
        scaled = (table[:, is_number] - self.mean[is_number]) / self.std[is_number]
        found = [np.nan_to_num(scaled).clip(-FARTHEST, FARTHEST)]
        for place, n in zip(categorical, self.n_codes, strict=True):
            found.append((table[:, [place]] == np.arange(n)).astype(np.float64))
        return np.hstack([*found, np.ones((len(table), 1))])

    @property
    def config(self) -> dict[str, Any]:
        """What rebuilds it beside its state."""
        return {"features": self.features.config, "n_codes": self.n_codes}

    def state(self) -> State:
        """How columns are scaled, and what was learned of the content."""
        scales = torch.from_numpy(np.stack([self.mean, self.std]))
        return {"scales": scales, **self.features.state()}


@dataclass
class Sums:
    """Weighted sums of products, of columns with each other and with targets."""

    gram: Floats
    crossed: Floats
    total: float

    @classmethod
    def of_nothing(cls, n_columns: int, n_entries: int) -> Self:
        """Sums over no examples."""
        return cls(np.zeros((n_columns, n_columns)), np.zeros((n_columns, n_entries)), 0.0)

    def __add__(self, other: "Sums") -> "Sums":
        """Sums over the examples of both."""
        return Sums(self.gram + other.gram, self.crossed + other.crossed, self.total + other.total)

    def add(self, columns: Floats, targets: Floats, weight: Floats) -> None:
        """Adds some examples."""
        weighted = columns * weight[:, None]
        self.gram += weighted.T @ columns
        self.crossed += weighted.T @ targets
        self.total += float(weight.sum())

    def solved(self, penalty: float) -> Floats:
        """Weights `[n_columns, n_entries]`; 0 of no examples. The last, of ones, is free."""
        if not self.total:
            return np.zeros_like(self.crossed)
        return np.asarray(np.linalg.solve(self._penalised(penalty), self.crossed))

    def leverage(self, columns: Floats, penalty: float) -> Floats:
        """What each of some examples adds to its own point, per unit of its weight, `[n]`."""
        solved = np.linalg.solve(self._penalised(penalty), columns.T)
        return np.asarray(np.einsum("nd,dn->n", columns, solved))

    def _penalised(self, penalty: float) -> Floats:
        added = np.full(len(self.gram), penalty * self.total)
        added[-1] = 1e-9 * self.total
        return np.asarray(self.gram + np.diag(added))

"""Numbers that tell of a history at a glance: the strong default of what a forecast reads."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import Encoder, Tensors
from encoders.blocks import Block
from encoders.series.example import example_windows
from encoders.series.inputs import FARTHEST
from encoders.series.lag_columns import LagColumns
from encoders.series.lag_families import Array
from encoders.series.windows import Windows

CHUNK_NUMBERS = 2_000_000
"""Past numbers of one column that are held at a time, at most."""
FIT_ROWS = 16_384
"""Windows that means and deviations are learned from, at most."""
LEAST_VARIANCE = 1e-8
"""Numbers whose variance is a smaller share of their square never change."""


class LagFeaturesEncoder(Encoder):
    """Turns histories into lags, means, medians, zeros, what is known ahead, and the calendar.

    Units are measured by the recent level of the series, so that large and small items look alike;
    each other column by its own. Most are logarithms; all are standardised over training windows.

    Numbers that all series share at a date (units of the whole market, place in the year, feasts)
    are read only where training dates cover 1.5 years: with less, each place in the year was seen
    once, and a model learns the dates by heart. Columns of the market that were given are always
    read.

    Source: Januschowski et al. (2022), Forecasting with trees, for pooled models on lags; Salinas
    et al. (2020), DeepAR, section 3.3, for the scale of each series.

    Shape:
        windows of `n` examples -> `[n, embedding_dim]`, float32, in [-5, 5]; 0 is the training
        mean, or unknown.

    Args:
        columns: Which numbers are read: configuration of `LagColumns`; `fitted` finds it.
        mean: Mean of each feature over training windows.
        std: Standard deviation of each; 0 where it never changed: it is always 0 then.

    Raises:
        ValueError: If a number is out of its range, or there are not as many as features.

    Example:
        >>> from encoders.series.example import example_windows
        >>> encoder = LagFeaturesEncoder.fitted(example_windows())
        >>> encoder.encode(example_windows(3)).shape == (3, len(encoder.names))
        True
    """

    modality: ClassVar[str] = "series"

    def __init__(
        self,
        *,
        columns: dict[str, Any] | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.columns = LagColumns(**(columns or {}))
        self._mean = _checked("mean", mean, len(self.names), otherwise=0.0, least=-np.inf)
        self._std = _checked("std", std, len(self.names), otherwise=1.0, least=0.0)

    @property
    def names(self) -> tuple[str, ...]:
        """What each feature tells, `embedding_dim` of them, such as `units_mean_8`."""
        return self.columns.names

    @property
    def embedding_dim(self) -> int:
        """How many features there are."""
        return len(self.names)

    @property
    def config(self) -> dict[str, Any]:
        """Columns, and what was learned of each feature: it rebuilds the encoder whole."""
        return {
            "columns": self.columns.config,
            "mean": self._mean.tolist(),
            "std": self._std.tolist(),
        }

    @classmethod
    def fitted(cls, values: Windows) -> Self:
        """An encoder that reads every number of some windows, scaled by what was known in them.

        Args:
            values: Windows of training examples; at most 16,384 of them, evenly drawn, are read.
        """
        columns = LagColumns.of(values).config
        n = min(FIT_ROWS, len(values))
        rows = np.linspace(0, max(len(values) - 1, 0), n).astype(np.int64)
        mean, std = cls(columns=columns)._moments(values.take(rows))
        return cls(columns=columns, mean=mean.tolist(), std=std.tolist())

    def preprocess(self, values: Windows) -> Tensors:
        """The features as they are, read in parts that fit into memory.

        Shape:
            `numbers` `[n, embedding_dim]`, float32, NaN where one is unknown.

        Raises:
            ValueError: If a column is not there, or another frequency or other steps are given.
        """
        self.columns.check(values)
        found = np.empty((len(values), self.embedding_dim), dtype=np.float32)
        for rows, numbers in self._parts(values):
            found[rows] = numbers
        return {"numbers": torch.from_numpy(found)}

    def forward(self, tensors: Tensors) -> Tensor:
        """The features standardised, 0 where unknown: `[n, embedding_dim]`, float32."""
        numbers = tensors["numbers"]
        mean = torch.from_numpy(self._mean).to(numbers)
        std = torch.from_numpy(self._std).to(numbers)
        scaled = (numbers - mean) / torch.where(std > 0, std, torch.inf)
        return scaled.clamp(-FARTHEST, FARTHEST).nan_to_num(0.0)

    def feature_blocks(self, tensors: Tensors) -> tuple[Block, ...]:
        """The same as one block of numbers; `names` tells of each column."""
        return (Block("", "numbers", self(tensors).cpu().numpy()),)

    @torch.inference_mode()
    def encode(self, values: Any) -> NDArray[np.float32]:
        """Embeddings of windows, in order: `[n, embedding_dim]`, float32."""
        found: NDArray[np.float32] = self(self.preprocess(values)).cpu().numpy()
        return found

    @classmethod
    def tiny(cls) -> Self:
        """The numbers of a made-up table."""
        return cls.fitted(example_windows())

    def _parts(self, values: Windows) -> Iterator[tuple[slice, Array]]:
        """Places of examples that are read together, and their features `[rows, dim]`."""
        size = max(1, CHUNK_NUMBERS // self.columns.length)
        for start in range(0, len(values), size):
            rows = slice(start, min(start + size, len(values)))
            numbers = self.columns.numbers(values.take(np.arange(rows.start, rows.stop)))
            yield rows, np.stack(list(numbers.values()), axis=1)

    def _moments(self, values: Windows) -> tuple[Array, Array]:
        """Mean and standard deviation of each feature; the latter 0 where it never changes."""
        counts, sums, squares = (np.zeros(self.embedding_dim) for _ in range(3))
        for _, numbers in self._parts(values):
            known = ~np.isnan(numbers)
            counts += known.sum(axis=0)
            sums += np.where(known, numbers, 0.0).sum(axis=0)
            squares += np.where(known, numbers**2, 0.0).sum(axis=0)
        counts = np.maximum(counts, 1)
        mean = sums / counts
        variance = squares / counts - mean**2
        changes = variance > LEAST_VARIANCE * (1.0 + mean**2)
        return mean, np.where(changes, np.sqrt(np.maximum(variance, 0.0)), 0.0)


def _checked(
    name: str, given: Sequence[float] | None, n: int, *, otherwise: float, least: float
) -> Array:
    """Numbers `[n]` of a configuration.

    Raises:
        ValueError: If there are more or fewer, or one is not finite or too small.
    """
    values = np.full(n, otherwise) if given is None else np.asarray(given, dtype=np.float64)
    if values.shape != (n,) or not np.isfinite(values).all() or (values < least).any():
        raise ValueError(
            f"{name} must be {n} finite numbers, one a feature, got others. Fit the encoder anew."
        )
    return values

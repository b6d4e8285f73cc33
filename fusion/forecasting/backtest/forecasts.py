"""What was forecast and what was sold, row by row: what metrics compare."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from encoders.series.known import known_mean
from encoders.series.windows import UNITS
from fusion.data.panel.panel import Quantity
from fusion.forecasting.examples import Examples, Floats, Ints

MEDIAN = 0.5
CHUNK_ROWS = 20_000
"""Rows whose histories are cut out at once."""


@dataclass(frozen=True, eq=False)
class Forecasts:
    """Distributions of paths: of each step, and of the total of the window as a last entry.

    Args:
        mean: In units, `[n, horizon + 1]`.
        quantiles: In units, `[n, horizon + 1, n_levels]`, ascending.
        levels: Ascending levels in (0, 1), 0.5 and one on either side of it among them.

    Raises:
        ValueError: If shapes, levels or values do not fit.
    """

    mean: Floats
    quantiles: Floats
    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        levels = np.array(self.levels)
        if not (
            MEDIAN in self.levels
            and (np.diff(levels) > 0).all()
            and 0 < levels[0] < MEDIAN < levels[-1] < 1
        ):
            raise ValueError(
                f"levels must ascend in (0, 1) around 0.5, got {self.levels}. Give (0.1, 0.5, 0.9)."
            )
        if self.mean.ndim != 2 or self.quantiles.shape != (*self.mean.shape, len(levels)):
            raise ValueError(
                "quantiles must be [n, horizon + 1, n_levels] beside a mean [n, horizon + 1], got "
                f"{self.quantiles.shape} and {self.mean.shape}. Give both of the same rows."
            )
        if not (np.isfinite(self.mean).all() and np.isfinite(self.quantiles).all()):
            raise ValueError("forecasts must be finite, got nan or inf. Answer every row.")
        if (np.diff(self.quantiles, axis=2) < 0).any():
            raise ValueError("quantiles must ascend with their levels, got ones that cross.")

    @property
    def median(self) -> Floats:
        """In units, `[n, horizon + 1]`."""
        return self.quantiles[:, :, self.levels.index(MEDIAN)]

    def take(self, rows: Ints) -> "Forecasts":
        """Some of the rows, in the given order."""
        return Forecasts(self.mean[rows], self.quantiles[rows], self.levels)


@dataclass(frozen=True, eq=False)
class Actual:
    """What was sold, or at which prices, and by what the errors of each row are scaled.

    Args:
        steps: Units, or prices, `[n, horizon]`, NaN where they are not known.
        naive_absolute: Mean absolute error of the last value as the forecast of the next period, in
            the history of each row, `[n]`, > 0; NaN where that never changes or is not there.
        naive_squared: Its mean squared error, likewise.
        quantity: What the steps are.
    """

    steps: Floats
    naive_absolute: Floats
    naive_squared: Floats
    quantity: Quantity = "units"

    @classmethod
    def of(cls, steps: Floats, past: Floats, quantity: Quantity = "units") -> Self:
        """What was sold after some histories.

        Args:
            steps: Units `[n, horizon]`, NaN where they are not known.
            past: Units before the first step `[n, length]`, the last entry the latest period, NaN
                where a value is unknown or the history shorter.
            quantity: What the steps are.
        """
        changes = np.diff(past, axis=1)
        return cls(steps, _mean_if_any(np.abs(changes)), _mean_if_any(changes**2), quantity)

    @classmethod
    def of_examples(cls, examples: Examples) -> Self:
        """What was sold in the steps of examples, scaled by the whole of their histories."""
        parts = []
        for first in range(0, max(len(examples), 1), CHUNK_ROWS):
            rows = np.arange(first, min(first + CHUNK_ROWS, len(examples)))
            chunk = examples.take(rows)
            length = int(chunk.windows.lengths.max(initial=0))
            past = chunk.windows.past(UNITS, length).astype(np.float64)
            parts.append(cls.of(chunk.targets(), past))
        return cls(
            steps=np.concatenate([part.steps for part in parts]),
            naive_absolute=np.concatenate([part.naive_absolute for part in parts]),
            naive_squared=np.concatenate([part.naive_squared for part in parts]),
            quantity=examples.panel.quantity,
        )

    @property
    def paths(self) -> Floats:
        """Units of the steps and of all together, `[n, horizon + 1]`; see `unit_paths`."""
        return unit_paths(self.steps, self.quantity)

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.steps)

    def take(self, rows: Ints) -> Self:
        """Some of the rows, in the given order."""
        return replace(
            self,
            steps=self.steps[rows],
            naive_absolute=self.naive_absolute[rows],
            naive_squared=self.naive_squared[rows],
        )


def unit_paths(steps: Floats, quantity: Quantity = "units") -> Floats:
    """Paths `[n, horizon + 1]` of steps `[n, horizon]`: they and their sum; NaN if one is.

    Of prices the last entry is their mean.
    """
    whole = steps.sum(axis=1, keepdims=True)
    if quantity == "price":
        whole = whole / steps.shape[1]
    return np.concatenate([steps, whole], axis=1)


def joined(parts: Sequence[Forecasts]) -> Forecasts:
    """Forecasts of several sets of rows, such as origins, one behind the other."""
    return Forecasts(
        np.concatenate([part.mean for part in parts]),
        np.concatenate([part.quantiles for part in parts]),
        parts[0].levels,
    )


def _mean_if_any(values: Floats) -> Floats:
    """Mean of the known values of each row, `[n]`; NaN where none is known or all are 0."""
    mean = known_mean(values)
    return np.where(mean > 0, mean, np.nan)


def check_same_rows(actual: Actual, forecasts: Forecasts) -> None:
    """Raises ValueError if forecasts are not of the rows and steps that were sold."""
    if actual.paths.shape != forecasts.mean.shape:
        raise ValueError(
            f"forecasts must be [n, horizon + 1] = {actual.paths.shape}, got "
            f"{forecasts.mean.shape}. Give the forecasts of these rows, with their totals."
        )

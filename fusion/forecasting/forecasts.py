"""What was forecast and what was sold, row by row: what metrics compare."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
MEDIAN = 0.5


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
    """What was sold, and by what the errors of each row are scaled.

    Args:
        steps: Units `[n, horizon]`, NaN where they are not known.
        past: Units before the first step `[n, length]`, the last entry the latest period, NaN where
            a value is unknown or the history shorter. They scale `mase` and `rmsse` alone.
    """

    steps: Floats
    past: Floats
    paths: Floats = field(init=False)
    naive_absolute: Floats = field(init=False)
    naive_squared: Floats = field(init=False)

    def __post_init__(self) -> None:
        total = self.steps.sum(axis=1, keepdims=True)
        object.__setattr__(self, "paths", np.concatenate([self.steps, total], axis=1))
        changes = np.diff(np.asarray(self.past, dtype=np.float64), axis=1)
        object.__setattr__(self, "naive_absolute", _known_mean(np.abs(changes)))
        object.__setattr__(self, "naive_squared", _known_mean(changes**2))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.steps)

    def take(self, rows: Ints) -> "Actual":
        """Some of the rows, in the given order."""
        return Actual(self.steps[rows], self.past[rows])


def _known_mean(values: Floats) -> Floats:
    """Mean of the known values of each row, `[n]`; nan where none is known or all are 0."""
    known = ~np.isnan(values)
    sums, counts = np.where(known, values, 0.0).sum(axis=1), known.sum(axis=1)
    return np.where(sums > 0, sums / np.maximum(counts, 1), np.nan)


def check_same_rows(actual: Actual, forecasts: Forecasts) -> None:
    """Raises ValueError if forecasts are not of the rows and steps that were sold."""
    if actual.paths.shape != forecasts.mean.shape:
        raise ValueError(
            f"forecasts must be [n, horizon + 1] = {actual.paths.shape}, got "
            f"{forecasts.mean.shape}. Give the forecasts of these rows, with their totals."
        )

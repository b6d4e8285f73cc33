"""How sure a baseline is: by how much its points missed past examples; and what new items sell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import pandas as pd

from encoders.series.windows import Windows
from fusion.forecasting.backtest.forecasts import MEDIAN, Forecasts, unit_paths
from fusion.forecasting.examples import STAGES, Examples, Floats, Ints

LEAST_ERRORS = 30
"""Errors of a life stage from which on its quantiles are its own; of fewer, those of all rows."""
LEAST_ROWS = 5
"""Rows of an age whose median counts."""


@dataclass(frozen=True, eq=False)
class AgeMedians:
    """Median path of past examples by age: periods since the series began.

    When: for items without a history, whose age is 0, and for young ones. Series as old as the
    table have no known age; they count only where no others are there.

    Args:
        ages: Ascending, `[n_ages]`.
        paths: `[n_ages, horizon + 1]`, in units or in levels of the example.
    """

    ages: Ints
    paths: Floats

    @classmethod
    def fitted(cls, windows: Windows, paths: Floats) -> Self:
        """Medians of the known steps and totals; 0 where none is known.

        An age of fewer than 5 rows has the median of the age before, else of the next.

        Args:
            windows: Histories of past examples, `n` of them.
            paths: What was sold after them, `[n, horizon + 1]`, NaN where that is not known.
        """
        known_age = ~windows.is_cut if not windows.is_cut.all() else windows.is_cut
        known = pd.DataFrame(paths)[known_age]
        by_age = known.groupby(windows.lengths[known_age])
        medians = by_age.median().where(by_age.count() >= LEAST_ROWS).ffill().bfill()
        medians = medians.fillna(known.median()).fillna(0.0)
        return cls(medians.index.to_numpy(np.int64), medians.to_numpy(np.float64))

    def of(self, ages: Ints) -> Floats:
        """Median path `[n, horizon + 1]`, >= 0, of each age, or of the last one before it."""
        places = np.searchsorted(self.ages, ages, side="right") - 1
        return np.maximum(self.paths[np.maximum(places, 0)], 0.0)


def with_spread(
    past: tuple[Examples, Floats], asked: tuple[Examples, Floats], levels: Sequence[float]
) -> Forecasts:
    """Forecasts around points: the point is mean and median, other quantiles lie by past errors.

    Errors are measured by the level of each example (`Examples.levels`, 1 without a history), their
    quantiles taken for each entry and life stage.

    Args:
        past: Examples whose steps are known, at least in part, and points `[n, horizon + 1]`.
        asked: Examples to forecast, and their points.
        levels: Ascending levels in (0, 1), 0.5 among them.

    Returns:
        In units, >= 0.
    """
    examples, points = past
    sold = unit_paths(examples.targets(), examples.panel.quantity)
    found = sold - np.maximum(points, 0.0)
    errors = found / scales(examples)[:, None]
    stages, asked_stages = examples.stages(), asked[0].stages()
    point = np.maximum(asked[1], 0.0)
    quantiles = np.repeat(point[:, :, None], len(levels), axis=2)
    moves, below = np.array(levels) != MEDIAN, np.array(levels) < MEDIAN
    for stage in range(len(STAGES)):
        rows = np.flatnonzero(asked_stages == stage)
        spread = _error_quantiles(errors, stages == stage, levels)
        moved = quantiles[rows] + spread * scales(asked[0])[rows, None, None]
        bounded = np.where(
            below, np.minimum(moved, quantiles[rows]), np.maximum(moved, quantiles[rows])
        )
        quantiles[rows] = np.where(moves, np.maximum(bounded, 0.0), quantiles[rows])
    return Forecasts(point, quantiles, tuple(levels))


def _error_quantiles(errors: Floats, own: np.ndarray, levels: Sequence[float]) -> Floats:
    """Quantiles `[horizon + 1, n_levels]` of errors of one life stage; of all where it has few."""
    found = np.zeros((errors.shape[1], len(levels)))
    for entry, values in enumerate(errors.T):
        known = ~np.isnan(values)
        chosen = known & own if (known & own).sum() >= LEAST_ERRORS else known
        if chosen.any():
            found[entry] = np.quantile(values[chosen], levels)
    return found


def scales(examples: Examples) -> Floats:
    """Units a period by which examples are measured, `[n]`, > 0; 1 without a history."""
    return np.where(examples.windows.lengths > 0, examples.levels(), 1.0)

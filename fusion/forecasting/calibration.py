"""Quantiles of a forecast that hold: shifted by what was missed out of fold."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fusion.forecasting.examples import STAGES, Floats, Ints
from fusion.forecasting.members.base import Paths, PathTraining
from heads.conformal import conformal_quantile

MIN_ROWS = 50
"""Answers out of fold from which a life stage has shifts of its own."""
LEAST_WIDTH = 0.05
"""Width of a range, in levels, below which misses are not measured by it."""

LEAST_FACTOR = 0.5
"""Means are at most halved or doubled."""


class PathCalibration:
    """What is added to the quantiles of each life stage, step and level, in widths of the range.

    Why: quantiles that were learned lie too near to what was learned from. *Source:* Romano et al.
    (2019), conformalized quantile regression, each side on its own; *differs:* misses are measured
    in widths of the outermost range, so that wide ranges move more (Kivaranta et al. 2020).
    Coverage so holds on average over the origins that were asked. It is not promised under drift.
    A median stays as it is: it was learned for errors in units, and misses count alike here.

    Means are multiplied by what they were too low: large sales that come seldom are learned badly.

    Args:
        shifts: `[3 stages, horizon + 1, n_levels]`, or nested lists of it.
        factors: What means are multiplied by, of each stage, in [0.5, 2].

    Raises:
        ValueError: If shifts or factors are of another shape, or not finite.
    """

    def __init__(self, shifts: Sequence[Any], factors: Sequence[float]) -> None:
        self.shifts = np.asarray(shifts, dtype=np.float64)
        self.factors = np.asarray(factors, dtype=np.float64)
        if self.shifts.ndim != 3 or len(self.shifts) != len(STAGES):
            raise ValueError(
                f"shifts must be [{len(STAGES)}, horizon + 1, n_levels], got "
                f"{list(self.shifts.shape)}."
            )
        if self.factors.shape != (len(STAGES),):
            raise ValueError(f"factors must be {len(STAGES)}, got {self.factors.size}.")
        if not (np.isfinite(self.shifts).all() and np.isfinite(self.factors).all()):
            raise ValueError("shifts and factors must be finite, got others.")

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild it."""
        return {"shifts": self.shifts.tolist(), "factors": self.factors.tolist()}

    def calibrated(self, raw: Paths, stages: Ints) -> Paths:
        """Answers `[n, horizon + 1, 1 + n_levels]` whose quantiles are shifted and ordered."""
        quantiles = raw[..., 1:] + self.shifts[stages] * _widths(raw)
        means = raw[..., :1] * self.factors[stages][:, None, None]
        return np.concatenate([means, np.sort(quantiles, axis=-1)], axis=-1)


def fit_calibration(
    raw: Paths, training: PathTraining, *, levels: Sequence[float], stages: Ints
) -> PathCalibration:
    """Shifts by which the asked share of answers out of fold lies below each quantile.

    A life stage of fewer than 50 answers takes the shifts of all examples.

    Args:
        raw: `[n, horizon + 1, 1 + n_levels]` of models that did not learn from the examples.
        training: Their relative paths `[n, horizon + 1]`, and how much each counts for means.
        levels: Of the quantiles, ascending.
        stages: Position of the life stage of each example, `[n]`.
    """
    targets = training.targets
    missed = (targets[..., None] - raw[..., 1:]) / _widths(raw)
    shifts = np.zeros((len(STAGES), *raw.shape[1:-1], len(levels)))
    for place in range(len(STAGES)):
        own = stages == place
        for entry in range(raw.shape[1]):
            known = ~np.isnan(targets[:, entry])
            rows = known & own if (known & own).sum() >= MIN_ROWS else known
            if rows.sum() < MIN_ROWS:
                continue
            for at, level in enumerate(levels):
                if level == 0.5:
                    continue
                shifts[place, entry, at] = conformal_quantile(missed[rows, entry, at], level, None)
    return PathCalibration(shifts, _factors(raw, training, stages))


def _factors(raw: Paths, training: PathTraining, stages: Ints) -> Floats:
    """Sum of sold units over the sum of their means, by life stage."""
    sold = training.targets[:, :-1]
    known = ~np.isnan(sold)
    weight = training.weight[:, None] * known
    factors = np.ones(len(STAGES))
    for place in range(len(STAGES)):
        rows = stages == place
        rows = rows if rows.sum() >= MIN_ROWS else np.ones(len(rows), dtype=bool)
        total = float((weight * raw[:, :-1, 0])[rows].sum())
        if total > 0 and rows.sum() >= MIN_ROWS:
            found = float((weight * np.where(known, sold, 0.0))[rows].sum()) / total
            factors[place] = min(max(found, LEAST_FACTOR), 1.0 / LEAST_FACTOR)
    return factors


def _widths(raw: Paths) -> Paths:
    """Width of the outermost range of each answer, `[n, horizon + 1, 1]`."""
    return np.maximum(raw[..., -1:] - raw[..., 1:2], LEAST_WIDTH)

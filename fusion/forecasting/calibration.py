"""Ranges of a forecast that hold: stretched by how often they missed out of fold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from fusion.forecasting.examples import STAGES, Floats, Ints
from fusion.forecasting.members.base import Paths, PathTraining
from heads.demand import LearnsBounds
from heads.sales_path import SalesPathHead

MIN_ROWS = 50
"""Answers out of fold from which a life stage is calibrated by itself alone."""
MOST_ROWS = 20_000
"""Answers out of fold, drawn at random, by which ranges are stretched."""
STRETCHES = np.geomspace(0.25, 16.0, 37)
LEAST_FACTOR = 0.5
"""Means are at most halved or doubled."""


class PathCalibration:
    """What answers of each life stage are corrected by, found on answers out of fold.

    Each quantile but the median is moved away from it, or towards it, by a factor of its own for
    each stage, step and level. Coverage so holds on average over the dates that were asked; under
    drift nothing is promised. Means are multiplied by what they were too low: large sales that come
    seldom are hard to learn.

    *Source:* Romano et al. (2019), conformalized quantile regression, each side on its own; Vovk et
    al. (2005) for the rank; *differs:* quantiles are scaled, as misses grow with the width of a
    range, and judged as they are told, in whole units where sales are whole.

    Args:
        stretch: `[3 stages, horizon + 1, n_levels]`, >= 0, or nested lists of it.
        factors: What means are multiplied by, of each stage, >= 0.

    Raises:
        ValueError: If one is of another shape, or not finite.
    """

    def __init__(self, stretch: Sequence[Any], factors: Sequence[float]) -> None:
        self.stretch = np.asarray(stretch, dtype=np.float64)
        self.factors = np.asarray(factors, dtype=np.float64)
        if self.stretch.ndim != 3 or len(self.stretch) != len(STAGES):
            raise ValueError(
                f"stretch must be [{len(STAGES)}, horizon + 1, n_levels], got "
                f"{list(self.stretch.shape)}."
            )
        if self.factors.shape != (len(STAGES),):
            raise ValueError(
                f"factors must be {len(STAGES)}, one a life stage, got {self.factors.size}. "
                "Calibrate anew."
            )
        for numbers in (self.stretch, self.factors):
            if not (np.isfinite(numbers) & (numbers >= 0)).all():
                raise ValueError(
                    "stretch and factors must be finite and >= 0, got others. Calibrate anew."
                )

    @classmethod
    def none(cls, head: SalesPathHead) -> "PathCalibration":
        """A calibration that changes nothing."""
        shape = (len(STAGES), head.horizon + 1, len(head.grid))
        return cls(np.ones(shape).tolist(), [1.0] * len(STAGES))

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild it."""
        return {"stretch": self.stretch.tolist(), "factors": self.factors.tolist()}

    def calibrated(self, raw: Paths, stages: Ints, *, middle: int) -> Paths:
        """Corrected answers `[n, horizon + 1, 1 + n_levels]`, quantiles in order.

        Args:
            raw: Answers of the same shape.
            stages: Position of the life stage of each example, `[n]`.
            middle: Place of the median among the levels.
        """
        means = raw[..., :1] * self.factors[stages][:, None, None]
        median = raw[..., 1 + middle, None]
        quantiles = median + self.stretch[stages] * (raw[..., 1:] - median)
        return np.concatenate([means, np.sort(quantiles, axis=-1)], axis=-1)


@dataclass(frozen=True, eq=False)
class OutOfFoldPaths:
    """What was answered before it was learned from, and what came.

    Args:
        raw: Answers `[n, horizon + 1, raw_dim]`.
        training: Relative paths, and how much each example counts for means.
        levels: Units that each example is measured by, `[n]`.
        stages: Position of the life stage of each example, `[n]`.
        dates: First step of each, `[n]`.
    """

    raw: Paths
    training: PathTraining
    levels: Floats
    stages: Ints
    dates: Ints

    def take(self, rows: Ints) -> "OutOfFoldPaths":
        """Some of the examples, in the given order."""
        return OutOfFoldPaths(
            self.raw[rows],
            self.training.take(rows),
            self.levels[rows],
            self.stages[rows],
            self.dates[rows],
        )


def fit_calibration(
    head: SalesPathHead,
    answered: OutOfFoldPaths,
    *,
    fit_units: Callable[..., None] | None = None,
    before: PathCalibration | None = None,
) -> PathCalibration:
    """Means, rounding and ranges by answers out of fold; the head learns how units are told.

    A life stage of fewer than 50 answers has the means of all examples, and ranges that are wide
    enough for all and for its own, on the one side as on the other.

    Args:
        head: Its `units` are set.
        answered: At least one answer.
        fit_units: How the head learns that (default: its `fit_units`).
        before: What stages of fewer than 50 answers keep, in place of that.
    """
    calibration = PathCalibration.none(head)
    calibration.factors = _factors(head, answered)
    known = np.flatnonzero(~np.isnan(answered.training.targets).all(axis=1))
    if len(known) < MIN_ROWS:
        return calibration
    step = -(-len(known) // MOST_ROWS)
    some = answered.take(known[::step])
    raw = calibration.calibrated(some.raw, some.stages, middle=head.middle)
    targets = some.training.targets
    fit = fit_units or head.fit_units
    fit(raw, targets, level=some.levels, stages=some.stages, parts=some.dates)
    calibration.stretch = _stretch(head, some, calibration)
    if before is not None:
        few = np.bincount(some.stages, minlength=len(STAGES)) < MIN_ROWS
        calibration.stretch[few] = before.stretch[few]
        calibration.factors[few] = before.factors[few]
    return calibration


def _stretch(head: SalesPathHead, some: OutOfFoldPaths, calibration: PathCalibration) -> Floats:
    """The least factor of each stage, entry and level by which misses are as rare as they must.

    Of few answers of a stage it is also that of all examples, and that of the level opposite: what
    so few missed on one side says how much is unknown.
    """
    sold = head.actual(some.training.targets, some.levels)[..., None]
    known = ~np.isnan(sold)
    is_low = np.array(head.grid) < 0.5
    everyone = np.ones(len(sold), dtype=bool)
    masks = [*(some.stages == place for place in range(len(STAGES))), everyone]
    allowed = [_allowed(known[rows].sum(axis=0), head.grid) for rows in masks]
    shape = calibration.stretch.shape[1:]
    found = np.ones((len(masks), *shape))
    is_open = np.ones(found.shape, dtype=bool)
    is_open[..., head.middle] = False
    for factor in STRETCHES:
        every = np.full(calibration.stretch.shape, factor)
        tried = PathCalibration(every.tolist(), calibration.factors.tolist())
        raw = tried.calibrated(some.raw, some.stages, middle=head.middle)
        answers = head.distribution(raw, some.levels, stages=some.stages).quantile(head.grid)
        with np.errstate(invalid="ignore"):
            missed = np.where(is_low, sold < answers, sold > answers) & known
        for place, rows in enumerate(masks):
            holds = missed[rows].sum(axis=0) <= allowed[place]
            found[place][is_open[place] & holds] = factor
            is_open[place] &= ~holds
        if not is_open.any():
            break
    found[is_open] = STRETCHES[-1]
    found[..., head.middle] = 1.0
    opposite = np.abs(np.subtract.outer(head.grid, np.subtract(1.0, head.grid))).argmin(axis=1)
    for place, rows in enumerate(masks[:-1]):
        if not rows.any():
            found[place] = found[-1]
        elif rows.sum() < MIN_ROWS:
            own = np.maximum(found[place], found[place][:, opposite])
            found[place] = np.maximum(own, found[-1])
    return found[:-1]


def _allowed(counts: Ints, grid: Sequence[float]) -> Floats:
    """Misses that so many answers may have at each level: one less than for an endless number."""
    share = np.minimum(grid, np.subtract(1.0, grid))
    allowed: Floats = np.maximum(np.floor((counts + 1) * share + 1e-9) - 1, 0)
    return allowed


def _factors(head: SalesPathHead, answered: OutOfFoldPaths) -> Floats:
    """Sum of sold units over the sum of their means, by life stage.

    Of a step of which a lower bound is known, the mean beyond it counts as sold.
    """
    sold, at_least = answered.training.targets[:, :-1], answered.training.at_least
    if at_least is not None and isinstance(head, LearnsBounds):
        least = np.nan_to_num(at_least)
        above = head.mean_above(torch.from_numpy(answered.raw), torch.from_numpy(least)).numpy()
        sold = np.where(np.isnan(at_least), answered.training.targets, above)[:, :-1]
    known = ~np.isnan(sold)
    weight = answered.training.weight[:, None] * known
    factors = np.ones(len(STAGES))
    for place in range(len(STAGES)):
        rows = _rows_of(answered.stages, place)
        total = float((weight * answered.raw[:, :-1, 0])[rows].sum())
        if total > 0 and rows.sum() >= MIN_ROWS:
            found = float((weight * np.where(known, sold, 0.0))[rows].sum()) / total
            factors[place] = min(max(found, LEAST_FACTOR), 1.0 / LEAST_FACTOR)
    return factors


def _rows_of(stages: Ints, place: int) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    """Examples that say how a life stage is calibrated: its own, or all where it has too few."""
    rows = stages == place
    return rows if rows.sum() >= MIN_ROWS else np.ones(len(rows), dtype=bool)

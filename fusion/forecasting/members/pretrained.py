"""What pretrained forecasters share: their quantiles of steps, and answers learned around these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from encoders.series.windows import UNITS
from fusion.data.batch import chunks
from fusion.forecasting.examples import Examples, Floats
from fusion.forecasting.members.base import Paths, PathTraining
from fusion.forecasting.members.path_answers import PathAnswers, evenly
from fusion.forecasting.time_folds import latest_origins
from fusion.members.base import State
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

LEVELS = tuple(place / 10 for place in range(1, 10))
"""Levels of the quantiles that a forecaster gives."""
LEAST_KNOWN = 8
"""Known periods below which a pretrained forecaster has no say."""
MOST_ASKED = 1_000
"""Examples, evenly over the latest fifth of the dates, that mean and window are learned on."""


@dataclass(frozen=True)
class Forecaster:
    """A forecaster that learned from other series.

    Args:
        name: What progress bars call it.
        quantiles: From units `[n, length]`, NaN where unknown, 8 known ones or more in a row, and
            a number of steps to quantiles `[n, n_steps, 9]` at `LEVELS`, in units.
        context: The latest periods that it reads.
        batch: Examples that it answers at once.
    """

    name: str
    quantiles: Callable[[NDArray[np.float32], int], Floats]
    context: int
    batch: int

    def relative(self, examples: Examples, stage: Stage) -> Floats:
        """Relative quantiles `[n, horizon, 9]`, >= 0, in order."""
        found = np.zeros((len(examples), examples.horizon, len(LEVELS)))
        with stage(f"asking {self.name}", len(examples), "examples") as work:
            for rows in chunks(len(examples), self.batch):
                windows = examples.windows.take(rows)
                length = min(self.context, int(windows.lengths.max(initial=LEAST_KNOWN)))
                if len(rows):
                    found[rows] = self.quantiles(windows.past(UNITS, length), examples.horizon)
                work(len(rows))
        return np.sort(np.maximum(found / examples.levels()[:, None, None], 0.0), axis=-1)


class PretrainedAnswers:
    """Paths by a pretrained forecaster: its quantiles of steps, with mean and window learned.

    It tells steps alone, as no quantile of a sum is the sum of quantiles. The window, and the mean
    of each step, are learned around its medians by `PathAnswers`. Nothing is held out for that: it
    has seen none of these sales.

    Args:
        forecaster: What is asked.
        head: Horizon and levels.
    """

    def __init__(self, forecaster: Forecaster, head: SalesPathHead) -> None:
        self.forecaster = forecaster
        self.answers = PathAnswers(horizon=head.horizon, levels=head.grid)

    @classmethod
    def fitted(
        cls,
        forecaster: Forecaster,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        stage: Stage,
    ) -> Self:
        """Learns mean and window from some of the latest examples."""
        found = cls(forecaster, head)
        _, asked = latest_origins(examples)
        rows = asked if len(asked) else np.arange(len(examples))
        rows = evenly(rows[found.knows(examples.take(rows))], MOST_ASKED)
        some = examples.take(rows)
        points = _points(forecaster.relative(some, stage))
        found.answers.fit(points, training.take(rows), some.stages())
        return found

    @classmethod
    def of_state(cls, forecaster: Forecaster, state: State, *, head: SalesPathHead) -> Self:
        """Takes back what `answers.state` gave.

        Raises:
            ValueError: If something is missing, left over or of another shape.
        """
        found = cls(forecaster, head)
        if left := found.answers.load_state(state):
            raise ValueError(f"state must hold nothing else, got {', '.join(left)}.")
        return found

    def raw(self, examples: Examples) -> Paths:
        """Relative answers `[n, horizon + 1, raw_dim]`; those of short histories say nothing."""
        known = np.flatnonzero(self.knows(examples))
        points = np.zeros((len(examples), examples.horizon + 1))
        quantiles = self.forecaster.relative(examples.take(known), silent)
        points[known] = _points(quantiles)
        raw = self.answers.raw(points, examples.stages())
        raw[known, :-1, 1:] = at_levels(quantiles, self.answers.levels)
        return raw

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of the examples with 8 known periods."""
        longest = int(examples.windows.lengths.max(initial=1))
        past = examples.windows.past(UNITS, min(self.forecaster.context, longest))
        return np.asarray((~np.isnan(past)).sum(axis=1) >= LEAST_KNOWN)


def _points(quantiles: Floats) -> Floats:
    """Medians of the steps, and their mean: `[n, horizon + 1]`."""
    medians = quantiles[..., len(LEVELS) // 2]
    return np.concatenate([medians, medians.mean(axis=1, keepdims=True)], axis=1)


def at_levels(quantiles: Floats, levels: Floats) -> Floats:
    """Quantiles `[..., n_levels]` at other levels, on straight lines through the nine; >= 0.

    Example:
        >>> at_levels(np.arange(1.0, 10.0), np.array([0.05, 0.45, 0.9])).round(6).tolist()
        [0.5, 4.5, 9.0]
    """
    left = np.clip(np.searchsorted(LEVELS, levels, side="right") - 1, 0, len(LEVELS) - 2)
    share = (levels - np.asarray(LEVELS)[left]) / 0.1  # below 0, or above 1, beyond the nine
    found = quantiles[..., left] * (1.0 - share) + quantiles[..., left + 1] * share
    return np.asarray(np.maximum(found, 0.0))

"""Classical forecasts: medians of recent periods and exponential smoothing, one for each group."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from encoders.series.known import known_mean, known_quantiles
from encoders.series.windows import UNITS
from fusion.forecasting.examples import KNOWN_FROM, Examples, Floats, Ints
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.path_answers import N_GROUPS, PathAnswers, evenly
from fusion.forecasting.smoothing import exponential_smoothing, teunter_syntetos_babai
from fusion.members.base import State
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

PERIODS = 104
"""The latest periods of a history that are read."""
CHOICE_EXAMPLES = 2_000
"""Examples, evenly over all, that the method of each group is chosen on."""
CHOICE_LEVELS = (0.1, 0.5, 0.9)
"""Quantile levels by whose answers it is chosen, of the first and a middle step and of all."""
GROUPS = ("sparse", "young", "steady")
"""Known items of which at least half of the last 26 periods sold nothing; items of 1 to 4 periods;
the others."""
SPARSE_PERIODS, SPARSE_SHARE = 26, 0.5


def _median(past: Floats, *, periods: int) -> Floats:
    """Median of the last known periods, `[n]`; NaN without any."""
    return known_quantiles(past[:, -periods:], (0.5,))[0]


def _mean(past: Floats, *, periods: int) -> Floats:
    """Mean of the last known periods, `[n]`; NaN without any."""
    return known_mean(past[:, -periods:])


def _weekday_median(past: Floats, *, weeks: int) -> Floats:
    """Median of the same day in the last weeks, `[n, 7]`: of the next day, the one after, and on.

    A weekday of which nothing is known has the median of all days of these weeks.
    """
    recent = past[:, -7 * weeks :].reshape(len(past), weeks, 7)
    by_day = _median(recent.transpose(0, 2, 1).reshape(-1, weeks), periods=weeks).reshape(-1, 7)
    return np.where(np.isnan(by_day), _median(past, periods=7 * weeks)[:, None], by_day)


def _tsb(past: Floats, *, alpha: float, beta: float) -> Floats:
    size, probability = teunter_syntetos_babai(past, alpha=alpha, beta=beta)
    return np.asarray(np.nan_to_num(size) * probability)


def _ses(past: Floats, *, alpha: float) -> Floats:
    return exponential_smoothing(past, alpha=alpha)


METHODS: Mapping[str, tuple[Callable[..., Floats], Mapping[str, float]]] = {
    "last": (_ses, {"alpha": 1.0}),
    "median_4": (_median, {"periods": 4}),
    "median_8": (_median, {"periods": 8}),
    "median_13": (_median, {"periods": 13}),
    "mean_26": (_mean, {"periods": 26}),
    "mean_52": (_mean, {"periods": 52}),
    "ses_10": (_ses, {"alpha": 0.1}),
    "ses_20": (_ses, {"alpha": 0.2}),
    "ses_40": (_ses, {"alpha": 0.4}),
    "tsb_10_5": (_tsb, {"alpha": 0.1, "beta": 0.05}),
    "tsb_10_10": (_tsb, {"alpha": 0.1, "beta": 0.1}),
    "tsb_20_20": (_tsb, {"alpha": 0.2, "beta": 0.2}),
    "weekday_4": (_weekday_median, {"weeks": 4}),
    "weekday_8": (_weekday_median, {"weeks": 8}),
}
"""Points of histories `[n, length]`, one a row, or one a row and weekday: name -> function and its
parameters."""
OF_DAYS = ("weekday_4", "weekday_8")
"""Methods of sales by day alone."""


class ClassicalMember(ForecastMember):
    """One number for all steps, of the item's own history alone, with mean and quantiles around it.

    Of sales by day there may be a number for each weekday.

    Why: of short or sparse histories a smoothing says nearly all that there is, and it can not be
    led astray by what other items do. The method (the last value, a median or mean of the last
    periods, a median of the same weekday, simple exponential smoothing, or that of Teunter,
    Syntetos and Babai for sparse items, see `fusion.forecasting.smoothing`) is chosen for each
    group by the pinball loss of its answers.

    Args:
        methods: Name of the method of sparse, young and steady items; `fit` sets it.

    Raises:
        ValueError: If a method is not known.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"methods"})

    def __init__(self, *, methods: Sequence[str] = ("median_8",) * N_GROUPS) -> None:
        self.methods = list(methods)
        if len(self.methods) != N_GROUPS or not set(self.methods) <= set(METHODS):
            raise ValueError(
                f"methods must be {N_GROUPS} of {', '.join(METHODS)}, got {', '.join(methods)}."
            )
        self._answers: PathAnswers | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The methods that were chosen."""
        return {"methods": self.methods}

    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Chooses a method for each group, and learns what to answer around it."""
        del seed
        past, groups = _histories(examples), _groups(examples)
        some = evenly(np.arange(len(past)), CHOICE_EXAMPLES)
        is_daily = examples.windows.calendar.unit == "day"
        names = [name for name in METHODS if is_daily or name not in OF_DAYS]
        losses = np.zeros((N_GROUPS, len(names)))
        with stage("choosing a smoothing", len(names), "methods") as work:
            for place, name in enumerate(names):
                points = _points(past[some], name, head.horizon)
                lost = _loss(points, training.take(some), groups[some])
                losses[:, place] = np.bincount(groups[some], lost, minlength=N_GROUPS)
                work(1)
        self.methods = [names[best] for best in losses.argmin(axis=1)]
        self._answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        points = self._chosen(past, groups, head.horizon)
        self._answers.fit(points, training, groups)

    def raw(self, examples: Examples) -> Paths:
        """Relative answers, see `ForecastMember.raw`."""
        assert self._answers is not None, "fit first"
        groups = _groups(examples)
        points = self._chosen(_histories(examples), groups, examples.horizon)
        return self._answers.raw(points, groups)

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of the examples with a known period."""
        return np.asarray(~np.isnan(examples.windows.past(UNITS, PERIODS)).all(axis=1))

    def state(self) -> State:
        """What is answered around the points."""
        assert self._answers is not None, "fit first"
        return dict(self._answers.state())

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave, see `ForecastMember`."""
        answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        if left := answers.load_state(state):
            raise ValueError(f"state must hold nothing else, got {', '.join(left)}.")
        self._answers = answers

    @classmethod
    def tiny(cls) -> Self:
        """As it is: it learns in no time."""
        return cls()

    def _chosen(self, past: Floats, groups: Ints, horizon: int) -> Floats:
        """Relative points `[n, horizon + 1]` by the method of each group."""
        points = np.empty((len(past), horizon + 1))
        for group, name in enumerate(self.methods):
            points[groups == group] = _points(past[groups == group], name, horizon)
        return points


def _histories(examples: Examples) -> Floats:
    """Relative units `[n, PERIODS]`, NaN where unknown."""
    past = examples.windows.past(UNITS, PERIODS).astype(np.float64)
    return np.asarray(past / examples.levels()[:, None])


def _groups(examples: Examples) -> Ints:
    """Position in `GROUPS` of each example, `[n]`."""
    recent = examples.windows.past(UNITS, SPARSE_PERIODS)
    n_known = np.maximum((~np.isnan(recent)).sum(axis=1), 1)
    is_sparse = (recent > 0).sum(axis=1) <= (1.0 - SPARSE_SHARE) * n_known
    is_young = examples.windows.lengths < KNOWN_FROM
    return np.where(is_young, 1, np.where(is_sparse, 0, 2)).astype(np.int64)


def _points(past: Floats, name: str, horizon: int) -> Floats:
    """Points of the steps and the mean of all, `[n, horizon + 1]`: the same, or one a weekday."""
    method, parameters = METHODS[name]
    found = method(past, **parameters)
    by_day = found if found.ndim == 2 else found[:, None]
    steps = by_day[:, np.arange(horizon) % by_day.shape[1]]
    return np.column_stack([steps, steps.mean(axis=1)])


def _loss(points: Floats, training: PathTraining, groups: Ints) -> Floats:
    """Weighted pinball loss `[n]` of what would be answered around points."""
    horizon = points.shape[1] - 1
    some = np.unique([0, horizon // 2, horizon])
    few = PathTraining(training.targets[:, some], training.weight)
    answers = PathAnswers(horizon=len(some) - 1, levels=CHOICE_LEVELS)
    answers.fit(points[:, some], few, groups)
    return few.weight * pinball(answers.raw(points[:, some], groups), few.targets, answers.levels)


def pinball(raw: Paths, targets: Floats, levels: NDArray[np.float64]) -> Floats:
    """Sum over steps and levels of the pinball losses of answers, `[n]`; 0 where unknown."""
    missed = np.nan_to_num(targets[..., None] - raw[..., 1:])
    return np.asarray(np.maximum(levels * missed, (levels - 1.0) * missed).sum(axis=(1, 2)))

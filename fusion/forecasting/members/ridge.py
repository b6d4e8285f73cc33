"""A ridge over all items: each step a weighted sum of lags and content, solved in one pass."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch

from encoders.series.known import known_mean
from fusion.forecasting.examples import Examples, Floats, Ints
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.path_answers import PathAnswers, evenly
from fusion.forecasting.members.path_features import PathFeatures
from fusion.forecasting.members.ridge_design import RidgeDesign, Sums
from fusion.forecasting.time_folds import latest_origins
from fusion.members.base import State
from fusion.members.taken import Taken
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

MOST_ASKED = 8_000
"""Examples of the latest dates, evenly over all, that penalties and ranges are learned on."""
PENALTIES = (1e-3, 1e-2, 0.1, 1.0)
"""Tried penalties, as shares of an example's weight."""
FEW_ASKED = 50
"""Asked examples below which the penalty is not chosen: it is `SAFE_PENALTY`."""
SAFE_PENALTY = 0.1
MOST_LEVERAGE = 0.9
MOST = 5.0
"""Largest logarithm of relative sales that is answered."""
N_GROUPS = 2
"""Examples without a history, and all others: content counts otherwise for them."""


class RidgePathMember(ForecastMember):
    """Logarithms of relative sales as weighted sums of lags and content, pooled over all items.

    Why: with few columns that matter a linear model errs hardly more than trees, and elsewhere; it
    is solved in seconds. Sums of products are added up part by part, so memory does not grow with
    the number of examples. Items without a history have weights of their own. A step that is not
    over counts as the mean of those of its example that are.

    *Source:* Hoerl and Kennard (1970), ridge regression; the penalty is the one that errs least on
    the latest dates.

    Args:
        features: What is read of examples, see `PathFeatures.config`; `fit` sets it.
        n_codes: Number of codes of each category; `fit` sets it.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"features", "n_codes"})

    def __init__(
        self, *, features: Mapping[str, Any] | None = None, n_codes: Sequence[int] = ()
    ) -> None:
        self._config: dict[str, Any] = {"features": features, "n_codes": list(n_codes)}
        self._design: RidgeDesign | None = None
        self._weights: Floats = np.zeros(0)
        self._answers: PathAnswers | None = None

    @property
    def config(self) -> dict[str, Any]:
        """What is read."""
        return self._config

    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Solves the weights of all examples; the penalty is found by those of earlier ones."""
        del seed
        design = RidgeDesign.fitted(examples)
        learned, asked = latest_origins(examples)
        asked = evenly(asked, MOST_ASKED)
        is_late = np.ones(len(examples), dtype=bool)
        is_late[learned] = False
        shape = design.n_columns, head.horizon + 1
        sums = {(g, late): Sums.of_nothing(*shape) for g in range(N_GROUPS) for late in (0, 1)}
        with stage("adding up for the ridge", len(examples), "examples") as work:
            for rows, columns in design.parts(examples):
                targets, weight = _logarithms(training.targets[rows]), training.weight[rows]
                groups, known = _groups(examples.take(rows)), ~np.isnan(targets[:, 0])
                for (group, late), one in sums.items():
                    own = known & (groups == group) & (is_late[rows] == late)
                    one.add(columns[own], targets[own], weight[own])
                work(len(rows))
        later = examples.take(asked)
        early = [sums[group, 0] for group in range(N_GROUPS)]
        penalties = _penalties(design, early, later, training.take(asked).targets)
        whole = [early[group] + sums[group, 1] for group in range(N_GROUPS)]
        solved = [one.solved(penalty) for one, penalty in zip(whole, penalties, strict=True)]
        self._design, self._weights = design, np.stack(solved)
        self._config = design.config
        if not len(asked):
            later, asked = examples, np.arange(len(examples))
        points = self._without_own(whole, penalties, later, training.take(asked))
        self._answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        self._answers.fit(points, training.take(asked), later.stages())

    def _without_own(
        self, sums: Sequence[Sums], penalties: Floats, asked: Examples, training: PathTraining
    ) -> Floats:
        """Points `[n_asked, horizon + 1]` of examples as if each had not been learned from.

        Why not points by older examples alone: they lie beside the truth as the market has moved
        since, which those by all examples do not. *Source:* Allen (1974), PRESS: the residual by
        `1 - leverage`; *differs:* examples of near dates share steps, so the leverage counts as
        often as the horizon is long.
        """
        assert self._design is not None
        points = np.full(training.targets.shape, np.nan)
        groups, wanted = _groups(asked), _logarithms(training.targets)
        for rows, columns in self._design.parts(asked):
            for group, (one, penalty) in enumerate(zip(sums, penalties, strict=True)):
                own = rows[groups[rows] == group]
                some = columns[groups[rows] == group]
                if not one.total or not len(own):
                    continue
                leverage = training.weight[own] * one.leverage(some, penalty)
                share = (leverage * asked.horizon).clip(max=MOST_LEVERAGE)[:, None]
                found = some @ self._weights[group]
                away = np.nan_to_num(wanted[own] - found) * share / (1.0 - share)
                points[own] = _relative(found - away)
        return points

    def raw(self, examples: Examples) -> Paths:
        """Relative answers, see `ForecastMember.raw`."""
        assert self._design is not None and self._answers is not None, "fit first"
        points = np.zeros((len(examples), examples.horizon + 1))
        groups = _groups(examples)
        for rows, columns in self._design.parts(examples):
            for group, weights in enumerate(self._weights):
                own = groups[rows] == group
                points[rows[own]] = _relative(columns[own] @ weights)
        return self._answers.raw(points, examples.stages())

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]` of the examples such as it learned from: with, or without, a history."""
        has_learned = (self._weights != 0.0).reshape(N_GROUPS, -1).any(axis=1)
        return np.asarray(has_learned[_groups(examples)])

    def state(self) -> State:
        """Weights, how columns are scaled, and what is answered around points."""
        assert self._design is not None and self._answers is not None, "fit first"
        weights = {"weights": torch.from_numpy(self._weights)}
        return {**weights, **self._design.state(), **self._answers.state()}

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave, see `ForecastMember`."""
        if self._config["features"] is None:
            raise ValueError("features must be given to take a state back, got None.")
        answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        left = answers.load_state(state)
        features = PathFeatures.of_state(self._config["features"], left)
        taken = Taken({name: one for name, one in left.items() if name not in features.state()})
        scales = taken.floats("scales", 2, features.n_columns)
        design = RidgeDesign(features, scales[0], scales[1], list(self._config["n_codes"]))
        weights = taken.floats("weights", N_GROUPS, design.n_columns, head.horizon + 1)
        taken.finish()
        self._design, self._weights, self._answers = design, weights, answers

    @classmethod
    def tiny(cls) -> Self:
        """As it is: it learns in no time."""
        return cls()


def _groups(examples: Examples) -> Ints:
    """0 of examples without a history, 1 of others, `[n]`."""
    return (examples.windows.lengths > 0).astype(np.int64)


def _logarithms(targets: Floats) -> Floats:
    """Logarithms of 1 + relative sales; unknown steps by the mean of known ones."""
    filled = np.where(np.isnan(targets), known_mean(targets)[:, None], targets)
    return np.asarray(np.log1p(np.maximum(filled, 0.0)))


def _relative(logarithms: Floats) -> Floats:
    """Relative sales of logarithms, in a range that sales can have."""
    return np.asarray(np.expm1(logarithms.clip(0.0, MOST)))


def _penalties(
    design: RidgeDesign, early: Sequence[Sums], asked: Examples, targets: Floats
) -> Floats:
    """The penalty of each group that errs least on later examples, `[n_groups]`."""
    lost = np.zeros((N_GROUPS, len(PENALTIES)))
    n_asked = np.zeros(N_GROUPS)
    weights = [[one.solved(penalty) for penalty in PENALTIES] for one in early]
    groups, wanted, levels = _groups(asked), _logarithms(targets), asked.levels()
    for rows, columns in design.parts(asked):
        for group in range(N_GROUPS):
            own = groups[rows] == group
            n_asked[group] += own.sum() if early[group].total else 0
            for place, solved in enumerate(weights[group]):
                away = np.abs(columns[own] @ solved - wanted[rows[own]])
                lost[group, place] += np.nansum(levels[rows[own], None] * away)
    best = np.asarray(PENALTIES)[lost.argmin(axis=1)]
    return np.where(n_asked >= FEW_ASKED, best, SAFE_PENALTY)

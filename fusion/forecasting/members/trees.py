"""Boosted trees over all items: lags and content of an example, and what is known of a step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from encoders.base import check_whole
from encoders.series.known import known_mean
from fusion.forecasting.examples import Examples, Floats, Ints
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.members.path_answers import PathAnswers, evenly
from fusion.forecasting.members.path_features import PathFeatures, Table
from fusion.forecasting.time_folds import latest_origins
from fusion.members.base import State
from fusion.members.boosting import Grower, Growth, TreeTask
from fusion.members.forest import Forest
from fusion.members.view import Mask
from fusion.progress import Stage, silent
from heads.sales_path import SalesPathHead

MOST_EXAMPLES = 60_000
"""Examples that are learned from, the latest."""
STEPS_OF_EXAMPLE = 2
"""Steps of an example, drawn at random, that trees learn from: its steps are much alike."""
MOST_ASKED = 8_000
"""Examples of the latest dates, evenly over all, that tell when to stop and how sure points are."""
LEARNING_RATE = 0.1
OBJECTIVE = "regression_l1"
"""Absolute errors of relative sales: weighted by the level, they add up to the WAPE."""
STEPS, WINDOW = "steps.txt", "window.txt"


@dataclass(frozen=True)
class _Columns:
    """How many columns a table has, and which are codes."""

    n_columns: int
    categorical: list[int]


class TreesPathMember(ForecastMember):
    """Boosted trees, pooled over all items: some answer each step, others the window.

    Why: they take lags of any scale and missing numbers as they are. One model answers all steps,
    as it reads which step is asked and what is known ahead of it: on online_retail it erred no more
    than a model for each step, and its time does not grow with the horizon. How many trees there
    are is found on the latest dates; then all examples are learned from.

    *Source:* Ke et al. (2017), LightGBM; Makridakis et al. (2022), M5: pooled trees on lags.

    Args:
        n_leaves: Leaves of a tree, 2 to 1,024.
        max_trees: Trees of each of the two models, 1 to 10,000.
        features: What is read of examples, see `PathFeatures.config`; `fit` sets it.

    Raises:
        ValueError: If an option is out of range.
    """

    set_by_fit: ClassVar[frozenset[str]] = frozenset({"features"})

    def __init__(
        self,
        *,
        n_leaves: int = 15,
        max_trees: int = 150,
        features: Mapping[str, Any] | None = None,
    ) -> None:
        check_whole("n_leaves", n_leaves, least=2, most=1024)
        check_whole("max_trees", max_trees, least=1, most=10_000)
        self.growth = Growth(LEARNING_RATE, n_leaves, max_trees)
        self._read = features
        self._fitted: _Fitted | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The options, and what is read."""
        options = {"n_leaves": self.growth.n_leaves, "max_trees": self.growth.max_trees}
        return {**options, "features": self._read}

    def fit(
        self,
        examples: Examples,
        *,
        head: SalesPathHead,
        training: PathTraining,
        seed: int,
        stage: Stage = silent,
    ) -> None:
        """Grows trees of the latest 60,000 examples."""
        latest = np.sort(np.argsort(-examples.as_of, kind="stable")[:MOST_EXAMPLES])
        examples, training = examples.take(latest), training.take(latest)
        features = PathFeatures.fitted(examples)
        table, ahead = features.table(examples), features.of_steps(examples.windows)
        learned, asked = latest_origins(examples)
        asked = evenly(asked, MOST_ASKED)
        growth = replace(self.growth, seed=seed)
        points = np.full((len(asked), head.horizon + 1), np.nan)
        with stage("growing trees of sales", 2, "models") as work:
            targets, weight = training.targets, training.weight
            window = Grower(TreeTask(OBJECTIVE, _windows(targets)), weight, growth)
            if len(asked):
                window.hold_out(features, table, learned, asked)
                points[:, -1:] = window.answers(table[asked])
            texts = {WINDOW: window.text(features, table)}
            work(1)
            rows, steps = _drawn_steps(len(examples), head.horizon, seed=seed)
            pairs = np.hstack([table[rows], ahead[rows, steps]])
            columns = _Columns(pairs.shape[1], features.categorical)
            stepwise = Grower(TreeTask(OBJECTIVE, targets[rows, steps]), weight[rows], growth)
            if len(asked):
                places = [np.flatnonzero(np.isin(rows, some)) for some in (learned, asked)]
                stepwise.hold_out(columns, pairs, *places)
                points[:, :-1] = _by_steps(stepwise.answers, table[asked], ahead[asked])
            texts[STEPS] = stepwise.text(columns, pairs)
            work(1)
        answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        answers.fit(points, training.take(asked), examples.take(asked).stages())
        answers.centre()
        self._read, self._fitted = features.config, _Fitted(features, texts, answers)

    def raw(self, examples: Examples) -> Paths:
        """Relative answers, see `ForecastMember.raw`."""
        assert self._fitted is not None, "fit first"
        return self._fitted.raw(examples)

    def knows(self, examples: Examples) -> Mask:
        """Mask `[n]`: all, as a date alone says something."""
        return np.ones(len(examples), dtype=bool)

    def state(self) -> State:
        """The trees as text, what they read, and what is answered around their points."""
        assert self._fitted is not None, "fit first"
        found = self._fitted
        return {**found.texts, **found.features.state(), **found.answers.state()}

    def load_state(self, state: State, *, head: SalesPathHead) -> None:
        """Takes back what `state` gave; the text is checked, and LightGBM never reads it.

        Raises:
            ValueError: If something is missing, left over, or says what it cannot.
        """
        if self._read is None:
            raise ValueError("features must be given to take a state back, got None.")
        answers = PathAnswers(horizon=head.horizon, levels=head.grid)
        left = answers.load_state(state)
        features = PathFeatures.of_state(self._read, left)
        texts = {name: one for name, one in left.items() if isinstance(one, bytes)}
        if strange := left.keys() - {STEPS, WINDOW} - features.state().keys():
            raise ValueError(f"state must hold nothing else, got {', '.join(sorted(strange))}.")
        if texts.keys() != {STEPS, WINDOW}:
            raise ValueError(f"state must hold {STEPS} and {WINDOW}, got {', '.join(texts)}.")
        self._fitted = _Fitted(features, texts, answers)

    @classmethod
    def tiny(cls) -> Self:
        """Few small trees."""
        return cls(n_leaves=4, max_trees=10)


class _Fitted:
    """Trees of steps and of windows, as they are asked."""

    def __init__(
        self, features: PathFeatures, texts: Mapping[str, bytes], answers: PathAnswers
    ) -> None:
        self.features, self.texts, self.answers = features, dict(texts), answers
        n_columns = features.n_columns
        n_of_pair = n_columns + features.n_of_step
        self.steps = Forest.read(texts[STEPS], n_features=n_of_pair, n_outputs=1)
        self.window = Forest.read(texts[WINDOW], n_features=n_columns, n_outputs=1)

    def raw(self, examples: Examples) -> Paths:
        """Relative answers `[n, horizon + 1, raw_dim]`."""
        table, ahead = self.features.table(examples), self.features.of_steps(examples.windows)
        points = np.hstack(
            [_by_steps(self.steps.answers, table, ahead), self.window.answers(table)]
        )
        return self.answers.raw(points, examples.stages())


def _windows(targets: Floats) -> Floats:
    """Targets of the window `[n]`; where none is over yet, the mean of the steps that are."""
    whole = targets[:, -1]
    return known_mean(targets) if np.isnan(whole).all() else whole


def _drawn_steps(n: int, horizon: int, *, seed: int) -> tuple[Ints, Ints]:
    """Examples and steps to learn from: at most 2 different steps of each of `n` examples."""
    draw = np.random.default_rng(seed)
    every = np.tile(np.arange(horizon), (n, 1))
    steps = draw.permuted(every, axis=1)[:, :STEPS_OF_EXAMPLE]
    return np.repeat(np.arange(n), steps.shape[1]), steps.ravel()


def _by_steps(answers: Callable[[Table], Floats], table: Table, ahead: Table) -> Floats:
    """Answers to each step of examples, `[n, horizon]`."""
    steps = range(ahead.shape[1])
    return np.hstack([answers(np.hstack([table, ahead[:, step]])) for step in steps])

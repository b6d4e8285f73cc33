"""Boosted trees by LightGBM: how many is found on rows held out, then one model of all rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fusion.members.base import Floats
from fusion.members.forest_text import constant_text, slim
from fusion.members.openmp import lightgbm
from fusion.members.tree_features import TreeFeatures
from fusion.members.view import Rows, View
from fusion.progress import Stage, silent

STOPPING_ROWS = 100
"""Known rows from which on the number of trees is found on rows held out."""
FEW_TREES = 60
"""Trees of a model of fewer rows."""
MANY_ROWS = 2000
PATIENCE = 30
"""Trees without a gain on rows held out after which no more are tried."""
MOST_TREES = 3000
"""Trees of one model of several classes: each class has its own."""
LEAST_ROWS = 10
"""Rows of a leaf, where there are enough."""
PARAMETERS: Mapping[str, Any] = {
    "max_bin": 63,
    "feature_fraction": 0.5,
    "extra_trees": True,
    "lambda_l2": 3.0,
    "cat_smooth": 1.0,
    "cat_l2": 1.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
"""The same for every table: chosen out of fold on training rows of several, for few seconds."""


Table = NDArray[np.float64] | NDArray[np.float32]


class TableColumns(Protocol):
    """What the columns of a table are."""

    @property
    def n_columns(self) -> int:
        """How many there are."""

    @property
    def categorical(self) -> list[int]:
        """Places of those that are codes of a category."""


@dataclass(frozen=True)
class Growth:
    """How large a model of trees may grow.

    Args:
        learning_rate: Share of each tree that counts, in (0, 1]; None: 0.1 of many rows, 0.03 of
            fewer than 2,000, where many small steps cost little and err less.
        n_leaves: Leaves of a tree, 2 to 1,024.
        max_trees: Trees of a model, 1 to 10,000.
        seed: The same seed gives the same trees, whatever the number of threads.
    """

    learning_rate: float | None = None
    n_leaves: int = 15
    max_trees: int = 1000
    seed: int = 0


@dataclass(frozen=True)
class TreeTask:
    """What one model is fitted on.

    Args:
        objective: LightGBM's name of it.
        labels: `[n]`, NaN where a row has none and says nothing.
        parameters: Further parameters of the objective.
        n_outputs: Answers of the model: 1, or the number of classes, whose positions are labels.
    """

    objective: str
    labels: Floats
    parameters: Mapping[str, float] = field(default_factory=dict)
    n_outputs: int = 1


@dataclass(frozen=True)
class Boosted:
    """Models of all rows, one for each task.

    Args:
        features: What they read.
        texts: Each model as `fusion.members.forest.Forest.read` takes it.
        out_of_fold: For each task `[n, n_outputs]`, of the rows of a fold by what never saw them;
            0 in all other rows.
    """

    features: TreeFeatures
    texts: list[bytes]
    out_of_fold: list[Floats]


def boost(
    view: View,
    tasks: Sequence[TreeTask],
    *,
    folds: Sequence[Rows],
    sample_weight: Floats,
    growth: Growth,
    stage: Stage = silent,
) -> Boosted:
    """Grows trees for several tasks; what they read is learned once for all of them.

    Args:
        view: All rows.
        tasks: What to fit.
        folds: Positions of the rows of each fold; what answers them learns from all other rows.
        sample_weight: `[n]`, how much each row counts, >= 0; of rows that count 0 nothing is used.
        growth: Bounds of the models.
        stage: Opens a progress bar.

    Raises:
        ValueError: If a task has no row to learn from.
    """
    growers = [Grower(task, sample_weight, growth) for task in tasks]
    with stage("growing trees", len(tasks) * (len(folds) + 1), "models") as work:
        for fold in folds:
            rest = np.setdiff1d(np.arange(len(view)), fold)
            features = TreeFeatures.fitted(view.take(rest))
            table = features.table(view)
            for grower in growers:
                grower.hold_out(features, table, rest, fold)
                work(1)
        features = TreeFeatures.fitted(view)
        table, texts = features.table(view), []
        for grower in growers:
            texts.append(grower.text(features, table))
            work(1)
    return Boosted(features, texts, [grower.out_of_fold() for grower in growers])


class Grower:
    """The models of one task: one without each fold, then one of all rows.

    Args:
        task: What to fit.
        sample_weight: `[n]`, how much each row counts, >= 0; of rows that count 0 nothing is used.
        growth: Bounds of the models.
    """

    def __init__(self, task: TreeTask, sample_weight: Floats, growth: Growth) -> None:
        self.task, self.weight, self.growth = task, sample_weight, growth
        self.library = lightgbm()
        self.is_known = ~np.isnan(task.labels) & (sample_weight > 0)
        self.most = max(1, min(growth.max_trees, MOST_TREES // task.n_outputs))
        self.stops = int(self.is_known.sum()) >= STOPPING_ROWS
        self.models: list[tuple[Rows, Table, Any]] = []

    def hold_out(self, features: TableColumns, table: Table, rest: Rows, fold: Rows) -> None:
        """Grows a model of the rest of the rows, as far as it gets better on a fold.

        Args:
            features: What the columns of the table are.
            table: `[n, n_columns]`, all rows.
            rest: Positions of the rows that it learns from.
            fold: Positions of the rows that it is asked about.
        """
        known, asked = rest[self.is_known[rest]], fold[self.is_known[fold]]
        if not len(known) or not features.n_columns:
            return
        rows = asked if self.stops and len(asked) else None
        model = self._grown(features, table, known, n_trees=self.most, stopped_by=rows)
        self.models.append((fold, table[fold], model))

    @property
    def n_trees(self) -> int:
        """Trees of each answer: the mean of what the folds found best."""
        best = [model.best_iteration for *_, model in self.models if model.best_iteration > 0]
        return round(float(np.mean(best))) if best else min(FEW_TREES, self.most)

    def out_of_fold(self) -> Floats:
        """`[n, n_outputs]` by as many trees as the model of all rows has; 0 in rows of no fold."""
        found = np.zeros((len(self.task.labels), self.task.n_outputs))
        for fold, table, model in self.models:
            answers = model.predict(table, raw_score=True, num_iteration=self.n_trees)
            found[fold] = np.reshape(answers, (len(fold), self.task.n_outputs))
        return found

    def answers(self, table: Table) -> Floats:
        """Means `[n, n_outputs]` of what the models without a fold answer to other rows."""
        found = [
            m.predict(table, raw_score=True, num_iteration=self.n_trees) for *_, m in self.models
        ]
        means = np.mean(found, axis=0) if found else np.zeros((len(table), self.task.n_outputs))
        return np.reshape(means, (len(table), self.task.n_outputs))

    def text(self, features: TableColumns, table: Table) -> bytes:
        """The model of all rows, as `Forest.read` takes it."""
        known = np.flatnonzero(self.is_known)
        if not len(known):
            raise ValueError("targets must be known in one row that counts, got none. Give some.")
        if not features.n_columns:
            return constant_text(self.task.n_outputs)
        model = self._grown(features, table, known, n_trees=self.n_trees)
        return slim(model.model_to_string())

    def _grown(
        self,
        features: TableColumns,
        table: Table,
        known: Rows,
        *,
        n_trees: int,
        stopped_by: Rows | None = None,
    ) -> Any:
        """A booster of known rows, stopped by others."""
        settings = self._settings(len(known))
        data = self._data(table, known, settings, categorical_feature=features.categorical)
        stopping: dict[str, Any] = {}
        if stopped_by is not None:
            watched = self._data(table, stopped_by, settings, reference=data)
            early = self.library.early_stopping(PATIENCE, verbose=False)
            stopping = {"valid_sets": [watched], "callbacks": [early]}
        return self.library.train(settings, data, num_boost_round=n_trees, **stopping)

    def _data(self, table: Table, rows: Rows, settings: dict[str, Any], **options: Any) -> Any:
        given = {"label": self.task.labels[rows], "weight": self.weight[rows]}
        return self.library.Dataset(table[rows], **given, params=settings, **options)

    def _settings(self, n_rows: int) -> dict[str, Any]:
        least = max(1, min(LEAST_ROWS, n_rows // 10))
        n_outputs = self.task.n_outputs
        return {
            **PARAMETERS,
            **self.task.parameters,
            **({"num_class": n_outputs} if n_outputs > 1 else {}),
            "objective": self.task.objective,
            "learning_rate": self.growth.learning_rate or (0.1 if n_rows >= MANY_ROWS else 0.03),
            "num_leaves": self.growth.n_leaves,
            "min_data_in_leaf": least,
            "min_data_per_group": least,
            "min_data_in_bin": min(3, least),
            "seed": self.growth.seed,
            "num_threads": torch.get_num_threads(),
        }

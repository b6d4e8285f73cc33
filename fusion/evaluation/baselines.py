"""Simple predictors that a fusion has to beat, learned on the training rows alone.

They read the checked values of a catalogue: numbers, categories, dates, history and text, never
photos. Targets are what the head makes of them: labels by its own rule for a classification,
business units for a regression. Where a head tells mean and quantiles apart, so do they.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.model_selection import KFold
from sklearn.neighbors import NearestNeighbors

from encoders.process_lock import start_method_kept
from fusion.data.catalogue import Catalogue
from fusion.evaluation.features import (
    Features,
    Levels,
    category_levels,
    joined,
    scaled_numbers,
    table_features,
    text_directions,
    text_features,
)
from heads import Floats, Head

Columns = dict[str, Floats]

N_NEIGHBOURS = 10
PRIOR_ROWS = 5
"""Rows of the overall prevalence that are added to each category, so that none says 0 or 1."""
LARGEST_MEAN = 1e6
"""Mean of the numbers that trees sum up in single precision, at most."""
EARLY_STOPPING_ROWS = 100
"""Rows, and a tenth of it in each class, from which trees are stopped early."""
TREES: Mapping[str, Any] = {
    "learning_rate": 0.05,
    "max_leaf_nodes": 31,
    "min_samples_leaf": 10,
    "l2_regularization": 1.0,
    "validation_fraction": 0.15,
    "n_iter_no_change": 20,
}
"""The same for every table: half the usual step, and leaves that suit some hundred rows."""


class Baseline(Protocol):
    """Predicts test rows from training rows; None where it does not apply to the table."""

    def __call__(
        self, training: Catalogue, target: Floats, test: Catalogue, *, head: Head, seed: int
    ) -> Columns | None:
        """Columns `[len(test)]` of the head in business units, from targets `[len(training)]`."""
        ...


class _Scale(NamedTuple):
    """To standard deviations from the mean, and back to business units."""

    encode: Callable[[Floats], Floats]
    decode: Callable[[Floats], Floats]


def predict_median(
    training: Catalogue, target: Floats, test: Catalogue, *, head: Head, seed: int
) -> Columns:
    """The same for every row: median, prevalence, or mean and quantiles."""
    del training, seed
    constant = _summary(_values(head, target)[None], head, point=_median)
    return {name: np.repeat(value, len(test)) for name, value in constant.items()}


def predict_category_median(
    training: Catalogue, target: Floats, test: Catalogue, *, head: Head, seed: int
) -> Columns | None:
    """The same for every row of a category, in the column that errs least in cross-validation.

    A missing category is one more category; one that no training row has gets the overall answer.
    """
    columns = category_levels(training, test)
    if not columns:
        return None
    values = _values(head, target)
    errors = [_category_error(known, values, head=head, seed=seed) for known, _ in columns]
    known, asked = columns[int(np.argmin(errors))]
    overall = _summary(values[None], head, point=_median)
    answers = {
        level: _category_summary(values[rows], overall, head=head)
        for level, rows in pd.Series(values).groupby(known).indices.items()
    }
    chosen = [answers.get(level, overall) for level in asked]
    return {
        name: np.array([answer[name][0] for answer in chosen], dtype=np.float64)
        for name in head.column_names
    }


def predict_neighbours(
    training: Catalogue, target: Floats, test: Catalogue, *, head: Head, seed: int
) -> Columns | None:
    """Average of the 10 nearest training rows, by numbers and text; each of the two weighs 1."""
    found = (scaled_numbers(training, test), text_directions(training, test, seed=seed))
    blocks = [block for block in found if block is not None]
    if not blocks:
        return None
    sizes = [max(float(np.sqrt((block.training**2).sum(axis=1).mean())), 1e-12) for block in blocks]
    known, asked = (
        np.hstack([block[part] / size for block, size in zip(blocks, sizes, strict=True)])
        for part in (0, 1)
    )
    search = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(known)), algorithm="brute")
    nearest = search.fit(known).kneighbors(asked, return_distance=False)
    return _summary(_values(head, target)[nearest], head, point=lambda near: near.mean(axis=1))


def predict_numbers_trees(
    training: Catalogue, target: Floats, test: Catalogue, *, head: Head, seed: int
) -> Columns | None:
    """Boosted trees on numbers, categories, dates and history."""
    return _boosted(table_features(training, test), target, head=head, seed=seed)


def predict_text_trees(
    training: Catalogue, target: Floats, test: Catalogue, *, head: Head, seed: int
) -> Columns | None:
    """Boosted trees on the same and on 64 directions of TF-IDF vectors of words and word pairs."""
    text = text_features(training, test, seed=seed)
    if text is None:
        return None
    return _boosted(joined(table_features(training, test), text), target, head=head, seed=seed)


BASELINES: dict[str, Baseline] = {
    "median": predict_median,
    "category median": predict_category_median,
    "nearest neighbours": predict_neighbours,
    "numbers only (boosted trees)": predict_numbers_trees,
    "TF-IDF + boosted trees": predict_text_trees,
}
"""Every baseline by the name that reports show."""


def _values(head: Head, target: Floats) -> Floats:
    """Labels for a classification, business units for a regression."""
    if head.task == "classification":
        return head.encode_target(target).astype(np.float64)
    return target


def _levels(head: Head) -> dict[str, float]:
    """Level in (0, 1) of each quantile column."""
    return {column.name: column.level for column in head.columns if column.level is not None}


def _scale(target: Floats) -> _Scale:
    mean, std = float(target.mean()), float(target.std()) or 1.0
    return _Scale(lambda values: (values - mean) / std, lambda values: values * std + mean)


def _median(groups: Floats) -> Floats:
    return np.asarray(np.median(groups, axis=1))


def _summary(groups: Floats, head: Head, *, point: Callable[[Floats], Floats]) -> Columns:
    """Columns `[n]` that sum up `n` groups of values `[n, size]`.

    Quantile columns get quantiles; any other column gets the mean beside quantiles and in a
    classification, else what `point` says.
    """
    levels = _levels(head)
    averaged = bool(levels) or head.task == "classification"
    answer = groups.mean(axis=1) if averaged else point(groups)
    return {
        name: np.quantile(groups, levels[name], axis=1) if name in levels else answer
        for name in head.column_names
    }


def _category_summary(values: Floats, overall: Columns, *, head: Head) -> Columns:
    found = _summary(values[None], head, point=_median)
    if head.task != "classification":
        return found
    weight = len(values) / (len(values) + PRIOR_ROWS)
    return {name: weight * found[name] + (1 - weight) * overall[name] for name in found}


def _category_error(levels: Levels, values: Floats, *, head: Head, seed: int) -> float:
    """Mean error of a column's medians (absolute) or prevalences (squared) on rows left out."""
    folds = KFold(min(5, len(values)), shuffle=True, random_state=seed)
    errors = np.zeros(len(values))
    for known, asked in folds.split(values):
        groups = pd.Series(values[known]).groupby(levels[known])
        if head.task == "classification":
            overall = float(values[known].mean())
            found = (groups.sum() + PRIOR_ROWS * overall) / (groups.count() + PRIOR_ROWS)
        else:
            overall, found = float(np.median(values[known])), groups.median()
        guess = pd.Series(levels[asked]).map(found).fillna(overall).to_numpy(dtype=np.float64)
        errors[asked] = np.abs(values[asked] - guess)
    return float((errors**2 if head.task == "classification" else errors).mean())


@start_method_kept()
def _boosted(features: Features, target: Floats, *, head: Head, seed: int) -> Columns | None:
    """Trees for each column: probability, or one answer, or mean and median."""
    if not features.categorical:
        return None
    if head.task == "classification":
        return dict.fromkeys(
            head.column_names, _probability(features, _values(head, target), seed=seed)
        )

    def answer(loss: str, values: Floats) -> Floats:
        trees = HistGradientBoostingRegressor(
            loss=loss, **_settings(features, smallest=len(values), seed=seed)
        )
        return np.asarray(trees.fit(features.pair.training, values).predict(features.pair.test))

    if levels := _levels(head):
        mean, median = _mean_and_median(answer, target)
        return {name: median if name in levels else mean for name in head.column_names}
    scale = _scale(target)
    squared = scale.decode(answer("squared_error", scale.encode(target)))
    return dict.fromkeys(head.column_names, squared)


def _mean_and_median(
    answer: Callable[[str, Floats], Floats], target: Floats
) -> tuple[Floats, Floats]:
    """Amounts by Poisson loss and by absolute error of logarithms; others as they are."""
    scale = _scale(target)
    if (target < 0).any():
        losses = ("squared_error", "absolute_error")
        mean, median = (scale.decode(answer(loss, scale.encode(target))) for loss in losses)
        return mean, median
    median = np.expm1(answer("absolute_error", np.log1p(target))).clip(min=0.0)
    unit = max(1.0, float(target.mean()) / LARGEST_MEAN)
    mean = unit * answer("poisson", target / unit) if target.any() else np.zeros_like(median)
    return mean, median


def _probability(features: Features, labels: Floats, *, seed: int) -> Floats:
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2:
        return np.full(len(features.pair.test), classes[0])
    trees = HistGradientBoostingClassifier(
        **_settings(features, smallest=min(len(labels), 10 * counts.min()), seed=seed)
    )
    fitted = trees.fit(features.pair.training, labels)
    return np.asarray(fitted.predict_proba(features.pair.test)[:, 1], dtype=np.float64)


def _settings(features: Features, *, smallest: int, seed: int) -> dict[str, Any]:
    early = smallest >= EARLY_STOPPING_ROWS
    return {
        **TREES,
        "categorical_features": features.categorical,
        "early_stopping": early,
        "max_iter": 500 if early else 100,
        "random_state": seed,
    }

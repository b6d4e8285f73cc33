"""Boosted trees for whatever the columns of a head ask: classes, means and quantiles."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from encoders.process_lock import start_method_kept
from fusion.evaluation.features import Features
from fusion.evaluation.questions import Answer, Columns, Question, none_impossible
from heads import Floats

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
MEDIAN = 0.5


class _Scale(NamedTuple):
    """To standard deviations from the mean, and back to business units."""

    encode: Callable[[Floats], Floats]
    decode: Callable[[Floats], Floats]


def boosted(features: Features, *, seed: int) -> Answer | None:
    """Trees for each column: probabilities, or one answer, or mean and quantiles."""
    if not features.categorical:
        return None

    @start_method_kept()
    def answer(question: Question) -> Columns:
        if question.n_classes:
            return question.tell(_probabilities(features, question, seed=seed))

        def trees(loss: str, values: Floats, level: float | None = None) -> Floats:
            settings = _settings(features, smallest=len(values), seed=seed)
            model = HistGradientBoostingRegressor(loss=loss, quantile=level, **settings)
            return np.asarray(model.fit(features.pair.training, values).predict(features.pair.test))

        if question.levels:
            return _mean_and_quantiles(trees, question)
        scale = _scale(question.values)
        found = scale.decode(trees("squared_error", scale.encode(question.values)))
        return {each.name: found for each in question.columns}

    return answer


def _scale(target: Floats) -> _Scale:
    mean, std = float(target.mean()), float(target.std()) or 1.0
    return _Scale(lambda values: (values - mean) / std, lambda values: values * std + mean)


def _mean_and_quantiles(trees: Callable[..., Floats], question: Question) -> Columns:
    """Means by Poisson loss and quantiles of logarithms, of amounts; of others as they are.

    Quantiles that cross give way to the one nearest to the median.
    """
    target, levels = question.values, question.levels
    scale = _scale(target)
    amounts = not (target < 0).any()
    encode = np.log1p if amounts else scale.encode

    def quantile(level: float) -> Floats:
        given = encode(target)
        is_median = level == MEDIAN  # half of the quantile loss is the absolute error
        found = trees("absolute_error", given) if is_median else trees("quantile", given, level)
        return np.expm1(found).clip(min=0.0) if amounts else scale.decode(found)

    order = sorted(levels, key=levels.__getitem__)
    ordered = np.stack([quantile(levels[name]) for name in order])
    middle = int(np.argmin([abs(levels[name] - MEDIAN) for name in order]))
    ordered[: middle + 1] = np.minimum.accumulate(ordered[middle::-1])[::-1]
    ordered[middle:] = np.maximum.accumulate(ordered[middle:])
    columns = dict(zip(order, ordered, strict=True))
    others = [each.name for each in question.columns if each.level is None]
    if not others:
        return columns
    mean = _mean(trees, target, scale) if target.any() else np.zeros_like(ordered[0])
    return {**columns, **dict.fromkeys(others, mean)}


def _mean(trees: Callable[..., Floats], target: Floats, scale: _Scale) -> Floats:
    if (target < 0).any():
        return scale.decode(trees("squared_error", scale.encode(target)))
    unit = max(1.0, float(target.mean()) / LARGEST_MEAN)
    return unit * trees("poisson", target / unit)


def _probabilities(features: Features, question: Question, *, seed: int) -> Floats:
    """Probabilities `[n, n_classes]` of trees; of a class that no training row has nearly 0."""
    classes, counts = np.unique(question.values, return_counts=True)
    found = np.zeros((len(features.pair.test), question.n_classes))
    if len(classes) < 2:
        found[:, int(classes[0])] = 1.0
        return found
    trees = HistGradientBoostingClassifier(
        **_settings(features, smallest=min(len(question.values), 10 * counts.min()), seed=seed)
    )
    fitted = trees.fit(features.pair.training, question.values)
    found[:, classes.astype(int)] = fitted.predict_proba(features.pair.test)
    return none_impossible(found, n_rows=len(question.values))


def _settings(features: Features, *, smallest: int, seed: int) -> dict[str, Any]:
    early = smallest >= EARLY_STOPPING_ROWS
    return {
        **TREES,
        "categorical_features": features.categorical,
        "early_stopping": early,
        "max_iter": 500 if early else 100,
        "random_state": seed,
    }

"""Boosted trees for whatever the columns of heads ask: classes, means and quantiles."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import expit, softmax

from fusion.evaluation.questions import Asked, Columns, Question, none_impossible
from fusion.members.boosting import Growth, TreeTask, boost
from fusion.members.forest import Forest
from fusion.members.view import Rows, View
from heads import Floats
from heads.scales import StandardScale

MEDIAN = 0.5
LEAST_SHARE = 1e-6
"""Share of the mean that 0 counts as: where all rows are 0, there is no logarithm."""


class _Fit(NamedTuple):
    """One model of a question.

    Args:
        task: What it is fitted on.
        decode: From its answers `[n, n_outputs]` to probabilities `[n, n_classes]`, or to a number
            in business units `[n]`.
        level: Level in (0, 1) of a quantile; None of anything else.
    """

    task: TreeTask
    decode: Callable[[Floats], Floats]
    level: float | None = None


def boosted(
    training: View, test: View, asked: Sequence[Asked], *, folds: Sequence[Rows], seed: int
) -> list[Columns]:
    """Columns `[len(test)]` that answer each question, by trees that grow as those of the member.

    Args:
        training: Rows to learn from.
        test: Rows to answer.
        asked: Questions, each about some of the training rows.
        folds: Training rows by which the number of trees is found.
        seed: The same seed gives the same answers.
    """
    fits = [_fits(each.question, each.rows, n_rows=len(training)) for each in asked]
    found = boost(
        training,
        [fit.task for some in fits for fit in some],
        folds=folds,
        sample_weight=np.ones(len(training)),
        growth=Growth(seed=seed),
    )
    table, texts = found.features.table(test), iter(found.texts)

    def answer(fit: _Fit) -> Floats:
        shape = {"n_features": found.features.n_columns, "n_outputs": fit.task.n_outputs}
        return fit.decode(Forest.read(next(texts), **shape).answers(table))

    answers = [[(fit, answer(fit)) for fit in some] for some in fits]
    return [_told(each.question, some) for each, some in zip(asked, answers, strict=True)]


def _told(question: Question, answers: list[tuple[_Fit, Floats]]) -> Columns:
    """Columns of a question by its models.

    Quantiles that cross give way to the one nearest to the median.
    """
    if question.n_classes:
        chances = answers[0][1]
        return question.tell(none_impossible(chances, n_rows=len(question.values)))
    by_level = {fit.level: found for fit, found in answers if fit.level is not None}
    order = sorted(by_level)
    if order:
        ordered = np.stack([by_level[level] for level in order])
        middle = int(np.abs(np.subtract(order, MEDIAN)).argmin())
        ordered[: middle + 1] = np.minimum.accumulate(ordered[middle::-1])[::-1]
        ordered[middle:] = np.maximum.accumulate(ordered[middle:])
        by_level = dict(zip(order, ordered, strict=True))
    numbers = [found for fit, found in answers if fit.level is None]
    return {
        each.name: numbers[0] if each.level is None else by_level[each.level]
        for each in question.columns
    }


def _fits(question: Question, rows: Rows, *, n_rows: int) -> list[_Fit]:
    """The model of all classes; or of each quantile, and of the number beside or without them."""

    def on_all(labels: Floats) -> Floats:
        whole = np.full(n_rows, np.nan)
        whole[rows] = labels
        return whole

    values, n_classes = question.values, question.n_classes
    if n_classes == 2:
        return [_Fit(TreeTask("binary", on_all(values)), _two_chances)]
    if n_classes:
        task = TreeTask("multiclass", on_all(values), n_outputs=n_classes)
        return [_Fit(task, lambda logits: softmax(logits, axis=1))]
    amounts = not (values < 0).any() and bool(question.levels)
    scale = StandardScale.fitted(values, "log1p" if amounts else "identity")

    def in_units(found: Floats) -> Floats:
        return scale.decode(torch.from_numpy(found[:, 0])).numpy()

    labels = on_all(scale.encode(values))
    fits = [
        _Fit(TreeTask("quantile", labels, {"alpha": level}), in_units, level)
        for level in question.levels.values()
    ]
    if len(question.levels) == len(question.columns):
        return fits
    mean = float(values.mean())
    if not amounts:
        return [*fits, _Fit(TreeTask("regression", labels), in_units)]
    task = TreeTask("poisson", on_all(np.maximum(values / (mean or 1.0), LEAST_SHARE)))
    return [*fits, _Fit(task, lambda found: mean * np.exp(found[:, 0]))]


def _two_chances(log_odds: Floats) -> Floats:
    return np.hstack([expit(-log_odds), expit(log_odds)])

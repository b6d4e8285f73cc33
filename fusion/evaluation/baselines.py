"""Simple predictors that a fusion has to beat, learned on the training rows alone.

They read the checked values of a catalogue and views of it: numbers, categories, dates, history,
text, and embeddings that needed no fitting. Trees grow as those of the member `trees`. What is
asked follows from the columns of the head: classes by its own rule where these are probabilities,
business units else. Where they tell mean and quantiles apart, so do baselines.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold
from sklearn.neighbors import NearestNeighbors

from fusion.data.known import known_rows
from fusion.evaluation.features import Levels, Pair, category_levels, scaled_numbers
from fusion.evaluation.questions import (
    Answer,
    Asked,
    Columns,
    Question,
    none_impossible,
    questions,
)
from fusion.evaluation.rows import BaselineRows, joined
from fusion.evaluation.trees import boosted
from fusion.members.view import Rows, View
from heads import Floats, Head

N_NEIGHBOURS = 10
PRIOR_ROWS = 5
"""Rows of the overall prevalence that are added to each category, so that none says 0 or 1."""


class Learn(Protocol):
    """Learns what rows are alike, whatever is asked; None where it does not apply to the table."""

    def __call__(
        self, training: BaselineRows, test: BaselineRows, *, folds: Sequence[Rows], seed: int
    ) -> Answer | None:
        """How the test rows are answered from values of the training rows."""
        ...


@dataclass(frozen=True)
class Baseline:
    """Predicts test rows from training rows."""

    learn: Learn

    def __call__(
        self,
        training: BaselineRows,
        targets: Mapping[str, Floats],
        test: BaselineRows,
        *,
        heads: Mapping[str, Head],
        folds: Sequence[Rows],
        seed: int,
    ) -> dict[str, Columns] | None:
        """Columns `[n_test]` of each head in business units; None where it does not apply.

        What it reads is learned once for all heads.

        Args:
            training: Rows to learn from.
            targets: Their targets `[n_training, *target_shape]` in business units for each head,
                NaN where there is none.
            test: Rows to predict.
            heads: What is asked, step after step.
            folds: Training rows by which the number of trees is found: the folds of the fusion.
            seed: The same seed gives the same answers.
        """
        answer = self.learn(training, test, folds=folds, seed=seed)
        if answer is None:
            return None
        asked = [
            (name, Asked(question, rows))
            for name, head in heads.items()
            for rows in (known_rows(targets[name]),)
            for question in questions(head, targets[name][rows])
        ]
        found: dict[str, Columns] = {name: {} for name in heads}
        for (name, _), columns in zip(asked, answer([each for _, each in asked]), strict=True):
            found[name] |= columns
        return {
            name: {column: found[name][column] for column in head.column_names}
            for name, head in heads.items()
        }


def learn_constant(
    training: BaselineRows, test: BaselineRows, *, folds: Sequence[Rows], seed: int
) -> Answer:
    """The same for every row: median, shares of the classes, or mean and quantiles."""
    del training, folds, seed

    def answer(asked: Asked) -> Columns:
        found = _summary(asked.question.values[None], asked.question, point=_median)
        return {name: np.repeat(value, len(test.catalogue)) for name, value in found.items()}

    return _one_by_one(answer)


def learn_categories(
    training: BaselineRows, test: BaselineRows, *, folds: Sequence[Rows], seed: int
) -> Answer | None:
    """The same for every row of a category, in the column that errs least in cross-validation.

    A missing category is one more category; one that no training row has gets the overall answer.
    """
    del folds
    columns = category_levels(training.catalogue, test.catalogue)
    if not columns:
        return None

    def answer(given: Asked) -> Columns:
        question = given.question
        errors = [_category_error(known[given.rows], question, seed=seed) for known, _ in columns]
        known, asked = columns[int(np.argmin(errors))]
        known = known[given.rows]
        rows = pd.Series(question.values).groupby(known).indices
        if question.n_classes:
            return question.tell(_category_shares(question, rows, asked))
        overall = _summary(question.values[None], question, point=_median)
        by_level = {
            level: _summary(question.values[found][None], question, point=_median)
            for level, found in rows.items()
        }
        chosen = [by_level.get(level, overall) for level in asked]
        return {
            name: np.array([each[name][0] for each in chosen], dtype=np.float64) for name in overall
        }

    return _one_by_one(answer)


def learn_neighbours(
    training: BaselineRows, test: BaselineRows, *, folds: Sequence[Rows], seed: int
) -> Answer | None:
    """Average of the 10 nearest training rows, by numbers and text; each of the two weighs 1."""
    del folds, seed
    found = (scaled_numbers(training.catalogue, test.catalogue), _word_vectors(training, test))
    blocks = [block for block in found if block is not None]
    if not blocks:
        return None
    sizes = [max(float(np.sqrt((block.training**2).sum(axis=1).mean())), 1e-12) for block in blocks]
    known, asked = (
        np.hstack([block[part] / size for block, size in zip(blocks, sizes, strict=True)])
        for part in (0, 1)
    )
    searched: dict[bytes, Rows] = {}

    def nearest(rows: Rows) -> Rows:
        key = rows.tobytes()
        if key not in searched:
            search = NearestNeighbors(n_neighbors=min(N_NEIGHBOURS, len(rows)), algorithm="brute")
            searched[key] = search.fit(known[rows]).kneighbors(asked, return_distance=False)
        return searched[key]

    return _one_by_one(
        lambda given: _summary(
            given.question.values[nearest(given.rows)],
            given.question,
            point=lambda near: near.mean(axis=1),
        )
    )


def _word_vectors(training: BaselineRows, test: BaselineRows) -> Pair | None:
    """TF-IDF directions of the texts, 0 where there is none; None where there are no texts."""
    if training.words is None or test.words is None:
        return None
    vectors = []
    for view in (training.words, test.words):
        name, *_ = view.of_kinds("vectors")
        vectors.append(view.filled(name))
    return Pair(*vectors)


def _grown(
    training: View | None, test: View | None, *, folds: Sequence[Rows], seed: int
) -> Answer | None:
    """Boosted trees on a view."""
    if training is None or test is None:
        return None
    known, asked = training, test
    return lambda given: boosted(known, asked, given, folds=folds, seed=seed)


def learn_numbers(
    training: BaselineRows, test: BaselineRows, *, folds: Sequence[Rows], seed: int
) -> Answer | None:
    """Boosted trees on numbers, categories, dates and history."""
    return _grown(training.tables, test.tables, folds=folds, seed=seed)


def learn_texts(
    training: BaselineRows, test: BaselineRows, *, folds: Sequence[Rows], seed: int
) -> Answer | None:
    """Boosted trees on the same and on TF-IDF directions of the texts."""
    if training.words is None:
        return None
    views = (joined(rows.tables, rows.words) for rows in (training, test))
    return _grown(*views, folds=folds, seed=seed)


def learn_embeddings(
    training: BaselineRows, test: BaselineRows, *, folds: Sequence[Rows], seed: int
) -> Answer | None:
    """Boosted trees on the same numbers and on leading directions of frozen embeddings."""
    if training.embedded is None:
        return None
    views = (joined(rows.tables, rows.embedded) for rows in (training, test))
    return _grown(*views, folds=folds, seed=seed)


def _one_by_one(answer: Callable[[Asked], Columns]) -> Answer:
    return lambda asked: [answer(each) for each in asked]


BASELINES: dict[str, Baseline] = {
    "median": Baseline(learn_constant),
    "category median": Baseline(learn_categories),
    "nearest neighbours": Baseline(learn_neighbours),
    "numbers only (boosted trees)": Baseline(learn_numbers),
    "TF-IDF + boosted trees": Baseline(learn_texts),
    "embeddings + boosted trees": Baseline(learn_embeddings),
}
"""Every baseline by the name that reports show."""


def _median(groups: Floats) -> Floats:
    return np.asarray(np.median(groups, axis=1))


def _summary(groups: Floats, question: Question, *, point: Callable[[Floats], Floats]) -> Columns:
    """Columns `[n]` that sum up `n` groups of values `[n, size]`.

    Quantile columns get quantiles; a mean gets the mean beside quantiles, and any other number
    what `point` says; probabilities get shares.
    """
    if question.n_classes:
        shares = _shares(groups, question.n_classes)
        return question.tell(none_impossible(shares, n_rows=groups.shape[1]))
    levels = question.levels
    answer = groups.mean(axis=1) if levels else point(groups)
    return {
        each.name: answer if each.level is None else np.quantile(groups, each.level, axis=1)
        for each in question.columns
    }


def _shares(groups: Floats, n_classes: int) -> Floats:
    """Share `[n, n_classes]` of each class in groups of positions `[n, size]`."""
    return np.stack([(groups == k).mean(axis=1) for k in range(n_classes)], axis=1)


def _category_shares(question: Question, rows: Mapping[Any, Any], asked: Levels) -> Floats:
    """Shares of the classes `[n, n_classes]` in the category of each asked row."""
    values, n_classes = question.values, question.n_classes
    overall = none_impossible(_shares(values[None], n_classes), n_rows=len(values))[0]
    by_level = {}
    for level, found in rows.items():
        weight = len(found) / (len(found) + PRIOR_ROWS)
        shares = _shares(values[found][None], n_classes)[0]
        by_level[level] = weight * shares + (1 - weight) * overall
    return np.stack([by_level.get(level, overall) for level in asked])


def _category_error(levels: Levels, question: Question, *, seed: int) -> float:
    """Mean error of a column's medians (absolute) or shares (squared) on rows left out."""
    if not question.n_classes:
        return float(_errors_of_categories(levels, question.values, shares=False, seed=seed).mean())
    first = 1 if question.n_classes == 2 else 0  # the other of two classes errs alike
    errors = [
        _errors_of_categories(levels, (question.values == k).astype(float), shares=True, seed=seed)
        for k in range(first, question.n_classes)
    ]
    return float((np.square(errors).sum(axis=0)).mean())


def _errors_of_categories(levels: Levels, values: Floats, *, shares: bool, seed: int) -> Floats:
    """How far values are from the median, or the smoothed mean, of their category in other rows."""
    folds = KFold(min(5, len(values)), shuffle=True, random_state=seed)
    errors = np.zeros(len(values))
    for known, asked in folds.split(values):
        groups = pd.Series(values[known]).groupby(levels[known])
        if shares:
            overall = float(values[known].mean())
            found = (groups.sum() + PRIOR_ROWS * overall) / (groups.count() + PRIOR_ROWS)
        else:
            overall, found = float(np.median(values[known])), groups.median()
        guess = pd.Series(levels[asked]).map(found).fillna(overall).to_numpy(dtype=np.float64)
        errors[asked] = np.abs(values[asked] - guess)
    return errors

"""Simple predictors that a fusion has to beat, learned on the training rows alone.

They read the checked values of a catalogue: numbers, categories, dates, history and text, never
photos. What is asked follows from the columns of the head: classes by its own rule where these
are probabilities, business units else. Where they tell mean and quantiles apart, so do baselines.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold
from sklearn.neighbors import NearestNeighbors

from fusion.data.catalogue import Catalogue
from fusion.evaluation.features import (
    Levels,
    category_levels,
    joined,
    scaled_numbers,
    table_features,
    text_directions,
    text_features,
)
from fusion.evaluation.questions import Answer, Columns, Question, none_impossible, questions
from fusion.evaluation.trees import boosted
from heads import Floats, Head

N_NEIGHBOURS = 10
PRIOR_ROWS = 5
"""Rows of the overall prevalence that are added to each category, so that none says 0 or 1."""


class Learn(Protocol):
    """Learns what rows are alike, whatever is asked; None where it does not apply to the table."""

    def __call__(self, training: Catalogue, test: Catalogue, *, seed: int) -> Answer | None:
        """How the test rows are answered from values of the training rows."""
        ...


@dataclass(frozen=True)
class Baseline:
    """Predicts test rows from training rows."""

    learn: Learn

    def __call__(
        self, training: Catalogue, target: Floats, test: Catalogue, *, head: Head, seed: int
    ) -> Columns | None:
        """Columns `[len(test)]` of the head in business units; None where it does not apply.

        Args:
            training: Rows to learn from.
            target: Their known targets `[len(training), *target_shape]`, in business units.
            test: Rows to predict.
            head: What is asked, step after step.
            seed: The same seed gives the same answers.
        """
        answer = self.learn(training, test, seed=seed)
        if answer is None:
            return None
        found: Columns = {}
        for question in questions(head, target):
            found |= answer(question)
        return {name: found[name] for name in head.column_names}


def learn_constant(training: Catalogue, test: Catalogue, *, seed: int) -> Answer:
    """The same for every row: median, shares of the classes, or mean and quantiles."""
    del training, seed

    def answer(question: Question) -> Columns:
        found = _summary(question.values[None], question, point=_median)
        return {name: np.repeat(value, len(test)) for name, value in found.items()}

    return answer


def learn_categories(training: Catalogue, test: Catalogue, *, seed: int) -> Answer | None:
    """The same for every row of a category, in the column that errs least in cross-validation.

    A missing category is one more category; one that no training row has gets the overall answer.
    """
    columns = category_levels(training, test)
    if not columns:
        return None

    def answer(question: Question) -> Columns:
        errors = [_category_error(known, question, seed=seed) for known, _ in columns]
        known, asked = columns[int(np.argmin(errors))]
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

    return answer


def learn_neighbours(training: Catalogue, test: Catalogue, *, seed: int) -> Answer | None:
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
    return lambda question: _summary(
        question.values[nearest], question, point=lambda near: near.mean(axis=1)
    )


def learn_numbers(training: Catalogue, test: Catalogue, *, seed: int) -> Answer | None:
    """Boosted trees on numbers, categories, dates and history."""
    return boosted(table_features(training, test), seed=seed)


def learn_texts(training: Catalogue, test: Catalogue, *, seed: int) -> Answer | None:
    """Boosted trees on the same and on 64 directions of TF-IDF vectors of words and word pairs."""
    text = text_features(training, test, seed=seed)
    if text is None:
        return None
    return boosted(joined(table_features(training, test), text), seed=seed)


BASELINES: dict[str, Baseline] = {
    "median": Baseline(learn_constant),
    "category median": Baseline(learn_categories),
    "nearest neighbours": Baseline(learn_neighbours),
    "numbers only (boosted trees)": Baseline(learn_numbers),
    "TF-IDF + boosted trees": Baseline(learn_texts),
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

"""What a head asks, read off its columns: numbers or classes, one question a step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from heads import Column, Floats, Head
from heads.columns import columns_by_step, probability_columns

Columns = dict[str, Floats]


@dataclass(frozen=True)
class Question:
    """One step of a head: the columns that answer it, and the values that they are held against.

    Args:
        columns: Columns of one step; all of them where the target has no steps.
        values: `[n]`: numbers in business units, or positions of classes where probabilities are
            asked for (1 and 0 where there is a single probability).
    """

    columns: tuple[Column, ...]
    values: Floats

    @property
    def levels(self) -> dict[str, float]:
        """Level in (0, 1) of each quantile column."""
        return {each.name: each.level for each in self.columns if each.level is not None}

    @property
    def n_classes(self) -> int:
        """Number of classes; 0 where a number is asked for."""
        n_columns = len(probability_columns(self.columns))
        return 2 if n_columns == 1 else n_columns

    def tell(self, probabilities: Floats) -> Columns:
        """Columns `[n]` that say the probabilities `[n, n_classes]`; classes are the likeliest."""
        names = [each.name for each in probability_columns(self.columns)]
        places = [1] if len(names) == 1 else range(len(names))
        by_name = {name: probabilities[:, k] for name, k in zip(names, places, strict=True)}
        likeliest = probabilities.argmax(axis=1).astype(np.float64)
        return {each.name: by_name.get(each.name, likeliest) for each in self.columns}


class Asked(NamedTuple):
    """A question about some of the training rows.

    Args:
        question: Its values are those of the rows.
        rows: Their positions among the training rows.
    """

    question: Question
    rows: NDArray[np.int64]


Answer = Callable[[Sequence[Asked]], list[Columns]]
"""Columns of the rows asked about, for each question."""


def questions(head: Head, target: Floats) -> list[Question]:
    """The questions of a head about rows, step by step.

    Args:
        head: A fitted head.
        target: Known targets `[n, *target_shape]` in business units.
    """
    values = asked_values(head, target)
    if values.ndim == 1:
        return [Question(head.columns, values)]
    return [
        Question(columns, values[:, place])
        for place, columns in enumerate(columns_by_step(head.columns).values())
    ]


def asked_values(head: Head, target: Floats) -> Floats:
    """What the columns are held against `[n, *target_shape]`.

    Returns:
        Positions of classes (1 and 0 of a single probability) where probabilities are asked for,
        by the head's own rule; else the targets, in business units.
    """
    if probability_columns(head.columns):
        return head.encode_target(target).astype(np.float64)
    return target


def none_impossible(shares: Floats, *, n_rows: int) -> Floats:
    """Shares of more than two classes as if each had been seen once more.

    Why: log loss, by which several classes are judged, is boundless where a class that then occurs
    was called impossible. Source: Laplace's rule of succession. Two classes are judged by their
    order, which this would leave as it is.
    """
    n_classes = shares.shape[1]
    return shares if n_classes == 2 else (n_rows * shares + 1.0) / (n_rows + n_classes)

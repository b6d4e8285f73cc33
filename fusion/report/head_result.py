"""What one head answered on the test rows: plain values, told by its columns."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fusion.evaluation.result import Evaluation
from heads.base import Column
from heads.columns import class_labels, columns_by_step, probability_columns

Floats = NDArray[np.float64]
MEDIAN = 0.5


@dataclass(frozen=True)
class ReportItem:
    """One test item as a card shows it.

    Args:
        id: Its id in the table.
        title: What people call it; may be empty.
        photo: File of its photo; None, or a file that cannot be read, shows as "no photo".
        details: Short facts such as price and brand, by name; the first four are shown.
    """

    id: str
    title: str
    photo: Path | None
    details: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HeadResult:
    """Everything about one head on the test rows.

    Args:
        evaluation: Scores of every way to predict.
        columns: What each prediction column says; the first one is the answer.
        actual: Targets `[n_test, *target_shape]` in business units; 0 or 1 where a probability is
            asked for, positions of classes where several are.
        predicted: Prediction columns `[n_test]` of the fusion, by name.
        items: All test items in their order; the page picks the best and the worst.
        title: What is asked, in words for people.

    Raises:
        ValueError: If a prediction column is missing or has another length than `actual`.
    """

    evaluation: Evaluation
    columns: tuple[Column, ...]
    actual: Floats
    predicted: dict[str, Floats]
    items: tuple[ReportItem, ...] = ()
    title: str = ""

    def __post_init__(self) -> None:
        shapes = {name: values.shape for name, values in self.predicted.items()}
        wanted = {column.name: self.actual.shape[:1] for column in self.columns}
        if not wanted or shapes != wanted:
            raise ValueError(
                f"predicted must be columns of shape {self.actual.shape[:1]}, as actual has rows, "
                f"named {', '.join(wanted)}, got {shapes}. Give the head's columns on the same "
                "test rows."
            )

    @property
    def answer(self) -> Floats:
        """The first prediction column."""
        return self.predicted[self.columns[0].name]

    @property
    def median(self) -> Floats:
        """The median prediction where the head gives one, else the answer."""
        medians = [self.predicted[each.name] for each in self.columns if each.level == MEDIAN]
        return medians[0] if medians else self.answer

    @property
    def quantiles(self) -> dict[float, Floats]:
        """Level -> quantile column, ascending; empty where there is none."""
        found = {c.level: self.predicted[c.name] for c in self.columns if c.level is not None}
        return dict(sorted(found.items()))

    @property
    def in_units(self) -> bool:
        """Whether the answer is a number of units sold."""
        return self.columns[0].unit == "units"

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of which the answer is one; none where a number or one probability is."""
        return class_labels(self.columns)

    @property
    def positive(self) -> str:
        """What a single probability is one of; empty where something else is asked for."""
        found = probability_columns(self.columns)
        return (found[0].label or "positive") if len(found) == 1 else ""

    @property
    def chances(self) -> Floats:
        """Probabilities `[n_test, n_classes]` of the classes."""
        columns = probability_columns(self.columns)
        return np.stack([self.predicted[each.name] for each in columns], axis=1)

    def steps(self) -> dict[int, "HeadResult"]:
        """The same of each step alone; empty where the target has no steps."""
        by_step = columns_by_step(self.columns)
        return {
            step: replace(
                self,
                columns=tuple(replace(each, step=None) for each in columns),
                actual=self.actual[:, place],
                predicted={each.name: self.predicted[each.name] for each in columns},
            )
            for place, (step, columns) in enumerate(by_step.items())
            if step is not None
        }

    def over_steps(self) -> "HeadResult":
        """Numbers averaged over the steps; itself where there are none.

        The means of items can be averaged, and so can numbers that claim to be no quantile.
        """
        steps = list(self.steps().values())
        if not steps:
            return self
        first = replace(steps[0].columns[0], unit="")
        answer = np.mean([step.answer for step in steps], axis=0)
        return replace(
            self, columns=(first,), actual=self.actual.mean(axis=1), predicted={first.name: answer}
        )

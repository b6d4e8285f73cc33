"""Heads whose targets are labels: which columns they read so, and which labels these hold."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.choices.heads import HeadChoice
from fusion.data.labels import (
    canonical_labels,
    label_mistakes,
    label_positions,
    listed,
    read_labels,
    sorted_labels,
)
from fusion.data.problems import Problem, shown
from heads import HEADS

Targets = dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class LabelTargets:
    """What was read of columns of labels.

    Args:
        heads: All heads; those that read labels know them now.
        positions: Target column -> positions `[n]` of its labels, NaN where there is none.
        labels: The labels of each of these columns.
        problems: Cells that are no label.
    """

    heads: dict[str, HeadChoice]
    positions: Targets = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def mistakes(self) -> list[str]:
        """Why labels cannot be learned from, a sentence each."""
        odd = [
            f"option labels of head {choice.head} of {choice.target_name} must be a list of two or "
            f"more different labels, got {shown(choice.options['labels'])}. Give each label of the "
            "target column once, or leave the option out."
            for choice in self.heads.values()
            if _reads_labels(choice) and _are_odd(choice.options.get("labels"))
        ]
        found = {
            choice.target_name: label_mistakes(
                np.concatenate([self.positions[name] for name in choice.columns]),
                choice.options["labels"],
                what=choice.target_name,
            )
            for choice in self.heads.values()
            if isinstance(choice.options.get("labels"), tuple)
            and self.positions.keys() >= set(choice.columns)
        }
        return [*dict.fromkeys(odd), *(sentence for sentence in found.values() if sentence)]


def label_columns(heads: Mapping[str, HeadChoice]) -> set[str]:
    """Target columns that hold labels for at least one head."""
    return {name for choice in heads.values() if _reads_labels(choice) for name in choice.columns}


def read_label_targets(
    heads: Mapping[str, HeadChoice], columns: Mapping[str, "pd.Series[Any]"]
) -> LabelTargets:
    """Reads the targets of heads that read labels, and puts the labels in their options.

    Args:
        heads: By name; an option `labels` lists the labels in an order of one's own, otherwise
            they are found: numbers by their value, others by their letters.
        columns: The target columns of these heads, as far as the table has them.
    """
    found = LabelTargets(dict(heads))
    texts = {}
    for name in sorted(label_columns(heads) & columns.keys()):
        texts[name], problems = read_labels(columns[name])
        found.problems.extend(problems)
    for name, choice in heads.items():
        own = [column for column in choice.columns if column in texts]
        if not own or not _reads_labels(choice):
            continue
        given = choice.options.get("labels")
        if _are_odd(given):
            continue  # which is a mistake
        labels = canonical_labels(given)
        if labels is None:
            labels = sorted_labels(text for column in own for text in texts[column])
        found.heads[name] = replace(choice, options={**choice.options, "labels": labels})
        for column in own:
            if column not in found.labels:
                found.labels[column] = labels
                found.positions[column], odd = label_positions(texts[column], labels, column=column)
                found.problems.extend(odd)
    return found


def shared_label_mistakes(heads: Mapping[str, HeadChoice]) -> list[str]:
    """What is wrong where heads read one column in different ways.

    A column has one meaning: it is learned from, shown and compared under its name.
    """
    mistakes = []
    for column in sorted(label_columns(heads)):
        readers = {name: each for name, each in heads.items() if column in each.columns}
        if not all(_reads_labels(each) for each in readers.values()):
            mistakes.append(
                f"{column} must be read as labels or as numbers, got both, by the heads "
                f"{listed(sorted(readers))}. Give one of them a column of its own."
            )
        ways = {canonical_labels(each.options.get("labels")) for each in readers.values()}
        if len(ways) > 1 or len({each.columns for each in readers.values()}) > 1:
            mistakes.append(
                f"{column} must have the same labels for all its heads, got several lists by "
                f"{listed(sorted(readers))}. Give them the same option labels and columns."
            )
    return mistakes


def head_targets(
    heads: Mapping[str, HeadChoice], columns: Mapping[str, NDArray[np.float64]]
) -> Targets:
    """Targets `[n]`, or `[n, n_steps]` of several columns, by head, as far as they are there."""
    return {
        name: choice.values_of(columns)
        for name, choice in heads.items()
        if all(column in columns for column in choice.columns)
    }


def _are_odd(given: Any) -> bool:
    """True for labels that were listed, but in no way that can be."""
    return given is not None and canonical_labels(given) is None


def _reads_labels(choice: HeadChoice) -> bool:
    return isinstance(choice.head, str) and choice.head in HEADS and HEADS[choice.head].reads_labels

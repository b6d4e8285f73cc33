"""What a head answers, in words for people: a middle, a likely range, a probability."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fusion.bundle import Bundle, name_and_config
from fusion.data.known import known_rows
from fusion.predictor import Predictor
from fusion.report.number_text import DASH, number, percent, rough
from heads import HEADS

HOT_QUANTILE = 0.75
EVEN = 0.5


@dataclass(frozen=True)
class HeadWords:
    """How one head's answers in a table of predictions are told.

    Args:
        title: What is asked, see `head_title`.
        target: The target column.
        middle: Column of the median; of the only answer where there is no median.
        mean: Column of the mean; None where it gives none.
        low: Column of the lowest quantile; None where there is no range.
        high: Column of the highest quantile; None where there is no range.
        share: Share of items in (0, 1) that the range should hold; 0 where there is none.
        unit: Unit of the answer; empty where it is the target's own.
        label: What a probability is one of; empty where the answer is a number.
    """

    title: str
    target: str
    middle: str
    mean: str | None = None
    low: str | None = None
    high: str | None = None
    share: float = 0.0
    unit: str = ""
    label: str = ""

    def say(self, answers: Mapping[str, Any]) -> str:
        """One row of predictions in words; a dash where there is no answer.

        Example:
            >>> words = HeadWords("units", "units", "p50", "mean", "p10", "p90", 0.8, "units")
            >>> words.say({"mean": 131.0, "p50": 118.0, "p10": 83.0, "p90": 192.0})
            'about 120, likely 83 to 190'
        """
        middle = float(answers[self.middle])
        if not math.isfinite(middle):
            return DASH
        if self.label:
            return percent(middle, digits=0)
        told = f"about {self.rough(middle)}"
        if self.low is None or self.high is None:
            return told
        low, high = (self.rough(float(answers[name])) for name in (self.low, self.high))
        return f"{told}, likely {low} to {high}" if low != high else f"{told}, likely {low}"

    def rough(self, value: float) -> str:
        """A number with the digits that a forecast can claim; units are whole."""
        return rough(value, whole=bool(self.unit))

    def say_known(self, value: float) -> str:
        """What was known of an item: `sold 118`, `hot`, `24.99`; a dash where nothing was."""
        if math.isnan(value):
            return DASH
        if self.label and value in (0.0, 1.0):
            return self.label if value == 1.0 else f"not {self.label}"
        return f"sold {number(value)}" if self.unit == "units" else number(value)


@dataclass(frozen=True)
class HotRule:
    """When an item is called hot.

    Args:
        label: What it is called.
        column: Column of the predictions that decides.
        threshold: From here upwards.
        statement: The rule in words.
    """

    label: str
    column: str
    threshold: float
    statement: str

    def holds(self, answers: Mapping[str, Any]) -> bool:
        """Whether one row of predictions is called hot."""
        return float(answers[self.column]) >= self.threshold


def head_title(bundle: Bundle, name: str) -> str:
    """What a head asks for, in words for people: `Units, next 8 weeks`.

    A name that somebody gave it is the best; else what its answer is one of, or its unit and, where
    the target was added up from past sales, over how many weeks; else the target column. Where two
    heads would be called the same, the target is added, or the head's name.
    """
    titles = {other: _plain_title(bundle, other) for other in bundle.model.heads}
    alike = [other for other, title in titles.items() if title == titles[name]]
    if len(alike) == 1:
        return titles[name]
    told_apart = len({bundle.target_name(other) for other in alike}) == len(alike)
    return f"{titles[name]} ({bundle.target_name(name) if told_apart else name})"


def _plain_title(bundle: Bundle, name: str) -> str:
    head, target = bundle.model.head(name), bundle.target_name(name)
    kind = name_and_config(HEADS, head)["name"]
    if name != target and not name.startswith(kind):
        return name
    first = head.columns[0]
    if first.kind == "probability":
        return f"{positive_label(bundle, name)}?"
    if not first.unit:
        return target
    weeks = bundle.info.get("horizon_weeks", {}).get(target)
    unit = first.unit[:1].upper() + first.unit[1:]
    return unit if weeks is None else f"{unit}, next {weeks} week{'' if weeks == 1 else 's'}"


def positive_label(bundle: Bundle, name: str) -> str:
    """What a probability is one of: the class of a classifier, else what the head calls it."""
    first = bundle.model.head(name).columns[0]
    return str([first.label, *bundle.info.get("classes", [])][-1])


def head_words(predictor: Predictor, name: str) -> HeadWords:
    """How the answers of one head are told."""
    bundle = predictor.bundle
    columns = bundle.model.head(name).columns
    names = {column.name: predictor.column_name(name, column.name) for column in columns}
    target = bundle.target_name(name)
    first, title = columns[0], head_title(bundle, name)
    if first.kind == "probability":
        label = positive_label(bundle, name)
        return HeadWords(title, target, names[first.name], label=label)
    levels = {column.level: names[column.name] for column in columns if column.level is not None}
    mean = next((names[column.name] for column in columns if column.kind == "mean"), None)
    low, high = (min(levels), max(levels)) if len(levels) > 1 else (EVEN, EVEN)
    return HeadWords(
        title=title,
        target=target,
        middle=levels.get(EVEN, mean or names[first.name]),
        mean=mean,
        low=levels[low] if low < high else None,
        high=levels[high] if low < high else None,
        share=high - low,
        unit=first.unit,
    )


def hot_rule(predictor: Predictor, words: Mapping[str, HeadWords]) -> HotRule | None:
    """The rule of hot: a head's own, else by what the known items sold; None where neither can be.

    Args:
        predictor: A trained model.
        words: How each head's answers are told.
    """
    bundle = predictor.bundle
    for name, each in words.items():
        if each.label:
            said = bundle.model.head(name).describe()
            statement = f"“{each.label}”: a probability of 50 % or more ({said})."
            return HotRule(each.label, each.middle, EVEN, statement)
    for each in words.values():
        known = bundle.reference_targets.get(each.target, np.zeros(0))  # none of several steps
        known = known[known_rows(known)]
        if each.unit == "units" and len(known):
            threshold = float(np.ceil(np.quantile(known, HOT_QUANTILE)))
            statement = (
                f"“hot”: forecast to sell {number(threshold)} or more, as the best quarter of the "
                "known items did."
            )
            return HotRule("hot", each.middle, threshold, statement)
    return None

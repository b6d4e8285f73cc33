"""What a head answers, in words for people: a middle, a likely range, a probability."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from fusion.bundle import Bundle
from fusion.data.cells import is_missing
from fusion.data.known import known_rows
from fusion.predictor import Predictor
from fusion.report.number_text import DASH, number, percent, rough
from fusion.saved_parts import name_and_config
from heads import HEADS, Column, Floats
from heads.columns import columns_by_step, probability_columns

HOT_QUANTILE = 0.75
EVEN = 0.5
MOST_STEPS = 4  # of one answer in words


@dataclass(frozen=True)
class HeadWords:
    """How one head's answers in a table of predictions are told.

    Args:
        title: What is asked, see `head_title`.
        target: The target column; what its columns are called where there are several.
        middle: Column of the median; of the only answer where there is no median; of the class.
        mean: Column of the mean; None where it gives none.
        low: Column of the lowest quantile; None where there is no range.
        high: Column of the highest quantile; None where there is no range.
        share: Share of items in (0, 1) that the range should hold; 0 where there is none.
        unit: Unit of the answer; empty where it is the target's own.
        label: What a single probability is one of; empty where something else is asked for.
        chances: Label of each class -> column of its probability; empty likewise.
        steps: The same of each step, in order; empty where there are none.
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
    chances: Mapping[str, str] = field(default_factory=dict)
    steps: tuple["HeadWords", ...] = ()

    @property
    def order(self) -> str:
        """Which items stand first where they are ranked by this answer."""
        return "the surest class first" if self.chances else "the largest forecast first"

    def say(self, answers: Mapping[str, Any]) -> str:
        """One row of predictions in words; a dash where there is no answer.

        Example:
            >>> words = HeadWords("units", "units", "p50", "mean", "p10", "p90", 0.8, "units")
            >>> words.say({"mean": 131.0, "p50": 118.0, "p10": 83.0, "p90": 192.0})
            'about 120, likely 83 to 190'
        """
        if self.steps:
            told = [step.say(answers) for step in self.steps[:MOST_STEPS]]
            return " · ".join([*told, *(["…"] if len(self.steps) > MOST_STEPS else [])])
        if self.chances:
            return self._say_class(answers)
        middle = float(answers[self.middle])
        if not math.isfinite(middle):
            return DASH
        if self.label:
            return percent(middle, digits=0)
        told_middle = f"about {self.rough(middle)}"
        if self.low is None or self.high is None:
            return told_middle
        low, high = (self.rough(float(answers[name])) for name in (self.low, self.high))
        return f"{told_middle}, likely {low}" + (f" to {high}" if low != high else "")

    def _say_class(self, answers: Mapping[str, Any]) -> str:
        label = answers[self.middle]
        if label not in self.chances:
            return DASH
        return f"{label} ({percent(float(answers[self.chances[label]]), digits=0)})"

    def rank_keys(self, table: pd.DataFrame) -> tuple[Floats, Floats]:
        """What items are ranked by `[n]`, the largest first, and what decides between equal ones.

        That is the answer, then its mean; of steps their sum; of classes how likely the likeliest
        one is.
        """
        if self.steps:
            firsts, seconds = zip(*(step.rank_keys(table) for step in self.steps), strict=True)
            return np.sum(firsts, axis=0), np.sum(seconds, axis=0)
        if self.chances:
            chance = table[list(self.chances.values())].to_numpy(dtype=np.float64).max(axis=1)
            return chance, chance
        middle = table[self.middle].to_numpy(dtype=np.float64)
        mean = middle if self.mean is None else table[self.mean].to_numpy(dtype=np.float64)
        return middle, mean

    def outcome(self, known: Mapping[Any, Any]) -> str:
        """What was known of an item, from a row of `Predictor.similar`."""
        if not self.steps:
            return self.say_known(known[f"actual_{self.target}"])
        told = [step.outcome(known) for step in self.steps[:MOST_STEPS]]
        return " · ".join([*told, *(["…"] if len(self.steps) > MOST_STEPS else [])])

    def rough(self, value: float) -> str:
        """A number with the digits that a forecast can claim; units are whole."""
        return rough(value, whole=self.unit == "units")

    def say_known(self, value: Any) -> str:
        """What was known of an item: `sold 118`, `hot`, `24.99`; a dash where nothing was."""
        if is_missing(value):
            return DASH
        if isinstance(value, str):
            return value
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
        description: The rule in words.
    """

    label: str
    column: str
    threshold: float
    description: str

    def holds(self, answers: Mapping[str, Any]) -> bool:
        """Whether one row of predictions is called hot."""
        return float(answers[self.column]) >= self.threshold


def head_title(bundle: Bundle, name: str) -> str:
    """What a head asks for, in words for people: `Units, next 8 weeks`.

    A name that somebody gave it is the best; else what its answer is one of, or its unit and, where
    the target was added up from past sales, over which time; else the target column. Where two
    heads would be called the same, capitals aside, the target is added, or the head's name.
    """
    titles = {other: _plain_title(bundle, other) for other in bundle.model.heads}
    alike = [o for o, title in titles.items() if title.casefold() == titles[name].casefold()]
    told_apart = len({bundle.targets[other] for other in alike}) == len(alike)
    if len(alike) == 1 or (told_apart and titles[name] == bundle.target_name(name)):
        return titles[name]
    return f"{titles[name]} ({bundle.target_name(name) if told_apart else name})"


def _plain_title(bundle: Bundle, name: str) -> str:
    head, target = bundle.model.head(name), bundle.target_name(name)
    kind = name_and_config(HEADS, head)["name"]
    if name != target and not name.startswith(kind):
        return name
    first = head.columns[0]
    if first.kind == "class":
        return f"Which {target}?"
    if first.kind == "probability":
        return f"{positive_label(bundle, name)}?"
    if not first.unit:
        return target
    span = bundle.info.get("horizons", {}).get(target)
    unit = first.unit[:1].upper() + first.unit[1:]
    return unit if span is None else f"{unit}, next {span}"


def positive_label(bundle: Bundle, name: str) -> str:
    """What a probability is one of: the class of a classifier, else what the head calls it."""
    first = bundle.model.head(name).columns[0]
    return str([first.label or "positive", *bundle.info.get("classes", [])][-1])


def head_words(predictor: Predictor, name: str) -> HeadWords:
    """How the answers of one head are told."""
    bundle, title = predictor.bundle, head_title(predictor.bundle, name)
    by_step = columns_by_step(bundle.model.head(name).columns)
    if None in by_step:
        return _words(predictor, name, by_step[None], title, bundle.target_name(name))
    steps = tuple(
        _words(predictor, name, columns, title, target)
        for columns, target in zip(by_step.values(), bundle.targets[name], strict=True)
    )
    return replace(steps[0], target=bundle.target_name(name), steps=steps)


def _words(
    predictor: Predictor, name: str, columns: Sequence[Column], title: str, target: str
) -> HeadWords:
    """How the answers of one step are told."""
    names = {column.name: predictor.column_name(name, column.name) for column in columns}
    first = columns[0]
    chances = probability_columns(columns)
    if first.kind == "class":
        by_label = {each.label: names[each.name] for each in chances}
        return HeadWords(title, target, names[first.name], chances=by_label)
    if first.kind == "probability":
        label = positive_label(predictor.bundle, name)
        return HeadWords(title, target, names[first.name], label=label)
    levels = {column.level: names[column.name] for column in columns if column.level is not None}
    mean = next((names[column.name] for column in columns if column.kind == "mean"), None)
    low, high = (min(levels), max(levels)) if len(levels) > 1 else (EVEN, EVEN)
    nearest = min(levels, key=lambda level: abs(level - EVEN), default=EVEN)
    answer = mean or levels.get(nearest, names[first.name])
    return HeadWords(
        title=title,
        target=target,
        middle=levels.get(EVEN, answer),
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
        if each.label and not each.steps:
            said = bundle.model.head(name).describe()
            description = f"“{each.label}”: a probability of 50 % or more ({said})."
            return HotRule(each.label, each.middle, EVEN, description)
    for each in words.values():
        if each.unit != "units" or each.steps:
            continue
        known = bundle.reference_targets[each.target]
        known = known[known_rows(known)]
        if len(known):
            threshold = float(np.ceil(np.quantile(known, HOT_QUANTILE)))
            description = (
                f"“hot”: forecast to sell {number(threshold)} or more, as the best quarter of the "
                "known items did."
            )
            return HotRule("hot", each.middle, threshold, description)
    return None

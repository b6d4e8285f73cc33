"""What a trained forecast keeps of its training, so that it can be updated by new periods alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from fusion.data.batch import ModelInputs
from fusion.data.panel.frequency import Unit
from fusion.data.panel.panel import Panel
from fusion.forecasting.examples import STAGES, Examples, Ints
from fusion.forecasting.members.base import Paths
from fusion.members.view import Mask, View

MOST_KEPT = 12_000
"""Answers out of fold that are kept, spread over dates and life stages."""
DATES: dict[Unit, int] = {"day": 56, "week": 13, "month": 6}
"""Dates, besides a horizon, whose answers are kept: later ones take the place of the earliest."""


@dataclass(frozen=True, eq=False)
class KeptAnswers:
    """What members answered of examples that they had not learned from.

    Targets, levels and life stages are not kept: the panel tells them.

    Args:
        series: Position of the series of each example, `[n]`.
        as_of: First step of each, `[n]`.
        answers: Member -> relative answers `[n, horizon + 1, raw_dim]`.
        knows: Member -> mask `[n]` of the examples of which it can say anything.
    """

    series: Ints
    as_of: Ints
    answers: Mapping[str, Paths]
    knows: Mapping[str, Mask]

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.series)

    def take(self, rows: Ints) -> "KeptAnswers":
        """Some of the examples, in the given order."""
        return KeptAnswers(
            self.series[rows],
            self.as_of[rows],
            {name: one[rows] for name, one in self.answers.items()},
            {name: one[rows] for name, one in self.knows.items()},
        )

    def of_members(self, names: Collection[str]) -> "KeptAnswers":
        """The answers of some members alone."""
        return replace(
            self,
            answers={name: self.answers[name] for name in names},
            knows={name: self.knows[name] for name in names},
        )


def joined_answers(parts: Sequence[KeptAnswers]) -> KeptAnswers:
    """Answers of the same members, one behind the other."""
    names = parts[0].answers.keys()
    return KeptAnswers(
        np.concatenate([one.series for one in parts]),
        np.concatenate([one.as_of for one in parts]),
        {name: np.concatenate([one.answers[name] for one in parts]) for name in names},
        {name: np.concatenate([one.knows[name] for one in parts]) for name in names},
    )


def drawn_by_date(as_of: Ints, stages: Ints, *, seed: int, most: int = MOST_KEPT) -> Ints:
    """Positions of at most so many examples, ascending: as many of each date, and of each stage.

    What a life stage has too few of goes to the others of its date. Why: what the latest date says
    must not drown the others because more items are asked there.

    Args:
        as_of: Date of each example, `[n]`.
        stages: Position of its life stage, `[n]`.
        seed: Of what is drawn; a date draws the same whatever others there are.
        most: How many, over all dates.
    """
    dates = np.unique(as_of)
    found = [np.arange(0)]
    for date in dates.tolist():
        random = np.random.default_rng([seed, date % 2**32])  # early periods are below 0
        left = max(len(STAGES), most // len(dates))
        own = [np.flatnonzero((as_of == date) & (stages == place)) for place in range(len(STAGES))]
        for nth, rows in enumerate(sorted(own, key=len)):
            each = min(len(rows), left // (len(STAGES) - nth))
            found.append(random.choice(rows, each, replace=False))
            left -= each
    return np.sort(np.concatenate(found))


def blocks_alone(view: View, n: int) -> View:
    """The blocks of a view, which are all that members of forecasts read, without its encoders.

    Args:
        view: Of items; it may have no block, where nothing is known of them beside their sales.
        n: How many items it has.
    """
    there = torch.ones(n, dtype=torch.bool)
    return View(view.blocks, view.present, ModelInputs(present={"items": there}), {})


@dataclass(frozen=True, eq=False)
class Kept:
    """Sales, what is known of the items, and answers out of fold.

    Args:
        panel: The sales that are known, one series an item (and shop).
        launches: Period in which each series is new, `[n_series]`; `NO_LAUNCH` where unknown.
        content: What is known of items beside their sales, blocks of a row each.
        rows: Row of `content` of each series, `[n_series]`.
        learned_until: Members have not learned from this period or any later one.
        out_of_fold: Answers out of fold; None where the sales were too short for any.
        seed: Of what is drawn.
    """

    panel: Panel
    launches: Ints
    content: View
    rows: Ints
    learned_until: int
    out_of_fold: KeptAnswers | None
    seed: int

    def with_content(self, examples: Examples) -> Examples:
        """Examples of the panel with what is known of their items."""
        return replace(examples, content=self.content, content_rows=self.rows)

"""What a training report is made of: plain values, no model and no training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from encoders.image.photo import PhotoSource
from fusion.data.problems import Problem
from fusion.report.head_result import HeadResult

MOST_SHOWN = 500
"""New items of one page: more are in the table of predictions, and a browser would labour."""


@dataclass(frozen=True)
class ModalitySummary:
    """One modality: its columns, its encoder and the share of rows in [0, 1] that have it."""

    columns: tuple[str, ...]
    encoder: str
    share_present: float


@dataclass(frozen=True)
class ColumnSummary:
    """One column: name, role and format, share of missing cells in [0, 1] and one example."""

    name: str
    role: str
    share_missing: float
    example: str = ""


@dataclass(frozen=True)
class DataSummary:
    """What the model was trained on.

    Args:
        source: Name of the table.
        n_rows: Rows read, dropped ones included.
        n_train: Training rows.
        n_validation: Validation rows.
        n_test: Test rows.
        split: How the rows were split, in one sentence.
        modalities: Modalities by name.
        columns: Columns that play a role.
        ignored: Columns that play none, each with the reason.
        problems: What was found wrong with the table.
        dropped: Positions of rows that were left out, from 0, each with the reason.
        notes: What to know of the data beside problems, a sentence each.
    """

    source: str
    n_rows: int
    n_train: int
    n_validation: int
    n_test: int
    split: str
    modalities: dict[str, ModalitySummary] = field(default_factory=dict)
    columns: tuple[ColumnSummary, ...] = ()
    ignored: dict[str, str] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    dropped: dict[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


class Losses(NamedTuple):
    """Losses by epoch (1.0 = the best constant answer) and the epoch kept, counted from 1."""

    train: list[float]
    validation: list[float]
    best_epoch: int


@dataclass(frozen=True)
class TuningCost:
    """What a training took with one kind of encoders.

    Args:
        name: Which encoders, such as `original encoders`.
        seconds: Wall time of the training; embeddings that a store holds cost none.
        peak_gib: Peak memory of the process meanwhile, in GiB; an older peak where it was larger
            and the system cannot forget it.
    """

    name: str
    seconds: float
    peak_gib: float


@dataclass(frozen=True)
class TuningSummary:
    """How encoders were fine-tuned, and what that took.

    Args:
        description: What the head has learned from, in one sentence.
        how: What was tuned and how: mode, layers, epochs, step size, in one sentence.
        costs: The training with original encoders, then the one with tuned encoders.
        runs: The losses of each tuning; without validation losses where it was on all rows, as
            the last one may be.
        n_changed: Weights that tuning may change.
        n_weights: Weights of these encoders in all.
        kept: Which of the two models is the one of this report, and why, in a sentence.
    """

    description: str
    how: str
    costs: tuple[TuningCost, ...]
    runs: tuple[Losses, ...]
    n_changed: int
    n_weights: int
    kept: str = ""


@dataclass(frozen=True)
class SimilarItem:
    """A known item, and what was known of it in words."""

    id: str
    title: str
    outcome: str


@dataclass(frozen=True)
class NewItem:
    """One new item as the table shows it.

    Args:
        rank: Its place by the first answer, from 1; None where it could not be read.
        id: Its id in the table.
        title: What people call it; its id where nothing does.
        photo: Its first photo.
        details: Short facts by name, such as category and brand.
        answers: Answers to all questions, in words.
        is_hot: Whether it is hot by the rule in the notes; False where there is no rule.
        similar: Known items that are most like it, the nearest first.
        unknown: Its facts that training saw never, or too seldom, such as `brand: Okami`.
        error: Why it could not be read; empty where it could.
    """

    rank: int | None
    id: str
    title: str
    photo: PhotoSource | None = None
    details: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[str, ...] = ()
    is_hot: bool = False
    similar: tuple[SimilarItem, ...] = ()
    unknown: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class NewItems:
    """The table of new items.

    Args:
        source: Name of the table that they are from.
        n_items: How many there are; at most `MOST_SHOWN` of them are in `items`.
        questions: What each answer is called.
        items: The items, the best first; those that could not be read last.
        notes: How the table is read, a sentence or two each.
        hot: What a hot item is called; empty where no rule tells hot items.
        order: Which items stand first.
    """

    source: str
    n_items: int
    questions: tuple[str, ...]
    items: tuple[NewItem, ...]
    notes: tuple[str, ...]
    hot: str = ""
    order: str = "the largest forecast first"


@dataclass(frozen=True)
class TrainingReport:
    """The whole report.

    Args:
        title: Heading of the page.
        summary: The data.
        heads: Results of each head, the most important first.
        losses: The training of each network; none where all heads were solved in closed form.
        blend_weights: How much each member counts in the answer of each head, in [0, 1].
        new_weights: The same for items with a category never seen; None where it is no other.
        made_with: Versions by name, and whatever else helps to make the run again.
        tuning: How encoders were tuned; None where they were not.
        alarms: What makes the figures doubtful, such as a leak; stands above them.
        new_items: Items without an outcome, and their forecasts; None where there are none.
    """

    title: str
    summary: DataSummary
    heads: tuple[HeadResult, ...]
    losses: tuple[Losses, ...]
    blend_weights: dict[str, dict[str, float]] = field(default_factory=dict)
    new_weights: dict[str, dict[str, float]] | None = None
    made_with: dict[str, str] = field(default_factory=dict)
    tuning: TuningSummary | None = None
    alarms: tuple[str, ...] = ()
    new_items: NewItems | None = None

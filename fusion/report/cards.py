"""The best and the worst test items, as cards with photos."""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image

from encoders.image.photo import PhotoError, PhotoSource, load_photo
from fusion.report.head_result import HeadResult, ReportItem
from fusion.report.number_text import MINUS, number, percent, short

SIDE = 160  # pixels of the longer side of a thumbnail
QUALITY = 80
MOST_CARDS = 6
MOST_DETAILS = 4
CLASSIFIED = (
    ("Seen coming", "Positive (hot) items with the highest probability."),
    ("Most surprising", "Outcomes furthest from the stated probability: misses, false alarms."),
)
OF_CLASSES = (
    ("Seen coming", "Items whose class was given the highest probability."),
    ("Most surprising", "Items whose class was given the lowest probability."),
)
MEASURED = (
    ("Closest", "Smallest error in proportion, among the larger half of the items."),
    ("Furthest off", "Largest error of all test items."),
)


class Outcome(NamedTuple):
    """One item with what happened and what was said of it.

    Args:
        item: The item.
        actual: Target; 1 for a positive, or for the class that an item is of.
        predicted: Prediction in the same unit; probability in [0, 1] of a positive, or of the
            class that the item is of.
        classes: Labels of the class that it is of and of the likeliest one; empty else.
    """

    item: ReportItem
    actual: float
    predicted: float
    classes: tuple[str, ...] = ()


Picked = tuple[list[Outcome], list[Outcome]]


@dataclass(frozen=True)
class Card:
    """One item: `photo` is the base64 of a JPEG or empty; bars are in percent of the longer one."""

    id: str
    title: str
    photo: str
    actual: str
    predicted: str
    actual_bar: float
    predicted_bar: float
    miss: str
    details: dict[str, str]


@dataclass(frozen=True)
class CardGrid:
    """Cards under one heading, with the rule by which they were picked."""

    title: str
    rule: str
    cards: tuple[Card, ...]

    @property
    def has_photos(self) -> bool:
        """Whether any card has a photo."""
        return any(card.photo for card in self.cards)


def card_grids(result: HeadResult) -> tuple[CardGrid, ...]:
    """Best and worst items of a head, no item in both; nothing without items."""
    is_classified = bool(result.labels or result.positive)
    if is_classified and result.actual.ndim > 1:
        return ()  # neither classes nor what surprises can be averaged over steps
    known = [each for each in outcomes(result) if math.isfinite(each.actual - each.predicted)]
    best, worst = pick_classified(known) if is_classified else pick_measured(known)
    headings = MEASURED if not is_classified else OF_CLASSES if result.labels else CLASSIFIED
    write = short if result.in_units else number  # nobody sells a tenth of a shirt
    return tuple(
        CardGrid(title, rule, tuple(_card(each, result.positive, write) for each in chosen))
        for (title, rule), chosen in zip(headings, (best, worst), strict=True)
        if chosen
    )


def outcomes(result: HeadResult) -> list[Outcome]:
    """Every item with what happened and what was said of it, averaged over steps."""
    if not result.items:
        return []
    if not result.labels:
        whole = result.over_steps()
        rows = zip(result.items, whole.actual.tolist(), whole.answer.tolist(), strict=True)
        return [Outcome(*row) for row in rows]
    positions = result.actual.astype(np.int64)
    given = result.chances[np.arange(len(positions)), positions]
    labels = result.labels
    return [
        Outcome(item, 1.0, chance, (labels[actual], labels[int(said)]))
        for item, actual, said, chance in zip(
            result.items, positions.tolist(), result.answer.tolist(), given.tolist(), strict=True
        )
    ]


def pick_measured(items: Sequence[Outcome]) -> Picked:
    """Closest in proportion among the larger half (small values are easily close), and worst."""
    n_worst = min(MOST_CARDS, (len(items) + 1) // 2)
    order = sorted(items, key=lambda item: -abs(item.predicted - item.actual))
    worst, rest = order[:n_worst], order[n_worst:]
    middle = float(np.median([abs(item.actual) for item in items])) if items else 0.0
    rest = [item for item in rest if abs(item.actual) >= middle] or rest
    best = sorted(rest, key=lambda item: abs(item.predicted - item.actual) / _size(item))
    return best[:MOST_CARDS], worst


def pick_classified(items: Sequence[Outcome]) -> Picked:
    """Positives with the highest probability, and the outcomes least expected."""
    n_worst = min(MOST_CARDS, (len(items) + 1) // 2)
    order = sorted(items, key=lambda item: -abs(item.predicted - item.actual))
    hot = [item for item in order[n_worst:] if item.actual > 0.5]
    return sorted(hot, key=lambda item: -item.predicted)[:MOST_CARDS], order[:n_worst]


def thumbnail(source: PhotoSource | None, *, side: int = SIDE) -> str:
    """Base64 of a small JPEG; empty without a photo or where it cannot be read."""
    if source is None:
        return ""
    try:
        photo = load_photo(source, min_side=2 * side)
    except PhotoError:
        return ""
    scale = min(1.0, side / max(photo.size))
    width, height = (max(1, round(side * scale)) for side in photo.size)
    image = photo.resized((width, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _size(item: Outcome) -> float:
    return abs(item.actual) or 1.0


def _card(outcome: Outcome, positive: str, write: Callable[[float], str]) -> Card:
    """A card; `positive` is what a positive is called, empty where no single probability is."""
    item, actual, predicted, classes = outcome
    is_share = bool(positive or classes)
    longest = 1.0 if is_share else max(abs(actual), abs(predicted)) or 1.0
    if classes:
        told = classes
    elif positive:
        told = (positive if actual > 0.5 else f"not {positive}", percent(predicted, digits=0))
    else:
        told = (write(actual), write(predicted))
    return Card(
        id=item.id,
        title=item.title or item.id,
        photo=thumbnail(item.photo),
        actual=told[0],
        predicted=told[1],
        actual_bar=round(100 * min(abs(actual) / longest, 1), 1),
        predicted_bar=round(100 * min(abs(predicted) / longest, 1), 1),
        miss=_chance(outcome) if classes else "" if positive else _miss(outcome),
        details=dict(list(item.details.items())[:MOST_DETAILS]),
    )


def _chance(outcome: Outcome) -> str:
    """Which probability the class of an item was given."""
    return f"{percent(outcome.predicted, digits=0)} for {outcome.classes[0]}"


def _miss(item: Outcome) -> str:
    """How far off, in words: in percent of the actual value, or as a number where that is 0."""
    error = item.predicted - item.actual
    shown = number(abs(error)) if item.actual == 0 else percent(abs(error / item.actual), digits=0)
    if not any(mark in "123456789" for mark in shown):
        return "spot on"
    return f"{shown.lstrip(MINUS)} too {'high' if error > 0 else 'low'}"

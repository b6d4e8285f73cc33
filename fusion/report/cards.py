"""The best and the worst test items, as cards with photos."""

import base64
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from encoders.photo import PhotoError, PhotoSource, load_photo
from fusion.report.content import HeadResult, ReportItem
from fusion.report.number_text import MINUS, number, percent, short

SIDE = 160  # pixels of the longer side of a thumbnail
QUALITY = 80
MOST_CARDS = 6
MOST_DETAILS = 4
CLASSIFIED = (
    ("Seen coming", "Positive (hot) items with the highest probability."),
    ("Most surprising", "Outcomes furthest from the stated probability: misses, false alarms."),
)
MEASURED = (
    ("Closest", "Smallest error in proportion, among the larger half of the items."),
    ("Furthest off", "Largest error of all test items."),
)

Picked = tuple[list[ReportItem], list[ReportItem]]


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
    items = [item for item in result.items if math.isfinite(item.actual - item.predicted)]
    classification = result.evaluation.task == "classification"
    best, worst = pick_classified(items) if classification else pick_measured(items)
    positive = result.positive if classification else ""
    write = short if result.in_units else number  # nobody sells a tenth of a shirt
    headings = CLASSIFIED if classification else MEASURED
    return tuple(
        CardGrid(title, rule, tuple(_card(item, positive, write) for item in chosen))
        for (title, rule), chosen in zip(headings, (best, worst), strict=True)
        if chosen
    )


def pick_measured(items: Sequence[ReportItem]) -> Picked:
    """Closest in proportion among the larger half (small values are easily close), and worst."""
    n_worst = min(MOST_CARDS, (len(items) + 1) // 2)
    order = sorted(items, key=lambda item: -abs(item.predicted - item.actual))
    worst, rest = order[:n_worst], order[n_worst:]
    middle = float(np.median([abs(item.actual) for item in items])) if items else 0.0
    rest = [item for item in rest if abs(item.actual) >= middle] or rest
    best = sorted(rest, key=lambda item: abs(item.predicted - item.actual) / _size(item))
    return best[:MOST_CARDS], worst


def pick_classified(items: Sequence[ReportItem]) -> Picked:
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


def _size(item: ReportItem) -> float:
    return abs(item.actual) or 1.0


def _card(item: ReportItem, positive: str, write: Callable[[float], str]) -> Card:
    """A card; `positive` is what a positive is called, empty for a regression."""
    longest = 1.0 if positive else max(abs(item.actual), abs(item.predicted)) or 1.0
    outcome = positive if item.actual > 0.5 else f"not {positive}"
    return Card(
        id=item.id,
        title=item.title or item.id,
        photo=thumbnail(item.photo),
        actual=outcome if positive else write(item.actual),
        predicted=percent(item.predicted, digits=0) if positive else write(item.predicted),
        actual_bar=round(100 * min(abs(item.actual) / longest, 1), 1),
        predicted_bar=round(100 * min(abs(item.predicted) / longest, 1), 1),
        miss="" if positive else _miss(item),
        details=dict(list(item.details.items())[:MOST_DETAILS]),
    )


def _miss(item: ReportItem) -> str:
    """How far off, in words: in percent of the actual value, or as a number where that is 0."""
    error = item.predicted - item.actual
    shown = number(abs(error)) if item.actual == 0 else percent(abs(error / item.actual), digits=0)
    if not any(mark in "123456789" for mark in shown):
        return "spot on"
    return f"{shown.lstrip(MINUS)} too {'high' if error > 0 else 'low'}"

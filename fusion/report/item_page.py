"""The page of one item: what it is, what is expected of it, and how items like it sold."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from encoders.image.photo import PhotoSource
from fusion.data.cells import is_missing
from fusion.forecasting.history import History
from fusion.forecasting.likeness import SimilarItems, similar_items
from fusion.modalities import MODALITIES
from fusion.report.data_view import Bar, share_bar
from fusion.report.fan import WIDE
from fusion.report.forecast_items import past_length
from fusion.report.forecast_numbers import ForecastNumbers
from fusion.report.line_svg import Drawing, Floats
from fusion.report.number_text import number
from fusion.report.period_words import day_text

N_SIMILAR = 6
MOST_SHOPS = 6
MOST_AGES = 60
"""Periods since the launch beyond which curves by age are not drawn."""
MOST_DETAILS = 12


@dataclass(frozen=True)
class FanView:
    """One chart: its heading (the shop, where there are shops), and its numbers in words."""

    title: str
    svg: Markup
    words: str


@dataclass(frozen=True)
class SimilarView:
    """One past item.

    Args:
        id: Its id.
        title: What people call it.
        photo: Its first photo.
        launched: Its first day in words.
        sold: What it sold in its first periods, in words.
        likeness: How alike it is in all, and in each modality.
    """

    id: str
    title: str
    photo: PhotoSource | None
    launched: str
    sold: str
    likeness: tuple[Bar, ...]


@dataclass(frozen=True)
class ItemPage:
    """All that the page of an item shows.

    Args:
        id: Its id.
        title: What people call it.
        photo: Its first photo.
        texts: Column -> text.
        details: Column -> other cells.
        span: The horizon in words.
        begins: Its first day in words.
        stage: Life stage in words.
        mean: The expected total in words.
        about: Median and range in words; of the largest shop where there are several.
        compared: A period as expected and as lately.
        fans: Charts, one a shop.
        n_more: Shops that are not shown.
        similar: Past items like it.
        curves: Their curves by age beside the forecast; None where there are none.
        unit: What a period is.
        has_past: Whether anything was sold before.
        has_come: Whether it is known by now what was sold in the horizon.
    """

    id: str
    title: str
    photo: PhotoSource | None
    texts: Mapping[str, str]
    details: Mapping[str, str]
    span: str
    begins: str
    stage: str
    mean: str
    about: str
    compared: str
    fans: tuple[FanView, ...]
    n_more: int
    similar: tuple[SimilarView, ...]
    curves: Markup | None
    unit: str
    has_past: bool
    has_come: bool


STAGE_WORDS = {
    "new": "new: no sales yet",
    "young": "young: a few {unit}s of sales",
    "known": "known: 5 {unit}s of sales or more",
}


def item_page(numbers: ForecastNumbers, history: History, item: str) -> ItemPage:
    """The page of an item that was asked about.

    Args:
        numbers: The forecast.
        history: Items with their sales.
        item: Its id.
    """
    rows = numbers.rows_of(item)
    first, panel = int(rows[0]), numbers.asked.panel
    catalogue = history.ready.catalogue
    place = int(history.rows[panel.positions[item]])
    texts, details = _cells(history, place)
    several = len(rows) > 1
    means = numbers.mean[rows, -1]
    mean = float(means.mean() if numbers.is_price else means.sum())
    like = _similar(numbers, item, n_periods=_n_ages(numbers, first))
    length = past_length(numbers.asked.horizon)
    stage = numbers.asked.take(rows[:1]).stages()[0]
    words = list(STAGE_WORDS.values())[stage].format(unit=numbers.frequency.unit)
    return ItemPage(
        id=item,
        title=catalogue.titles[place] or item,
        photo=catalogue.photos[place],
        texts=texts,
        details=details,
        span=numbers.span,
        begins=numbers.begins(first),
        stage=words,
        mean=_mean_text(numbers, mean),
        about="" if several else numbers.about(first),
        compared="" if several else numbers.compared(first),
        fans=tuple(
            FanView(
                numbers.name(row) if several else "",
                numbers.fan(row, length=length, wide=not several),
                f"{numbers.about(row)} in {numbers.span}",
            )
            for row in rows[:MOST_SHOPS].tolist()
        ),
        n_more=max(len(rows) - MOST_SHOPS, 0),
        similar=_views(numbers, history, like),
        curves=_curves(numbers, rows, like),
        unit=numbers.frequency.unit,
        has_past=bool(numbers.asked.windows.lengths[rows].any()),
        has_come=bool(np.isfinite(numbers.actual[rows]).any()),
    )


def _mean_text(numbers: ForecastNumbers, mean: float) -> str:
    if numbers.is_price:
        return numbers.words.amount(mean)
    return number(round(mean)) if mean >= 10 else f"{mean:.1f}"


def _cells(history: History, place: int) -> tuple[dict[str, str], dict[str, str]]:
    """Texts of an item beside its title, and the other cells that it was read by."""
    catalogue = history.ready.catalogue
    schema, frame = catalogue.schema, catalogue.frame
    texts = schema.columns_of("text")
    cells = [name for columns in schema.tables.values() for name in columns if name not in texts]
    told = {
        name: str(frame[name].iloc[place])
        for name in (*texts, *dict.fromkeys(cells))
        if name in frame.columns and not is_missing(frame[name].iloc[place])
    }
    details = {name: text for name, text in told.items() if name not in texts}
    return (
        {name: told[name] for name in texts[1:] if name in told},
        dict(list(details.items())[:MOST_DETAILS]),
    )


def _n_ages(numbers: ForecastNumbers, row: int) -> int:
    """Periods from the launch to the end of the horizon; the horizon alone of old items."""
    length, horizon = int(numbers.asked.windows.lengths[row]), numbers.asked.horizon
    return length + horizon if _has_age(numbers, row) else horizon


def _has_age(numbers: ForecastNumbers, row: int) -> bool:
    """Whether it is known when the item was new, and not long ago."""
    windows = numbers.asked.windows
    length = int(windows.lengths[row])
    is_cut = bool(windows.is_cut[row]) and length > 0
    return not is_cut and length + numbers.asked.horizon <= MOST_AGES


def _similar(numbers: ForecastNumbers, item: str, *, n_periods: int) -> SimilarItems | None:
    """Past items like it; None where there are none, or none that it can be compared with."""
    asked = numbers.asked
    if asked.content is None:
        return None
    before = numbers.frequency.first_day(min(int(asked.as_of.min()), asked.until))
    like = similar_items(asked, item, before=before, k=N_SIMILAR, n_periods=n_periods)
    return like if np.isfinite(like.distances).any() else None


def _views(
    numbers: ForecastNumbers, history: History, like: SimilarItems | None
) -> tuple[SimilarView, ...]:
    """Past items in words."""
    if like is None:
        return ()
    catalogue, horizon = history.ready.catalogue, numbers.asked.horizon
    found = []
    for row, name in enumerate(like.items):
        place = int(history.rows[numbers.asked.panel.positions[name]])
        early = like.curves[row, :horizon]
        known = early[np.isfinite(early)]
        unit, n = numbers.frequency.unit, len(known)
        span = f"first {unit}" if n == 1 else f"first {n} {unit}s"
        far = {"alike in all": like.distances[row]}
        far |= {name: values[row] for name, values in like.by_modality.items()}
        found.append(
            SimilarView(
                id=name,
                title=catalogue.titles[place] or name,
                photo=catalogue.photos[place],
                launched=day_text(like.launched[row]),
                sold=_sold(numbers, known, span),
                likeness=tuple(
                    share_bar(part.replace("_", " "), float(np.clip(1.0 - value, 0.0, 1.0)))
                    for part, value in far.items()
                    if np.isfinite(value) and not (part in MODALITIES and MODALITIES[part].repeats)
                ),
            )
        )
    return tuple(found)


def _sold(numbers: ForecastNumbers, known: Floats, span: str) -> str:
    """What a past item sold in its first periods, or at which mean price; empty where unknown."""
    if not len(known):
        return ""
    if numbers.is_price:
        return f"at {numbers.words.amount(float(known.mean()))} in the {span}"
    return f"{number(float(known.sum()))} in the {span}"


def _curves(numbers: ForecastNumbers, rows: np.ndarray, like: SimilarItems | None) -> Markup | None:
    """Curves of like items by age, thin, and the item's own history and forecast, thick.

    Of several shops the sum of the means is drawn (of prices their mean), without a range: those do
    not add up.
    """
    first = int(rows[0])
    if like is None or not len(like) or not _has_age(numbers, first):
        return None
    asked = numbers.asked
    past = _own_past(numbers, rows)
    n_past = len(past)
    several = len(rows) > 1
    means = numbers.mean[rows, :-1]
    together = means.mean(axis=0) if numbers.is_price else means.sum(axis=0)
    middle = together if several else numbers.median[first, :-1]
    low, high = numbers.low[first, :-1], numbers.high[first, :-1]
    values = [like.curves.ravel(), past, middle, *([] if several else [high])]
    top = float(np.nanmax(np.concatenate(values)))
    drawing = Drawing(n_past + asked.horizon, top, *WIDE)
    parts = [drawing.grid()]
    if not several:
        parts.append(drawing.band(low, high, "band", begin=n_past))
    parts += [drawing.line(curve, "other") for curve in like.curves]
    if n_past:
        parts.append(drawing.upright(n_past - 0.5, "now"))
    parts.append(drawing.line(past, "past"))
    parts.append(drawing.line(middle, "middle thick", begin=n_past))
    unit = numbers.frequency.unit
    places = [0, drawing.n - 1, *range(3, drawing.n, 4)]
    parts.append(drawing.labels([(place, f"{unit} {place + 1}") for place in places]))
    noun = numbers.words.noun.capitalize()
    label = f"{noun} by age of {len(like)} items like it, and the forecast of this one."
    return drawing.svg(parts, label=label)


def _own_past(numbers: ForecastNumbers, rows: np.ndarray) -> Floats:
    """Units of an item so far, over its shops, from its launch on; NaN where none is known.

    Of prices their mean over the shops.
    """
    examples = numbers.asked.take(rows)
    length = int(examples.windows.lengths.max(initial=0))
    past = examples.windows.past("units", length).astype(np.float64)
    known = np.isfinite(past)
    sums = np.where(known, past, 0.0).sum(axis=0)
    if numbers.is_price:
        sums = sums / np.maximum(known.sum(axis=0), 1)
    return np.where(known.any(axis=0), sums, np.nan)

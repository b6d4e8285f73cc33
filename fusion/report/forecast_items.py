"""Which items the page of a forecast shows, and what it says of each."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup

from encoders.image.photo import PhotoSource
from fusion.forecasting.examples import STAGES, Examples, Ints
from fusion.forecasting.history import History
from fusion.report.forecast_numbers import ForecastNumbers
from fusion.report.number_text import percent, rough
from heads.sales_distribution import SalesDistribution
from heads.trend import TRENDS

OF_A_GROUP = 4
MOST_ROWS = 30
"""Rows of the table: all others are in the file beside the page."""
LEAST_PAST = 26
"""Periods of history that a chart shows at least, where they are there."""
NEW, YOUNG, KNOWN = range(len(STAGES))
DOWN, _, UP = range(len(TRENDS))


@dataclass(frozen=True)
class ItemView:
    """One row of the forecast as a chart or a line of the table shows it.

    Args:
        id: Of the item, with its shop where there are shops.
        title: What people call it; its id where nothing does.
        photo: Its first photo.
        stage: Life stage.
        trend: `up`, `flat`, `down` or empty.
        about: The total in words.
        likely: Its range in words.
        mean: The expected total in words.
        compared: A period as expected and as it was lately.
        sold: What was sold in the horizon, where that is known by now.
        page: Address of its page; empty where it has none.
        svg: Its fan chart; None in the table.
    """

    id: str
    title: str
    photo: PhotoSource | None
    stage: str
    trend: str
    about: str
    likely: str
    mean: str
    compared: str
    sold: str
    page: str
    svg: Markup | None = None


@dataclass(frozen=True)
class ItemGroup:
    """Charts under one heading, with the rule by which they were picked."""

    title: str
    rule: str
    items: tuple[ItemView, ...]


@dataclass(frozen=True)
class ItemViews:
    """Makes views of rows.

    Args:
        numbers: The forecast.
        history: Items with their sales: titles and photos.
        pages: Item -> address of its page.
    """

    numbers: ForecastNumbers
    history: History
    pages: dict[str, str]

    def view(self, row: int, *, chart: bool) -> ItemView:
        """One row, with its chart where it is asked for."""
        numbers = self.numbers
        series = int(numbers.asked.windows.series[row])
        place = int(self.history.rows[series])
        name = numbers.name(row)
        return ItemView(
            id=name,
            title=self._titles[place] or name,
            photo=self._photos[place],
            stage=STAGES[int(self._stages[row])],
            trend=numbers.trend(row),
            about=numbers.words.amount(numbers.median[row, -1]),
            likely=numbers.likely(row),
            mean=_mean(numbers, row),
            compared=numbers.compared(row),
            sold=numbers.sold_since(row),
            page=self.pages.get(numbers.asked.panel.ids[series], ""),
            svg=numbers.fan(row, length=past_length(numbers.asked.horizon)) if chart else None,
        )

    @cached_property
    def _titles(self) -> list[str]:
        return self.history.ready.catalogue.titles

    @cached_property
    def _photos(self) -> list[PhotoSource | None]:
        return self.history.ready.catalogue.photos

    @cached_property
    def _stages(self) -> Ints:
        return self.numbers.asked.stages()


def _mean(numbers: ForecastNumbers, row: int) -> str:
    mean = float(numbers.mean[row, -1])
    return numbers.words.amount(mean) if numbers.is_price else rough(mean)


def past_length(horizon: int) -> int:
    """Periods of history that a chart shows at most."""
    return max(LEAST_PAST, 2 * horizon)


def item_groups(views: ItemViews) -> tuple[ItemGroup, ...]:
    """Charts of the items that matter, none of them twice; groups without any are left out."""
    found, shown = [], np.zeros(len(views.numbers.asked), dtype=bool)
    for title, rule, order in _orders(views.numbers):
        rows = order[~shown[order]][:OF_A_GROUP]
        shown[rows] = True
        if len(rows):
            items = tuple(views.view(row, chart=True) for row in rows.tolist())
            found.append(ItemGroup(title, rule, items))
    return tuple(found)


def _orders(numbers: ForecastNumbers) -> list[tuple[str, str, Ints]]:
    """Heading, rule and rows in order of each group."""
    mean, width = numbers.mean[:, -1], numbers.high[:, -1] - numbers.low[:, -1]
    stages = numbers.asked.stages()
    n_in_window = 1 if numbers.is_price else numbers.asked.horizon
    change = numbers.median[:, -1] - n_in_window * numbers.recent
    known = (stages == KNOWN) & (numbers.recent > 0)
    change_of = percent(numbers.rule.change, digits=0)
    unit, words = numbers.frequency.unit, numbers.words
    recent = words.lately.format(unit=unit)
    everything = np.ones(len(mean), dtype=bool)
    return [
        ("Largest", f"The {words.highest}.", _order(mean, everything)),
        ("New", f"No sales yet; the {words.highest}.", _order(mean, stages == NEW)),
        (
            "Young",
            f"Fewer than 5 {unit}s of sales; the {words.highest}.",
            _order(mean, stages == YOUNG),
        ),
        (
            "Rising",
            f"More than {change_of} above {recent}; {words.most[0]}.",
            _order(change, known & (numbers.trends == UP)),
        ),
        (
            "Falling",
            f"More than {change_of} below {recent}; {words.most[1]}.",
            _order(-change, known & (numbers.trends == DOWN)),
        ),
        (
            "Least sure",
            f"The widest ranges of the {words.window}, in {words.noun}.",
            _order(width, everything),
        ),
    ]


def _order(values: np.ndarray, among: np.ndarray) -> Ints:
    """Rows among some, the largest value first."""
    rows = np.flatnonzero(among & np.isfinite(values))
    return rows[np.argsort(-values[rows], kind="stable")]


def largest_rows(views: ItemViews) -> tuple[ItemView, ...]:
    """Rows of the table: the highest expected totals."""
    mean = views.numbers.mean[:, -1]
    rows = _order(mean, np.ones(len(mean), dtype=bool))[:MOST_ROWS]
    return tuple(views.view(row, chart=False) for row in rows.tolist())


def default_pages(asked: Examples, answers: SalesDistribution, *, most: int = 8) -> tuple[str, ...]:
    """New items with the highest expected totals, then young ones: those that a page is of use to.

    Args:
        asked: What was asked.
        answers: What was answered.
        most: How many, >= 0.
    """
    rows = np.lexsort((-answers.mean[:, -1], asked.stages()))
    rows = rows[asked.stages()[rows] < KNOWN]
    series: Sequence[int] = asked.windows.series[rows].tolist()
    return tuple(list(dict.fromkeys(asked.panel.ids[one] for one in series))[:most])

"""What pages call what is forecast: units that are sold or wanted, or the price of one."""

from dataclasses import dataclass, replace

import numpy as np

from fusion.data.panel.panel import Panel, Quantity
from fusion.report.number_text import number, rough


@dataclass(frozen=True)
class QuantityWords:
    """Words of pages about one quantity.

    Args:
        noun: What it is.
        past: What was known of it, in the key of charts.
        since: The same of periods that were forecast and are over by now.
        came: What came, in a sentence: `what was sold`.
        gap: What is not known in charts.
        their_past: What is shown of like items.
        to_come: What ranges should hold.
        simple: What simple methods are.
        verb: What items do in the time to come: `will sell`.
        of_all: What errors are a share of.
        window: The last entry of a path.
        highest: What stands first in tables.
        lately: What a trend is held against; `{unit}` is a period.
        most: Which items rise and fall most.
        together: What the chart of all items shows; `{unit}` is a period.
        of_window: What the last entry is, for a comparison of methods.
        expected: What a mean is; `{unit}` is a period.
        median: What a median is.
        range: What a range of the window is; `{unit}` is a period.
        beside: Heading of what a forecast is compared with; `{unit}` is a period.
        recent: What the rule of a trend calls recent; `{unit}` is a period.
        outside: What lies above a range, and what below it.
        wanted: What is estimated of the past; empty where nothing is.
    """

    noun: str
    past: str
    since: str
    came: str
    gap: str
    their_past: str
    to_come: str
    simple: str
    verb: str
    of_all: str
    window: str
    highest: str
    lately: str
    most: tuple[str, str]
    together: str
    of_window: str
    expected: str
    median: str
    range: str
    beside: str
    recent: str
    outside: tuple[str, str]
    wanted: str = ""

    def amount(self, value: float) -> str:
        """A forecast: units with the two digits that they can claim, a price to the cent."""
        return number(float(value)) if self.noun == "price" else rough(float(value), whole=True)


_UNITS = QuantityWords(
    noun="units",
    past="sold",
    since="sold since",
    came="what was sold",
    gap="not to be had, or not known",
    their_past="what they sold",
    to_come="what will be sold",
    simple="rules on past sales, and standard models of them",
    verb="will sell",
    of_all="units sold",
    window="total",
    highest="highest expected totals",
    lately="the mean of the last 8 {unit}s",
    most=("the most units more", "the most units less"),
    together="Units sold by {unit}, and the sum of the expected units of all items.",
    of_window="The units of all steps together",
    expected="The mean: what such items sell on average. Means add up over {unit}s, items and "
    "shops.",
    median="Half of such items end above it. Where few items sell very much it lies below the "
    "mean. Medians do not add up.",
    range="The range of the whole window is narrower than the sum of those of its {unit}s, and "
    "ranges of items do not add up to one of all.",
    beside="A {unit}",
    recent="; recent are the last 8 {unit}s",
    outside=("sold more", "sold less"),
)
WORDS: dict[Quantity, QuantityWords] = {
    "units": _UNITS,
    "demand": replace(
        _UNITS,
        gap="not in full stock, or not known",
        verb="would sell in full stock",
        together="Units sold by {unit}, and what is expected of all items in full stock.",
        to_come="what will be sold in full stock",
        wanted="wanted then (estimate)",
    ),
    "price": QuantityWords(
        noun="price",
        past="price so far",
        since="price since",
        came="the price at which it sold",
        gap="nothing sold, or not known",
        their_past="at which prices they sold",
        to_come="the prices to come",
        simple="rules on past prices",
        verb="will cost",
        of_all="prices",
        window="mean",
        highest="highest expected prices",
        lately="the last price",
        most=("the largest rises", "the largest falls"),
        together="Mean price of what was sold by {unit}, and the mean of the expected prices of "
        "all items.",
        of_window="The mean price of the window",
        expected="The mean: what such items cost on average in the {unit}s in which they sell.",
        median="Half of such prices end above it. Of a price that seldom moves it is the last one.",
        range="The range of the whole window is that of its mean price.",
        beside="Change",
        recent="",
        outside=("a higher price", "a lower price"),
    ),
}
"""Words by quantity."""


def stock_words(panel: Panel) -> str:
    """In which periods it is known what is forecast: ` in weeks in full stock`.

    Empty where stock plays no part: of prices, and where no period is told to be without any.
    """
    unit = panel.frequency.unit
    if panel.quantity == "demand":
        return f" in {unit}s in full stock"
    is_told = panel.quantity == "units" and "in_stock" in panel.columns
    return f" in {unit}s with any stock" if is_told and np.isnan(panel.units).any() else ""

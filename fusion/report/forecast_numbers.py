"""The numbers of a forecast, row by row, as its pages tell them."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from encoders.series.windows import UNITS
from fusion.data.panel.frequency import Frequency
from fusion.forecasting.answer_table import TREND_RULES
from fusion.forecasting.examples import Examples, Floats, Ints
from fusion.forecasting.past_demand import PastDemand
from fusion.report.fan import SMALL, WIDE, Fan, fan_svg
from fusion.report.forecast_content import ForecastReport
from fusion.report.number_text import number, percent, rough, signed
from fusion.report.period_words import day_text, periods
from fusion.report.quantity_words import WORDS, QuantityWords
from heads.trend import TRENDS, TrendRule

LEVELS = (0.1, 0.5, 0.9)
"""Levels that are told where those that were asked for make no range around the median."""


@dataclass(frozen=True, eq=False)
class ForecastNumbers:
    """Answers to `n` questions, and what they are compared with.

    Args:
        asked: The questions.
        levels: Levels that are told, ascending.
        mean: Units, `[n, horizon + 1]`; the last entry is the total. Here and below prices, and
            their mean in the place of the total, where these are what is forecast.
        quantiles: Units by level, `[n, horizon + 1, n_levels]`.
        recent: Mean units of the last known periods, or the last price, `[n]`; NaN without any.
        trends: Position in `TRENDS`, `[n]`; NaN where there was nothing to rise from.
        actual: What was sold in the steps, `[n, horizon]`; NaN where it is not known.
        demand: What was wanted in the past; None of a forecast of sales.
    """

    asked: Examples
    levels: tuple[float, ...]
    mean: Floats
    quantiles: Floats
    recent: Floats
    trends: Floats
    actual: Floats
    demand: PastDemand | None = None

    @classmethod
    def of(cls, report: ForecastReport) -> "ForecastNumbers":
        """The numbers of a report."""
        asked, answers = report.asked, report.answers
        levels = report.levels if report.levels[0] < 0.5 < report.levels[-1] else LEVELS
        recent = asked.recent_levels()
        return cls(
            asked=asked,
            levels=levels,
            mean=answers.mean,
            quantiles=answers.quantile(levels),
            recent=recent,
            trends=TREND_RULES[asked.panel.quantity].read(answers, recent)["trend"],
            actual=replace(asked, until=asked.panel.end).targets(),
            demand=report.demand,
        )

    @property
    def is_price(self) -> bool:
        """Whether prices are forecast."""
        return self.asked.panel.quantity == "price"

    @property
    def words(self) -> QuantityWords:
        """What is forecast in words."""
        return WORDS[self.asked.panel.quantity]

    @property
    def rule(self) -> TrendRule:
        """What is called up, flat and down."""
        return TREND_RULES[self.asked.panel.quantity]

    @property
    def frequency(self) -> Frequency:
        """What a period is."""
        return self.asked.panel.frequency

    @property
    def span(self) -> str:
        """The horizon in words: `8 weeks`."""
        return periods(self.asked.horizon, self.frequency)

    @property
    def median(self) -> Floats:
        """Units, `[n, horizon + 1]`."""
        return self.quantiles[..., self.levels.index(0.5)]

    @property
    def low(self) -> Floats:
        """Lower end of the widest range, `[n, horizon + 1]`."""
        return self.quantiles[..., 0]

    @property
    def high(self) -> Floats:
        """Its upper end."""
        return self.quantiles[..., -1]

    @property
    def share(self) -> float:
        """Share of sales that the widest range should hold, in (0, 1)."""
        return self.levels[-1] - self.levels[0]

    def begins(self, row: int) -> str:
        """The first day of what is forecast of a row, in words."""
        day = self.frequency.first_day(int(self.asked.as_of[row]))
        return day_text(day, unit=self.frequency.unit)

    def name(self, row: int) -> str:
        """Id of the item of a row, with its shop where there are shops."""
        series, panel = int(self.asked.windows.series[row]), self.asked.panel
        return panel.ids[series] + ("" if panel.shops is None else f", {panel.shops[series]}")

    def rows_of(self, item: str) -> Ints:
        """Rows of an item: one for each shop, the largest total first."""
        panel = self.asked.panel
        own = np.array([name == item for name in panel.ids], dtype=bool)
        rows = np.flatnonzero(own[self.asked.windows.series])
        return rows[np.argsort(-self.mean[rows, -1], kind="stable")]

    def about(self, row: int) -> str:
        """The total in words: `about 29, likely 19 to 36`."""
        return f"about {self.words.amount(self.median[row, -1])}, {self.likely(row)}"

    def likely(self, row: int, entry: int = -1) -> str:
        """The widest range of an entry in words: `likely 19 to 36`."""
        low, high = (self.words.amount(end[row, entry]) for end in (self.low, self.high))
        return f"likely {low} to {high}"

    def trend(self, row: int) -> str:
        """`up`, `flat` or `down` beside the recent mean; empty where nothing can be said."""
        found = self.trends[row]
        return "" if np.isnan(found) else TRENDS[int(found)]

    def compared(self, row: int) -> str:
        """A period as expected, and as it was lately: `6.2 a week, lately 4.1`.

        Of prices their median, the number that stands in front: `+3.1 %, last price 4.10`.
        """
        if self.is_price:
            return self._moved(row)
        unit = self.frequency.unit
        now = f"{rough(float(self.mean[row, -1]) / self.asked.horizon)} a {unit}"
        return now if np.isnan(self.recent[row]) else f"{now}, lately {rough(self.recent[row])}"

    def _moved(self, row: int) -> str:
        last = float(self.recent[row])
        if np.isnan(last):
            return "no price so far"
        change = float(self.median[row, -1]) / last - 1.0
        return f"{signed(percent(change))}, last price {self.words.amount(last)}"

    def sold_since(self, row: int) -> str:
        """What was sold in the horizon where all of it is known; else empty."""
        if self.is_price:
            mean = float(self.actual[row].mean())
            return "" if np.isnan(mean) else f"sold at {self.words.amount(mean)}"
        total = self.actual[row].sum()
        return "" if np.isnan(total) else f"sold {number(float(total))}"

    def fan(self, row: int, *, length: int, wide: bool = False) -> Markup:
        """The fan chart of a row, with so many periods of its history at most."""
        examples = self.asked.take(np.array([row]))
        n_past = int(min(length, examples.windows.lengths[0]))
        begin = int(examples.as_of[0]) - n_past
        days = self.frequency.first_day(begin + np.arange(n_past + self.asked.horizon))
        fan = Fan(
            **self._past(examples, n_past),
            quantiles=self.quantiles[row, :-1],
            levels=self.levels,
            actual=self.actual[row],
            days=days,
            unit=self.frequency.unit,
            quantity=self.asked.panel.quantity,
        )
        label = f"{self.name(row)}: {self.about(row)} in {self.span}."
        return fan_svg(fan, label=label, size=WIDE if wide else SMALL)

    def _past(self, examples: Examples, n_past: int) -> dict[str, NDArray[Any]]:
        """What a fan chart shows of the past of one example."""
        panel, demand = examples.panel, self.demand
        if demand is None or panel.is_bound is None:
            return {"past": examples.windows.past(UNITS, n_past)[0].astype(np.float64)}
        places = int(examples.windows.end[0]) - n_past + np.arange(n_past)
        return {
            "past": panel.units[places].astype(np.float64),
            "demand": demand.means[places],
            "is_short": panel.is_bound[places],
        }

    @property
    def held(self) -> float:
        """Share of the steps that are known by now whose sales lay in the range; NaN for none."""
        known = np.isfinite(self.actual)
        inside: NDArray[np.bool_] = (self.low[:, :-1] <= self.actual) & (
            self.actual <= self.high[:, :-1]
        )
        return float(inside[known].mean()) if known.any() else float("nan")

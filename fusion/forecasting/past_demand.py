"""Demand of past periods: what was sold in full stock, and what would have been in the others."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from fusion.data.batch import chunks
from fusion.data.panel.panel import Panel, ragged
from fusion.forecasting.content import Content, with_encoders
from fusion.forecasting.examples import Examples, Floats, Ints, examples_at
from fusion.forecasting.history import History
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.trained import TrainedForecast, with_content
from heads.levels import percent

MOST_TRIED = 2000
"""Periods in full stock on which it is found how far sales after a gap are believed."""
STRENGTHS = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, np.inf)
"""Units that a forecast counts for beside sales after a gap."""
LEAST = 1e-3
"""Units below which a mean is none to divide by."""
CHUNK = 4096


@dataclass(frozen=True, eq=False)
class PastDemand:
    """Demand of the periods of a panel before a date.

    Args:
        panel: The sales, of demand.
        until: Period from which on nothing is told.
        places: Values of the panel that are bounds, `[n]`.
        mean: Mean demand of these periods, in units, `[n]`, at least what was sold.
        quantiles: By level, `[n, n_levels]`, at least what was sold.
        levels: Ascending levels in (0, 1).
    """

    panel: Panel
    until: int
    places: Ints
    mean: Floats
    quantiles: Floats
    levels: tuple[float, ...]

    @cached_property
    def means(self) -> Floats:
        """Mean demand of each value of the panel, `[n_values]`: units where in full stock."""
        found = np.maximum(self.panel.known_units.astype(np.float64), 0.0)
        found[self.places] = self.mean
        return found

    def frame(self) -> pd.DataFrame:
        """One row an item and period of which anything is known.

        Returns:
            Columns `id`, `shop` (where there are shops), `from` and `until` (first and last day),
            `sold` (units), `in_stock` (share of the period, 0 to 1), and the demand: `mean`, `p10`
            and so on (units, >= 0; in full stock what was sold).
        """
        panel, means = self.panel, self.means
        _, series = ragged(np.diff(panel.offsets))
        periods = panel.start + panel.places()
        rows = np.flatnonzero(~np.isnan(means) & (periods < self.until))
        names = {"id": panel.ids} | ({} if panel.shops is None else {"shop": panel.shops})
        columns: dict[str, Any] = {
            name: np.array(values, dtype=object)[series[rows]] for name, values in names.items()
        }
        columns["from"] = panel.frequency.first_day(periods[rows])
        columns["until"] = panel.frequency.last_day(periods[rows])
        columns["sold"] = np.nan_to_num(panel.units[rows].astype(np.float64))
        columns["in_stock"] = panel.in_stock[rows].astype(np.float64)
        columns["mean"] = means[rows]
        for nth, level in enumerate(self.levels):
            values = means.copy()
            values[self.places] = self.quantiles[:, nth]
            columns[percent(level)] = values[rows]
        return pd.DataFrame(columns)


def past_demand(trained: TrainedForecast, history: History, until: int) -> PastDemand:
    """Demand of all periods before one, from both sides of gaps in the stock.

    The forecast that is made where a gap begins, or within a longer one up to half a horizon before
    a period, tells it with its price and season. Where known steps of that forecast lie behind the
    gap, it is multiplied by how far sales after the gap, and those of the period itself, came above
    or below what it says of them; how far these are believed is found on periods in full stock.
    What was sold is certain, so the forecast tells the share of the period without stock alone.

    Why both sides: of a past period it is known what came later; inputs of forecasts never do.
    *Source:* Clayton and Kaldor (1987), the ratio of counts in gamma-Poisson models; Conrad (1976)
    for what is wanted after a stock-out; *differs:* the spread of the rest is that of the whole
    period by the root of its share.

    Args:
        trained: A forecast of demand.
        history: Items with their sales, as `demand` reads them.
        until: The first period of which nothing is known.
    """
    panel = history.panel
    assert panel.is_bound is not None
    periods = panel.start + panel.places()
    places = np.flatnonzero(panel.is_bound & (periods < until))
    levels = tuple(trained.model.head.levels)
    content = with_encoders(history.ready, trained.encoders)
    gaps = _Gaps(trained.model, history, content, until)
    steps = _steps_of(panel, places, longest=gaps.reach)
    strength = gaps.strength(steps)
    sold = np.nan_to_num(panel.units[places].astype(np.float64)).clip(min=0.0)
    share = panel.in_stock[places].astype(np.float64)
    mean, quantiles = np.empty(len(places)), np.empty((len(places), len(levels)))
    for rows in chunks(len(places), CHUNK):
        told = gaps.told(places[rows], steps[rows])
        mean[rows], quantiles[rows] = told.in_full_stock(sold[rows], share[rows], strength)
    return PastDemand(panel, until, places, mean, quantiles, levels)


def demand_before(trained: TrainedForecast, history: History, until: int) -> PastDemand | None:
    """Demand of all periods before one, see `past_demand`; None of a forecast of other heads."""
    if history.panel.quantity != "demand":
        return None
    return past_demand(trained, history, until)


@dataclass(frozen=True, eq=False)
class _Told:
    """What forecasts say of periods, and of those after them.

    Args:
        mean: Units of the periods, `[n]`.
        quantiles: Of them by level, `[n, n_levels]`.
        expected: Units of the known steps after them, `[n]`.
        came: What was sold in these, `[n]`.
        is_whole: Whether units are whole numbers.
    """

    mean: Floats
    quantiles: Floats
    expected: Floats
    came: Floats
    is_whole: bool

    def factor(self, strength: float, sold: Floats, share: Floats) -> Floats:
        """What the periods are multiplied by, `[n]`, > 0.

        Args:
            strength: Units that the forecast counts for.
            sold: Units of the periods themselves, `[n]`.
            share: In which share of them they were sold, `[n]`.
        """
        if np.isinf(strength):
            return np.ones(len(self.mean))
        own = strength + LEAST
        found: Floats = (self.came + sold + own) / (self.expected + share * self.mean + own)
        return found

    def in_full_stock(self, sold: Floats, share: Floats, strength: float) -> tuple[Floats, Floats]:
        """Mean `[n]` and quantiles `[n, n_levels]`: what was sold, and what the rest would have."""
        factor, rest = self.factor(strength, sold, share), 1.0 - share
        mean = self.mean * factor
        spread = self.quantiles * factor[:, None] - mean[:, None]
        quantiles = (sold + rest * mean)[:, None] + np.sqrt(rest)[:, None] * spread
        if self.is_whole:
            quantiles = np.round(quantiles)
        return sold + rest * mean, np.maximum(quantiles, sold[:, None])


@dataclass(frozen=True, eq=False)
class _Gaps:
    """Asks a forecast where gaps begin."""

    model: ForecastModel
    history: History
    content: Content
    until: int

    @property
    def reach(self) -> int:
        """Steps before a period at which it is asked about, at most: half of them lie after it."""
        return (self.model.head.horizon - 1) // 2

    def strength(self, steps: Ints) -> float:
        """One of `STRENGTHS`: that of the likeliest counts in periods in full stock."""
        panel = self.history.panel
        _, series = ragged(np.diff(panel.offsets))
        age = np.arange(len(series)) - panel.offsets[series]
        periods = panel.start + panel.places()
        is_tried = ~np.isnan(panel.known_units) & (age > self.reach) & (periods < self.until)
        candidates = np.flatnonzero(is_tried)
        if not len(candidates) or not len(steps):
            return float(np.inf)
        random = np.random.default_rng(0)
        places = random.choice(candidates, min(len(candidates), MOST_TRIED), replace=False)
        told = self.told(places, random.choice(steps, len(places)))
        sold = panel.known_units[places].astype(np.float64).clip(min=0.0)

        nothing = np.zeros(len(places))

        def loss(strength: float) -> float:
            mean = np.maximum(told.mean * told.factor(strength, nothing, nothing), LEAST)
            return float((mean - sold * np.log(mean)).sum())

        return min(STRENGTHS, key=loss)

    def told(self, places: Ints, steps: Ints) -> _Told:
        """What is said of values of the panel, each asked about so many steps before."""
        examples = self._examples(places, steps)
        answers = self.model.distribution(examples)
        nth = np.arange(len(places))
        came = examples.targets()
        is_after = ~np.isnan(came) & (np.arange(examples.horizon) > steps[:, None])
        return _Told(
            answers.mean[nth, steps],
            answers.quantile(self.model.head.levels)[nth, steps],
            np.where(is_after, answers.mean[:, :-1], 0.0).sum(axis=1),
            np.where(is_after, np.maximum(came, 0.0), 0.0).sum(axis=1),
            answers.is_whole,
        )

    def _examples(self, places: Ints, steps: Ints) -> Examples:
        panel = self.history.panel
        series = np.searchsorted(panel.offsets, places, side="right") - 1
        as_of = panel.first[series] + places - panel.offsets[series] - steps
        asked = examples_at(panel, series, as_of, horizon=self.model.head.horizon, until=self.until)
        return with_content(asked, self.history, self.content)


def _steps_of(panel: Panel, places: Ints, *, longest: int) -> Ints:
    """How many periods before each value its gap begins, `[n]`, at most the longest."""
    assert panel.is_bound is not None
    begins = np.zeros(len(panel.units), dtype=bool)
    begins[panel.offsets[:-1][np.diff(panel.offsets) > 0]] = True
    begins[1:] |= ~panel.is_bound[:-1]
    last = np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
    return np.minimum(places - last[places], longest)

"""What a backtest finds: forecasts of past dates beside simple methods, and how good each is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusion.forecasting.backtest.baselines import baseline_forecasts
from fusion.forecasting.backtest.breakdown import Grouping, breakdown, example_groupings, group_rows
from fusion.forecasting.backtest.forecasts import Actual, Forecasts, joined
from fusion.forecasting.backtest.origins import Origin
from fusion.forecasting.backtest.paired import paired_gains
from fusion.forecasting.backtest.tables import BacktestTable, GainTable
from fusion.forecasting.examples import Examples, examples_at
from fusion.forecasting.history import History
from fusion.progress import Stage, silent

FORECAST = "forecast"
"""What the trained forecast is called in tables."""
MOST_CATEGORIES = 12
"""Levels of a category above which no table is made of it."""


@dataclass(frozen=True)
class BacktestResult:
    """Forecasts of past dates, what was sold then, and how good each method was.

    Args:
        examples: What was asked: items at origins, `n` rows.
        actual: What was sold.
        forecasts: By method, of the same rows; the first is the trained forecast.
        tables: Metrics by method: of all rows, by step, and by groups of rows.
        gains: By how much the forecast is better than each other method, with intervals.
        left_out: Simple methods that have nothing to go by here, and why.
        weights: Day of each origin -> life stage -> member -> how much it counted.
    """

    examples: Examples
    actual: Actual
    forecasts: Mapping[str, Forecasts]
    tables: tuple[BacktestTable, ...]
    gains: GainTable
    left_out: Mapping[str, str]
    weights: Mapping[str, Mapping[str, Mapping[str, float]]]

    def frame(self) -> pd.DataFrame:
        """All tables in one: one row a group and method, see `BacktestTable.frame`."""
        return pd.concat([table.frame() for table in self.tables], ignore_index=True)


def scored(history: History, origins: Iterable[Origin], *, stage: Stage = silent) -> BacktestResult:
    """Scores forecasts of several origins beside simple methods that know the same.

    Args:
        history: Items and sales.
        origins: At least one, see `backtest`.
        stage: Opens progress bars.
    """
    found: list[dict[str, Forecasts]] = []
    series, periods, left_out = [], [], {}
    weights = {}
    for origin in origins:
        asked, answers = origin.examples, origin.answers
        own = Forecasts(answers.mean, answers.quantile(origin.levels), origin.levels)
        simple = baseline_forecasts(origin.training, asked, levels=origin.levels, stage=stage)
        found.append({FORECAST: own, **simple.forecasts})
        left_out.update(simple.left_out)
        series.append(asked.windows.series)
        periods.append(asked.as_of)
        weights[str(history.panel.frequency.first_day(origin.period))] = origin.weights
    examples = examples_at(
        history.panel, np.concatenate(series), np.concatenate(periods), horizon=asked.horizon
    )
    methods = [name for name in found[0] if all(name in one for one in found)]
    forecasts = {name: joined([one[name] for one in found]) for name in methods}
    actual = Actual.of_examples(examples)
    groupings = [*example_groupings(examples), *_categories(history, examples)]
    names = np.array(history.panel.ids, dtype=object)[examples.windows.series]
    return BacktestResult(
        examples,
        actual,
        forecasts,
        breakdown(actual, forecasts, groupings),
        paired_gains(actual, forecasts, blocks=names, reference=FORECAST),
        {name: why for name, why in left_out.items() if name not in forecasts},
        weights,
    )


def _categories(history: History, examples: Examples) -> list[Grouping]:
    """Groups of rows by the first category of the items with few levels, if there is one."""
    catalogue = history.ready.catalogue
    rows = history.rows[examples.windows.series]
    for name in catalogue.schema.columns_of("categorical"):
        cells = catalogue.frame[name].fillna("").astype(str).to_numpy()[rows]
        if 1 < len(np.unique(cells)) <= MOST_CATEGORIES:
            return [group_rows(name, cells.tolist())]
    return []

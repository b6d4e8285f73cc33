"""Forecast value added: by how much a forecast is better than a planner, and both than naive.

*Source:* Gilliland (2010), The Business Forecasting Deal, chapter 4: each step of a process is
compared with the one before, and all with a naive forecast. *Differs:* the error is the WAPE over
all items and periods, and each difference has an interval over items.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike

from fusion.forecasting.backtest.breakdown import Grouping, breakdown
from fusion.forecasting.backtest.forecasts import Actual, Forecasts, unit_paths
from fusion.forecasting.backtest.paired import paired_gains
from fusion.forecasting.backtest.result import FORECAST
from fusion.forecasting.backtest.tables import BacktestTable, GainTable
from fusion.forecasting.examples import Floats

PLANNER = "planner"
NAIVE = "last value"
"""The simple method that value is measured from: what was sold last is sold again."""
ADDED = ("wape", "wape_total")
"""Metrics whose differences are told: those of points."""
POINT = ("wape", "wape_total", "mae", "bias", "rmse", "mase", "rmsse")
"""Metrics that a planner's figures have, which say nothing of how sure they are."""


@dataclass(frozen=True)
class ValueAdded:
    """Planner, forecast and naive on the same items and periods.

    Args:
        n_figures: Items and periods that are compared.
        tables: Metrics by method: of all rows, by step, and by groups of rows.
        gains: A table a pair: by how much its reference is better than the other method.
    """

    n_figures: int
    tables: tuple[BacktestTable, ...]
    gains: tuple[GainTable, ...]


def value_added(
    actual: Actual,
    forecasts: Mapping[str, Forecasts],
    planned: Floats | None,
    *,
    blocks: ArrayLike,
    groupings: Sequence[Grouping] = (),
) -> ValueAdded | None:
    """Compares where all of them say something.

    Args:
        actual: What was sold, `n` rows.
        forecasts: By method: `forecast`, and `last value` where the history is known.
        planned: Units of the planner, `[n, horizon]`, NaN where nothing was said; None: no planner.
        blocks: Item of each row, `[n]`.
        groupings: Groups of these rows.

    Returns:
        None where nothing can be compared.
    """
    methods = {name: forecasts[name] for name in (FORECAST, NAIVE) if name in forecasts}
    known = ~np.isnan(actual.steps)
    if planned is not None:
        known &= ~np.isnan(planned)
        levels = forecasts[FORECAST].levels
        methods = {FORECAST: methods.pop(FORECAST), PLANNER: _point(planned, levels), **methods}
    rows = np.flatnonzero(known.any(axis=1))
    if len(methods) < 2 or not len(rows):
        return None
    compared = replace(actual, steps=np.where(known, actual.steps, np.nan)).take(rows)
    methods = {name: one.take(rows) for name, one in methods.items()}
    chosen = [replace(one, codes=one.codes[rows]) for one in groupings]
    tables = breakdown(compared, methods, chosen)
    names = np.asarray(blocks)[rows]
    gains = tuple(
        paired_gains(
            compared,
            {name: methods[name] for name in pair},
            blocks=names,
            reference=pair[0],
            metrics=ADDED,
        )
        for pair in combinations(methods, 2)
    )
    return ValueAdded(int(known.sum()), tuple(map(_points_alone, tables)), gains)


def _point(units: Floats, levels: tuple[float, ...]) -> Forecasts:
    """Figures as forecasts whose quantiles are all the same; 0 where nothing was said."""
    paths = unit_paths(np.nan_to_num(units, nan=0.0))
    return Forecasts(paths, np.repeat(paths[:, :, None], len(levels), axis=2), levels)


def _points_alone(table: BacktestTable) -> BacktestTable:
    """The table without what it says of quantiles of the planner, who gave none."""
    rows = [
        row
        if row.method != PLANNER
        else replace(
            row,
            metrics={
                name: value if name in POINT else np.nan for name, value in row.metrics.items()
            },
        )
        for row in table.rows
    ]
    return replace(table, rows=tuple(rows))

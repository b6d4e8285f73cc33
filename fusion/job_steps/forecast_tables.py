"""Tables that jobs write of forecasts and of a backtest."""

import pandas as pd

from fusion.forecasting.asked import AskedAnswers
from fusion.forecasting.backtest.result import BacktestResult

KEYS = ["by", "group", "method", "n_rows"]
DECIMALS = 4
"""Decimals of units and probabilities in files: the others are no knowledge."""


def told_table(found: AskedAnswers) -> pd.DataFrame:
    """The answers as files hold them: `AskedAnswers.table`, numbers with 4 decimals."""
    table = found.table()
    return table.round(dict.fromkeys(table.select_dtypes("float").columns, DECIMALS))


def long_table(result: BacktestResult) -> pd.DataFrame:
    """One row a method, metric and group.

    Returns:
        Columns `by` (what makes the groups), `group`, `method`, `n_rows`, `metric`, `value`, and of
        the rows of all `gain`: by how much the forecast is better than the method, in the metric's
        own unit, with the ends `low` and `high` of its 95 % interval and the `verdict`.
    """
    tables = [
        table.frame().melt(KEYS, var_name="metric", value_name="value") for table in result.tables
    ]
    values = pd.concat(tables, ignore_index=True)
    gains = result.gains.frame().drop(columns="reference").assign(by="all")
    return values.merge(gains, on=["by", "method", "metric"], how="left")

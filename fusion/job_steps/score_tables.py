"""Tables of a score: the one that is written, and how sales are read for it."""

from functools import partial
from pathlib import Path

import pandas as pd

from fusion.choices.mistakes import checked_settings
from fusion.forecasting.backtest.tables import BacktestTable, GainTable
from fusion.forecasting.history import ReadSales
from fusion.forecasting.ledger.entries import ForecastRun
from fusion.forecasting.ledger.score import LedgerScore, since_column
from fusion.job_steps.config import SalesTable
from fusion.job_steps.forecast_tables import KEYS
from fusion.job_steps.panel import header_of, read_sales

ALL, PLANNED = "all", "planned"
"""What the column `rows` says: all that are scored, or those of which the planner tells too."""
COLUMNS = ["rows", *KEYS, "metric", "value", "over", "low", "high", "verdict"]


def score_table(score: LedgerScore) -> pd.DataFrame:
    """One row a method, metric and group, and one a pair of methods and metric.

    Returns:
        Columns `rows` (`all`, or `planned`: of which the planner tells too), `by` (what makes the
        groups), `group`, `method`, `n_rows`, `metric`, `value`; and where `by` is `value added`,
        `over`: the method that is compared with, in `value` by how much the method is better in the
        metric's own unit, with the ends `low` and `high` of its 95 % interval and the `verdict`.
    """
    added = score.added
    tables = [(ALL, table) for table in score.result.tables]
    gains = [(ALL, score.result.gains)]
    if added is not None:
        tables += [(PLANNED, table) for table in added.tables]
        gains += [(PLANNED, table) for table in added.gains]
    found = [_values(rows, table) for rows, table in tables]
    found += [_gains(rows, table) for rows, table in gains if table.rows]
    return pd.concat([one.reindex(columns=COLUMNS) for one in found], ignore_index=True)


def _values(rows: str, table: BacktestTable) -> pd.DataFrame:
    long = table.frame().melt(KEYS, var_name="metric", value_name="value")
    return long.assign(rows=rows)


def _gains(rows: str, table: GainTable) -> pd.DataFrame:
    frame = table.frame().rename(columns={"reference": "method", "method": "over", "gain": "value"})
    return frame.assign(rows=rows, by="value added", group="all")


def score_reader(run: ForecastRun, sales: Path) -> ReadSales:
    """Reads the sales that came, by the names of columns that a forecast was made with.

    Prices, promotions and covariates may be absent from the table: a score does not read them.

    Args:
        run: The forecast.
        sales: The sales table.

    Raises:
        CatalogueError: If the header of the table cannot be read.
    """
    header, names = set(header_of(sales)), vars(run.sales)
    values = {
        **names,
        **{role: None for role in ("price", "promotion") if names[role] not in header},
        **{role: [one for one in names[role] if one in header] for role in ("past", "known")},
        "table": sales,
        "frequency": run.frequency.unit,
        "launch": since_column(run.sales.item),
    }
    return partial(read_sales, checked_settings(SalesTable, values, source="sales"))

"""What a backtest says: metrics by method, for all rows and for groups of them."""

from dataclasses import dataclass
from math import isnan

import pandas as pd


@dataclass(frozen=True)
class BacktestRow:
    """How well one method forecasts the rows of one group.

    Args:
        method: What made the forecasts, such as `median of last 8`.
        group: Label of the group, such as `young`; `all` for all rows.
        n_rows: Rows of the group; each is an item at a date.
        metrics: By name, see `fusion.forecasting.backtest.metrics.METRICS`; nan where undefined.
    """

    method: str
    group: str
    n_rows: int
    metrics: dict[str, float]


@dataclass(frozen=True)
class BacktestTable:
    """Rows by group and method.

    Args:
        by: What makes the groups: `all`, `step`, `category`, `life stage`, ...
        rows: Groups in their order, and in each the methods in theirs.
    """

    by: str
    rows: tuple[BacktestRow, ...]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Columns of the table; a table by step has those of single steps alone."""
        return tuple(self.rows[0].metrics) if self.rows else ()

    def frame(self) -> pd.DataFrame:
        """One row a group and method: `by`, `group`, `method`, `n_rows`, then the metrics."""
        columns = ["by", "group", "method", "n_rows", *self.metric_names]
        records = [
            {"by": self.by, "group": row.group, "method": row.method, "n_rows": row.n_rows}
            | row.metrics
            for row in self.rows
        ]
        return pd.DataFrame(records, columns=columns)


@dataclass(frozen=True)
class Gain:
    """By how much one method is better than another in a metric, on the same rows.

    Args:
        method: The other method.
        metric: Name of the metric, the lower the better.
        gain: Metric of the other method less that of the reference; above 0 the reference is
            better. In the metric's own unit.
        low: Lower end of the 95 % interval; nan where there is none.
        high: Its upper end.
    """

    method: str
    metric: str
    gain: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `no clear difference` (of the reference); or `not defined`."""
        if isnan(self.low) or isnan(self.high):
            return "not defined"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no clear difference"


@dataclass(frozen=True)
class GainTable:
    """Gains of a reference over other methods, with intervals of rows drawn in pairs.

    Args:
        reference: The method that the others are compared with.
        n_blocks: Blocks that were drawn (items); below about 20 intervals are too narrow.
        rows: Methods in their order, and for each the metrics.
    """

    reference: str
    n_blocks: int
    rows: tuple[Gain, ...]

    def frame(self) -> pd.DataFrame:
        """One row a method and metric: its gain, the ends of its interval, and the verdict."""
        columns = ["reference", "method", "metric", "gain", "low", "high", "verdict"]
        records = [
            {"reference": self.reference, **vars(row), "verdict": row.verdict} for row in self.rows
        ]
        return pd.DataFrame(records, columns=columns)

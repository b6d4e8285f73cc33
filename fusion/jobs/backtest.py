"""`fusion backtest`: forecasts as they would have been at past dates, beside simple methods.

Reads: a configuration, its items table, photos and sales table.
Writes, below the output folder: `backtest.csv` (one row a method, metric and group),
`backtest.html`, and `store/` (embeddings, unless the configuration names another place).
"""

from dataclasses import dataclass
from pathlib import Path

from fusion.choices.mistakes import Mistakes
from fusion.data.tables import write_table
from fusion.forecasting.backtest.result import BacktestResult
from fusion.job_steps.forecast import checked_inputs, history_of, measured, source_of
from fusion.job_steps.forecast_config import ForecastConfig
from fusion.job_steps.forecast_tables import long_table
from fusion.job_steps.made_with import versions
from fusion.progress import Stage, silent
from fusion.report.forecast_content import BacktestReport
from fusion.report.forecast_page import render_backtest
from fusion.report.page import write_page
from fusion.system.lock import locked

TABLE, PAGE = "backtest.csv", "backtest.html"


@dataclass(frozen=True)
class BacktestJob:
    """What a backtest found, and where it is written.

    Args:
        folder: The output folder.
        result: Forecasts and metrics.
    """

    folder: Path
    result: BacktestResult

    @property
    def table(self) -> Path:
        """Metrics by method and group."""
        return self.folder / TABLE

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / PAGE


def backtest(config: ForecastConfig, folder: Path, *, stage: Stage = silent) -> BacktestJob:
    """Trains and asks forecasts at past dates, and scores them.

    Args:
        config: What to do.
        folder: Output folder; made if absent.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If tables have problems and must not.
        ConfigError: If the configuration does not fit them.
        JobError: If another process writes to the folder.
    """
    inputs = checked_inputs(config, folder, Mistakes(), is_measured=True, is_asked=False)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        history = history_of(inputs, stage=stage)
        result = measured(config, inputs, history, stage=stage)
        write_table(long_table(result), folder / TABLE)
        report = BacktestReport(
            title=config.title,
            source=source_of(config.data.items, config.sales.table),
            backtest=result,
            table=TABLE,
            made_with=versions(),
        )
        write_page(render_backtest(report), folder / PAGE)
    return BacktestJob(folder, result)

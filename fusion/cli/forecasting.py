"""`fusion forecast` and `fusion backtest`: what items will sell period by period, and how sure."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusion.cli.option_groups import grouped
from fusion.cli.part_options import MovedEncoders, moved_encoders
from fusion.cli.shared import (
    BadRows,
    Delimiter,
    LogJson,
    Photos,
    Policy,
    Quiet,
    Seed,
    Store,
    app,
    open_stage,
    reported,
    say,
)

if TYPE_CHECKING:
    from fusion.job_steps.forecast_source import ForecastSource
    from fusion.jobs.forecast import ForecastResult


class TableFormat(StrEnum):
    """How a table is written."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True)
class AskedTables:
    """Tables that a trained forecast is asked about; a configuration names its own."""

    items: Annotated[
        Path | None, typer.Option("--items", help="Of a trained forecast: the items table.")
    ] = None
    sales: Annotated[
        Path | None, typer.Option("--sales", help="Of a trained forecast: the sales table.")
    ] = None
    market: Annotated[
        Path | None, typer.Option("--market", help="The same: numbers of the whole market.")
    ] = None
    planned: Annotated[
        Path | None, typer.Option("--planned", help="The same: what is known ahead.")
    ] = None
    delimiter: Delimiter = None
    photos: Photos = None
    store: Store = None
    encoder: MovedEncoders = None
    page: Annotated[
        Path | None,
        typer.Option("--page", help="The same: HTML page for people; a training always writes one."),
    ] = None

    @property
    def given(self) -> list[str]:
        """Options that were given."""
        return [f"--{name}" for name, value in vars(self).items() if value is not None]

    def source(self, as_of: str | None, on_bad_rows: BadRows) -> "ForecastSource":
        """The tables as jobs take them.

        Raises:
            ConfigError: If one is missing, or `--encoder` says anything but where weights lie.
        """
        from fusion.errors import ConfigError
        from fusion.job_steps.forecast_source import ForecastSource

        if self.items is None or self.sales is None:
            raise ConfigError(
                "a trained forecast must be asked with --items and --sales, got "
                f"{', '.join(self.given) or 'neither'}. Give both tables."
            )
        return ForecastSource(
            self.items,
            self.sales,
            market=self.market,
            planned=self.planned,
            as_of=as_of,
            photos=self.photos,
            store=self.store,
            on_bad_rows=on_bad_rows.value,
            delimiter=self.delimiter,
            encoders=moved_encoders(self.encoder),
        )


Config = Annotated[Path, typer.Argument(help="Configuration, TOML.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="First day of what is forecast; else the day after the sales."),
]


@app.command()
@reported
@grouped
def forecast(
    *,
    config: Annotated[
        Path, typer.Argument(help="Configuration (TOML), or the folder of a trained forecast.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Output folder (runs/forecast); of a trained forecast: CSV or Parquet file."
        ),
    ] = None,
    as_of: AsOf = None,
    page_of: Annotated[
        list[str] | None,
        typer.Option(
            "--page-of",
            metavar="ID",
            help="An item that gets a page of its own; repeatable. Else new items.",
        ),
    ] = None,
    table_format: Annotated[
        TableFormat, typer.Option("--format", help="Of the table of a training.")
    ] = TableFormat.CSV,
    backtest: Annotated[
        bool, typer.Option(" /--no-backtest", help="Leave out the measuring at past dates.")
    ] = True,
    asked: AskedTables,
    on_bad_rows: Policy = BadRows.RAISE,
    seed: Seed = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Forecast sales period by period: train by a configuration, or ask a trained forecast.

    A training writes the forecast, its table, how good such forecasts were at past dates, and a
    report. A trained forecast is asked with --items, --sales and --out, and learns nothing.
    """
    pages = tuple(page_of or ())
    if config.is_dir():
        from fusion.errors import ConfigError

        if out is None:
            raise ConfigError("--out must name a CSV or Parquet file, got none. Give --out FILE.")
        source = asked.source(as_of, on_bad_rows)
        from fusion.jobs.forecast import answer

        with open_stage(quiet, log_json) as stage:
            result = answer(config, source, out, page=asked.page, pages=pages, stage=stage)
    else:
        settings = _settings(config, as_of=as_of, seed=seed, asked=asked.given)
        from fusion.jobs.forecast import ForecastOptions
        from fusion.jobs.forecast import forecast as run

        options = ForecastOptions(f".{table_format}", pages, is_measured=backtest)
        with open_stage(quiet, log_json) as stage:
            result = run(settings, out or Path("runs/forecast"), options, stage=stage)
    show_forecast(result)


@app.command()
@reported
def backtest(
    config: Config,
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("runs/backtest"),
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Day by which all past dates are over.")
    ] = None,
    seed: Seed = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Measure forecasts at past dates, as if they were today, beside simple methods."""
    settings = _settings(config, as_of=as_of, seed=seed)
    from fusion.cli.backtest_table import show_backtest
    from fusion.jobs.backtest import backtest as run

    with open_stage(quiet, log_json) as stage:
        found = run(settings, out, stage=stage)
    show_backtest(found.result)
    say(f"Figures      {found.table}\nReport       {found.report}")


def show_forecast(result: "ForecastResult") -> None:
    """Prints how good a forecast is, where that was measured, and where everything is."""
    if result.backtest is not None:
        from fusion.cli.backtest_table import show_backtest

        show_backtest(result.backtest)
    items = "1 item" if result.n_items == 1 else f"{result.n_items:,} items"
    say(f"Forecast     {result.table} ({items})\nModel        {result.bundle}")
    if result.report is not None:
        say(f"Report       {result.report}")


def _settings(
    config: Path, *, as_of: str | None, seed: int | None, asked: list[str] | None = None
) -> Any:
    """The configuration; what is wrong with it is told before all that trains is imported."""
    from fusion.errors import ConfigError
    from fusion.job_steps.config_file import config_values

    config_values(config)
    if asked:
        raise ConfigError(
            f"{', '.join(asked)} must be left out where a configuration is given, which names its "
            f"own tables, got {config}. Leave them out, or give the folder of a trained forecast."
        )
    from fusion.job_steps.forecast_config import ForecastConfig

    given = {"sales.as_of": as_of, "forecast.seed": seed}
    overrides = {name: value for name, value in given.items() if value is not None}
    return ForecastConfig.from_file(config, overrides=overrides)

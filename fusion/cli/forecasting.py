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
    Quiet,
    Seed,
    Store,
    app,
    open_stage,
    reported,
    say,
)
from fusion.system.words import number_of

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
        Path | None,
        typer.Option(
            "--sales", help="The same: the sales table; left out: the histories that it keeps."
        ),
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
    on_bad_rows: Annotated[
        BadRows | None,
        typer.Option(
            "--on-bad-rows",
            help="raise (default): stop and list them; record: leave them out; absent: treat a "
            "faulty value as absent.",
        ),
    ] = None
    page: Annotated[
        Path | None,
        typer.Option(
            "--page", help="The same: HTML page for people; a training always writes one."
        ),
    ] = None

    @property
    def given(self) -> list[str]:
        """Options that were given."""
        return _given(self)

    def source(self, as_of: str | None) -> "ForecastSource":
        """The tables as jobs take them.

        Raises:
            ConfigError: If one is missing, or `--encoder` says anything but where weights lie.
        """
        from fusion.errors import ConfigError
        from fusion.job_steps.forecast_source import ForecastSource

        if self.items is None:
            raise ConfigError(
                "a trained forecast must be asked with --items, and --sales where it keeps no "
                f"histories, got {', '.join(self.given) or 'neither'}. Give the items table."
            )
        return ForecastSource(
            self.items,
            self.sales,
            market=self.market,
            planned=self.planned,
            as_of=as_of,
            photos=self.photos,
            store=self.store,
            on_bad_rows=(self.on_bad_rows or BadRows.RAISE).value,
            delimiter=self.delimiter,
            encoders=moved_encoders(self.encoder),
        )


@dataclass(frozen=True)
class TrainingOptions:
    """What a training of a forecast is told; a trained one takes none of it."""

    table_format: Annotated[
        TableFormat | None, typer.Option("--format", help="Of the table of a training [csv].")
    ] = None
    no_backtest: Annotated[
        bool | None, typer.Option("--no-backtest", help="Do not measure it at past dates.")
    ] = None
    seed: Seed = None

    @property
    def given(self) -> list[str]:
        """Options that were given."""
        return [name.replace("--table-", "--") for name in _given(self)]


def _given(group: Any) -> list[str]:
    return [f"--{n.replace('_', '-')}" for n, value in vars(group).items() if value is not None]


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
        Path,
        typer.Argument(
            metavar="CONFIG_OR_FOLDER",
            help="Configuration (TOML), or folder of a trained forecast.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Output folder (runs/forecast); of a trained forecast: a CSV or Parquet file.",
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
    ledger: Annotated[
        Path | None,
        typer.Option(
            "--ledger", help="Folder of the ledger it is sealed in; else `ledger` beside it."
        ),
    ] = None,
    training: TrainingOptions,
    asked: AskedTables,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Forecast sales period by period: train by a configuration, or ask a trained forecast.

    A training writes the forecast, its table, how good such forecasts were at past dates, and a
    report. A trained forecast is asked with --items, --out and --sales, or by the histories that
    it keeps; it learns nothing. Both are sealed in a ledger, see `fusion score`.
    """
    pages = tuple(page_of or ())
    if config.is_dir():
        source, table = _asked(asked, training, as_of=as_of, out=out)
        from fusion.jobs.forecast import ForecastOptions, answer

        options = ForecastOptions(pages=pages, ledger=ledger)
        with open_stage(quiet, log_json) as stage:
            result = answer(config, source, table, page=asked.page, options=options, stage=stage)
    else:
        settings = _settings(config, as_of=as_of, seed=training.seed, asked=asked.given)
        from fusion.jobs.forecast import ForecastOptions
        from fusion.jobs.forecast import forecast as run

        options = ForecastOptions(
            suffix=f".{training.table_format or TableFormat.CSV}",
            pages=pages,
            is_measured=not training.no_backtest,
            ledger=ledger,
        )
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
    items = number_of(result.n_items, "item")
    say(f"Forecast     {result.table} ({items})\nModel        {result.model}")
    if result.report is not None:
        say(f"Report       {result.report}")
    sealed = result.seal.sealed
    say(f"Ledger       {result.seal.ledger} (entry {sealed.entry.number})")
    say(f"Last hash    {sealed.sha256}")


def _asked(
    asked: AskedTables, training: TrainingOptions, *, as_of: str | None, out: Path | None
) -> "tuple[ForecastSource, Path]":
    """Tables and output of a question to a trained forecast.

    Raises:
        ConfigError: With everything that is missing or out of place.
    """
    from fusion.choices.mistakes import Mistakes

    mistakes, source = Mistakes(), None
    if training.given:
        mistakes.add(
            [
                f"{', '.join(training.given)} must be left out where a trained forecast is asked, "
                "which learns nothing. Leave them out, or give a configuration."
            ]
        )
    with mistakes.gathered():
        source = asked.source(as_of)
    if out is None:
        mistakes.add(["--out must name a CSV or Parquet file, got none. Give --out FILE."])
    mistakes.refuse()
    assert source is not None and out is not None
    return source, out


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

"""`fusion forecast`: what items will sell in each of the coming periods.

Reads: a configuration, its items table, photos and sales table; or a trained forecast and tables.
Writes, below the output folder of a training: `forecast/` (what is trained), `forecast.csv` or
`.parquet` (one row an item and step, and one for all steps together), `demand.csv` (of head
`demand`: one row an item and past period), `report.html` with a page for chosen items in `items/`,
`backtest.csv`, and `store/` (embeddings, unless the configuration names another place). Of a
trained forecast: the table, and a page where one is asked for. Both append an entry to a ledger:
`ledger/` beside the forecast, unless another is named.
"""

from dataclasses import dataclass, replace
from pathlib import Path

from encoders.spelling import did_you_mean
from fusion.bundle.folder import check_folder
from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import file_mistakes
from fusion.data.header import WRITTEN
from fusion.data.problems import shown
from fusion.data.tables import write_table
from fusion.errors import ConfigError
from fusion.forecasting.asked import AskedAnswers, answers_at, asked_answers, first_step
from fusion.forecasting.backtest.origins import measured_levels
from fusion.forecasting.backtest.result import BacktestResult
from fusion.forecasting.history import History, ItemSales
from fusion.forecasting.making import make_forecast
from fusion.forecasting.past_demand import demand_before
from fusion.forecasting.saved.document import FORECAST
from fusion.forecasting.saved.folder import save_forecast
from fusion.forecasting.trained import TrainedForecast
from fusion.job_steps.forecast import (
    ForecastInputs,
    checked_inputs,
    history_of,
    measured,
    source_of,
)
from fusion.job_steps.forecast_config import ForecastConfig
from fusion.job_steps.forecast_source import ForecastSource, opened
from fusion.job_steps.forecast_tables import long_table, told_table
from fusion.job_steps.made_with import versions
from fusion.job_steps.panel import sales_spec
from fusion.job_steps.sealing import Seal, check_seal, hashed, ledger_of, seal
from fusion.jobs.backtest import TABLE as BACKTEST
from fusion.progress import Stage, say_once, silent
from fusion.report.forecast_content import ForecastReport
from fusion.report.forecast_items import default_pages
from fusion.report.forecast_page import write_forecast_report
from fusion.system.lock import locked, locked_file

MODEL, TABLE, PAGE, DEMAND = "forecast", "forecast", "report.html", "demand"


@dataclass(frozen=True)
class ForecastOptions:
    """What a training of a forecast writes beside it.

    Args:
        suffix: Of the table: `.csv` or `.parquet`.
        pages: Ids of items that get a page each; empty: new and young ones with large totals.
        is_measured: Whether a backtest is made.
        ledger: Folder of the ledger; None: beside the trained forecast.
    """

    suffix: str = ".csv"
    pages: tuple[str, ...] = ()
    is_measured: bool = True
    ledger: Path | None = None


@dataclass(frozen=True)
class ForecastResult:
    """What a forecast made.

    Args:
        table: One row an item and step, and one for all steps together.
        n_items: Items that were forecast.
        model: Folder of the trained forecast.
        seal: The entry of the ledger that holds what was answered.
        report: The page; None where none was asked for.
        backtest: How good such forecasts were at past dates; None where that was not measured.
    """

    table: Path
    n_items: int
    model: Path
    seal: Seal
    report: Path | None = None
    backtest: BacktestResult | None = None


def forecast(
    config: ForecastConfig,
    folder: Path,
    options: ForecastOptions | None = None,
    *,
    stage: Stage = silent,
) -> ForecastResult:
    """Trains a forecast, saves it, asks it about all items, measures it and writes its report.

    Args:
        config: What to do.
        folder: Output folder; made if absent.
        options: What else is written.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If tables have problems and must not.
        ConfigError: If the configuration does not fit them.
        JobError: If another process writes to the folder.
        LedgerError: If the ledger is not as it was written.
    """
    options = options or ForecastOptions()
    mistakes = Mistakes()
    with mistakes.gathered():
        check_folder(folder / MODEL, FORECAST)
    ledger = ledger_of(folder / MODEL, options.ledger)
    check_seal(ledger, folder / MODEL, _tables(config), mistakes)
    with hashed(_tables(config)) as hashes:
        inputs = checked_inputs(
            config, folder, mistakes, is_measured=options.is_measured, is_asked=True
        )
    _check_pages(options.pages, inputs.sales)
    _tell_finished(folder / MODEL)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        return _trained_and_told(config, inputs, folder, options, hashes=hashes, stage=stage)


def _trained_and_told(
    config: ForecastConfig,
    inputs: ForecastInputs,
    folder: Path,
    options: ForecastOptions,
    *,
    hashes: dict[str, str],
    stage: Stage,
) -> ForecastResult:
    model = folder / MODEL
    history = history_of(inputs, stage=stage)
    trained = _trained(config, inputs, history, stage=stage)
    save_forecast(trained, model)
    found = answers_at(trained, history, inputs.until)
    ledger = ledger_of(model, options.ledger)
    sealed = seal(ledger, trained, found, bundle=model, inputs=hashes)
    table = folder / f"{TABLE}{options.suffix}"
    write_table(told_table(found), table)
    demand = demand_before(trained, history, inputs.until)
    if demand is not None:
        write_table(demand.frame(), folder / f"{DEMAND}{options.suffix}")
    backtest = None
    if options.is_measured:
        backtest = measured(config, inputs, history, stage=stage)
        write_table(long_table(backtest), folder / BACKTEST)
    page = folder / PAGE
    source = source_of(config.data.items, config.sales.table)
    report = _report(trained, found, config.title, source=source)
    report = replace(report, backtest=backtest, demand=demand, sealed=sealed.sealed)
    write_forecast_report(_with_pages(report, options.pages, table, page), page)
    n_items = len(set(history.panel.ids))
    return ForecastResult(table, n_items, model, sealed, page, backtest)


def answer(
    bundle: Path,
    source: ForecastSource,
    output: Path,
    *,
    page: Path | None = None,
    options: ForecastOptions | None = None,
    stage: Stage = silent,
) -> ForecastResult:
    """Asks a trained forecast about items, and writes what it answers.

    Args:
        bundle: Folder of the forecast.
        source: Where the tables lie.
        output: A `.csv` or `.parquet` file.
        page: Where the page for people is written (HTML); None writes none.
        options: Items that get a page each, in `items/` beside it, and the ledger.
        stage: Opens progress bars.

    Raises:
        BundleError: If the forecast is damaged.
        CatalogueError: If tables have problems and must not; nothing is written then.
        ConfigError: With everything that is wrong with what was chosen.
        JobError: If another process is about to write the same output.
        LedgerError: If the ledger is not as it was written.
    """
    options = options or ForecastOptions()
    ledger, mistakes = ledger_of(bundle, options.ledger), Mistakes()
    mistakes.add(file_mistakes("out", output, suffixes=WRITTEN))
    mistakes.add(file_mistakes("page", page, suffixes=(".html",)))
    for name, path in (("out", output), ("page", page)):
        mistakes.add(source.overwritten(name, path, bundle))
    check_seal(ledger, bundle, source.tables, mistakes)
    with hashed(source.tables) as hashes:
        trained, sales = opened(bundle, source, mistakes=mistakes)
    _check_pages(options.pages, sales)
    with locked_file(output):
        found = asked_answers(trained, sales, source.content, as_of=source.as_of, stage=stage)
        sealed = seal(ledger, trained, found, bundle=bundle, inputs=hashes)
        write_table(told_table(found), output)
        if page is not None:
            title = str(trained.info.get("title") or "Forecast")
            told = f"{source.items.name} and kept sales"
            if source.sales is not None:
                told = source_of(source.items, source.sales)
            period = first_step(sales.panel, source.as_of)
            report = replace(
                _report(trained, found, title, source=told),
                demand=demand_before(trained, found.history, period),
                sealed=sealed.sealed,
            )
            write_forecast_report(_with_pages(report, options.pages, output, page), page)
    return ForecastResult(output, len(set(found.history.panel.ids)), bundle, sealed, page)


def _tables(config: ForecastConfig) -> dict[str, Path | None]:
    """Tables that are read, by name."""
    return {
        "items": config.data.items,
        "new_items": config.data.new_items,
        "sales": config.sales.table,
        "market": config.sales.market,
        "planned": config.sales.planned,
    }


def _trained(
    config: ForecastConfig, inputs: ForecastInputs, history: History, *, stage: Stage
) -> TrainedForecast:
    tables = sales_spec(config.sales)
    trained = make_forecast(history, inputs.spec, tables, until=inputs.until, stage=stage)
    if not config.forecast.keep_histories:
        trained = replace(trained, kept=None)
    told = {
        "title": config.title,
        "as_of": str(trained.frequency.first_day(inputs.until)),
        "n_items": len(set(history.panel.ids)),
        "market": config.sales.market is not None,
    }
    return replace(trained, info={**told, **trained.info})


def _report(
    trained: TrainedForecast, found: AskedAnswers, title: str, *, source: str
) -> ForecastReport:
    return ForecastReport(
        title=title,
        source=source,
        history=found.history,
        asked=found.examples,
        answers=found.answers,
        levels=measured_levels(found.levels),
        weights=trained.model.blend.config,
        made_with=versions(),
    )


def _with_pages(
    report: ForecastReport, pages: tuple[str, ...], table: Path, page: Path
) -> ForecastReport:
    """The report with pages of items, and a link to the table where it lies beside the page."""
    beside = table.name if table.resolve().parent == page.resolve().parent else ""
    return replace(report, pages=pages or default_pages(report.asked, report.answers), table=beside)


def _tell_finished(model: Path) -> None:
    """Says of a folder whose forecast is trained that it is replaced, and how to ask it instead."""
    if (model / FORECAST.description).is_file():
        say_once(
            f"{model.parent} holds a finished forecast, which is trained anew and replaced. To ask "
            f"it instead: fusion forecast {model} --items FILE --sales FILE --out FILE"
        )


def _check_pages(pages: tuple[str, ...], sales: ItemSales) -> None:
    """Refuses ids of pages that are no items.

    Raises:
        ConfigError: With the nearest ids.
    """
    known = sales.panel.positions
    unknown = [name for name in pages if name not in known]
    if unknown:
        hints = "".join(did_you_mean(name, sales.panel.ids) for name in unknown[:3])
        names = ", ".join(shown(name) for name in unknown)
        raise ConfigError(f"--page-of must name items of the items table, got {names}.{hints}")

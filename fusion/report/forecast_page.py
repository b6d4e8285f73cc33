"""Pages of forecasts, backtests, scores and updates: views, put into the templates beside here."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fusion.forecasting.backtest.result import BacktestResult
from fusion.forecasting.examples import STAGES
from fusion.report.backtest_charts import backtest_charts
from fusion.report.backtest_view import backtest_view
from fusion.report.forecast_answer import forecast_answer, sum_chart
from fusion.report.forecast_content import (
    BacktestReport,
    ForecastReport,
    ScoreReport,
    UpdateReport,
    unknown_pages,
)
from fusion.report.forecast_items import ItemViews, item_groups, largest_rows
from fusion.report.forecast_numbers import ForecastNumbers
from fusion.report.item_page import item_page
from fusion.report.page import environment, write_page
from fusion.report.quantity_words import WORDS
from fusion.report.score_view import score_view
from fusion.report.stage_weights import stage_rows
from fusion.report.update_view import drift_reasons, update_answer

FOLDER = "items"
"""Folder beside the report that holds the pages of items."""
TEMPLATE, BACKTEST_TEMPLATE = "forecast.html.j2", "backtest_page.html.j2"
SCORE_TEMPLATE, ITEM_TEMPLATE = "score_page.html.j2", "item.html.j2"
UPDATE_TEMPLATE = "update_page.html.j2"


def write_forecast_report(report: ForecastReport, path: Path) -> list[Path]:
    """Write the report and the pages of its items, each self-contained and written as a whole.

    Pages of items are `items/001.html` and on beside the report, in the order of `report.pages`;
    those of an earlier run of the same report are replaced or removed.

    Args:
        report: What to show.
        path: Where to write; files that are there are replaced.

    Returns:
        All files, the report first.

    Raises:
        ValueError: If a page is asked for of an item that is not there, see `unknown_pages`.
        OSError: If a file cannot be written.
    """
    if unknown := unknown_pages(report.history, report.pages):
        raise ValueError(
            f"pages must be ids of items with sales or a launch, got {', '.join(unknown)}."
        )
    numbers = ForecastNumbers.of(report)
    names = page_names(report)
    written = [path]
    for item, name in names.items():
        own = path.parent / name
        own.parent.mkdir(parents=True, exist_ok=True)
        text = _render_item(report, numbers, item, back=f"../{quote(path.name)}")
        write_page(text, own)
        written.append(own)
    write_page(_render_forecast(report, numbers), path)
    _remove_old_pages(path, written)
    return written


def _remove_old_pages(report: Path, written: Sequence[Path]) -> None:
    """Removes pages of items that an earlier run wrote for this report: nothing leads to them."""
    back = f'href="../{quote(report.name)}"'
    for page in (report.parent / FOLDER).glob("[0-9]*.html"):
        if page not in written and back in page.read_text(errors="replace"):
            page.unlink()


def page_names(report: ForecastReport) -> dict[str, str]:
    """Item -> address of its page, seen from the report; ids are no names of files."""
    items = dict.fromkeys(report.pages)
    return {item: f"{FOLDER}/{place:03}.html" for place, item in enumerate(items, start=1)}


def render_forecast(report: ForecastReport) -> str:
    """The report as the text of one HTML page; every text of it is escaped."""
    return _render_forecast(report, ForecastNumbers.of(report))


def render_backtest(report: BacktestReport) -> str:
    """The report of a backtest as the text of one HTML page; every text of it is escaped."""
    return _render(
        BACKTEST_TEMPLATE,
        title=report.title,
        source=report.source,
        table=report.table,
        made_with=report.made_with,
        **_backtest(report.backtest),
    )


def render_score(report: ScoreReport) -> str:
    """The report of sealed forecasts as the text of one HTML page; every text of it is escaped."""
    score = score_view(report.score)
    return _render(
        SCORE_TEMPLATE,
        title=report.title,
        source=report.source,
        table=report.table,
        made_with=report.made_with,
        score=score,
        **(_backtest(report.score.result) | {"view": score.view}),
        n_forecasts=len(report.score.result.examples),
        unit=report.score.result.examples.panel.frequency.unit,
    )


def render_update(report: UpdateReport) -> str:
    """The report of an update as the text of one HTML page; every text of it is escaped."""
    return _render(
        UPDATE_TEMPLATE,
        title=report.title,
        source=report.source,
        answer=update_answer(report.updated),
        drift=report.updated.drift,
        reasons=drift_reasons(report.updated.drift.findings),
        made_with=report.made_with,
    )


def render_item(report: ForecastReport, item: str, *, back: str = "") -> str:
    """The page of one item as text; `back` is the address of the report."""
    return _render_item(report, ForecastNumbers.of(report), item, back=back)


def _render_forecast(report: ForecastReport, numbers: ForecastNumbers) -> str:
    views = ItemViews(numbers, report.history, page_names(report))
    backtest = {"view": None} if report.backtest is None else _backtest(report.backtest)
    return _render(
        TEMPLATE,
        title=report.title,
        source=report.source,
        table=report.table,
        made_with=report.made_with,
        as_of=numbers.begins(int(numbers.asked.as_of.argmin())),
        answer=forecast_answer(numbers, report.backtest),
        sums=sum_chart(numbers),
        groups=item_groups(views),
        rows=largest_rows(views),
        n_rows=len(numbers.asked),
        held=numbers.held,
        share=numbers.share,
        span=numbers.span,
        unit=numbers.frequency.unit,
        weights=stage_rows(report.weights),
        stages=STAGES,
        rule=numbers.rule.describe(),
        sealed=report.sealed,
        **{"words": numbers.words, **backtest},
    )


def _render_item(report: ForecastReport, numbers: ForecastNumbers, item: str, *, back: str) -> str:
    page = item_page(numbers, report.history, item)
    values = {"page": page, "title": page.title, "report": report.title, "back": back}
    values["words"] = numbers.words
    return _render(ITEM_TEMPLATE, **values)


def _backtest(result: BacktestResult) -> dict[str, Any]:
    words = WORDS[result.examples.panel.quantity]
    return {"view": backtest_view(result), "charts": backtest_charts(result), "words": words}


def _render(template: str, **values: Any) -> str:
    return environment().get_template(template).render(**values)

"""Reports for people, each a self-contained page."""

from fusion.report.content import (
    ColumnSummary,
    DataSummary,
    Losses,
    ModalitySummary,
    NewItem,
    NewItems,
    SimilarItem,
    TrainingReport,
    TuningCost,
    TuningSummary,
)
from fusion.report.forecast_content import (
    BacktestReport,
    ForecastReport,
    ScoreReport,
    UpdateReport,
    unknown_pages,
)
from fusion.report.forecast_items import default_pages
from fusion.report.forecast_page import (
    render_backtest,
    render_forecast,
    render_item,
    render_score,
    render_update,
    write_forecast_report,
)
from fusion.report.forecast_words import HeadWords, head_title, head_words
from fusion.report.head_result import HeadResult, ReportItem
from fusion.report.new_items import best_rows, build_new_items, tell_new_items
from fusion.report.page import (
    render_new_items,
    render_report,
    write_new_items,
    write_page,
    write_report,
)

__all__ = [
    "BacktestReport",
    "ColumnSummary",
    "DataSummary",
    "ForecastReport",
    "HeadResult",
    "HeadWords",
    "Losses",
    "ModalitySummary",
    "NewItem",
    "NewItems",
    "ReportItem",
    "ScoreReport",
    "SimilarItem",
    "TrainingReport",
    "TuningCost",
    "TuningSummary",
    "UpdateReport",
    "best_rows",
    "build_new_items",
    "default_pages",
    "head_title",
    "head_words",
    "render_backtest",
    "render_forecast",
    "render_item",
    "render_new_items",
    "render_report",
    "render_score",
    "render_update",
    "tell_new_items",
    "unknown_pages",
    "write_forecast_report",
    "write_new_items",
    "write_page",
    "write_report",
]

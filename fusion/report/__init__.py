"""The training report: one self-contained page that shows how good a fusion is and on what."""

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
from fusion.report.forecast_words import HeadWords, head_title, head_words
from fusion.report.head_result import HeadResult, ReportItem
from fusion.report.new_items import best_rows, build_new_items, tell_new_items
from fusion.report.page import render_new_items, render_report, write_new_items, write_report

__all__ = [
    "ColumnSummary",
    "DataSummary",
    "HeadResult",
    "HeadWords",
    "Losses",
    "ModalitySummary",
    "NewItem",
    "NewItems",
    "ReportItem",
    "SimilarItem",
    "TrainingReport",
    "TuningCost",
    "TuningSummary",
    "best_rows",
    "build_new_items",
    "head_title",
    "head_words",
    "render_new_items",
    "render_report",
    "tell_new_items",
    "write_new_items",
    "write_report",
]

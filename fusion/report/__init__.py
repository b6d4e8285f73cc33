"""The training report: one self-contained page that shows how good a fusion is and on what."""

from fusion.report.content import (
    ColumnSummary,
    DataSummary,
    HeadResult,
    Losses,
    ModalitySummary,
    ReportItem,
    TrainingReport,
    TuningCost,
    TuningSummary,
)
from fusion.report.page import render_report, write_report

__all__ = [
    "ColumnSummary",
    "DataSummary",
    "HeadResult",
    "Losses",
    "ModalitySummary",
    "ReportItem",
    "TrainingReport",
    "TuningCost",
    "TuningSummary",
    "render_report",
    "write_report",
]

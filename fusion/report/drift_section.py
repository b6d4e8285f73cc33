"""The section of a page that shows what has drifted."""

from typing import Any

from fusion.forecasting.drift.readings import DriftReport
from fusion.report.page import environment


def render_drift(report: DriftReport) -> str:
    """The section as HTML; every text of it is escaped.

    Templates import the macro `drift_section` of `drift.html.j2` in its place.
    """
    macros: Any = environment().get_template("drift.html.j2").module
    return str(macros.drift_section(report))

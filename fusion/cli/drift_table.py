"""What has drifted, in a terminal."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fusion.cli.shared import say

if TYPE_CHECKING:
    from fusion.forecasting.drift.readings import DriftReport


def show_drift(report: "DriftReport") -> None:
    """Prints what has drifted, or that nothing has.

    Args:
        report: What a watch found.
    """
    for note in report.notes:
        say(f"Drift        {note}")
    if not report.findings:
        say(f"Drift        {report.summary}")
        return
    shown = Table(title=Text(report.summary), box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("column", "measure", "since"):
        shown.add_column(name, no_wrap=True)
    shown.add_column("value", justify="right", no_wrap=True)
    shown.add_column("threshold", justify="right", no_wrap=True)
    for one in report.findings:
        numbers = (f"{one.value:.3g}", f"{one.threshold:.3g}")
        shown.add_row(*map(Text, (one.column, one.name, one.since or "", *numbers)))
    say(shown)
    for told in dict.fromkeys(one.advice for one in report.findings):
        say(f"What to do   {told}")

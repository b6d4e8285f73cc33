"""A backtest in a terminal."""

from math import isnan
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fusion.cli.shared import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusion.forecasting.backtest.result import BacktestResult
    from fusion.forecasting.backtest.tables import BacktestRow, GainTable
    from fusion.report.quantity_words import QuantityWords

GAIN = "wape"
"""The metric whose gain is printed."""


def show_backtest(result: "BacktestResult") -> None:
    """Prints the forecast and the simple methods beside it, for all items at all past dates.

    Args:
        result: What a backtest found.
    """
    from fusion.report.backtest_view import backtest_answer
    from fusion.report.quantity_words import WORDS

    rows, words = result.tables[0].rows, WORDS[result.examples.panel.quantity]
    origins = ", ".join(result.weights)
    title = f"{rows[0].n_rows:,} forecasts of past dates ({origins})"
    say(method_table(rows, result.gains, title=title, words=words))
    answer = backtest_answer(result)
    say(f"Verdict      {answer.lead} {answer.sentence}")
    for name, why in result.left_out.items():
        say(f"Left out     {name}: {why}")


def method_table(
    rows: "Sequence[BacktestRow]", gains: "GainTable", *, title: str, words: "QuantityWords"
) -> Table:
    """The forecast and the simple methods beside it.

    Args:
        rows: A method each, the forecast first.
        gains: By how much the forecast is better than each.
        title: Heading.
        words: What is forecast is called.
    """
    found = {row.method: row for row in gains.rows if row.metric == GAIN}
    shown = Table(
        title=Text(title),
        caption=Text(
            f"WAPE: sum of errors of the median over the sum of {words.of_all}, of single steps "
            f"and of the {words.window} of the window; pinball: mean quantile loss; within: share "
            "between lowest and highest quantile; gain: by how much the forecast is better in "
            "WAPE, with its 95 % interval"
        ),
        box=None,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    shown.add_column("forecast by", no_wrap=True)
    for name in ("WAPE", words.window, "pinball", "within"):
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column("gain of the forecast", no_wrap=True)
    for place, row in enumerate(rows):
        values = (row.metrics[name] for name in ("wape", "wape_total", "pinball", "coverage"))
        gain = found.get(row.method)
        told = (
            ""
            if gain is None
            else f"{number_text(gain.gain)} [{number_text(gain.low)}, {number_text(gain.high)}]"
        )
        style = "bold" if place == 0 else None
        shown.add_row(Text(row.method), *map(number_text, values), told, style=style)
    return shown


def number_text(value: float) -> str:
    """Three decimals, or three significant digits of what is large; a dash for no number."""
    if isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.3g}"

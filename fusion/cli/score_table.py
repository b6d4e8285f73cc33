"""A score of sealed forecasts in a terminal."""

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from fusion.cli.backtest_table import method_table, number_text
from fusion.cli.shared import say

if TYPE_CHECKING:
    from fusion.forecasting.backtest.tables import BacktestTable
    from fusion.forecasting.ledger.score import LedgerScore
    from fusion.forecasting.ledger.value_added import ValueAdded

OF_ENTRIES = ("wape", "wape_total", "bias", "pinball", "coverage")
HEADINGS = ("WAPE", "total", "bias", "pinball", "within")


def show_score(score: "LedgerScore") -> None:
    """Prints each entry, what a planner adds, the forecasts beside simple methods, the verdict.

    Args:
        score: What was found.
    """
    from fusion.forecasting.backtest.result import FORECAST
    from fusion.report.quantity_words import WORDS
    from fusion.report.score_view import score_answer

    by_entry = next(table for table in score.result.tables if table.by == "entry")
    own = {row.group: row for row in by_entry.rows if row.method == FORECAST}
    shown = _table("Entries of the ledger", "entry", ("sealed on", *HEADINGS))
    for one in score.states:
        row = own.get(one.label)
        if row is not None:
            made = one.made[:10] + (" (late)" if one.is_late else "")
            shown.add_row(row.group, made, *(number_text(row.metrics[name]) for name in OF_ENTRIES))
    say(shown)
    for one in score.states:
        if one.state != "scored":
            say(f"Not scored   entry {one.label}, {one.state}: it {one.why}")
    if score.added is not None:
        _show_added(score.added)
    rows, gains = score.result.tables[0].rows, score.result.gains
    title = f"All {rows[0].n_rows:,} forecasts that are over"
    say(method_table(rows, gains, title=title, words=WORDS["units"]))
    answer = score_answer(score)
    say(f"Verdict      {answer.lead} {answer.sentence}")
    for name, why in score.result.left_out.items():
        say(f"Left out     {name}: {why}")
    for note in score.notes:
        say(f"Note         {note}")


def _show_added(added: "ValueAdded") -> None:
    say(_points(added.tables[0], f"{added.n_figures:,} figures that all give"))
    shown = _table("Forecast value added", "first over second", ("in WAPE", "95 % interval", ""))
    for gains in added.gains:
        for row in gains.rows:
            if row.metric == "wape":
                interval = f"[{number_text(row.low)}, {number_text(row.high)}]"
                pair = f"{gains.reference} over {row.method}"
                shown.add_row(pair, number_text(row.gain), interval, row.verdict)
    say(shown)


def _points(table: "BacktestTable", title: str) -> Table:
    shown = _table(title, "forecast by", ("WAPE", "total", "bias", "MAE"))
    for row in table.rows:
        values = (row.metrics[name] for name in ("wape", "wape_total", "bias", "mae"))
        shown.add_row(row.method, *map(number_text, values))
    return shown


def _table(title: str, first: str, columns: tuple[str, ...]) -> Table:
    shown = Table(title=Text(title), box=None, pad_edge=False, padding=(0, 1, 0, 0))
    shown.add_column(first, no_wrap=True)
    for name in columns:
        shown.add_column(name, justify="right")
    return shown

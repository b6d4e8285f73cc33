"""A backtest as its page shows it: the verdict, methods beside it, and groups of rows."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fusion.evaluation.result import Evaluation, Score
from fusion.forecasting.backtest.metrics import METRICS
from fusion.forecasting.backtest.result import FORECAST, BacktestResult
from fusion.forecasting.backtest.tables import BacktestRow, BacktestTable
from fusion.report.answer import LEADS, TONES, Answer, Tile, best_simple, primary
from fusion.report.comparison import Comparison, MetricTable, against_simple, metric_table
from fusion.report.metric_names import metric_name, write, write_gain, write_interval
from fusion.report.number_text import GAP, number, percent
from fusion.report.period_words import day_text, periods
from fusion.report.quantity_words import WORDS, stock_words

OF_GROUPS = ("wape", "wape_total", "bias", "coverage", "below", "above", "coverage_total")
"""Metrics of groups of rows, those that a table has."""
CLOSE = 0.02
"""Difference of two shares below which they are told with a decimal."""
MOST_DATES = 6
"""Dates that a sentence names."""
BY = {"step": "By step", "life stage": "By life stage", "origin": "By date", "price": "By price"}
"""What tables of groups are called; others by what makes the groups."""


@dataclass(frozen=True)
class GroupTable:
    """The same few metrics for groups of rows.

    Args:
        title: Heading.
        first: What the groups are.
        labels: Headings of the numbers.
        rows: Name of a group, and its numbers.
    """

    title: str
    first: str
    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class BacktestView:
    """What the page shows of a backtest.

    Args:
        answer: The headline.
        steps: Methods by the error of single steps.
        totals: Methods by the error of the whole window.
        metrics: Every metric of every method.
        groups: Tables of groups of rows.
        left_out: Simple methods that have nothing to go by, each with the reason.
        glossary: Every metric that is shown, by label.
    """

    answer: Answer
    steps: Comparison
    totals: Comparison
    metrics: MetricTable
    groups: tuple[GroupTable, ...]
    left_out: dict[str, str]
    glossary: dict[str, str]


def backtest_view(result: BacktestResult) -> BacktestView:
    """All words and numbers of a backtest."""
    steps = backtest_evaluation(result, "wape")
    rival = best_simple(steps)
    shown = [*METRICS]
    return BacktestView(
        answer=backtest_answer(result),
        steps=_against_simple(steps),
        totals=_against_simple(backtest_evaluation(result, "wape_total")),
        metrics=metric_table(steps),
        groups=tuple(
            _group_table(table, rival.name if rival else "")
            for table in result.tables
            if table.by != "all"
        ),
        left_out=dict(result.left_out),
        glossary={metric_name(name).label: metric_name(name).says for name in shown},
    )


def backtest_evaluation(result: BacktestResult, metric: str) -> Evaluation:
    """The methods as scores, the trained forecast first; gains in a metric.

    Args:
        result: The backtest.
        metric: One that gains are told of, see `GainTable`.
    """
    gains = {row.method: row for row in result.gains.rows if row.metric == metric}
    scores = [
        Score(FORECAST, "fusion", row.metrics)
        if row.method == FORECAST
        else Score(
            row.method,
            "baseline",
            row.metrics,
            gains[row.method].gain,
            gains[row.method].low,
            gains[row.method].high,
        )
        for row in _table(result, "all").rows
    ]
    return Evaluation(
        head=FORECAST,
        target=result.examples.panel.quantity,
        description="",
        task="regression",
        primary_metric=metric,
        higher_is_better=False,
        n_test=len(result.examples),
        n_groups=result.gains.n_blocks,
        scores=tuple(scores),
    )


def _against_simple(evaluation: Evaluation) -> Comparison:
    """Methods beside the forecast, as tables of backtests call it in their verdicts too."""
    found = against_simple(evaluation)
    rows = (replace(row, verdict=row.verdict.replace("fusion", FORECAST)) for row in found.rows)
    return replace(found, rows=tuple(rows))


def overall(result: BacktestResult) -> dict[str, float]:
    """Every metric of the trained forecast over all rows."""
    return next(row.metrics for row in _table(result, "all").rows if row.method == FORECAST)


def backtest_answer(result: BacktestResult) -> Answer:
    """The headline, which never claims a win that the interval does not show."""
    evaluation = backtest_evaluation(result, "wape")
    rival, own = best_simple(evaluation), overall(result)
    verdict = "" if rival is None else rival.verdict
    return Answer(
        name="Backtest",
        tone=TONES.get(verdict, "open"),
        lead=LEADS[verdict].format(who=FORECAST),
        sentence=error_sentence(result),
        proof=_proof(result, rival),
        tiles=_tiles(result, own),
    )


def error_sentence(result: BacktestResult, *, who: str = "The forecasts") -> str:
    """How far off the forecasts were, and the best simple method beside them."""
    evaluation = backtest_evaluation(result, "wape")
    rival, own = best_simple(evaluation), overall(result)["wape"]
    beside = math.nan if rival is None else primary(evaluation, rival)
    digits = 1 if abs(own - beside) < CLOSE else 0
    panel = result.examples.panel
    total = f"{WORDS[panel.quantity].of_all}{stock_words(panel)}"
    sentence = f"{who} were off by {percent(own, digits=digits)} of all {total} (WAPE)"
    if rival is not None:
        told = percent(beside, digits=digits)
        sentence += f"; the best simple method, {rival.name}, by {told}"
    return f"{sentence}."


def _proof(result: BacktestResult, rival: Score | None) -> str:
    examples = result.examples
    frequency = examples.panel.frequency
    dates = [
        day_text(day, unit=frequency.unit) for day in frequency.first_day(np.unique(examples.as_of))
    ]
    told = ", ".join(dates[:MOST_DATES]) + (" …" if len(dates) > MOST_DATES else "")
    span = periods(examples.horizon, frequency)
    said = (
        f"Trained anew at each of {len(dates)} past dates"
        if len(dates) > 1
        else "Trained anew at a past date"
    )
    said += f" ({told}) on what was known then, and compared with the {span} after it."
    return f"{said} {gain_told(result, rival)}".rstrip()


def gain_told(result: BacktestResult, rival: Score | None) -> str:
    """By how much the forecast is better than a method, in a sentence; empty without one."""
    if rival is None or rival.gain is None or rival.low is None or rival.high is None:
        return ""
    return gain_sentence(
        rival.name, rival.gain, (rival.low, rival.high), n_items=result.gains.n_blocks
    )


def gain_sentence(name: str, gain: float, ends: tuple[float, float], *, n_items: int) -> str:
    """By how much the WAPE of the forecast is below that of a method, with its interval."""
    interval = write_interval("wape", *ends)
    items = f"{number(n_items)} items"
    gained = write_gain("wape", gain)
    return f"The gain over {name} is {gained} (95{GAP}% interval {interval}, {items})."


def _tiles(result: BacktestResult, own: dict[str, float]) -> tuple[Tile, ...]:
    levels = result.forecasts[FORECAST].levels
    words = WORDS[result.examples.panel.quantity]
    right = f"{percent(levels[-1] - levels[0], digits=0)} is right"
    sides = f"{write('below', own['below'])} below, {write('above', own['above'])} above"
    return (
        Tile("WAPE of a step", write("wape", own["wape"]), "lower is better"),
        Tile(
            f"WAPE of the {words.window}",
            write("wape_total", own["wape_total"]),
            "of the whole window",
        ),
        Tile("Bias", write("bias", own["bias"]), "0 % is balanced"),
        Tile("In range", write("coverage", own["coverage"]), f"{right}; {sides}"),
        Tile(
            "Forecasts", number(len(result.examples)), f"of {number(result.gains.n_blocks)} items"
        ),
    )


def _group_table(table: BacktestTable, rival: str) -> GroupTable:
    """A table of groups: the forecast, and the WAPE of the best simple method beside it."""
    own = [row for row in table.rows if row.method == FORECAST]
    others = {row.group: row for row in table.rows if row.method == rival}
    names = [name for name in OF_GROUPS if name in table.metric_names]
    labels = [metric_name(name).label for name in names]
    beside = [f"WAPE of {rival}"] if others else []
    write_group = day_text if table.by == "origin" else str
    rows = tuple(
        (write_group(row.group), _numbers(row, others.get(row.group), names)) for row in own
    )
    title = BY.get(table.by, f"By {table.by}")
    first = "date" if table.by == "origin" else table.by
    return GroupTable(title, first, ("Forecasts", labels[0], *beside, *labels[1:]), rows)


def _numbers(row: BacktestRow, other: BacktestRow | None, names: Sequence[str]) -> tuple[str, ...]:
    written = [write(name, row.metrics[name]) for name in names]
    beside = [] if other is None else [write("wape", other.metrics["wape"])]
    return (number(row.n_rows), written[0], *beside, *written[1:])


def _table(result: BacktestResult, by: str) -> BacktestTable:
    return next(table for table in result.tables if table.by == by)

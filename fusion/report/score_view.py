"""Sealed forecasts beside what came, as their page shows them: a backtest that nobody can redo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fusion.evaluation.result import Evaluation, Score
from fusion.forecasting.backtest.result import FORECAST
from fusion.forecasting.backtest.tables import BacktestTable, GainTable
from fusion.forecasting.ledger.score import LedgerScore
from fusion.forecasting.ledger.value_added import NAIVE, PLANNER, POINT, ValueAdded
from fusion.report.answer import Answer, best_simple
from fusion.report.backtest_view import (
    BY,
    BacktestView,
    GroupTable,
    backtest_evaluation,
    backtest_view,
    gain_sentence,
    gain_told,
)
from fusion.report.comparison import Comparison, without_each
from fusion.report.metric_names import metric_name, write
from fusion.report.number_text import number
from fusion.report.period_words import day_text, periods
from fusion.system.words import number_of

LATE = "late"
"""What is said of an entry that was sealed when its first period was over."""
VERDICTS = {"adds something": "adds value", "better without": "takes value away"}
SHOWN = ("wape", "wape_total", "bias", "mae")
"""Metrics of methods that say nothing of how sure they are."""


@dataclass(frozen=True)
class AddedView:
    """Planner, forecast and naive beside each other.

    Args:
        n_figures: Items and periods that are compared.
        has_naive: Whether the naive forecast is one of the methods.
        methods: How good each is.
        steps: Pairs of them by the error of single steps.
        totals: Pairs of them by the error of the whole window.
        groups: The error of each by groups of rows.
    """

    n_figures: int
    has_naive: bool
    methods: GroupTable
    steps: Comparison
    totals: Comparison
    groups: tuple[GroupTable, ...]


@dataclass(frozen=True)
class ScoreView:
    """What the page shows.

    Args:
        view: The forecast and simple methods, as of a backtest.
        added: The planner beside them; None where there is nothing to compare.
        waiting: Entries that are not scored, and why.
        notes: What was left out or found.
        last_hash: Of the last entry of the ledger.
    """

    view: BacktestView
    added: AddedView | None
    waiting: dict[str, str]
    notes: tuple[str, ...]
    last_hash: str


def score_view(score: LedgerScore) -> ScoreView:
    """All words and numbers of a score."""
    view = backtest_view(score.result)
    groups = tuple(_with_dates(table, score) for table in view.groups)
    waiting = {
        f"Entry {one.label}": f"{one.state}: it {one.why}"
        for one in score.states
        if one.state != "scored"
    }
    return ScoreView(
        replace(view, answer=_answer(view.answer, score), groups=groups),
        None if score.added is None else _added(score.added),
        waiting,
        score.notes,
        score.last_hash,
    )


def _answer(answer: Answer, score: LedgerScore) -> Answer:
    """The headline of a backtest, in the words of forecasts that were sealed."""
    result = score.result
    n_scored = sum(one.state == "scored" for one in score.states)
    span = periods(result.examples.horizon, result.examples.panel.frequency)
    entries = number_of(n_scored, "entry", "entries")
    said = f"{entries} of the ledger, each compared with what was sold in its {span}."
    rival = best_simple(backtest_evaluation(result, "wape"))
    parts = [said, gain_told(result, rival), "" if score.added is None else _planner(score.added)]
    return replace(answer, name="Sealed forecasts", proof=" ".join(filter(None, parts)))


def _planner(added: ValueAdded) -> str:
    """The planner beside the forecast, in a sentence; empty without one."""
    whole = {row.method: row.metrics[POINT[0]] for row in added.tables[0].rows}
    pairs = [
        (gains, row)
        for gains in added.gains
        for row in gains.rows
        if (gains.reference, row.method, row.metric) == (FORECAST, PLANNER, POINT[0])
    ]
    if not pairs:
        return ""
    gains, row = pairs[0]
    own, planned = write("wape", whole[FORECAST]), write("wape", whole[PLANNER])
    gain = gain_sentence("the planner", row.gain, (row.low, row.high), n_items=gains.n_blocks)
    said = f"On the {number(added.n_figures)} figures that the planner gave, its WAPE is {planned}"
    return f"{said} and that of the forecast {own}. {gain}"


def _with_dates(table: GroupTable, score: LedgerScore) -> GroupTable:
    """The table of entries with the day on which each was sealed; others as they are."""
    if table.first != "entry":
        return table
    made = {one.label: day_text(one.made[:10]) + f", {LATE}" * one.is_late for one in score.states}
    rows = tuple((name, (made[name], *values)) for name, values in table.rows)
    return replace(table, labels=("Sealed on", *table.labels), rows=rows)


def _added(added: ValueAdded) -> AddedView:
    whole, *others = added.tables
    names = [name for name in SHOWN if name in whole.metric_names]
    rows = tuple(
        (row.method, tuple(write(name, row.metrics[name]) for name in names)) for row in whole.rows
    )
    labels = tuple(metric_name(name).label for name in names)
    return AddedView(
        added.n_figures,
        any(row.method == NAIVE for row in whole.rows),
        GroupTable("All of them", "forecast by", labels, rows),
        _pairs(added, "wape"),
        _pairs(added, "wape_total"),
        tuple(_by_method(table) for table in others),
    )


def _by_method(table: BacktestTable) -> GroupTable:
    """WAPE of each method by group."""
    methods = list(dict.fromkeys(row.method for row in table.rows))
    groups = list(dict.fromkeys(row.group for row in table.rows))
    found = {(row.group, row.method): row.metrics[POINT[0]] for row in table.rows}
    rows = tuple(
        (group, tuple(write(POINT[0], found[group, method]) for method in methods))
        for group in groups
    )
    labels = tuple(f"WAPE of {method}" for method in methods)
    return GroupTable(BY.get(table.by, f"By {table.by}"), table.by, labels, rows)


def _pairs(added: ValueAdded, metric: str) -> Comparison:
    """A row a pair: by how much the first is better than the second."""
    whole = {row.method: row.metrics for row in added.tables[0].rows}
    scores = [score for gains in added.gains for score in _scores(gains, metric, whole)]
    evaluation = Evaluation(
        head=FORECAST,
        target="units",
        description="",
        task="regression",
        primary_metric=metric,
        higher_is_better=False,
        n_test=added.n_figures,
        n_groups=added.gains[0].n_blocks,
        scores=tuple(scores),
    )
    found = without_each(evaluation)
    rows = [replace(row, verdict=VERDICTS.get(row.verdict, row.verdict)) for row in found.rows]
    return replace(found, rows=tuple(rows))


def _scores(gains: GainTable, metric: str, whole: dict[str, dict[str, float]]) -> Sequence[Score]:
    first = gains.reference
    return [
        Score(
            f"{first} over {row.method}",
            "without",
            {metric: whole[first][metric]},
            row.gain,
            row.low,
            row.high,
        )
        for row in gains.rows
        if row.metric == metric
    ]

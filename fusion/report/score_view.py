"""Sealed forecasts beside what came, as their page shows them: a backtest that nobody can redo."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from fusion.evaluation.result import Evaluation, Score
from fusion.forecasting.backtest.result import FORECAST
from fusion.forecasting.backtest.tables import BacktestTable, Gain, GainTable
from fusion.forecasting.ledger.score import LedgerScore
from fusion.forecasting.ledger.value_added import NAIVE, PLANNER, POINT, ValueAdded
from fusion.report.answer import Answer, Tile, best_simple
from fusion.report.backtest_view import (
    BY,
    BacktestView,
    GroupTable,
    backtest_answer,
    backtest_evaluation,
    backtest_view,
    error_sentence,
    gain_sentence,
    gain_told,
)
from fusion.report.comparison import Comparison, without_each
from fusion.report.metric_names import metric_name, write
from fusion.report.number_text import number
from fusion.report.period_words import day_text, periods
from fusion.report.quantity_words import stock_words
from fusion.system.words import number_of

LATE = "late"
"""What is said of an entry that was sealed when its first period was over."""
VERDICTS = {"adds something": "adds value", "better without": "takes value away"}
PLANNED = {
    "better": ("good", "The forecast is better than the planner."),
    "worse": ("bad", "The planner is better than the forecast."),
    "no clear difference": ("open", "No clear winner: the planner does about as well."),
    "not defined": ("open", "Nothing can be said of the planner: too little is known."),
}
"""Verdict on the forecast beside the planner -> tone and lead."""
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
        replace(view, answer=score_answer(score), groups=groups),
        None if score.added is None else _added(score.added),
        waiting,
        score.notes,
        score.last_hash,
    )


def score_answer(score: LedgerScore) -> Answer:
    """The headline: the forecast beside the planner where there is one, else simple methods."""
    result, answer = score.result, backtest_answer(score.result)
    n_scored = sum(one.state == "scored" for one in score.states)
    span = periods(result.examples.horizon, result.examples.panel.frequency)
    entries = number_of(n_scored, "entry", "entries")
    said = f"{entries} of the ledger, each compared with what was sold in its {span}."
    gain = gain_told(result, best_simple(backtest_evaluation(result, "wape")))
    answer = replace(answer, name="Sealed forecasts", proof=" ".join(filter(None, [said, gain])))
    planned = _planned(score)
    if score.added is None or planned is None:
        return answer
    all_of_them = error_sentence(
        result, who=f"All {number(len(result.examples))} forecasts together"
    )
    gains, row = planned
    beside = gain_sentence("the planner", row.gain, (row.low, row.high), n_items=gains.n_blocks)
    tone, lead = PLANNED[row.verdict]
    return replace(
        answer,
        tone=tone,
        lead=lead,
        sentence=_planner(score.added, stock_words(result.examples.panel)),
        proof=" ".join(filter(None, [beside, all_of_them, gain, said])),
        tiles=_planner_tiles(score.added, answer.tiles),
    )


def _planned(score: LedgerScore) -> tuple[GainTable, Gain] | None:
    """The gain of the forecast over the planner; None without one."""
    pairs = (
        (gains, row)
        for gains in (() if score.added is None else score.added.gains)
        for row in gains.rows
        if (gains.reference, row.method, row.metric) == (FORECAST, PLANNER, POINT[0])
    )
    return next(pairs, None)


def _wapes(added: ValueAdded) -> tuple[str, str]:
    """WAPE of the forecast and of the planner on the figures of both."""
    whole = {row.method: row.metrics[POINT[0]] for row in added.tables[0].rows}
    return write("wape", whole[FORECAST]), write("wape", whole[PLANNER])


def _planner(added: ValueAdded, known_in: str) -> str:
    """The planner beside the forecast, in a sentence."""
    own, planned = _wapes(added)
    return (
        f"On the {number(added.n_figures)} figures that can be compared, the forecast was off by "
        f"{own} of all units sold{known_in} (WAPE), the planner by {planned}."
    )


def _planner_tiles(added: ValueAdded, tiles: tuple[Tile, ...]) -> tuple[Tile, ...]:
    """Tiles of a backtest, the planner first; each WAPE says of which figures it is."""
    own, planned = _wapes(added)
    step, _, *others = tiles
    return (
        Tile("WAPE, planner’s figures", own, f"the planner: {planned}"),
        replace(step, label="WAPE, all forecasts"),
        *others,
    )


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

"""Sealed forecasts compared with the sales that came: how good they were, and beside what.

Simple methods stand beside them where the sales hold the history that was known at each date, and a
planner where there are figures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from fusion.choices.mistakes import Mistakes
from fusion.data.panel.panel import Panel
from fusion.errors import CatalogueError
from fusion.forecasting.backtest.baselines import RULES, baseline_forecasts
from fusion.forecasting.backtest.breakdown import Grouping, breakdown
from fusion.forecasting.backtest.forecasts import Actual, Forecasts, joined
from fusion.forecasting.backtest.paired import paired_gains
from fusion.forecasting.backtest.result import FORECAST, BacktestResult
from fusion.forecasting.examples import past_examples
from fusion.forecasting.heads import FORECAST_HEADS, panel_of
from fusion.forecasting.history import ReadSales
from fusion.forecasting.ledger.chain import Ledger
from fusion.forecasting.ledger.choice import EntryState, chosen_entries, late_notes, states_of
from fusion.forecasting.ledger.entries import ForecastRun
from fusion.forecasting.ledger.planner import PlannerFigures, read_planner
from fusion.forecasting.ledger.rows import ScoredRows, no_items, scored_rows
from fusion.forecasting.ledger.sealed_answers import SealedAnswers, sealed_answers
from fusion.forecasting.ledger.sold import read_sold
from fusion.forecasting.ledger.value_added import ValueAdded, value_added
from fusion.progress import Stage, silent, within

SIMPLE = "simple methods"
SalesReader = Callable[[ForecastRun], ReadSales]
"""From a forecast to what reads sales in its columns."""


@dataclass(frozen=True)
class LedgerScore:
    """How good the sealed forecasts of a ledger were.

    Args:
        last_hash: Of the last entry of the ledger.
        states: Every entry that was chosen: scored, or why not.
        result: Forecasts of the entries that are scored, what was sold, and simple methods.
        added: Planner, forecast and a naive one beside each other; None where the forecast stands
            alone.
        notes: What was left out or found, a sentence each.
    """

    last_hash: str
    states: tuple[EntryState, ...]
    result: BacktestResult
    added: ValueAdded | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class PlannerTable:
    """A planner's table.

    Args:
        frame: One row an item and period, see `read_planner`.
        source: What messages call it.
    """

    frame: pd.DataFrame
    source: str = "planner"


def since_column(item: str) -> str:
    """Column of the table of items that `score_ledger` reads sales of: since when each is on sale.

    Args:
        item: Column of their ids.
    """
    return f"{item} since"


def score_ledger(
    ledger: Ledger,
    read: SalesReader,
    *,
    planner: PlannerTable | None = None,
    entries: Sequence[int] = (),
    source: str = "sales",
    stage: Stage = silent,
) -> LedgerScore:
    """Compares the entries of a ledger whose periods are over with what was sold in them.

    An item counts as on sale from the first day on that it was forecast for: a period without a row
    is 0 units. An item without any row is left out, and a note says so. Demand is compared in
    periods in full stock alone.

    Args:
        ledger: See `read_ledger`, which has checked it.
        read: Gives what reads the sales in the columns of a forecast; it is asked about a table of
            items whose launches stand in `since_column`.
        planner: Figures to stand beside the forecasts.
        entries: Numbers of the entries that count; empty: all.
        source: What messages call the sales table.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If no entry is over, no item of them was sold, or the planner's table is
            faulty or tells of other periods.
        ConfigError: If there is no entry of a number, or none of units.
        LedgerError: If answers have changed since the ledger was read.
    """
    chosen = chosen_entries(ledger, entries)
    answers = [sealed_answers(ledger, one) for one in chosen]
    sold = read_sold(chosen, partial(_panel, read=read, answers=answers, source=source))
    figures, states, mistakes = None, tuple[EntryState, ...](), Mistakes()
    with mistakes.gathered():
        figures = None if planner is None else _figures(planner, sold.run, answers)
    with mistakes.gathered():
        states = states_of(chosen, sold, source=source)
    mistakes.refuse()
    panel = sold.panel
    assert isinstance(panel, Panel)
    over = {one.number for one in states if one.state == "scored"}
    scored = [one for one in answers if one.sealed.entry.number in over]
    kind = FORECAST_HEADS[scored[0].sealed.entry.run.head]  # all of them answer the same question
    rows = scored_rows(scored, panel_of(kind, panel), source=source)
    states, groupings = rows.states(states), rows.groupings(states)
    result = _result(rows, groupings, stage=stage)
    planned, notes = None, [*ledger.notes, *late_notes(states), *rows.notes]
    if figures is not None and planner is not None:
        planned = figures.of(rows.series, rows.as_of, horizon=rows.horizon)
    added = value_added(
        result.actual,
        result.forecasts,
        planned,
        blocks=_blocks(rows),
        groupings=groupings,
    )
    if planner is not None and figures is not None:
        if added is None:
            raise _no_overlap(rows, source=planner.source)
        notes.append(
            f"{added.n_figures:,} forecasts of single periods have a figure of {planner.source} "
            f"beside them, which has {len(figures):,} rows: the planner is compared on those alone."
        )
    return LedgerScore(ledger.last_hash, states, result, added, tuple(notes))


def _panel(
    run: ForecastRun, *, read: SalesReader, answers: Sequence[SealedAnswers], source: str
) -> Panel:
    """The sales of the items of the ledger in the columns of a forecast.

    Raises:
        CatalogueError: If they cannot be read so, or are of other items or other periods.
    """
    since = _since(answers)
    item = run.sales.item
    columns = {item: list(since), since_column(item): list(since.values())}
    panel = read(run)(pd.DataFrame(columns, dtype=object))
    if not panel.n_series:
        raise no_items(list(since), source=source)
    if panel.frequency != run.periods:
        unit = run.periods.unit
        raise CatalogueError(
            f"{source} must be of {unit}s that begin as in the ledger, such as {run.as_of}, got "
            f"{panel.frequency.first_day(panel.start)}. Give sales whose dates stand on the same "
            "days."
        )
    return panel


def _since(answers: Sequence[SealedAnswers]) -> dict[str, str]:
    """First day that each item of the ledger was forecast for."""
    since: dict[str, str] = {}
    for one in answers:
        for name, day in one.first_days.items():
            since[name] = min(day, since.get(name, day))
    return since


def _figures(
    planner: PlannerTable, run: ForecastRun, answers: Sequence[SealedAnswers]
) -> PlannerFigures:
    return read_planner(
        planner.frame,
        columns=run.sales.columns,
        frequency=run.periods,
        items=set(_since(answers)),
        source=planner.source,
    )


def _blocks(rows: ScoredRows) -> np.ndarray:
    return np.array([item for item, _ in rows.series], dtype=object)


def _result(rows: ScoredRows, groupings: Sequence[Grouping], *, stage: Stage) -> BacktestResult:
    examples = rows.examples()
    actual = Actual.of_examples(examples)
    simple, left_out = _simple(rows, stage=stage)
    forecasts = {FORECAST: rows.forecasts, **simple}
    return BacktestResult(
        examples,
        actual,
        forecasts,
        breakdown(actual, forecasts, groupings),
        paired_gains(actual, forecasts, blocks=_blocks(rows), reference=FORECAST),
        left_out,
        {},
    )


def _simple(rows: ScoredRows, *, stage: Stage) -> tuple[dict[str, Forecasts], dict[str, str]]:
    """Simple methods by what was known at each entry, and which are left out."""
    panel, found, left_out = rows.panel, list[dict[str, Forecasts]](), dict[str, str]()
    for place, part in enumerate(rows.parts):
        period = part.sealed.entry.run.period
        training = past_examples(panel, horizon=rows.horizon, until=period)
        asked = rows.asked(place)
        if not np.isfinite(training.targets()).any() or not (asked.windows.lengths > 0).any():
            begin = panel.frequency.first_day(panel.start)
            return {}, {
                SIMPLE: f"the sales begin on {begin}, which is too late to know what was known on "
                f"{part.sealed.entry.run.as_of}; give the sales before it too"
            }
        named = within(stage, f"entry {part.sealed.entry.number}")
        levels = part.forecasts.levels
        simple = baseline_forecasts(training, asked, levels=levels, names=RULES, stage=named)
        found.append(simple.forecasts)
        left_out.update(simple.left_out)
    methods = [name for name in found[0] if all(name in one for one in found)]
    forecasts = {name: joined([one[name] for one in found]) for name in methods}
    return forecasts, {name: why for name, why in left_out.items() if name not in forecasts}


def _no_overlap(rows: ScoredRows, *, source: str) -> CatalogueError:
    frequency, as_of = rows.panel.frequency, rows.as_of
    first = frequency.first_day(int(as_of.min()))
    last = frequency.last_day(int(as_of.max()) + rows.horizon - 1)
    return CatalogueError(
        f"{source} must tell of items and {frequency.unit}s that are scored, {first} to {last}, "
        "got figures of others alone. Give the figures of these, or leave the planner out."
    )

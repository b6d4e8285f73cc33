"""Rows that are scored: what entries said of a series, beside what was sold of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fusion.data.panel.items import Series, series_names
from fusion.data.panel.panel import Panel
from fusion.data.problems import first_shown
from fusion.errors import CatalogueError
from fusion.forecasting.backtest.breakdown import Grouping
from fusion.forecasting.backtest.forecasts import Forecasts, joined
from fusion.forecasting.examples import STAGES, Examples, Ints, examples_at
from fusion.forecasting.ledger.choice import EntryState, State
from fusion.forecasting.ledger.sealed_answers import SealedAnswers


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows of the entries that are scored, one entry behind the other.

    Args:
        parts: Their answers, of the rows that are left alone.
        panel: The sales that came.
        positions: Series of the panel of each row, `[n]`.
        notes: Which rows were left out, a sentence each.
        empty: Number of each entry without a row that is left -> its state and why.
    """

    parts: tuple[SealedAnswers, ...]
    panel: Panel
    positions: Ints
    notes: tuple[str, ...]
    empty: Mapping[int, tuple[State, str]]

    @property
    def series(self) -> list[Series]:
        """Item and shop of each row."""
        return [one for part in self.parts for one in part.series]

    @property
    def as_of(self) -> Ints:
        """Number of the first step of each row, `[n]`."""
        return np.concatenate([part.as_of for part in self.parts])

    @property
    def horizon(self) -> int:
        """Steps."""
        return self.parts[0].sealed.entry.run.horizon

    @property
    def forecasts(self) -> Forecasts:
        """What the entries said."""
        return joined([part.forecasts for part in self.parts])

    def examples(self) -> Examples:
        """What was sold of each row before its first step and in its steps."""
        return examples_at(self.panel, self.positions, self.as_of, horizon=self.horizon)

    def asked(self, part: int) -> Examples:
        """What was known of the rows of an entry when it was made."""
        sizes = [len(one.series) for one in self.parts]
        rows = slice(sum(sizes[:part]), sum(sizes[: part + 1]))
        as_of, period = self.parts[part].as_of, self.parts[part].sealed.entry.run.period
        found = examples_at(
            self.panel, self.positions[rows], as_of, horizon=self.horizon, until=period
        )
        windows = found.windows
        unsold = as_of > period  # it came later: at the date of the entry it had no history
        ends = np.where(unsold, windows.begin, windows.end)
        return replace(found, windows=replace(windows, end=ends))

    def states(self, states: Sequence[EntryState]) -> tuple[EntryState, ...]:
        """States of all entries; those without a row are not scored."""
        found = ((one, *self.empty.get(one.number, (one.state, one.why))) for one in states)
        return tuple(replace(one, state=state, why=why) for one, state, why in found)

    def groupings(self, states: Sequence[EntryState]) -> list[Grouping]:
        """Groups by entry and by the life stage that each row had when it was forecast.

        Args:
            states: Of all entries, which say what each is called.
        """
        names = {one.number: one.label for one in states}
        labels = [names[part.sealed.entry.number] for part in self.parts]
        entries = np.repeat(np.arange(len(labels)), [len(part.series) for part in self.parts])
        stages = np.concatenate([part.stages for part in self.parts])
        return [Grouping("entry", tuple(labels), entries), Grouping("life stage", STAGES, stages)]


def scored_rows(answers: Sequence[SealedAnswers], panel: Panel, *, source: str) -> ScoredRows:
    """The rows whose items were sold and whose steps are over.

    Args:
        answers: Of the entries that are scored.
        panel: The sales that came.
        source: What messages call the sales table.

    Raises:
        CatalogueError: If no row is left: no item was sold, or no row is over.
    """
    empty: dict[int, tuple[State, str]] = {}
    places = {one: place for place, one in enumerate(series_names(panel))}
    parts, positions, unsold, n_waiting = [], [], dict[str, None](), 0
    for one in answers:
        at = np.array([places.get(series, -1) for series in one.series], dtype=np.int64)
        unsold |= dict.fromkeys(one.series[row][0] for row in np.flatnonzero(at < 0).tolist())
        over = one.as_of + one.sealed.entry.run.horizon <= panel.end
        n_waiting += int(((at >= 0) & ~over).sum())
        rows = np.flatnonzero((at >= 0) & over)
        if len(rows):
            parts.append(one.take(rows))
            positions.append(at[rows])
        else:
            empty[one.sealed.entry.number] = _why_empty(one, at >= 0, source=source)
    if n_waiting and not parts:
        raise _none_over(answers, empty, panel, source=source)
    if not parts:
        raise no_items([name for one in answers for name, _ in one.series], source=source)
    notes = _notes(list(unsold), n_waiting, is_by_shop=panel.shops is not None, source=source)
    return ScoredRows(tuple(parts), panel, np.concatenate(positions), notes, empty)


def _why_empty(
    answers: SealedAnswers, is_sold: NDArray[np.bool_], *, source: str
) -> tuple[State, str]:
    """State of an entry of which no row is left, and why."""
    if not is_sold.any():
        return "without rows", f"forecasts no item that has a row in {source}"
    run = answers.sealed.entry.run
    day = run.periods.last_day(answers.as_of[is_sold].min() + run.horizon - 1)
    return "waiting", f"forecasts items that begin later, over when sales up to {day} are there"


def _none_over(
    answers: Sequence[SealedAnswers],
    empty: Mapping[int, tuple[State, str]],
    panel: Panel,
    *,
    source: str,
) -> CatalogueError:
    """The error where items were sold, and no forecast of them is over."""
    last = panel.frequency.last_day(panel.end - 1)
    told = "".join(f"\n  - entry {number} {why}" for number, (_, why) in empty.items())
    return CatalogueError(
        f"{source} must cover all periods of a forecast, got sales up to {last}, where none is "
        f"over yet:{told}\nGive sales that go on, or score when these periods are over."
    )


def no_items(names: Sequence[str], *, source: str) -> CatalogueError:
    """The error for sales of other items."""
    different = list(dict.fromkeys(names))
    return CatalogueError(
        f"{source} must hold sales of items of the ledger, got none of its {len(different)} "
        f"({first_shown(different)}). Give the sales of these items."
    )


def _notes(
    unsold: Sequence[str], n_waiting: int, *, is_by_shop: bool, source: str
) -> tuple[str, ...]:
    found = []
    if unsold:
        where = "in a shop that they were forecast for" if is_by_shop else "at all"
        found.append(
            f"{len(unsold)} item(s) of the ledger have no row in {source} {where} "
            f"({first_shown(unsold)}): their forecasts are left out. Give rows of 0 units where "
            "they were on sale and nothing was sold."
        )
    if n_waiting:
        found.append(f"{n_waiting} forecast(s) of items that came later are not over yet.")
    return tuple(found)

"""Rows that are scored: what entries said of a series, beside what was sold of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fusion.data.panel.items import Series, series_names
from fusion.data.panel.panel import Panel
from fusion.data.problems import shown
from fusion.errors import CatalogueError
from fusion.forecasting.backtest.breakdown import Grouping
from fusion.forecasting.backtest.forecasts import Forecasts, joined
from fusion.forecasting.examples import STAGES, Examples, Ints, examples_at
from fusion.forecasting.ledger.choice import EntryState
from fusion.forecasting.ledger.sealed_answers import SealedAnswers

MOST_TOLD = 3
"""Items that a sentence names."""


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows of the entries that are scored, one entry behind the other.

    Args:
        parts: Their answers, of the rows that are left alone.
        panel: The sales that came.
        positions: Series of the panel of each row, `[n]`.
        notes: Which rows were left out, a sentence each.
    """

    parts: tuple[SealedAnswers, ...]
    panel: Panel
    positions: Ints
    notes: tuple[str, ...]

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
        CatalogueError: If no row is left.
    """
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
    if not parts:
        raise no_items([name for one in answers for name, _ in one.series], source=source)
    notes = _notes(list(unsold), n_waiting, is_by_shop=panel.shops is not None, source=source)
    return ScoredRows(tuple(parts), panel, np.concatenate(positions), notes)


def no_items(names: Sequence[str], *, source: str) -> CatalogueError:
    """The error for sales of other items."""
    different = list(dict.fromkeys(names))
    return CatalogueError(
        f"{source} must hold sales of items of the ledger, got none of its {len(different)} "
        f"({_told(different)}). Give the sales of these items."
    )


def _notes(
    unsold: Sequence[str], n_waiting: int, *, is_by_shop: bool, source: str
) -> tuple[str, ...]:
    found = []
    if unsold:
        where = "in a shop that they were forecast for" if is_by_shop else "at all"
        found.append(
            f"{len(unsold)} item(s) of the ledger have no row in {source} {where} "
            f"({_told(unsold)}): their forecasts are left out. Give rows of 0 units where they "
            "were on sale and nothing was sold."
        )
    if n_waiting:
        found.append(f"{n_waiting} forecast(s) of items that came later are not over yet.")
    return tuple(found)


def _told(names: Sequence[str]) -> str:
    told = ", ".join(shown(name) for name in names[:MOST_TOLD])
    return f"{told}, ..." if len(names) > MOST_TOLD else told

"""Which entries of a ledger are scored, and why the others are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fusion.data.panel.panel import Panel
from fusion.errors import CatalogueError, ConfigError
from fusion.forecasting.ledger.chain import Ledger
from fusion.forecasting.ledger.entries import ForecastRun, SealedEntry

OF_UNITS = ("sales_path", "demand")
"""Heads whose answers are units; demand is compared where sales say that an item was in stock."""
State = Literal["scored", "waiting", "not covered", "repeated", "of another kind"]


@dataclass(frozen=True)
class EntryState:
    """What becomes of an entry.

    Args:
        number: Its place in the ledger.
        made: When it was sealed, ISO 8601.
        as_of: First day of what it forecast.
        is_late: Whether its first period was over when it was sealed.
        state: Whether it is scored.
        why: Why it is not; empty where it is.
    """

    number: int
    made: str
    as_of: str
    is_late: bool
    state: State
    why: str = ""

    @property
    def label(self) -> str:
        """What tables call it, such as `3 (2024-04-29)`."""
        return f"{self.number} ({self.as_of})"


def chosen_entries(ledger: Ledger, numbers: Sequence[int]) -> tuple[SealedEntry, ...]:
    """The entries of some numbers, or all.

    Raises:
        ConfigError: If there is none of a number, or the ledger is empty.
    """
    if not ledger.entries:
        raise ConfigError(
            f"{ledger.folder} must be a ledger with entries, got none. Give the folder `ledger` "
            "that `fusion forecast` writes beside a trained forecast."
        )
    n_entries = len(ledger.entries)
    if unknown := [number for number in numbers if not 1 <= number <= n_entries]:
        raise ConfigError(
            f"entry must be one of 1 to {n_entries}, got {', '.join(map(str, unknown))}. "
            "Name entries of the ledger."
        )
    places = sorted(set(numbers)) or range(1, n_entries + 1)
    return tuple(ledger.entries[number - 1] for number in places)


def states_of(
    chosen: Sequence[SealedEntry], panel: Panel, *, source: str
) -> tuple[EntryState, ...]:
    """What becomes of each entry.

    Those are scored that are over, are of the same sales table and steps as the last one that is
    over, and do not repeat another.

    Args:
        chosen: Entries, the oldest first.
        panel: The sales that came.
        source: What messages call the sales table.

    Raises:
        CatalogueError: If none is scored.
    """
    whys = [_why_not(one.entry.run, chosen[-1].entry.run, panel) for one in chosen]
    over = [one for one, (state, _) in zip(chosen, whys, strict=True) if state == "scored"]
    if not over:
        raise _none_over(chosen, panel, source=source)
    first: dict[str, int] = {}
    states = []
    for one, (state, why) in zip(chosen, whys, strict=True):
        entry = one.entry
        before = first.setdefault(entry.answers.sha256, entry.number)
        if state == "scored" and _steps(entry.run) != _steps(over[-1].entry.run):
            steps = f"{entry.run.horizon} steps of {entry.run.head} at {_levels(entry.run)}"
            state, why = "of another kind", f"has {steps}; score it alone"
        if state == "scored" and before != entry.number:
            state, why = "repeated", f"has the answers of entry {before}"
        states.append(
            EntryState(entry.number, entry.made, entry.run.as_of, entry.is_late, state, why)
        )
    return tuple(states)


def late_notes(states: Sequence[EntryState]) -> list[str]:
    """Which scored entries were sealed late, in a sentence; none where none was."""
    late = [str(one.number) for one in states if one.is_late and one.state == "scored"]
    n_scored = sum(one.state == "scored" for one in states)
    if not late:
        return []
    return [
        f"{len(late)} of {n_scored} scored entries were sealed when their first period was over "
        f"(entry {', '.join(late)}): what was sold in it may have been known."
    ]


def _why_not(run: ForecastRun, last: ForecastRun, panel: Panel) -> tuple[State, str]:
    """Whether an entry can be scored by itself, and why it cannot."""
    frequency = panel.frequency
    if run.head not in OF_UNITS:
        return "of another kind", f"answers {run.head}, which units sold do not tell"
    if (run.sales, run.frequency) != (last.sales, last.frequency):
        return "of another kind", "is of sales in other columns or periods; score it alone"
    if run.period < panel.start:
        return "not covered", f"begins before the sales, {frequency.first_day(panel.start)}"
    if run.period + run.horizon > panel.end:
        return "waiting", f"is over when sales up to {_last_day(run)} are there"
    return "scored", ""


def _none_over(chosen: Sequence[SealedEntry], panel: Panel, *, source: str) -> CatalogueError:
    last = panel.frequency.first_day(panel.end) - np.timedelta64(1, "D")
    first = panel.frequency.first_day(panel.start)
    told = ", ".join(
        f"entry {one.entry.number} of {one.entry.run.as_of} to {_last_day(one.entry.run)}"
        for one in (chosen[:1] if len(chosen) == 1 else (chosen[0], chosen[-1]))
    )
    return CatalogueError(
        f"{source} must cover all periods of an entry, got sales from {first} to {last} beside "
        f"{len(chosen)} {'entry' if len(chosen) == 1 else 'entries'}: {told}. Give sales that go "
        "on, or score when these periods are over."
    )


def _last_day(run: ForecastRun) -> str:
    return str(run.periods.first_day(run.period + run.horizon) - np.timedelta64(1, "D"))


def _steps(run: ForecastRun) -> tuple[str, int, tuple[float, ...]]:
    return run.head, run.horizon, tuple(run.levels)


def _levels(run: ForecastRun) -> str:
    return ", ".join(f"{level:g}" for level in run.levels)

"""Which entries of a ledger are scored, and why the others are not."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from fusion.errors import CatalogueError, ConfigError
from fusion.forecasting.ledger.chain import MOST_TOLD, Ledger
from fusion.forecasting.ledger.entries import ForecastRun, SealedEntry
from fusion.forecasting.ledger.sold import OF_UNITS, Sold, is_over, kind_of, last_day
from fusion.system.words import number_of

State = Literal["scored", "waiting", "not covered", "without rows", "repeated", "of another kind"]


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
        ConfigError: If there is none of a number, the ledger is empty, or none is of units.
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
    chosen = tuple(ledger.entries[number - 1] for number in places)
    heads = sorted({one.entry.run.head for one in chosen})
    if not set(OF_UNITS).intersection(heads):
        raise ConfigError(
            f"entries must hold a forecast of units to be scored, got {', '.join(heads)} alone in "
            f"{len(chosen)} of {ledger.folder}, which units sold do not tell. Name entries of "
            f"{' or '.join(OF_UNITS)}."
        )
    return chosen


def states_of(chosen: Sequence[SealedEntry], sold: Sold, *, source: str) -> tuple[EntryState, ...]:
    """What becomes of each entry.

    Those are scored that are over, are of the same sales table and steps as the last one of units
    that is over, and do not repeat another that is scored.

    Args:
        chosen: Entries, the oldest first.
        sold: The sales that came, see `read_sold`.
        source: What messages call the sales table.

    Raises:
        CatalogueError: If none is scored.
    """
    whys = [_why_not(one.entry.run, sold, source=source) for one in chosen]
    if all(state != "scored" for state, _ in whys):
        raise _none_over(chosen, sold, [why for _, why in whys], source=source)
    first: dict[str, int] = {}
    states = []
    for one, (state, why) in zip(chosen, whys, strict=True):
        entry = one.entry
        if state == "scored" and _steps(entry.run) != _steps(sold.run):
            steps = f"{entry.run.horizon} steps of {entry.run.head} at {_levels(entry.run)}"
            state, why = "of another kind", f"has {steps}; score it alone"
        if state == "scored":
            before = first.setdefault(entry.answers.sha256, entry.number)
            if before != entry.number:
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


def _why_not(run: ForecastRun, sold: Sold, *, source: str) -> tuple[State, str]:
    """Whether an entry can be scored by itself, and why it cannot."""
    if run.head not in OF_UNITS:
        return "of another kind", f"answers {run.head}, which units sold do not tell"
    panel = sold.panels.get(kind_of(run))
    if isinstance(panel, CatalogueError):
        told = " ".join(str(panel).split())
        return "not covered", f"cannot be compared with {source}: {told}"
    if panel is not None and run.period < panel.start:
        begin = panel.frequency.first_day(panel.start)
        return "not covered", f"begins before the sales, {begin}"
    if panel is not None and not is_over(run, panel):
        return "waiting", f"is over when sales up to {last_day(run)} are there"
    if kind_of(run) != kind_of(sold.run):
        return "of another kind", "is of sales in other columns or periods; score it alone"
    return "scored", ""


def _none_over(
    chosen: Sequence[SealedEntry], sold: Sold, whys: Sequence[str], *, source: str
) -> CatalogueError:
    """The error where no entry is scored, with why each of the latest is not."""
    panels = list(sold.panels.values())
    readable = [panel for panel in panels if not isinstance(panel, CatalogueError)]
    if not readable:
        return next(error for error in panels if isinstance(error, CatalogueError))
    panel = readable[0]
    last = panel.frequency.last_day(panel.end - 1)
    told = [
        f"\n  - entry {entry.number} of {entry.run.as_of} to {last_day(entry.run)} {why}"
        for entry, why in zip((one.entry for one in chosen), whys, strict=True)
    ]
    more = f"\n  - {len(told) - MOST_TOLD} older ones" if len(told) > MOST_TOLD else ""
    return CatalogueError(
        f"{source} must cover all periods of an entry, got sales from "
        f"{panel.frequency.first_day(panel.start)} to {last} beside "
        f"{number_of(len(chosen), 'entry', 'entries')}:{''.join(told[-MOST_TOLD:])}{more}\n"
        "Give the sales of all periods of an entry, or score when they are over."
    )


def _steps(run: ForecastRun) -> tuple[str, int, tuple[float, ...]]:
    return run.head, run.horizon, tuple(run.levels)


def _levels(run: ForecastRun) -> str:
    return ", ".join(f"{level:g}" for level in run.levels)

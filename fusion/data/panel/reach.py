"""Whether a panel reaches a date: a table that ends early makes all items look unsold."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.dates import date_advice, read_date_column
from fusion.data.panel.frequency import Days, Unit
from fusion.data.panel.panel import Panel
from fusion.data.problems import shown
from fusion.errors import CatalogueError
from fusion.progress import say_once

AsOf = str | int | date | np.datetime64 | pd.Period | Sequence[Any]
WINDOWS: dict[Unit, tuple[int, ...]] = {
    "day": (28, 91, 364),
    "week": (4, 13, 52),
    "month": (1, 3, 12),
}
"""Lengths of the windows of the past, in periods: about a month, a quarter and a year."""
SHOWN_IDS = 3
FEW_ITEMS, FEW_SHARE = 20, 0.1
"""When hardly an item was sold lately, see `tell_few_sold`."""


def as_of_dates(as_of: AsOf, *, n: int) -> Days:
    """`[n]` dates on the wall."""
    single = isinstance(as_of, str) or not isinstance(as_of, Iterable)
    dates_given: list[Any] = [as_of] * n if single else list(as_of)  # type: ignore[arg-type]
    given = pd.Series(dates_given, dtype=object, name="as_of")
    dates, problems = read_date_column(given)
    unknown = np.flatnonzero(np.isnat(dates)).tolist()
    if isinstance(as_of, str) and unknown:
        raise CatalogueError(
            f"as_of must be a date such as 2024-01-31, got {as_of!r}. {date_advice(as_of)}".rstrip()
        )
    if problems or unknown or len(dates) != n:
        rows = ", ".join(str(row + 1) for row in unknown[:5])
        raise CatalogueError(
            f"as_of must be one date such as 2024-01-31, or one for each of {n} items, got "
            f"{len(dates)} of which {len(unknown)} are no dates (rows {rows}). Correct them."
        )
    return dates.astype("datetime64[D]")


def sales_gap(panel: Panel, as_of: str) -> str:
    """What to say of sales that end a whole period or more before a date; empty where they do not.

    Args:
        panel: The sales.
        as_of: The date.
    """
    return _gap_line(panel, *_longest_gap(panel, as_of_dates(as_of, n=1)))


def _gap_line(panel: Panel, n_missing: int, last: int, day: np.datetime64) -> str:
    if n_missing < 1:
        return ""
    name, unit = panel.frequency.name, panel.frequency.unit
    return (
        f"The sales table ends with {name(last)}, {n_missing} whole {unit}(s) before {day}, which "
        f"count as {unit}s without a sale. Add these {unit}s, or take "
        f"{panel.frequency.first_day(last + 1)} as the date."
    )


def check_reaches(panel: Panel, dates: Days, *, windows: Sequence[int]) -> None:
    """Says that the sales end before a date, or refuses them.

    Args:
        panel: The sales.
        dates: Dates of forecasts.
        windows: Lengths of the windows in periods.

    Raises:
        CatalogueError: If the whole of the shortest window (2 periods at least) before a date has
            no row of any item, or no period ended by any of the dates.
    """
    frequency, unit = panel.frequency, panel.frequency.unit
    first = np.flatnonzero(panel.reported)[:1] + panel.start
    if len(first) and len(dates) and first[0] >= frequency.period(dates).max():
        raise CatalogueError(
            f"the sales table must hold {unit}s that ended by as_of {dates.max()}, got "
            f"{frequency.first_day(first[0])} as its first {unit}. Correct the date, or add the "
            f"{unit}s before it."
        )
    shortest = max(2, min(windows))
    n_missing, last, day = _longest_gap(panel, dates)
    if n_missing >= shortest:
        raise CatalogueError(
            f"the sales table must hold sales of the {shortest} {unit}(s) before as_of {day}, got "
            f"{frequency.first_day(last)} as its last {unit} before it. Take "
            f"{frequency.first_day(last + 1)} as the date, or add the later {unit}s (0 units where "
            "nothing was sold)."
        )
    line = _gap_line(panel, n_missing, last, day)
    if line:
        say_once(line)


def check_horizon(panel: Panel, horizon: int, *, until: int | None = None) -> None:
    """Refuses a horizon that is longer than any history: no item shows how such a time goes on.

    Args:
        panel: The sales.
        horizon: Periods, >= 1.
        until: Period before which histories end (default: the end of the panel).

    Raises:
        CatalogueError: With the longest history, or if there is no history at all.
    """
    end = panel.end if until is None else until
    lengths = np.minimum(np.diff(panel.offsets), np.maximum(end - panel.first, 0))
    longest = int(lengths.max(initial=0))
    if horizon <= longest:
        return
    unit = panel.frequency.unit
    whose = f" (item {shown(panel.ids[int(lengths.argmax())])})" if longest else ""
    raise CatalogueError(
        f"horizon must be at most {longest} {unit}(s), the longest history of an item{whose}, got "
        f"{horizon}. Choose a shorter horizon, or add earlier sales."
    )


def tell_never_sold(panel: Panel) -> None:
    """Says which items have rows or were on sale, but no unit sold: there is nothing to learn."""
    begins = panel.offsets[:-1][np.diff(panel.offsets) > 0]
    series = np.flatnonzero(np.diff(panel.offsets) > 0)
    if not len(begins):
        return
    sold = np.logical_or.reduceat(panel.units > 0, begins)
    names = {panel.ids[row] for row in series[sold].tolist()}
    never = dict.fromkeys(panel.ids[row] for row in series[~sold].tolist())
    found = [name for name in never if name not in names]
    if found:
        first = ", ".join(shown(name) for name in found[:SHOWN_IDS])
        say_once(
            f"{len(found)} item(s) of the sales table never sold a unit, such as {first}. Their "
            f"{panel.frequency.unit}s count as 0 units. Leave them out if they were not on sale."
        )


def _longest_gap(panel: Panel, dates: Days) -> tuple[int, int, np.datetime64]:
    """Whole periods without a row before a date, the last period before, and the date: the worst.

    Only periods that ended by the date count, as in the history; a date before all has none.
    """
    reported = np.flatnonzero(panel.reported) + panel.start
    worst = (0, panel.start, np.datetime64("NaT", "D"))
    for day in np.unique(dates):
        end = int(panel.frequency.period(day))
        n_before = int(np.searchsorted(reported, end))
        if n_before:
            last = int(reported[n_before - 1])
            worst = max(worst, (end - 1 - last, last, day), key=lambda found: found[0])
    return worst


def tell_few_sold(since: NDArray[np.float64], dates: Days, *, unit: Unit) -> None:
    """Says that hardly an item was sold lately: a few late rows hide that the others end early.

    Why these bounds: of items that were sold at random times in 13 weeks, 4 in 13 were sold in the
    last 4 of them.

    Args:
        since: Periods since the last sale of each item; NaN where it was never sold.
        dates: Dates of forecasts; the last is told.
        unit: What a period is.
    """
    few, many, _ = WINDOWS[unit]
    n_lately, n_before = int((since <= few).sum()), int((since <= many).sum())
    if n_before >= FEW_ITEMS and n_lately < FEW_SHARE * n_before:
        say_once(
            f"Of {n_before} items that were sold in the {many} {unit}s before {dates.max()}, "
            f"{n_lately} were sold in the last {few}. If the sales table lacks the late {unit}s of "
            "the others, add them, or take an earlier date."
        )

"""Examples: what is asked about an item at a date, and what was known of it then."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from encoders.series.levels import ADDED
from encoders.series.windows import Windows, values_at
from fusion.data.panel.panel import Panel, ragged
from fusion.data.panel.windows import windows_at
from fusion.members.view import View

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LifeStage = Literal["new", "young", "known"]
STAGES: tuple[LifeStage, ...] = ("new", "young", "known")
"""Life stages by the history that is there: none, 1 to 4 periods, more."""
KNOWN_FROM = 5
"""Periods of history from which on an item counts as known."""


@dataclass(frozen=True, eq=False)
class Examples:
    """Questions `(series, as_of)`: how much is sold in each of the periods from `as_of` on?

    Members learn and answer on a relative scale: units divided by the level of the example, its
    recent mean. So items that sell thousands and items that sell two are alike to them. Of a panel
    of prices all units are prices, and the level is the last known price.

    Args:
        panel: All sales.
        windows: What was known of each example, `n` of them; `n_steps` is the horizon.
        until: Period from which on no unit is known, also where the panel holds it.
        content: What is known of items beside their sales, a row each; None where nothing is.
        content_rows: Row of `content` of each series, `[n_series]`.
        new_level: Level of an example without any history, > 0.
    """

    panel: Panel
    windows: Windows
    until: int
    content: View | None = None
    content_rows: Ints | None = None
    new_level: float = 1.0

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.windows)

    @property
    def horizon(self) -> int:
        """Steps that are asked for, >= 1."""
        return self.windows.n_steps

    @property
    def as_of(self) -> Ints:
        """Number of the first step of each example, `[n]`; see `Panel.frequency`."""
        return self.windows.period

    def take(self, rows: Ints) -> "Examples":
        """Some of the examples, in the given order."""
        return replace(self, windows=self.windows.take(rows))

    def recent(self, most: Ints) -> "Examples":
        """The same as if each item had come at most so many periods ago, see `Windows.recent`."""
        return replace(self, windows=self.windows.recent(most))

    def items(self) -> View:
        """What is known of the item of each example beside its sales, `n` rows.

        Raises:
            ValueError: If nothing is known of items.
        """
        if self.content is None or self.content_rows is None:
            raise ValueError("content must be given to be asked for, got none. Give items.")
        return self.content.take(self.content_rows[self.windows.series])

    def stages(self) -> NDArray[np.int64]:
        """Position in `STAGES` of the life stage of each example, `[n]`."""
        lengths = self.windows.lengths
        return (lengths > 0).astype(np.int64) + (lengths >= KNOWN_FROM)

    def levels(self) -> Floats:
        """Units a period that each example is measured by, `[n]`, > 0.

        The mean of its last 8 known periods and 1 besides, or its last known price; `new_level`
        where none is known.
        """
        levels = self.windows.levels()
        return np.where(np.isnan(levels), self.new_level, levels)

    def recent_levels(self) -> Floats:
        """Mean units of the last 8 known periods, or the last price: `[n]`; NaN without any."""
        return self.windows.levels() - ADDED[self.windows.measure]

    def targets(self) -> Floats:
        """Units sold in each step, `[n, horizon]`; NaN where they are not known."""
        return self._of_steps(self.panel.known_units)

    def at_least(self) -> Floats:
        """Units that each step would have sold at least in full stock, `[n, horizon]`, > 0.

        NaN where the step is known, or nothing is.
        """
        panel = self.panel
        if panel.is_bound is None:
            return np.full((len(self), self.horizon), np.nan)
        return self._of_steps(np.where(panel.is_bound & (panel.units > 0), panel.units, np.nan))

    def _of_steps(self, values: NDArray[Any]) -> Floats:
        """A number of each step, `[n, horizon]`; NaN where it is not known."""
        windows = self.windows
        places, there = windows.step_places()
        there &= windows.period[:, None] + np.arange(self.horizon) < self.until
        return values_at(values, places, there).astype(np.float64)

    def paths(self) -> Floats:
        """Relative targets `[n, horizon + 1]`: the steps, then the mean a step of the window.

        NaN where a step is not known; the last is known where all of them are.
        """
        return relative_paths(self.targets(), self.levels())

    def bounds(self) -> Floats | None:
        """Relative lower bounds `[n, horizon + 1]` of what is NaN in `paths`; None without any.

        The last is one where each step is known or has a bound, and one has.
        """
        at_least = self.at_least()
        is_bound = ~np.isnan(at_least)
        if not is_bound.any():
            return None
        both = relative_paths(np.where(is_bound, at_least, self.targets()), self.levels())
        return np.where(np.column_stack([is_bound, is_bound.any(axis=1)]), both, np.nan)


def relative_paths(units: Floats, levels: Floats) -> Floats:
    """Paths `[n, horizon + 1]` of units `[n, horizon]` at levels `[n]`: steps and their mean."""
    relative = units / levels[:, None]
    return np.concatenate([relative, relative.mean(axis=1, keepdims=True)], axis=1)


def examples_at(
    panel: Panel, series: Ints, as_of: Ints, *, horizon: int, until: int | None = None
) -> Examples:
    """Examples of some series at some periods.

    Args:
        panel: All sales.
        series: Position of the series of each example, `[n]`.
        as_of: First step of each example, `[n]`; it may lie behind the end of the panel. A series
            without a row before it has no history, whenever its launch was.
        horizon: Steps, >= 1.
        until: Period from which on nothing is known but what is known ahead (default: the end of
            the panel).
    """
    until = panel.end if until is None else until
    return Examples(panel, windows_at(panel, series, as_of, horizon=horizon, until=until), until)


def past_examples(panel: Panel, *, horizon: int, until: int) -> Examples:
    """Every question that could have been asked before a period and of which a step is known.

    A series is asked about from its first period on; one that is as old as the table only from the
    second, as nobody knows when it was new. Between its launch and its first row nobody knew of it:
    no question begins there, and there is none where no row came before `until`.

    Args:
        panel: All sales.
        horizon: Steps, >= 1.
        until: Period from which on no unit is known.
    """
    is_cut = panel.first <= panel.start
    begin = panel.first + is_cut
    counts = np.maximum(until - begin, 0)
    counts[panel.first_row >= until] = 0
    _, series = ragged(counts)
    nth = np.arange(counts.sum()) - np.concatenate([[0], np.cumsum(counts)])[series]
    as_of = begin[series] + nth
    is_known = (as_of > panel.first_row[series]) | (as_of == panel.first[series])
    return examples_at(panel, series[is_known], as_of[is_known], horizon=horizon, until=until)

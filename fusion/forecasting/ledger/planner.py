"""The figures of a planner: units of items and periods, to be compared with sealed forecasts."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.numbers import number_cells
from fusion.data.panel.cells import (
    date_reader,
    frame_parts,
    missing_cells,
    read_distinct,
    read_item_ids,
)
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.filling import LARGEST
from fusion.data.panel.frequency import Frequency
from fusion.data.panel.items import Series
from fusion.data.panel.layout import NO_SHOP
from fusion.data.problems import Problem, raise_for, shown
from fusion.data.schema import missing_columns
from fusion.errors import CatalogueError
from fusion.forecasting.examples import Floats, Ints


@dataclass(frozen=True, eq=False)
class PlannerFigures:
    """What a planner said, `n` figures.

    Args:
        units: By item, shop (empty where there are none) and number of the period.
    """

    units: "pd.Series[float]"

    def __len__(self) -> int:
        """Number of figures."""
        return len(self.units)

    def of(self, series: Sequence[Series], as_of: Ints, *, horizon: int) -> Floats:
        """Figures of steps, `[n, horizon]`; NaN where the planner said nothing.

        Args:
            series: Item and shop of each row.
            as_of: First step of each row, `[n]`.
            horizon: Steps, >= 1.
        """
        periods = as_of[:, None] + np.arange(horizon)
        items, shops = (np.repeat([one[place] for one in series], horizon) for place in (0, 1))
        wanted = pd.MultiIndex.from_arrays([items, shops, periods.ravel()])
        found: Floats = np.asarray(self.units.reindex(wanted), dtype=np.float64)
        return found.reshape(periods.shape)


def read_planner(
    frame: pd.DataFrame,
    *,
    columns: SalesColumns,
    frequency: Frequency,
    items: Collection[str],
    source: str = "planner",
) -> PlannerFigures:
    """A planner's table: one row an item (and shop) and period, in the columns of the sales table.

    Args:
        frame: The table.
        columns: Names of the columns: item, date, units, and shop where there are shops.
        frequency: What a period is; a date stands for the one that holds it.
        items: Items of the ledger (a set is quick).
        source: What messages call the table.

    Raises:
        CatalogueError: With all rows that are faulty, stand twice, or are of other items.
    """
    keys = list(columns.keys)
    raise_for(missing_columns([*keys, columns.units], frame.columns), source=source)
    if not len(frame):
        raise CatalogueError(f"{source} must hold rows, got a header alone. Add figures.")
    ids, problems = read_item_ids(frame, columns.item)
    shops: list[str | None] = [NO_SHOP] * len(frame)
    if columns.shop is not None:
        shops, found = read_item_ids(frame, columns.shop)
        problems = [*problems, *found, *_missing(columns.shop, shops, found)]
    days = date_reader(frame_parts(frame), columns.date).days(frame[columns.date])
    units = read_distinct(frame[columns.units], number_cells)
    periods = frequency.period(np.where(np.isnat(days[0]), np.datetime64(0, "D"), days[0]))
    problems = [
        *problems,
        *_missing(columns.item, ids, problems),
        *days[1],
        *missing_cells(columns.date, np.isnat(days[0]), days[1], code="planner_missing"),
        *units.problems,
        *missing_cells(
            columns.units, ~np.isfinite(units.rows), units.problems, code="planner_missing"
        ),
        *_too_large(columns.units, units.rows),
        *_strangers(ids, columns.item, items),
    ]
    pairs = zip(ids, shops, strict=True)
    is_sound = [name in items and shop is not None for name, shop in pairs]
    sound = np.flatnonzero(np.array(is_sound) & ~np.isnat(days[0]))
    problems += _twice(sound, ids, shops, periods, columns=columns, frequency=frequency)
    raise_for(sorted(problems, key=lambda one: one.row or 0), source=source)
    index = pd.MultiIndex.from_arrays([ids, shops, periods])
    return PlannerFigures(pd.Series(units.rows.astype(np.float64), index=index))


def _missing(column: str, names: Sequence[str | None], problems: list[Problem]) -> list[Problem]:
    is_none = np.array([name is None for name in names], dtype=bool)
    return missing_cells(column, is_none, problems, code="planner_missing")


def _too_large(column: str, units: Floats) -> list[Problem]:
    return [
        Problem(
            "planner_units", f"must be at most {LARGEST:g}, got {units[row]:g}", row, None, column
        )
        for row in np.flatnonzero(np.isfinite(units) & (np.abs(units) > LARGEST)).tolist()
    ]


def _strangers(ids: Sequence[str | None], column: str, items: Collection[str]) -> list[Problem]:
    return [
        Problem(
            "planner_item", f"must be an item of the ledger, got {shown(name)}", row, name, column
        )
        for row, name in enumerate(ids)
        if name is not None and name not in items
    ]


def _twice(
    rows: Ints,
    ids: Sequence[str | None],
    shops: Sequence[str | None],
    periods: NDArray[np.int64],
    *,
    columns: SalesColumns,
    frequency: Frequency,
) -> list[Problem]:
    """One problem for each of some rows whose item and period one of them tells of before."""
    first: dict[tuple[str | None, str | None, int], int] = {}
    found = []
    for row in rows.tolist():
        key = ids[row], shops[row], int(periods[row])
        before = first.setdefault(key, row)
        if before != row:
            rule = f"must be one row an item and {frequency.unit}"
            message = f"{rule}, got {frequency.name(key[2])} again (row {before + 1})"
            found.append(Problem("planner_twice", message, row, key[0], columns.date))
    return found

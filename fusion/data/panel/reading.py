"""A sales table of any size read into a panel.

The table is read three times, part by part: how its dates are written, which items it has and since
when, and what was sold. So memory grows with the panel, not with the rows.
"""

from collections.abc import Collection, Mapping
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.numbers import number_cells
from fusion.data.panel.cells import (
    COUNT,
    MOST_PROBLEMS,
    Parts,
    date_reader,
    missing_cells,
    moved,
    read_distinct,
)
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.filling import Doubles, Filling, read_numbers
from fusion.data.panel.frequency import Days, Unit, check_unit
from fusion.data.panel.layout import LAST_DAY, FirstDays, KeyReader, Layout, Numbers, lay_out
from fusion.data.panel.market import read_market
from fusion.data.panel.panel import Panel
from fusion.data.panel.reach import tell_never_sold
from fusion.data.panel.weekdays import CountPeriods, counted_as
from fusion.data.problems import Problem, raise_for
from fusion.progress import say_once

NO_UNITS = "sales_missing_units"


def read_panel(
    parts: Parts,
    *,
    columns: SalesColumns,
    items: Collection[str] | None = None,
    launches: Mapping[str, date] | None = None,
    frequency: Unit | None = None,
    market: pd.DataFrame | None = None,
) -> Panel:
    """The sales of all items, or of those that are wanted; every cell is checked.

    Rows of one item, day (and shop) add up. Days may be asked for by week or month: they are added
    up, and a first or last period that the table cuts is left out. A line says how many rows were
    added up or are returns, and which periods are left out.

    Rows without units after the last sale are planned: they tell of columns that are known ahead.

    Args:
        parts: The sales table, see `frame_parts`.
        columns: Names of its columns.
        items: The items that are wanted (a set is quick); None: all.
        launches: Day from which an item was on sale, where known.
        frequency: What a period is: `day`, `week` or `month`; None: as the dates are.
        market: A table of dates and numbers of the whole market, each of them named in `past` or
            `known` of the columns.

    Raises:
        CatalogueError: If a column is missing or cells are faulty, all in one message; if dates
            are in doubt, the frequency changes or is another than asked for.
        ConfigError: If the frequency that is asked for is none.
    """
    check_unit(frequency)
    panel = panel_of_rows(
        parts,
        columns=columns,
        count=counted_as(frequency),
        items=items,
        launches=launches,
        market=market,
    )
    tell_never_sold(panel)
    return panel


def panel_of_rows(
    parts: Parts,
    *,
    columns: SalesColumns,
    count: CountPeriods,
    items: Collection[str] | None = None,
    launches: Mapping[str, date] | None = None,
    market: pd.DataFrame | None = None,
) -> Panel:
    """As `read_panel`, of a table that may be a piece of a longer one: items may have no sale.

    `count` finds the periods that its rows are about.
    """
    header = None if market is None else [str(name) for name in market.columns]
    whole = tuple(name for name in header or () if name != columns.date)
    own = columns.without(whole)
    for part in parts():
        raise_for(own.missing(part.columns, market=header), source="sales")
        break
    reader = KeyReader(own, date_reader(parts, columns.date), items)
    found, problems = _keys(parts, reader)
    last = found.days[-1] if own.known and len(found.days) else LAST_DAY
    if problems:
        problems += _faulty_numbers(parts, reader, last=last)
        raise_for(sorted(problems, key=lambda one: one.row or 0), source="sales")
    layout = lay_out(found, reader, count=count, launches=launches)
    filling = Filling(layout, tuple(own.numbers), own.known_ahead)
    _fill(parts, reader, filling, last=last)
    _tell(reader, layout, filling, found)
    reported = np.zeros(layout.end - layout.start, dtype=bool)
    periods = layout.frequency.period(found.days) - layout.start
    reported[periods[(periods >= 0) & (periods < len(reported))]] = True
    given = filling.seen != 0
    units, numbers = filling.finished()
    planned = filling.planned()
    return Panel(
        frequency=layout.frequency,
        start=layout.start,
        ids=layout.ids,
        shops=layout.shops,
        first=layout.first,
        offsets=layout.offsets,
        units=units,
        given=given,
        reported=reported,
        columns=numbers,
        planned=planned if layout.n_ahead else {},
        market={} if market is None else read_market(market, columns, layout),
        known=own.known_ahead.union(name for name in whole if name in columns.known),
        left_out=tuple(reader.unknown),
        open_weekdays=layout.rows_of.open_weekdays,
    )


def _keys(parts: Parts, reader: KeyReader) -> tuple[FirstDays, list[Problem]]:
    found, problems, first_row = FirstDays(), list[Problem](), 0
    for part in parts():
        keys, days, faults = reader.read(part)
        problems += moved(faults, first_row)
        if len(problems) > MOST_PROBLEMS:
            break
        found.add(keys, days, first_row=first_row, planned=_without_units(part, reader.columns))
        first_row += len(part)
    return found, problems


def _without_units(part: pd.DataFrame, columns: SalesColumns) -> NDArray[np.bool_]:
    """Rows that may be planned: nothing is told of units, and a column is known ahead."""
    if not columns.known:
        return np.zeros(len(part), dtype=bool)
    units = read_distinct(part[columns.units], number_cells)
    empty: NDArray[np.bool_] = np.isnan(units.rows)
    empty[[one.row for one in units.problems if one.row is not None]] = False
    return empty


def _faulty_numbers(parts: Parts, reader: KeyReader, *, last: np.datetime64) -> list[Problem]:
    """What is wrong with the numbers of a table whose keys are faulty too."""
    problems, first_row = list[Problem](), 0
    for part in parts():
        problems += moved(_read(part, reader, last=last)[3], first_row)
        first_row += len(part)
        if len(problems) > MOST_PROBLEMS:
            break
    return problems


def _fill(parts: Parts, reader: KeyReader, filling: Filling, *, last: np.datetime64) -> None:
    problems, first_row = list[Problem](), 0
    for part in parts():
        keys, days, numbers, faults = _read(part, reader, last=last)
        problems += moved(faults, first_row)
        if len(problems) > MOST_PROBLEMS:
            break
        if not problems:
            filling.add(keys, days, numbers, counts=_counts(part))
        first_row += len(part)
    raise_for(problems, source="sales")


def _counts(part: pd.DataFrame) -> Numbers:
    """Rows that each row stands for."""
    if COUNT not in part.columns:
        return np.ones(len(part), dtype=np.int64)
    return part[COUNT].to_numpy(dtype=np.int64)


def _read(
    part: pd.DataFrame, reader: KeyReader, *, last: np.datetime64
) -> tuple[Numbers, Days, dict[str, Doubles], list[Problem]]:
    """Keys, days and numbers of a part, and what is wrong with numbers.

    Args:
        part: The rows.
        reader: Reads their keys.
        last: The day after which rows may lack units.
    """
    keys, days, _ = reader.read(part)
    numbers, problems = read_numbers(part, reader.columns)
    units = reader.columns.units
    lacking = np.isnan(numbers["units"]) & ~(days > last)
    of_units = [one for one in problems if one.column == units]
    return keys, days, numbers, problems + missing_cells(units, lacking, of_units, code=NO_UNITS)


def _tell(reader: KeyReader, layout: Layout, filling: Filling, found: FirstDays) -> None:
    """Says what was done to rows that are not plain sales of one day or period."""
    frequency, names = layout.frequency, reader.columns
    if filling.n_repeated:
        shop = "" if names.shop is None else ", shop"
        say_once(
            f"{filling.n_repeated} row(s) of the sales table repeat an item{shop} and date. Their "
            "units are added up."
        )
    if filling.n_negative:
        say_once(
            f"{filling.n_negative} row(s) of the sales table have negative units. They count as "
            f"returns and are taken off the units of their {frequency.unit}."
        )
    for period, day, end in _cut_periods(layout, found.days):
        say_once(
            f"The sales table {end} on {day}, within {frequency.name(period)}, which is left out."
        )


def _cut_periods(layout: Layout, days: NDArray[np.datetime64]) -> list[tuple[int, str, str]]:
    if not layout.rows_of.is_summed:
        return []
    first, last = layout.frequency.period(days[[0, -1]]).tolist()
    cut = [(first, str(days[0]), "begins")] if first < layout.start else []
    return [*cut, (last, str(days[-1]), "ends")] if last >= layout.end else cut

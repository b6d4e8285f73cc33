"""A second table of what is planned: prices, promotions and the like by item and date."""

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fusion.data.numbers import number_cells
from fusion.data.panel.cells import Parts, date_reader, moved, read_distinct
from fusion.data.panel.columns import SalesColumns, missing_named
from fusion.data.panel.filling import Doubles, Mean
from fusion.data.panel.frequency import Days
from fusion.data.panel.items import Series, of_series, series_names
from fusion.data.panel.layout import NO_SHOP, SHOPS, KeyReader, Numbers
from fusion.data.panel.panel import Floats, Panel
from fusion.data.problems import Problem, raise_for
from fusion.errors import CatalogueError


def with_plan(
    panel: Panel, parts: Parts, *, columns: SalesColumns, items: Collection[str] | None = None
) -> Panel:
    """A panel with the numbers of a second table that are known ahead.

    After the sales its numbers count, also for items that were never sold. Up to their end they
    count only for columns that the sales table does not have. Several of one period: their mean.

    Args:
        panel: The sales.
        parts: The table: item, date (and shop) by the names of the sales table, and columns that
            are named in `known`.
        columns: Names of columns.
        items: The items that are wanted; None: all.

    Raises:
        CatalogueError: If it has no column that is known ahead, lacks one of the others, or cells
            are faulty, all in one message.
    """
    told = _told(parts, columns)
    rows = _read(parts, KeyReader(columns, date_reader(parts, columns.date), items), told)
    panel = of_series(panel, list({*series_names(panel), *rows.names}))
    positions = {name: row for row, name in enumerate(series_names(panel))}
    series = np.array([positions[name] for name in rows.names], dtype=np.int64)[rows.keys]
    periods = panel.frequency.period(rows.days)
    n_ahead = max(panel.n_ahead, int(periods.max(initial=panel.end - 1)) + 1 - panel.end)
    shape = (panel.n_series, n_ahead)
    history, planned = dict(panel.columns), dict[str, Floats]()
    for name in [*told, *(name for name in panel.planned if name not in told)]:
        planned[name] = np.full(shape, np.nan, dtype=np.float32)
        if name in panel.planned:
            planned[name][:, : panel.n_ahead] = panel.planned[name]
    ahead = periods >= panel.end
    past = ~ahead & (periods >= panel.first[series])
    for name in told:
        values = rows.numbers[name]
        places = series * n_ahead + periods - panel.end
        found = _means(places[ahead], values[ahead], shape[0] * n_ahead).reshape(shape)
        np.copyto(planned[name], found, where=~np.isnan(found))
        if name not in panel.columns:
            places = panel.offsets[series] + periods - panel.first[series]
            history[name] = _means(places[past], values[past], len(panel.units))
    known = panel.known.union(told)
    return replace(panel, columns=history, planned=planned if n_ahead else {}, known=known)


@dataclass(frozen=True)
class _Planned:
    """Rows of the table: series (by its place in `names`) and day of each, and its numbers."""

    names: list[Series]
    keys: Numbers
    days: Days
    numbers: dict[str, Doubles]


def _told(parts: Parts, columns: SalesColumns) -> dict[str, str]:
    """Which numbers the table tells: role or name -> column."""
    header = next(iter([list(part.columns) for part in parts()][:1]), [])
    keys = {name: role for name, role in columns.named.items() if name in columns.keys}
    raise_for(missing_named(keys, header), source="planned")
    known = {key: columns.numbers[key] for key in sorted(columns.known_ahead)}
    told = {key: name for key, name in known.items() if name in header}
    if not told:
        raise CatalogueError(
            "planned must have a column that is known ahead "
            f"({', '.join(known.values()) or 'none is named in known'}), got "
            f"{', '.join(map(str, header))}. Name its columns in known."
        )
    return told


def _read(parts: Parts, reader: KeyReader, told: dict[str, str]) -> _Planned:
    """The rows that are wanted.

    Raises:
        CatalogueError: With all faults.
    """
    problems, first_row, found = list[Problem](), 0, list[tuple[Numbers, Days, pd.DataFrame]]()
    for part in parts():
        keys, days, faults = reader.read(part)
        numbers = {}
        for key, name in told.items():
            read = read_distinct(part[name], number_cells)
            numbers[key] = read.rows.astype(np.float64)
            faults += read.problems
        problems += moved(faults, first_row)
        first_row += len(part)
        wanted = keys >= 0
        found.append((keys[wanted], days[wanted], pd.DataFrame(numbers)[wanted]))
    raise_for(sorted(problems, key=lambda one: one.row or 0), source="planned")
    codes, row_keys = np.unique(np.concatenate([keys for keys, _, _ in found]), return_inverse=True)
    items, shops = list(reader.item_codes), list(reader.shop_codes) or [NO_SHOP]
    return _Planned(
        [(items[code // SHOPS], shops[code % SHOPS]) for code in codes.tolist()],
        row_keys,
        np.concatenate([days for _, days, _ in found]),
        {key: np.concatenate([frame[key].to_numpy() for _, _, frame in found]) for key in told},
    )


def _means(places: Numbers, values: Doubles, n: int) -> Floats:
    """Means of the known values at each of n places, NaN where there is none."""
    mean, known = Mean(n), ~np.isnan(values)
    mean.add(places[known], values[known], np.ones(int(known.sum())))
    return mean.values().astype(np.float32)

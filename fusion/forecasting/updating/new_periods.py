"""The rows of new periods: read as the sales of a training are, and held against kept ones."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.panel.cells import Parts, date_reader, frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Days
from fusion.data.panel.items import Series, series_names
from fusion.data.panel.layout import NO_SHOP, SHOPS, KeyReader
from fusion.data.panel.panel import Panel
from fusion.data.panel.plan import with_plan
from fusion.data.panel.reading import panel_of_rows
from fusion.data.panel.weekdays import RowPeriods, are_whole, counted_on
from fusion.data.problems import shown
from fusion.errors import CatalogueError
from fusion.forecasting.examples import Ints
from fusion.forecasting.history import SalesSpec, planned_alone
from fusion.system.words import number_of

SHOWN_ROWS = 5
CLOSE = 1e-5
"""How near, relatively, numbers are that were stored in single precision and are the same."""


@dataclass(frozen=True)
class NewSales:
    """The rows of new periods, and how they are read.

    Args:
        parts: The sales table, see `frame_parts`.
        spec: As in training; `market` and `planned` of the new periods.
        name: What messages call the table.
    """

    parts: Parts
    spec: SalesSpec
    name: str = "sales"


def read_new_periods(sales: NewSales, kept: Panel, new_items: Collection[str] = ()) -> Panel:
    """The sales of the periods that follow kept ones, of known items and new ones.

    Items that the training left out are left out again.

    Args:
        sales: The rows.
        kept: The sales that are known.
        new_items: Ids of items that are not known yet.

    Raises:
        CatalogueError: If rows are faulty or of unknown items, periods are of another frequency,
            are known already, or some are missing; with the rows and what to do.
    """
    wanted = {*kept.ids, *new_items}
    spec = sales.spec
    panel = panel_of_rows(
        sales.parts,
        columns=spec.columns.without(planned_alone(sales.parts, spec)),
        items=wanted,
        count=counted_on(RowPeriods(kept.frequency, kept.open_weekdays, since=kept.end)),
        market=spec.market,
    )
    rows = _Rows.of(sales)
    _check_frequency(rows, kept, panel)
    _refuse_unknown(rows, kept, panel)
    _refuse_known_periods(rows, kept, panel)
    _refuse_holes(rows, kept, panel)
    _refuse_old_market(panel)
    if spec.planned is not None:
        panel = with_plan(panel, frame_parts(spec.planned), columns=spec.columns, items=wanted)
    return panel


def _check_frequency(rows: "_Rows", kept: Panel, panel: Panel) -> None:
    frequency = kept.frequency
    if not len(panel.reported):
        raise CatalogueError(
            f"{rows.name} must hold rows of {frequency.unit}s after {_last(kept)}, got none. "
            "Give the rows of the new periods."
        )
    if frequency.unit == "day":
        return
    seem_whole = are_whole(rows.days, frequency)
    if kept.open_weekdays and seem_whole and len(np.unique(rows.days)) > 1:
        raise CatalogueError(
            f"{rows.name} must be of days, as kept {frequency.unit}s were added up from days, got "
            f"a date a {frequency.unit}: {rows.told(np.ones(len(rows.days), dtype=bool))}. Give a "
            "row of each item and day."
        )
    if not kept.open_weekdays and not seem_whole:
        others = rows.told(frequency.day_of_period(rows.days) != 0)
        raise CatalogueError(
            f"{rows.name} must be of {frequency.unit}s that begin as the kept ones, such as "
            f"{frequency.first_day(kept.end)}, got {others}. Give rows whose dates stand on the "
            "same days."
        )


def _refuse_unknown(rows: "_Rows", kept: Panel, panel: Panel) -> None:
    unknown = set(panel.left_out) - set(kept.left_out)
    if unknown:
        names = np.array([name for name, _ in rows.series], dtype=object)[rows.keys]
        where = rows.told(np.isin(names, list(unknown)))
        raise CatalogueError(
            f"{rows.name} must hold items that are known or stand in the items table, got "
            f"{number_of(len(unknown), 'other item')}: {where}. Give an items table with a row of "
            "each, or leave these rows out."
        )


def _refuse_known_periods(rows: "_Rows", kept: Panel, panel: Panel) -> None:
    """Refuses rows of kept periods: those that say the same, and those that change the past.

    Days of a kept week or month that is not given whole can be neither: they are named as such.
    """
    periods = kept.frequency.period(rows.days)
    is_old = periods < kept.end
    if not is_old.any():
        return
    unit = kept.frequency.unit
    if (is_cut := is_old & (periods < panel.start)).any():
        within = f"{number_of(int(is_cut.sum()), 'row')} of days within kept {unit}s"
        raise CatalogueError(
            f"{rows.name} must hold {unit}s after {_last(kept)}, and no others, got {within}: "
            f"{rows.told(is_cut)}. Leave them out if their units are kept; if they are new, train "
            "again with the whole table."
        )
    same = _same_values(kept, panel)
    left_out = set(kept.left_out)
    changes = is_old & ~np.array(
        [
            rows.series[key][0] in left_out or same.get((rows.series[key], period), False)
            for key, period in zip(rows.keys.tolist(), periods.tolist(), strict=True)
        ],
        dtype=bool,
    )
    if changes.any():
        raise CatalogueError(
            f"{rows.name} must not change the past, got {number_of(int(changes.sum()), 'row')} of "
            f"kept {unit}s with other values than are kept: {rows.told(changes)}. Leave them out, "
            "or train again with the whole corrected table."
        )
    raise CatalogueError(
        f"{rows.name} must hold {unit}s after {_last(kept)}, and no others, got rows that are "
        f"kept already, with the same values: {rows.told(is_old)}. Leave them out."
    )


def _same_values(kept: Panel, panel: Panel) -> dict[tuple[Series, int], bool]:
    """Whether the rows of a series in a period say what is kept of it."""
    places = {name: place for place, name in enumerate(series_names(kept))}
    found: dict[tuple[Series, int], bool] = {}
    for row, name in enumerate(series_names(panel)):
        place = places.get(name)
        for nth in range(int(panel.offsets[row + 1] - panel.offsets[row])):
            now, period = int(panel.offsets[row]) + nth, int(panel.first[row]) + nth
            if period >= kept.end or not panel.given[now]:
                continue
            found[name, period] = False
            if place is not None and period >= kept.first[place]:
                before = int(kept.offsets[place] + period - kept.first[place])
                found[name, period] = bool(kept.given[before]) and _alike(kept, before, panel, now)
    return found


def _alike(kept: Panel, before: int, panel: Panel, now: int) -> bool:
    """Whether a value of each panel is the same, and so are the further numbers that are told."""
    names = [name for name in panel.columns if name in kept.columns]
    pairs = [(kept.units[before], panel.units[now])]
    pairs += [(kept.columns[name][before], panel.columns[name][now]) for name in names]
    first, second = np.array(pairs, dtype=np.float64).T
    told = ~np.isnan(second)
    return bool(np.allclose(first[told], second[told], rtol=CLOSE))


def _refuse_holes(rows: "_Rows", kept: Panel, panel: Panel) -> None:
    frequency = kept.frequency
    wanted = np.arange(kept.end, panel.end)
    wanted = wanted[~RowPeriods(frequency, panel.open_weekdays).is_closed(wanted)]
    missing = np.setdiff1d(wanted, np.flatnonzero(panel.reported) + panel.start).tolist()
    if missing:
        first = ", ".join(str(frequency.first_day(one)) for one in missing[:SHOWN_ROWS])
        more = ", ..." if len(missing) > SHOWN_ROWS else ""
        raise CatalogueError(
            f"{rows.name} must go on with {frequency.name(int(wanted[0]))} and leave no "
            f"{frequency.unit} out, got no row of {number_of(len(missing), frequency.unit)} "
            f"({first}{more}). Add the rows of these, of 0 units where nothing was sold."
        )


def _refuse_old_market(panel: Panel) -> None:
    """Refuses a table of the market that tells nothing of the periods that have rows."""
    frequency, told = panel.frequency, np.flatnonzero(panel.reported)
    lacking = [name for name, values in panel.market.items() if np.isnan(values[told]).all()]
    if lacking:
        raise CatalogueError(
            f"market must hold {', '.join(lacking)} of the new {frequency.unit}s, got none from "
            f"{frequency.first_day(panel.start)} to {frequency.last_day(panel.end - 1)}. Give the "
            "table of the market that goes on to them."
        )


def _last(kept: Panel) -> str:
    return f"{kept.frequency.name(kept.end - 1)}, the last one that is kept"


@dataclass(frozen=True)
class _Rows:
    """Which series and day each row of a table is about, to name rows in messages."""

    name: str
    columns: SalesColumns
    series: list[Series]
    keys: Ints
    days: Days

    @classmethod
    def of(cls, sales: NewSales) -> "_Rows":
        """Of all rows, also those of items that are not known."""
        columns = sales.spec.columns
        reader = KeyReader(columns, date_reader(sales.parts, columns.date))
        read: list[tuple[Any, Any]] = [reader.read(part)[:2] for part in sales.parts()]
        codes, keys = np.unique(np.concatenate([one for one, _ in read]), return_inverse=True)
        items, shops = list(reader.item_codes), list(reader.shop_codes) or [NO_SHOP]
        series = [(items[code // SHOPS], shops[code % SHOPS]) for code in codes.tolist()]
        return cls(sales.name, columns, series, keys, np.concatenate([days for _, days in read]))

    def told(self, chosen: NDArray[np.bool_]) -> str:
        """The first of some rows: number, item and date."""
        places = np.flatnonzero(chosen)
        parts = [
            f"row {place + 1} ({shown(self.series[self.keys[place]][0])}, {self.days[place]})"
            for place in places[:SHOWN_ROWS].tolist()
        ]
        more = f" and {len(places) - SHOWN_ROWS:,} more" if len(places) > SHOWN_ROWS else ""
        return ", ".join(parts) + more


def spec_as_trained(
    columns: SalesColumns,
    kept: Panel,
    *,
    market: pd.DataFrame | None = None,
    planned: pd.DataFrame | None = None,
) -> SalesSpec:
    """How new rows are read: as those of the training.

    Raises:
        CatalogueError: If the training had numbers of the market, and none are given.
    """
    if kept.market and market is None:
        raise CatalogueError(
            "market must be given, as in training, got none. Give a table of dates and "
            f"{', '.join(kept.market)} of the new {kept.frequency.unit}s."
        )
    return SalesSpec(columns, kept.frequency.unit, None, market, planned)

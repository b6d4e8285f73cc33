"""Which series a sales table holds, and when each begins: the first pass over its keys."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.panel.cells import DateReader, id_cells, missing_cells
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Days, Frequency
from fusion.data.panel.panel import ragged
from fusion.data.panel.weekdays import CountPeriods, RowPeriods
from fusion.data.problems import Problem
from fusion.errors import CatalogueError

SHOPS = 2**31
"""A series is a number: that of its item times this, and that of its shop."""
NO_SHOP = ""
Numbers = NDArray[np.int64]


@dataclass
class KeyReader:
    """Reads which item, shop and day each row is about, and takes note of new ones.

    Args:
        columns: Names of the columns.
        dates: How dates are written.
        items: The items that are wanted; None: all.
    """

    columns: SalesColumns
    dates: DateReader
    items: Collection[str] | None = None
    item_codes: dict[str, int] = field(default_factory=dict)
    shop_codes: dict[str, int] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, None] = field(default_factory=dict)

    def read(self, part: pd.DataFrame) -> tuple[Numbers, Days, list[Problem]]:
        """Keys `[n]`, -1 where none or of an item that is not wanted; days, NaT where none."""
        names = self.columns
        days, problems = self.dates.days(part[names.date])
        problems += missing_cells(names.date, np.isnat(days), problems)
        codes, found = self._codes(part, names.item, self.item_codes, wanted=self.items)
        problems += found
        keys = np.where(codes < 0, -1, codes * SHOPS)
        if names.shop is not None:
            shops, found = self._codes(part, names.shop, self.shop_codes, wanted=None)
            problems += found
            keys = np.where((keys < 0) | (shops < 0), -1, keys + shops)
        return keys, days, problems

    def _codes(
        self,
        part: pd.DataFrame,
        column: str,
        known: dict[str, int],
        *,
        wanted: Collection[str] | None,
    ) -> tuple[Numbers, list[Problem]]:
        found = id_cells(part[column], self.texts)
        codes = np.full(len(found.values), -1, dtype=np.int64)
        for place, name in enumerate(found.values.tolist()):
            if name is None:
                continue
            if wanted is not None and name not in wanted:
                self.unknown[name] = None
                continue
            codes[place] = known.setdefault(name, len(known))
        is_none = np.array([name is None for name in found.values.tolist()], dtype=bool)
        missing = missing_cells(column, is_none[found.codes], found.problems)
        return codes[found.codes], found.problems + missing


LAST_DAY = np.datetime64("9999-12-31")
"""The last day there is: first one of a key that has planned rows alone."""


class FirstDays:
    """First day of each key and first row of each day, over parts; planned rows apart."""

    def __init__(self) -> None:
        self.keys = np.zeros(0, dtype=np.int64)
        self.first = np.zeros(0, dtype="datetime64[D]")
        self.days = np.zeros(0, dtype="datetime64[D]")
        self.rows = np.zeros(0, dtype=np.int64)
        self.planned = np.zeros(0, dtype="datetime64[D]")
        self.planned_rows = np.zeros(0, dtype=np.int64)
        self._waiting: list[tuple[Numbers, Days]] = []

    def add(self, keys: Numbers, days: Days, *, first_row: int, planned: NDArray[np.bool_]) -> None:
        """Takes the rows of a part, of which some are planned: they have no units."""
        dated = ~np.isnat(days)
        sold, ahead = np.flatnonzero(dated & ~planned), np.flatnonzero(dated & planned)
        self.days, self.rows = _first_rows((self.days, self.rows), (days[sold], sold + first_row))
        self.planned, self.planned_rows = _first_rows(
            (self.planned, self.planned_rows), (days[ahead], ahead + first_row)
        )
        fits = (keys >= 0) & dated
        self._waiting.append(_earliest(keys[fits], np.where(planned, LAST_DAY, days)[fits]))
        if sum(len(one) for one, _ in self._waiting) > max(2**20, 2 * len(self.keys)):
            self.settle()

    def settle(self) -> None:
        """Brings what waits into `keys` and `first`."""
        parts = [(self.keys, self.first), *self._waiting]
        keys, days = (np.concatenate(each) for each in zip(*parts, strict=True))
        self.keys, self.first = _earliest(keys, days)
        self._waiting = []


def _first_rows(known: tuple[Days, Numbers], new: tuple[Days, Numbers]) -> tuple[Days, Numbers]:
    """Different days, ascending, each with its first row; those that are known come first."""
    days, rows = (np.concatenate(each) for each in zip(known, new, strict=True))
    days, at = np.unique(days, return_index=True)
    return days, rows[at]


def _earliest(keys: Numbers, days: Days) -> tuple[Numbers, Days]:
    """Each key once, ascending, with its first day."""
    order = np.lexsort((days, keys))
    keys, days = keys[order], days[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = keys[1:] != keys[:-1]
    return keys[new], days[new]


@dataclass(frozen=True)
class Layout:
    """Where each value of a panel lies.

    Args:
        rows_of: Its periods, and which weekdays have rows.
        start: The first period.
        end: The period after the last.
        ids: Item of each series, ascending.
        shops: Shop of each series; None where there are none.
        keys: Key of each series as `KeyReader` numbers it, ascending, `[n_series]`.
        series: Position of the series of each key.
        first: First period of each series.
        offsets: Where its values begin, and the end.
        n_ahead: Periods from `end` on that planned rows tell of.
    """

    rows_of: RowPeriods
    start: int
    end: int
    ids: tuple[str, ...]
    shops: tuple[str, ...] | None
    keys: Numbers
    series: Numbers
    first: Numbers
    offsets: Numbers
    n_ahead: int = 0

    @property
    def frequency(self) -> Frequency:
        """Its periods."""
        return self.rows_of.frequency

    def places(self, keys: Numbers, days: Days) -> Numbers:
        """Place of each row's value `[n]`; -1 where the panel has none.

        Raises:
            CatalogueError: If a key was not seen before.
        """
        at = np.searchsorted(self.keys, keys)
        if not np.array_equal(np.append(self.keys, -1)[at][keys >= 0], keys[keys >= 0]):
            raise CatalogueError(
                "the sales table must stay as it is while it is read, got items that were not "
                "there before. Read it again when it is complete."
            )
        periods, fits = self._within(keys, days, self.start, self.end)
        found = np.full(len(keys), -1, dtype=np.int64)
        series = self.series[at[fits]]
        found[fits] = self.offsets[series] + periods[fits] - self.first[series]
        return found

    def places_ahead(self, keys: Numbers, days: Days) -> Numbers:
        """Place of each row in `[n_series * n_ahead]` planned values; -1 where it has none."""
        periods, fits = self._within(keys, days, self.end, self.end + self.n_ahead)
        found = np.full(len(keys), -1, dtype=np.int64)
        series = self.series[np.searchsorted(self.keys, keys[fits])]
        found[fits] = series * self.n_ahead + periods[fits] - self.end
        return found

    def _within(
        self, keys: Numbers, days: Days, begin: int, end: int
    ) -> tuple[Numbers, NDArray[np.bool_]]:
        """Period of each row, and whether it has a key and lies within some periods."""
        periods = self.frequency.period(days)
        return periods, (keys >= 0) & ~np.isnat(days) & (periods >= begin) & (periods < end)


def lay_out(
    found: FirstDays,
    names: KeyReader,
    *,
    count: CountPeriods,
    launches: Mapping[str, date] | None = None,
) -> Layout:
    """The layout of a panel of the rows that were seen.

    Args:
        found: Keys and dates of the rows.
        names: What the keys mean.
        count: Finds the periods.
        launches: Day from which an item was on sale, where known.

    Raises:
        CatalogueError: If the frequency is another than asked for or changes, or days make no
            whole period.
    """
    found.settle()
    days, rows = _first_rows((found.days, found.rows), (found.planned, found.planned_rows))
    chosen = count(days, rows, found.days)
    n_ahead = start = end = 0
    if len(found.days):
        start, end = chosen.whole(found.days)
        farthest = int(chosen.frequency.period(days[-1])) + 1
        n_ahead = max(0, farthest - end) if len(found.planned) else 0
    item_names, shop_names = list(names.item_codes), list(names.shop_codes) or [NO_SHOP]
    ids = [item_names[code] for code in (found.keys // SHOPS).tolist()]
    shops = [shop_names[code] for code in (found.keys % SHOPS).tolist()]
    order = np.array(sorted(range(len(ids)), key=lambda row: (ids[row], shops[row])), dtype=int)
    series = np.empty(len(order), dtype=np.int64)
    series[order] = np.arange(len(order))
    first = np.clip(chosen.frequency.period(found.first), start, end)[order]
    ordered = tuple(ids[row] for row in order)
    if launches:
        at = [launches.get(name) for name in ordered]
        launched = chosen.frequency.period(np.array(at, dtype="datetime64[D]"))
        given = np.array([day is not None for day in at], dtype=bool)
        first = np.where(given, np.clip(np.minimum(launched, first), start, end), first)
    offsets, _ = ragged(end - first)
    return Layout(
        chosen, start, end, ordered,
        None if names.columns.shop is None else tuple(shops[row] for row in order),
        found.keys, series, first, offsets, n_ahead,
    )  # fmt: skip

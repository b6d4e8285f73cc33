"""The numbers of a sales table at their places: the second pass, over what rows say."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.numbers import number_cells
from fusion.data.panel.cells import read_distinct
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Days
from fusion.data.panel.layout import Layout, Numbers
from fusion.data.panel.panel import Floats, carried
from fusion.data.problems import Problem
from fusion.errors import CatalogueError

Doubles = NDArray[np.float64]


def read_numbers(
    part: pd.DataFrame, columns: SalesColumns
) -> tuple[dict[str, Doubles], list[Problem]]:
    """Units and other numbers of the rows of a part by role or name, and which are faulty."""
    values: dict[str, Doubles] = {}
    problems: list[Problem] = []
    for key, name in {"units": columns.units, **columns.numbers}.items():
        found = read_distinct(part[name], number_cells)
        values[key] = found.rows.astype(np.float64)
        problems += found.problems + _outside(name, values[key], key)
    return values, problems + _without_stock(values, columns)


LARGEST = 1e30
"""What sums and squares of a series are finite of, as float32."""
RANGES = {"stock": (0.0, LARGEST), "in_stock": (0.0, 1.0)}


def _outside(column: str, values: Doubles, key: str) -> list[Problem]:
    least, most = RANGES.get(key, (-LARGEST, LARGEST))
    rule = f"{least:g} to {most:g}"
    code = "sales_share" if key == "in_stock" else "sales_range"
    rows = np.flatnonzero((values < least) | (values > most)).tolist()
    return [
        Problem(code, f"must be {rule}, got {values[row]:g}", row, column=column) for row in rows
    ]


def _without_stock(values: dict[str, Doubles], columns: SalesColumns) -> list[Problem]:
    """Rows in which units were sold though none could be had."""
    units = values["units"]
    return [
        Problem(
            "sales_without_stock",
            f"must be above 0 where units were sold, got 0 and {units[row]:g} units",
            row,
            column=columns.numbers[key],
        )
        for key in RANGES.keys() & values.keys()
        for row in np.flatnonzero((values[key] == 0) & (units > 0)).tolist()
    ]


class Mean:
    """Means at places, over parts."""

    def __init__(self, n: int) -> None:
        self.sums = np.zeros(n)
        self.weights = np.zeros(n)

    def add(self, places: Numbers, values: Doubles, weights: Doubles) -> None:
        """Takes values with their weights, which are 0 or more."""
        np.add.at(self.sums, places, values * weights)
        np.add.at(self.weights, places, weights)

    def values(self) -> Doubles:
        """The means, NaN where nothing was added; asked for once, as they take the room of sums."""
        known = self.weights > 0
        np.divide(self.sums, self.weights, out=self.sums, where=known)
        self.sums[~known] = np.nan
        return self.sums


@dataclass
class Filling:
    """Adds the rows of a table up at their places.

    Args:
        layout: Where they go.
        names: Roles or names of the numbers beside the units.
        known: Those of them that are known ahead, so that planned rows tell them.
    """

    layout: Layout
    names: tuple[str, ...]
    known: frozenset[str] = frozenset()
    n_repeated: int = 0
    n_negative: int = 0
    units: Doubles = field(init=False)
    seen: NDArray[np.uint32] = field(init=False)
    means: dict[str, Mean] = field(init=False)
    sold_at: Mean | None = field(init=False)
    had: Mean | None = field(init=False)
    ahead: dict[str, Mean] = field(init=False)
    most_stock: float = field(init=False, default=0.0)
    has_parts: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        n = int(self.layout.offsets[-1])
        self.units = np.zeros(n)
        self.seen = np.zeros(n, dtype=np.uint32 if self.layout.rows_of.is_summed else np.uint8)
        self.means = {name: Mean(n) for name in self.names}
        self.sold_at = Mean(n) if "price" in self.names else None
        self.had = Mean(n) if "stock" in self.names else None
        n_planned = self.layout.n_ahead * len(self.layout.ids)
        self.ahead = {name: Mean(n_planned) for name in self.names if name in self.known}

    def add(
        self, keys: Numbers, days: Days, numbers: dict[str, Doubles], *, counts: Numbers
    ) -> None:
        """Takes the rows of a part, each for so many; those without units are planned."""
        if self.layout.n_ahead:
            self._plan(self.layout.places_ahead(keys, days), numbers, counts)
        places = self.layout.places(keys, days)
        fits = places >= 0
        places, units, counts = places[fits], numbers["units"][fits], counts[fits]
        np.add.at(self.units, places, units)
        self.n_negative += int(counts[units < 0].sum())
        self.n_repeated += int(counts.sum()) - self._new_days(places, days[fits])
        for name, mean in self.means.items():
            values = numbers[name][fits]
            known = ~np.isnan(values)
            mean.add(places[known], values[known], counts[known].astype(np.float64))
            if name == "price" and self.sold_at is not None:
                self.sold_at.add(places[known], values[known], np.maximum(units[known], 0))
            if name == "stock" and self.had is not None:
                self.most_stock = max(self.most_stock, float(values[known].max(initial=0.0)))
                self.has_parts |= bool((values[known] % 1.0 > 0).any())
                weights = counts[known].astype(np.float64)
                self.had.add(places[known], (values[known] > 0).astype(np.float64), weights)

    def _plan(self, places: Numbers, numbers: dict[str, Doubles], counts: Numbers) -> None:
        for name, mean in self.ahead.items():
            told = (places >= 0) & ~np.isnan(numbers[name])
            mean.add(places[told], numbers[name][told], counts[told].astype(np.float64))

    def _new_days(self, places: Numbers, days: Days) -> int:
        """Marks the days of series that have a row; gives back how many had none before."""
        bits = np.zeros(len(places), dtype=np.int64)
        if self.layout.rows_of.is_summed:
            bits = self.layout.frequency.day_of_period(days)
        pairs = np.sort(places * 32 + bits)
        pairs = pairs[np.diff(pairs, prepend=-1) > 0]
        at, mark = pairs // 32, np.left_shift(1, pairs % 32).astype(self.seen.dtype)
        n_new = int(((self.seen[at] & mark) == 0).sum())
        np.bitwise_or.at(self.seen, at, mark)
        return n_new

    def finished(self) -> tuple[Floats, dict[str, Floats]]:
        """Units, and the other numbers; to be asked for once.

        Units are unknown where nothing was sold and the last stock that was told is none. Of a
        stock in units `in_stock` says in which share of the rows there was any. Prices count by the
        units sold at them; where none was sold it is the last price.

        Raises:
            CatalogueError: If the stock is one of shares.
        """
        if self.has_parts and self.most_stock <= 1.0:
            raise CatalogueError(
                "stock must be in units, got parts of 1 alone, as shares are. Name the column as "
                "in_stock."
            )
        units, columns = self.units.astype(np.float32), dict[str, Floats]()
        while self.means:
            name, mean = self.means.popitem()
            values = mean.values()
            if name in RANGES:
                none = carried(values, self.layout.offsets) == 0
                units[none & (self.units == 0)] = np.nan
            if self.sold_at is not None and name == "price":
                by_units = self.sold_at.values()
                np.copyto(values, by_units, where=~np.isnan(by_units))
                last = carried(values, self.layout.offsets)
                np.copyto(values, last, where=self.units <= 0)
            columns[name] = values.astype(np.float32)
        if self.had is not None:
            columns["in_stock"] = self.had.values().astype(np.float32)
        return units, columns

    def planned(self) -> dict[str, Floats]:
        """Planned numbers `[n_series, n_ahead]`; to be asked for once."""
        shape = (len(self.layout.ids), self.layout.n_ahead)
        return {
            name: mean.values().astype(np.float32).reshape(shape)
            for name, mean in self.ahead.items()
        }

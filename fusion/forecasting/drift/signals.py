"""Sales as few numbers a period: what is watched of units, prices and other columns of a panel."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusion.data.panel.columns import UNITS
from fusion.data.panel.panel import Panel
from fusion.data.panel.priced import PRICE
from fusion.forecasting.drift.distances import (
    Floats,
    Ints,
    population_stability,
    smoothed_shares,
)

Key = tuple[str, str]
"""Column and what is told of it, such as units and `error`; see `signals`."""
MOST_SERIES = 20_000
"""Series that are looked at; of more, evenly spaced ones."""
MOST_PERIODS = {"day": 1096, "week": 157, "month": 60}
"""Periods that a reference looks back on, the latest."""
RECENT_PERIODS = 8
"""Periods whose mean a period is held against."""
LEAST_RECENT = 5
"""Those of them whose value must be known."""
LAG = 13
"""Periods by which `growth` looks back further: what creeps is not seen against the last weeks."""
LEAST_KNOWN = 10
"""Items whose value must be known for a period to say anything."""
JUMP = 6.0
"""An item jumps that sells so many times its recent mean, or as small a part of it."""
JUMP_LEVEL = 12.0
"""Recent units a period from which on an item can jump: one that sells few may well sell none."""
N_BINS = 10
LOOK_BACK = RECENT_PERIODS + LAG
"""Periods that are read before the first one."""
MARKET = "market "
"""What names of numbers of the whole market begin with."""


@dataclass(frozen=True)
class ColumnSketch:
    """How values of a column lay in the reference.

    Args:
        is_log: Whether logarithms are looked at: every value was above 0.
        least: Least value that was seen, of which the logarithm is taken.
        std: Standard deviation of the values, > 0; 1 of logarithms and where all are alike.
        edges: Between bins that hold about as many values each, as `scaled`.
        shares: Of each bin, one more than edges.
    """

    is_log: bool
    least: float
    std: float
    edges: list[float]
    shares: list[float]

    @classmethod
    def of(cls, values: Floats, *, is_log: bool) -> "ColumnSketch":
        """The sketch of known values, at least one."""
        least = float(values.min())
        std = 1.0 if is_log or least == values.max() else float(values.std())
        scaled = _scaled(values, is_log=is_log, least=least, std=std)
        edges = np.unique(np.quantile(scaled, np.arange(1, N_BINS) / N_BINS))
        counts = np.bincount(np.searchsorted(edges, scaled), minlength=len(edges) + 1)
        shares = smoothed_shares(counts.astype(np.float64))
        return cls(is_log, least, std, edges.tolist(), shares.tolist())

    def scaled(self, values: Floats) -> Floats:
        """Values as they are looked at: logarithms, or in standard deviations."""
        return _scaled(values, is_log=self.is_log, least=self.least, std=self.std)

    def stability(self, scaled: Floats) -> Floats:
        """Logarithm of the population stability index of each period, `[n_periods]`.

        Args:
            scaled: By series and period, as `scaled`.
        """
        n_bins, n_periods = len(self.shares), scaled.shape[1]
        known = ~np.isnan(scaled)
        period = np.broadcast_to(np.arange(n_periods), scaled.shape)[known]
        flat = period * n_bins + np.searchsorted(self.edges, scaled[known])
        counts = np.bincount(flat, minlength=n_periods * n_bins).reshape(n_periods, n_bins)
        shares = smoothed_shares(counts.astype(np.float64))
        return np.log(population_stability(np.array(self.shares), shares) + 1e-4)


def _scaled(values: Floats, *, is_log: bool, least: float, std: float) -> Floats:
    return np.log(np.maximum(values, least / 1000.0)) if is_log else values / std


def target_of(panel: Panel) -> str:
    """What the values of a panel are: `price` where that is forecast, else `units`."""
    return PRICE if panel.quantity == "price" else UNITS


def matrix_of(panel: Panel, name: str, begin: int, end: int) -> Floats:
    """Values of a column by series and period from `begin` to `end`, NaN where unknown."""
    rows = watched_series(panel)
    values = panel.known_units if name == target_of(panel) else panel.columns[name]
    periods = np.arange(begin, end)
    places = panel.offsets[rows, None] + periods - panel.first[rows, None]
    there = (periods >= panel.first[rows, None]) & (places < panel.offsets[rows + 1, None])
    if not len(values):
        return np.full(places.shape, np.nan)
    return np.where(there, values[np.where(there, places, 0)], np.nan).astype(np.float64)


def watched_series(panel: Panel) -> Ints:
    """Positions of the series that are looked at."""
    n = panel.n_series
    return np.arange(n) if n <= MOST_SERIES else np.linspace(0, n - 1, MOST_SERIES).astype(np.int64)


def sketches_of(panel: Panel, begin: int, end: int) -> dict[str, ColumnSketch]:
    """How the columns of a panel lie between two periods; those without a value are left out."""
    found = {}
    for name in (target_of(panel), *panel.columns):
        matrix = matrix_of(panel, name, begin, end)
        values = matrix[~np.isnan(matrix)]
        if name == UNITS:
            values = roots(values)
        if len(values):
            found[name] = ColumnSketch.of(values, is_log=name != UNITS and bool(values.min() > 0))
    for name, numbers in panel.market.items():
        there = numbers[max(begin - panel.start, 0) : end - panel.start].astype(np.float64)
        if len(known := there[~np.isnan(there)]):
            found[MARKET + name] = ColumnSketch.of(known, is_log=bool(known.min() > 0))
    return found


def signals(
    panel: Panel, sketches: Mapping[str, ColumnSketch], begin: int, end: int
) -> dict[Key, Floats]:
    """What is watched, a number a period from `begin` to `end`; NaN where too few items tell.

    Of units: `error` (mean error of the mean of the last 8 periods, on the scale of roots on which
    counts err alike), `growth` (the same against the 8 periods that ended 13 before), `spread` (of
    these errors, logarithm), `jumps` (root of the share of items that jumped), `level` (logarithm
    of the mean) and `bins` (logarithm of the population stability index). Of prices, where they
    are forecast, and of other columns: `level`, `change` against an item's own last 8 periods, and
    `bins`. Of numbers of the market: `level`.

    Args:
        panel: The sales.
        sketches: Of the reference.
        begin: First period.
        end: Period after the last.
    """
    found: dict[Key, Floats] = {}
    there = {target_of(panel), *panel.columns}
    for name, sketch in sketches.items():
        if name in there:
            matrix = matrix_of(panel, name, begin - LOOK_BACK, end)
            found |= (
                _of_units(matrix, sketch)
                if name == UNITS
                else _of_column(name, sketch.scaled(matrix), sketch)
            )
    found = {key: values[LOOK_BACK:] for key, values in found.items()}
    return found | _of_market(panel, sketches, begin, end)


def _of_units(units: Floats, sketch: ColumnSketch) -> dict[Key, Floats]:
    recent = recent_means(units)
    errors = standard_errors(recent, units)
    mean = _means(errors)
    earlier = np.pad(recent, ((0, 0), (LAG, 0)), constant_values=np.nan)[:, :-LAG]
    return {
        (UNITS, "error"): mean,
        (UNITS, "growth"): _means(standard_errors(earlier, units)),
        (UNITS, "spread"): np.log(_means((errors - mean) ** 2) + 1e-4),
        (UNITS, "jumps"): np.sqrt(_means(jumps(units))),
        (UNITS, "level"): np.log(_means(np.maximum(units, 0.0)) + 1e-2),
        (UNITS, "bins"): _told(sketch.stability(sketch.scaled(roots(units))), units),
    }


def _of_column(name: str, scaled: Floats, sketch: ColumnSketch) -> dict[Key, Floats]:
    return {
        (name, "change"): _means(scaled - recent_means(scaled)),
        (name, "level"): _means(scaled),
        (name, "bins"): _told(sketch.stability(scaled), scaled),
    }


def _of_market(
    panel: Panel, sketches: Mapping[str, ColumnSketch], begin: int, end: int
) -> dict[Key, Floats]:
    """Numbers of the market themselves, NaN where they are not there."""
    found: dict[Key, Floats] = {}
    places = np.arange(begin, end) - panel.start
    for name, values in panel.market.items():
        if MARKET + name in sketches:
            there = (places >= 0) & (places < len(values))
            numbers = np.where(there, values[np.where(there, places, 0)], np.nan)
            scaled = sketches[MARKET + name].scaled(numbers.astype(np.float64))
            found[MARKET + name, "level"] = scaled
    return found


def recent_means(matrix: Floats) -> Floats:
    """Mean of the last 8 periods before each, of the same shape; NaN where fewer than 5 are known.

    Args:
        matrix: By series and period.
    """
    known = ~np.isnan(matrix)
    sums, counts = (
        np.cumsum(np.pad(each, ((0, 0), (RECENT_PERIODS + 1, 0))), axis=1)
        for each in (np.where(known, matrix, 0.0), known.astype(np.float64))
    )
    sums, counts = (
        each[:, RECENT_PERIODS:-1] - each[:, : -RECENT_PERIODS - 1] for each in (sums, counts)
    )
    return np.where(counts >= LEAST_RECENT, sums / np.maximum(counts, 1.0), np.nan)


def jumps(units: Floats) -> Floats:
    """1 where an item sells six times its recent mean, or a sixth of it, else 0, of the same shape.

    NaN where the mean is below 12 units or a value is unknown.

    Args:
        units: By series and period.
    """
    recent = recent_means(units)
    can_jump = np.where(recent >= JUMP_LEVEL, recent, np.nan)
    with np.errstate(invalid="ignore"):
        jumped = (units > JUMP * can_jump) | (units < can_jump / JUMP)
    return np.where(np.isnan(units * can_jump), np.nan, jumped)


def roots(units: Floats) -> Floats:
    """Roots of counts, on whose scale counts of any size err by about 0.5 (Anscombe 1948)."""
    return np.sqrt(np.maximum(units, 0.0) + 0.375)


def standard_errors(expected: Floats, sold: Floats) -> Floats:
    """Errors on the scale of roots, so that counts of any size err by about 1, > 0: sold more."""
    return 2.0 * (roots(sold) - roots(expected))


def _means(matrix: Floats) -> Floats:
    """Mean of each period, `[n_periods]`; NaN where fewer than 10 values are known."""
    known = ~np.isnan(matrix)
    sums = np.where(known, matrix, 0.0).sum(axis=0)
    return _told(sums / np.maximum(known.sum(axis=0), 1), matrix)


def _told(values: Floats, matrix: Floats) -> Floats:
    """Values of periods that enough items tell of, else NaN."""
    return np.where((~np.isnan(matrix)).sum(axis=0) >= LEAST_KNOWN, values, np.nan)

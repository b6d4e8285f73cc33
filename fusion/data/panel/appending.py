"""A panel that goes on: the periods of a later table behind those that are known."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fusion.data.panel.filling import RANGES
from fusion.data.panel.items import Series, of_series, series_names
from fusion.data.panel.launches import NO_LAUNCH
from fusion.data.panel.layout import NO_SHOP
from fusion.data.panel.panel import Floats, Panel, carried, ragged

Ints = NDArray[np.int64]


def appended(panel: Panel, new: Panel, launches: Mapping[str, int]) -> Panel:
    """The panel with the periods that come next: as if one table of all rows had been read.

    A series that had no row so far begins with its first one, or its launch where that is earlier.
    What was planned stays planned where the new rows say nothing else.

    Args:
        panel: The sales so far.
        new: Their continuation: its first period is the end of `panel`.
        launches: Item -> period in which it is new, where that is known.

    Raises:
        ValueError: If the periods do not follow each other.
    """
    if new.start != panel.end or new.frequency != panel.frequency:
        raise ValueError(f"new periods must begin at {panel.end}, got {new.start}.")
    names = _joined_names(panel, new)
    old, late = of_series(panel, names), of_series(new, names)
    first = _first_periods(old, late, launches)
    offsets, series = ragged(new.end - first)
    places = _places(old, first, offsets), _places(late, first, offsets)
    n = int(offsets[-1])
    columns = {
        name: _values(n, places, [one.columns.get(name) for one in (old, late)])
        for name in dict.fromkeys([*panel.columns, *new.columns])
    }
    _take_plan(columns, old, offsets, new.end - panel.end)
    units = _values(n, places, [old.units, late.units], empty=0.0)
    given = np.zeros(n, dtype=bool)
    for at, one in zip(places, (old, late), strict=True):
        given[at] = one.given
    is_new = np.arange(n) - offsets[series] + first[series] >= panel.end
    _carry(units, columns, offsets, is_new)
    return replace(
        old,
        first=first,
        offsets=offsets,
        units=units,
        given=given,
        reported=np.concatenate([panel.reported, new.reported]),
        columns=columns,
        planned=_planned(old, late),
        market=_market(panel, new),
        known=panel.known | new.known,
    )


def _joined_names(panel: Panel, new: Panel) -> list[Series]:
    """All series; an item without a shop so far loses its empty one where it has one now."""
    names = {*series_names(panel), *series_names(new)}
    if panel.shops is not None:
        names -= {(name, NO_SHOP) for name, shop in names if shop != NO_SHOP}
    return sorted(names)


def _first_periods(old: Panel, late: Panel, launches: Mapping[str, int]) -> Ints:
    """Period of the first value of each series; `late.end` of one without any row."""
    launch = np.array([launches.get(name, NO_LAUNCH) for name in late.ids], dtype=np.int64)
    begins = np.where(launch == NO_LAUNCH, late.first, np.minimum(launch, late.first))
    is_old, is_late = np.diff(old.offsets) > 0, np.diff(late.offsets) > 0
    found = np.where(is_old, old.first, np.where(is_late, begins, late.end))
    return np.asarray(np.clip(found, old.start, late.end))


def _places(panel: Panel, first: Ints, offsets: Ints) -> Ints:
    """Where each value of a panel of the same series goes, `[n_values]`."""
    _, series = ragged(np.diff(panel.offsets))
    shift = panel.first - panel.offsets[:-1] - first + offsets[:-1]
    return np.asarray(np.arange(len(series)) + shift[series])


def _values(
    n: int,
    places: tuple[Ints, Ints],
    parts: list[Floats | None],
    *,
    empty: float = np.nan,
) -> Floats:
    found = np.full(n, empty, dtype=np.float32)
    for at, values in zip(places, parts, strict=True):
        if values is not None:
            found[at] = values
    return found


def _carry(
    units: Floats, columns: dict[str, Floats], offsets: Ints, is_new: NDArray[np.bool_]
) -> None:
    """What holds on where no row says another: a price, and that an item is out of stock.

    As `Filling.finished` does within one table.
    """
    for name in RANGES.keys() & columns.keys():
        none = carried(columns[name].astype(np.float64), offsets) == 0
        units[none & (units == 0) & is_new] = np.nan
    if "price" in columns:
        prices = columns["price"]
        last = carried(prices.astype(np.float64), offsets).astype(np.float32)
        with np.errstate(invalid="ignore"):
            unsold = is_new & ~(units > 0) & np.isnan(prices)
        prices[unsold] = last[unsold]


def _take_plan(columns: dict[str, Floats], old: Panel, offsets: Ints, n_passed: int) -> None:
    """What was planned of periods that have passed, where their rows say nothing else."""
    for name, plan in old.planned.items():
        passed = plan[:, :n_passed]
        places = offsets[1:, None] - n_passed + np.arange(passed.shape[1])
        taken = (places >= offsets[:-1, None]) & ~np.isnan(passed)
        places, told = places[taken], passed[taken]
        unknown = np.isnan(columns[name][places])
        columns[name][places[unknown]] = told[unknown]


def _planned(old: Panel, late: Panel) -> dict[str, Floats]:
    """What is known ahead after the new end: as told now, else as told before."""
    n_passed = late.end - old.end
    names = dict.fromkeys([*old.planned, *late.planned])
    width = max(late.n_ahead, old.n_ahead - n_passed, 0)
    found: dict[str, Floats] = {}
    for name in names if width else ():
        values = np.full((late.n_series, width), np.nan, dtype=np.float32)
        before = old.planned.get(name)
        if before is not None:
            left = before[:, n_passed:]
            values[:, : left.shape[1]] = left
        now = late.planned.get(name)
        if now is not None:
            known = ~np.isnan(now)
            values[:, : now.shape[1]][known] = now[known]
        found[name] = values
    return found


def _market(panel: Panel, new: Panel) -> dict[str, Floats]:
    """Numbers of the market of all periods, and on where they are known ahead."""
    n_old = len(panel.reported)
    found: dict[str, Floats] = {}
    for name in dict.fromkeys([*panel.market, *new.market]):
        before = panel.market.get(name, np.full(n_old, np.nan, dtype=np.float32))
        now = new.market.get(name, np.zeros(0, dtype=np.float32))
        ahead = before[n_old:]
        later = np.full(max(len(now), len(ahead), len(new.reported)), np.nan, dtype=np.float32)
        later[: len(ahead)] = ahead
        known = np.flatnonzero(~np.isnan(now))
        later[known] = now[known]
        found[name] = np.concatenate([before[:n_old], later])
    return found

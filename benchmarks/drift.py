"""How soon drift is seen, and how often it is where there is none: made-up shifts of eight kinds.

python benchmarks/drift.py
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from results import write_section

from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel, ragged
from fusion.forecasting.drift.items import ItemContent
from fusion.forecasting.drift.readings import DriftReport
from fusion.forecasting.drift.reference import make_reference
from fusion.forecasting.drift.watch import watch

Floats = NDArray[np.float64]
START = 2800
"""Number of the first week: August 2023."""
WATCHED = 13
EARLY = 13
"""Weeks by which a season comes early."""
WITHIN = {"slow drift": 13}
"""Weeks within which a shift must be seen, else 4."""
KINDS = {
    "mean": "all items sell 30 % more",
    "scale": "weekly sales of an item vary more: lognormal of sigma .9 in place of .3, same mean",
    "new category": "three of four new items are of a brand that nobody knew",
    "missing photo": "four of five new items have no photo, where one of twenty had none",
    "price level": "all prices rise by 8 %",
    "seasonality": "the season comes a quarter of a year early, where that makes 25 % or more",
    "unit error": "a tenth of the items count in thousandths, or in dozens",
    "slow drift": "all items sell 5 % more every week",
}
FITS = {
    "mean": {"units"},
    "scale": {"units"},
    "new category": {"brand"},
    "missing photo": {"image"},
    "price level": {"price"},
    "seasonality": {"units"},
    "unit error": {"units"},
    "slow drift": {"units"},
}
"""Columns of which a finding names the shift."""


@dataclass(frozen=True)
class Run:
    """A panel with its items, and the week in which it shifts.

    Args:
        panel: Weekly sales.
        items: What is known of the items.
        until: Period after the reference.
        shifts: First shifted period.
    """

    panel: Panel
    items: ItemContent
    until: int
    shifts: int


def made_run(kind: str | None, *, n_items: int, seed: int) -> Run:
    """A year to two of sales that are stable, and a quarter of a year with a shift in it.

    Half of the items are there from the first week; the others come one after the other.

    Args:
        kind: One of `KINDS`; None: no shift.
        n_items: Items.
        seed: Of everything that is drawn.
    """
    draw = np.random.default_rng(seed)
    n_weeks = int(draw.integers(78, 105)) + WATCHED
    until = n_weeks - WATCHED
    shifts = until if kind == "slow drift" else until + int(draw.integers(0, WATCHED - 3))
    since = np.arange(n_weeks) - shifts
    n_old = n_items // 2
    first = np.concatenate([np.zeros(n_old, np.int64), draw.integers(1, n_weeks, n_items - n_old)])
    items = _items(draw, first, kind, shifts)
    price = _prices(draw, first, n_weeks)
    if kind == "price level":
        price = price * np.where(since >= 0, 1.08, 1.0)
    mean = _means(draw, first, n_weeks, price, shifts=shifts if kind == "seasonality" else None)
    if kind == "mean":
        mean = mean * np.where(since >= 0, 1.3, 1.0)
    if kind == "slow drift":
        mean = mean * np.where(since >= 0, 1.05 ** (since + 1.0), 1.0)
    sigma = np.where((since >= 0) & (kind == "scale"), 0.9, 0.3)
    noise = np.exp(sigma * draw.normal(size=mean.shape) - sigma**2 / 2)
    units = draw.poisson(mean * noise).astype(np.float64)
    if kind == "unit error":
        wrong = draw.random(n_items) < 0.1
        factor = 1000.0 if draw.random() < 0.5 else 1.0 / 12.0
        places = np.ix_(wrong, since >= 0)
        units[places] = np.round(units[places] * factor)
    return Run(_panel(first, units, price), items, START + until, START + shifts)


def _items(
    draw: np.random.Generator, first: NDArray[np.int64], kind: str | None, shifts: int
) -> ItemContent:
    """Brands of which a rare one is new now and then, a cost, and photos as vectors."""
    n = len(first)
    number = np.minimum(draw.zipf(2.0, n), 400)
    brand = np.array([f"brand {one}" for one in number], dtype=object)
    look = draw.normal(size=(8, 24))
    vectors = look[draw.integers(8, size=n)] + 0.5 * draw.normal(size=(n, 24))
    there = draw.random(n) < 0.95
    came = first >= shifts
    if kind == "new category":
        brand[came & (draw.random(n) < 0.75)] = "new maker"
    if kind == "missing photo":
        there &= ~(came & (draw.random(n) < 0.8))
    colour = draw.choice(np.array(["red", "blue", "green", "black"], dtype=object), n)
    return ItemContent(
        ids=np.array([f"i{place}" for place in range(n)], dtype=object),
        periods=first + START,
        numbers={"cost": np.exp(draw.normal(2.5, 0.5, n))},
        categories={"brand": brand, "colour": colour},
        vectors={"image": vectors},
        present={"image": there, "numeric": np.ones(n, dtype=bool)},
    )


def _prices(draw: np.random.Generator, first: NDArray[np.int64], n_weeks: int) -> Floats:
    """Prices by item and week: each its own, a fifth less in one week of ten."""
    own = np.exp(draw.normal(3.0, 0.4, len(first)))[:, None]
    return own * np.where(draw.random((len(first), n_weeks)) < 0.1, 0.8, 1.0)


def _means(
    draw: np.random.Generator,
    first: NDArray[np.int64],
    n_weeks: int,
    price: Floats,
    *,
    shifts: int | None,
) -> Floats:
    """Expected units: level, age, season, price and a market that remembers its last week."""
    level = np.exp(draw.normal(2.0, 0.9, len(first)))[:, None]
    age = np.maximum(np.arange(n_weeks) - first[:, None], 0)
    curve = 0.7 + 0.6 * np.exp(-age / 12.0)
    week = np.arange(n_weeks) + draw.uniform(0, 52)
    if shifts is not None:
        while abs(np.log(_season(week[shifts] + EARLY) / _season(week[shifts]))) < 0.25:
            week += 1.0
        week[shifts:] += EARLY
    season = _season(week)
    market, shock = np.zeros(n_weeks), 0.0
    for place in range(n_weeks):
        shock = 0.5 * shock + draw.normal(0, 0.03)
        market[place] = shock
    usual = np.median(price, axis=1, keepdims=True)
    return level * curve * season * np.exp(market) * (usual / price) ** 1.5


def _season(week: Floats) -> Floats:
    return 1.0 + 0.35 * np.sin(2.0 * np.pi * week / (365.25 / 7))


def _panel(first: NDArray[np.int64], units: Floats, price: Floats) -> Panel:
    n_weeks = units.shape[1]
    offsets, _ = ragged(n_weeks - first)
    there = np.arange(n_weeks) >= first[:, None]
    return Panel(
        frequency=Frequency("week"),
        start=START,
        ids=tuple(f"i{place}" for place in range(len(first))),
        shops=None,
        first=first + START,
        offsets=offsets,
        units=units[there].astype(np.float32),
        given=np.ones(int(there.sum()), dtype=bool),
        reported=np.ones(n_weeks, dtype=bool),
        columns={"price": price[there].astype(np.float32)},
    )


def watched(run: Run, *, seed: int) -> DriftReport:
    """What is found in the last quarter of a run.

    A watch of fewer weeks finds the same up to then, so one look stands for a look each week.
    """
    reference = make_reference(run.panel, run.items, until=run.until, seed=seed)
    return watch(reference, run.panel, run.items)


def weeks_until(run: Run, report: DriftReport, columns: set[str] | None) -> float:
    """Weeks from the shift to the first finding of some columns, 1 for its own week, or infinite.

    Findings before the shift count for nothing.
    """
    frequency = run.panel.frequency
    found = [
        int(frequency.period(np.datetime64(one.found, "D"))) - run.shifts + 1
        for one in report.findings
        if one.found is not None and (columns is None or one.column in columns)
    ]
    return float(min((weeks for weeks in found if weeks > 0), default=np.inf))


def row_of(kind: str, runs: Sequence[tuple[float, float]]) -> dict[str, object]:
    """How soon a kind of shift was found over runs, by any finding and by one that names it."""
    within = WITHIN.get(kind, 4)
    anything, named = np.array(runs).T
    told = float(np.median(named))
    return {
        "shift": kind,
        "what": KINDS[kind],
        "runs": len(runs),
        "within weeks": within,
        "found": f"{100 * np.mean(anything <= within):.0f} %",
        "found in its own column": f"{100 * np.mean(named <= within):.0f} %",
        "median weeks": f"{told:.0f}" if np.isfinite(told) else "-",
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=50, help="runs of each kind")
    parser.add_argument("--stable", type=int, default=100, help="runs without a shift")
    parser.add_argument("--items", type=int, default=600, help="items of a run")
    parser.add_argument("--seed", type=int, default=1_000_000, help="of the first run")
    parser.add_argument("--trial", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    rows, seed = [], options.seed
    for kind in KINDS:
        found = []
        for _ in range(options.runs):
            seed += 1
            run = made_run(kind, n_items=options.items, seed=seed)
            report = watched(run, seed=seed)
            found.append((weeks_until(run, report, None), weeks_until(run, report, FITS[kind])))
        rows.append(row_of(kind, found))
    alarms: list[str] = []
    for _ in range(options.stable):
        seed += 1
        run = made_run(None, n_items=options.items, seed=seed)
        report = watched(run, seed=seed)
        alarms += [f"{one.column}, {one.name}" for one in report.findings[:1]]
    write_section(
        "Drift watch on made-up shifts",
        command="python benchmarks/drift.py",
        workload=(
            f"{options.items} items with two categories, a number and a photo vector, half of them "
            "new in the course of 78 to 104 weeks; 13 weeks are watched. Slow drift begins with "
            "them, any other shift in one of the first ten. Limits are set on the weeks before."
        ),
        rows=rows,
        notes=(
            f"Without a shift {len(alarms)} of {options.stable} runs alarmed in their 13 weeks"
            f"{': ' + '; '.join(alarms) if alarms else ''}."
        ),
        trial=options.trial,
    )


if __name__ == "__main__":
    main()

"""A stable year of sales of items with content, and the quarter after it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel, ragged
from fusion.forecasting.drift.items import ItemContent
from fusion.forecasting.drift.reference import Reference, make_reference

START, UNTIL, END = 2800, 2880, 2893
"""First period, the one after the reference, and the one after the watch."""
Sales = tuple[Panel, ItemContent]


@pytest.fixture(scope="session")
def stable() -> Sales:
    """120 items of the first week and 2 new ones a week, with season, price, brand and photo."""
    draw = np.random.default_rng(0)
    n_weeks = END - START
    first = np.concatenate([np.zeros(120, np.int64), np.repeat(np.arange(1, n_weeks), 2)])
    week = np.arange(n_weeks)
    season = 1.0 + 0.3 * np.sin(2 * np.pi * week / 52.18)
    level = np.exp(draw.normal(2.5, 0.6, len(first)))[:, None]
    units = draw.poisson(level * season * np.exp(draw.normal(0, 0.03, n_weeks)))
    own = np.exp(draw.normal(3, 0.3, len(first)))[:, None]
    price = own * np.exp(draw.normal(0, 0.05, units.shape))
    there = week >= first[:, None]
    offsets, _ = ragged(n_weeks - first)
    ids = [f"i{place:03}" for place in range(len(first))]
    panel = Panel(
        frequency=Frequency("week"),
        start=START,
        ids=tuple(ids),
        shops=None,
        first=first + START,
        offsets=offsets,
        units=units[there].astype(np.float32),
        given=np.ones(int(there.sum()), dtype=bool),
        reported=np.ones(n_weeks, dtype=bool),
        columns={"price": price[there].astype(np.float32)},
    )
    items = ItemContent(
        ids=np.array(ids, dtype=object),
        periods=first + START,
        numbers={"cost": np.exp(draw.normal(2, 0.5, len(first)))},
        categories={"brand": draw.choice(np.array(["a", "b", "c"], dtype=object), len(first))},
        vectors={"image": draw.normal(size=(len(first), 20))},
        present={"image": draw.random(len(first)) < 0.95},
    )
    return panel, items


@pytest.fixture(scope="session")
def reference(stable: Sales) -> Reference:
    """What was learned from."""
    return make_reference(*stable, until=UNTIL)


@pytest.fixture(scope="session")
def shifted(stable: Sales) -> Callable[[str], Sales]:
    """The same sales with a shift from the first watched week on."""
    panel, items = stable
    since = panel.places() - (UNTIL - START)
    _, series = ragged(np.diff(panel.offsets))
    late, new = since >= 0, items.periods >= UNTIL

    def units(factor: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> Sales:
        return replace(panel, units=np.round(panel.units * factor).astype(np.float32)), items

    def made(kind: str) -> Sales:
        if kind == "mean":
            return units(np.where(late, 1.6, 1.0))
        if kind == "scale":
            noise = np.exp(np.random.default_rng(1).normal(-0.4, 0.9, len(since)))
            return units(np.where(late, noise, 1.0))
        if kind == "thousands":
            return units(np.where(late & (series % 10 == 0), 1000.0, 1.0))
        if kind == "dozens":
            return units(np.where(late & (series % 10 == 0), 1 / 12, 1.0))
        if kind == "slow drift":
            return units(np.where(late, 1.06 ** (since + 1.0), 1.0))
        if kind == "seasonality":
            week = np.arange(END - START)
            season = 1.0 + 0.3 * np.sin(2 * np.pi * week / 52.18)
            early = 1.0 + 0.3 * np.sin(2 * np.pi * (week + 20) / 52.18)
            return units(np.where(late, (early / season)[panel.places()], 1.0))
        if kind == "price level":
            price = (panel.columns["price"] * np.where(late, 1.2, 1.0)).astype(np.float32)
            return replace(panel, columns={"price": price}), items
        if kind == "new category":
            brand = np.where(new, "unknown maker", items.categories["brand"])
            return panel, replace(items, categories={"brand": brand.astype(object)})
        if kind == "missing photo":
            return panel, replace(items, present={"image": items.present["image"] & ~new})
        assert kind == "other photos"
        vectors = items.vectors["image"] + 2.0 * new[:, None]
        return panel, replace(items, vectors={"image": vectors})

    return made

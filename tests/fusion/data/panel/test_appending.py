"""A panel that goes on is the panel of one table with all rows."""

from dataclasses import fields
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.appending import appended
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.items import of_items
from fusion.data.panel.reading import panel_of_rows
from fusion.data.panel.weekdays import counted_as

WEEKS = pd.date_range("2024-01-01", periods=16, freq="7D")
IDS = [f"i{number}" for number in range(9)]
LAUNCHES = {"i7": WEEKS[4], "i8": WEEKS[10], "i3": WEEKS[2]}
COLUMNS = SalesColumns(
    price="price", stock="stock", shop="shop", past=("searches",), known=("price", "index")
)


@pytest.fixture(scope="module")
def sales():
    """Rows with gaps, of which some items come later, one is not sold in the end."""
    draw = np.random.default_rng(0)
    rows = [
        (item, week, draw.poisson(1), draw.choice(["a", "b"]), draw.uniform(1, 9), draw.poisson(1))
        for place, item in enumerate(IDS[:8])
        for week in WEEKS[place if place < 7 else 13 :]
        if draw.random() < 0.7 and not (item == "i0" and week > WEEKS[9])
    ]
    table = pd.DataFrame(rows, columns=["item_id", "date", "units", "shop", "price", "stock"])
    table["stock"] += table["units"] > 0
    table["searches"] = draw.poisson(5, len(table)).astype(float)
    table.loc[::5, ["price", "stock"]] = np.nan
    return table.drop_duplicates(["item_id", "date", "shop"])


@pytest.fixture(scope="module")
def market():
    return pd.DataFrame({"date": WEEKS, "index": np.arange(16.0)})


def panel(sales, market, launches=None):
    days = {name: day.date() for name, day in (launches or {}).items()}
    found = panel_of_rows(
        frame_parts(sales),
        columns=COLUMNS,
        count=counted_as(None),
        items=set(IDS),
        launches=days,
        market=market,
    )
    return of_items(found, set(IDS))


def periods(frequency):
    days = {name: np.datetime64(day, "D") for name, day in LAUNCHES.items()}
    return {name: int(frequency.period(day)) for name, day in days.items()}


@pytest.mark.parametrize("cuts", [(8,), (4, 8, 9, 10, 15)])
def test_appended_periods_are_those_of_one_table(sales, market, cuts):
    whole = panel(sales, market, LAUNCHES)
    ends = [*(WEEKS[cut] for cut in cuts), WEEKS[-1] + pd.Timedelta(days=7)]
    grown = panel(sales[sales["date"] < ends[0]], market[market["date"] < ends[0]], LAUNCHES)
    for begin, end in pairwise(ends):
        own = (sales["date"] >= begin) & (sales["date"] < end)
        later = market[(market["date"] >= begin) & (market["date"] < end)]
        grown = appended(grown, panel(sales[own], later), periods(grown.frequency))
    for field in fields(whole):
        found, wanted = getattr(grown, field.name), getattr(whole, field.name)
        if isinstance(wanted, dict):
            assert found.keys() == wanted.keys()
            for name in wanted:
                np.testing.assert_allclose(found[name], wanted[name], err_msg=name)
        elif isinstance(wanted, np.ndarray):
            np.testing.assert_array_equal(found, wanted, err_msg=field.name)
        else:
            assert found == wanted, field.name


def planned(weeks):
    """Rows of `i1` that tell a price and no units."""
    columns = ["item_id", "date", "units", "shop", "price", "stock", "searches"]
    rows = [("i1", week, None, "a", 7.0, None, None) for week in weeks]
    return pd.DataFrame(rows, columns=columns).astype({"units": float})


def test_a_plan_holds_until_another_one_is_told(sales, market):
    plan = planned(WEEKS[12:16])
    first = panel(pd.concat([sales[sales["date"] < WEEKS[10]], plan]), market)
    new = sales[(sales["date"] >= WEEKS[10]) & (sales["date"] < WEEKS[12])]
    other = plan.iloc[:1].assign(price=3.0)
    grown = appended(first, panel(pd.concat([new, other]), market[market["date"] < WEEKS[12]]), {})
    row = next(place for place, name in enumerate(grown.ids) if name == "i1")
    assert grown.shops[row] == "a" and grown.planned["price"][row].tolist() == [3.0, 7.0, 7.0, 7.0]


def test_what_was_planned_is_the_column_of_periods_that_have_passed(sales, market):
    plan = planned(WEEKS[10:14])
    first = panel(pd.concat([sales[sales["date"] < WEEKS[10]], plan]), market)
    new = sales[(sales["date"] >= WEEKS[10]) & (sales["date"] < WEEKS[12])]
    new = new[new["item_id"] != "i1"]
    grown = appended(first, panel(new, market[market["date"] < WEEKS[12]]), {})
    row = next(place for place, name in enumerate(grown.ids) if name == "i1")
    assert grown.shops[row] == "a"
    end = grown.offsets[row + 1]
    assert grown.columns["price"][end - 2 : end].tolist() == [7.0, 7.0]
    assert grown.planned["price"][row].tolist() == [7.0, 7.0]


def test_periods_that_do_not_follow_are_refused(sales, market):
    early = panel(sales[sales["date"] < WEEKS[8]], market)
    with pytest.raises(ValueError, match="new periods must begin at"):
        appended(early, panel(sales[sales["date"] > WEEKS[9]], market), {})

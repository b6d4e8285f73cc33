"""What is wrong with sales tables: each is refused or told in one message, with the remedy."""

import re

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.ahead import planned_gaps
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reach import check_horizon
from fusion.data.panel.reading import read_panel
from fusion.data.panel.tables import add_history, add_target
from fusion.errors import CatalogueError

WEEKS = pd.date_range("2024-01-01", periods=12, freq="7D").strftime("%Y-%m-%d").tolist()
COLUMNS = SalesColumns(price="price", known=("price",))
ITEMS = pd.DataFrame({"item_id": ["good", "bad"]})
LONG = "0" * 59 + "x"


def rows(item, weeks=WEEKS, units=3, price=2.0):
    return [(item, week, units, price) for week in weeks]


def table(*parts):
    names = ["item_id", "date", "units", "price"]
    return pd.DataFrame([row for part in parts for row in part], columns=names, dtype=object)


GOOD = rows("good", units=5)
MARKET = pd.DataFrame({"date": WEEKS, "temps": 1.0})
DAYS = MARKET.rename(columns={"date": "day"})


def read(frame, **options):
    return read_panel(frame_parts(frame), columns=COLUMNS, **options)


def read_named(market=None, **names):
    return read_panel(frame_parts(table(GOOD)), columns=SalesColumns(**names), market=market)


def history(frame, as_of="2024-03-25", items=ITEMS):
    return add_history(items, frame, columns=COLUMNS, as_of=as_of)


def changed(row, **cells):
    frame = table(GOOD, rows("bad"))
    for name, value in cells.items():
        frame.loc[row, name] = value
    return frame


REFUSED = {
    "sales without the items' ids": (
        lambda: history(table(rows("other"))),
        "items and sales must share ids in column item_id, got none in common. Compare how both",
    ),
    "sales without rows": (
        lambda: history(table()),
        "sales must hold rows of what was sold, got a table without rows. Give the sales up to now",
    ),
    "sales without a column of ids": (
        lambda: read(table(GOOD).rename(columns={"item_id": "sku"})),
        "column item_id: must be a column of the table, got none of that name. Give its name as "
        "item, in [sales] or in SalesColumns.",
    ),
    "a plan that was forgotten": (
        lambda: read_named(promotion="promo", known=("promo",)),
        "column promo: must be a column of the table, got none of that name. It is known ahead and "
        "stands neither in the sales table nor in a table of plans. Give the table of plans as in "
        "training (--planned FILE, planned= in Python, planned in [sales]), or the column in the "
        "sales table. Give its name as promotion, in [sales] or in SalesColumns.",
    ),
    "a market that was forgotten": (
        lambda: read_named(past=("temp",)),
        "column temp: must be a column of the table, got none of that name. Did you mean 'item_id' "
        "or 'date'? Give its name as past, in [sales] or in SalesColumns, or give the "
        "table of the market that has it (market).",
    ),
    "a market without a column": (
        lambda: read_named(past=("temp",), market=MARKET),
        "column temp: must be a column of the table, got none of that name. Did you mean 'temps'? "
        "It stands neither in the sales table nor in that of the market. Give its name as past",
    ),
    "a market without a column that is known ahead": (
        lambda: read_named(known=("temp",), market=MARKET),
        "stands neither in the sales table nor in those of plans and of the market. Give the table",
    ),
    "sales without the dates that the market has": (
        lambda: read_named(date="day", past=("temps",), market=DAYS),
        "column day: must be a column of the table, got none of that name. Did you mean 'date'? "
        "Give its name as date, in [sales]",
    ),
    "a date that does not parse": (
        lambda: read(changed(13, date="soon")),
        "row 14, column date: must be a date such as 2024-01-31, got 'soon'",
    ),
    "a frequency that changes": (
        lambda: read(table(GOOD, rows("bad", [f"2024-04-{day:02}" for day in range(2, 20)]))),
        "sales must have one frequency, got dates that change it between 2024-03-18 (row 12) and "
        "2024-04-02 (row 13). Give one table for each, or say",
    ),
    "units in text": (
        lambda: read(changed(20, units="three")),
        "row 21, column units: must be a number, got 'three'",
    ),
    "an empty cell of units before the last sale": (
        lambda: read(changed(20, units=None)),
        "row 21, column units: must be given, got none",
    ),
    "a date of forecast before any sale": (
        lambda: history(table(GOOD), "2023-12-25"),
        "the sales table must hold weeks that ended by as_of 2023-12-25, got 2024-01-01 as its "
        "first week. Correct the date, or add the weeks before it.",
    ),
    "a horizon behind the end of the sales": (
        lambda: add_target(ITEMS, table(GOOD), columns=COLUMNS, as_of=WEEKS[8], horizon=8),
        "the sales table must reach 2024-04-22, got 2024-03-18 as its last week. Choose an earlier "
        "date or a shorter horizon.",
    ),
    "a horizon longer than any history": (
        lambda: check_horizon(read(table(GOOD, rows("bad", WEEKS[5:]))), 13),
        "horizon must be at most 12 week(s), the longest history of an item (item 'good'), got 13. "
        "Choose a shorter horizon, or add earlier sales.",
    ),
    "one week of data": (
        lambda: check_horizon(read(table(rows("good", WEEKS[:1]))), 2),
        "horizon must be at most 1 week(s), the longest history of an item (item 'good'), got 2.",
    ),
    "no sale at all": (
        lambda: check_horizon(read(table()), 1),
        "horizon must be at most 0 week(s), the longest history of an item, got 1.",
    ),
    "time zones mixed": (
        lambda: read(
            changed(13, date="2024-01-08T00:00+09:00").replace(WEEKS[0], f"{WEEKS[0]}T00:00Z")
        ),
        "date must hold dates of one time zone, got '2024-01-01T00:00Z' (row 1) and "
        "'2024-01-08T00:00+09:00' (row 14) in the sales table. Write the local date of each sale",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_with_place_and_remedy(name):
    act, told = REFUSED[name]
    with pytest.raises(CatalogueError, match=re.escape(told)):
        act()


TOLD = {
    "repeated rows": (
        rows("bad") + rows("bad", WEEKS[3:5]),
        "2 row(s) of the sales table repeat an item and date. Their units are added up.",
    ),
    "items of zeros alone": (
        rows("bad", units=0),
        "1 item(s) of the sales table never sold a unit, such as 'bad'. Their weeks count as 0 "
        "units. Leave them out if they were not on sale.",
    ),
    "negative units": (
        rows("bad") + rows("bad", WEEKS[6:7], units=-1),
        "1 row(s) of the sales table have negative units. They count as returns and are taken off "
        "the units of their week.",
    ),
    "a long id of few sales": (rows(LONG, WEEKS[4:5]), ""),
    "one week alone": (rows("bad", WEEKS[-1:]), ""),
}


@pytest.mark.parametrize("name", TOLD)
def test_what_can_be_read_is_told_in_one_line_and_leaves_other_items_as_they_are(name, caplog):
    bad, told = TOLD[name]
    alone = read(table(GOOD))
    caplog.clear()
    both = read(table(bad[:3], GOOD, bad[3:]))
    lines = [line for line in caplog.messages if line != told]
    assert told in caplog.text and all("repeat" in line for line in lines)
    row = both.ids.index("good")
    begin, end = both.offsets[row : row + 2]
    np.testing.assert_array_equal(both.units[begin:end], alone.units)
    np.testing.assert_array_equal(both.columns["price"][begin:end], alone.columns["price"])
    assert set(both.ids) == {"good", bad[0][0]}


def test_five_percent_returns_are_taken_off_row_by_row(caplog):
    draw = np.random.default_rng(0)
    returned = draw.random(400) < 0.05
    units = np.where(returned, -draw.integers(1, 4, 400), draw.integers(0, 9, 400))
    weeks = draw.integers(0, 12, 400)
    items = draw.integers(0, 5, 400)
    frame = pd.DataFrame(
        {"item_id": [f"i{n}" for n in items], "date": np.take(WEEKS, weeks), "units": units}
    )
    panel = read_panel(frame_parts(frame), columns=SalesColumns())
    expected = np.zeros((5, 12))
    np.add.at(expected, (items, weeks), units)
    np.testing.assert_array_equal(panel.units.reshape(5, 12), expected)
    assert f"{returned.sum()} row(s) of the sales table have negative units" in caplog.text


def test_a_planned_price_with_gaps_is_told_by_item_and_dates():
    planned = [("good", "2024-03-25", None, 2.5), ("good", "2024-04-08", None, 2.5)]
    panel = read(table(GOOD, planned))
    assert planned_gaps(panel, 3) == (
        "columns that are known ahead must be known for the whole horizon, 2024-03-25 to "
        "2024-04-08, got none for price of 'good' (2024-04-01). Add rows without units that tell "
        "them, or take the columns out of known."
    )
    assert planned_gaps(panel, 1) == ""
    check_horizon(panel, 12)


@pytest.mark.parametrize("column", ["units", "price"])
def test_numbers_of_which_no_sum_can_be_held_are_refused(column):
    sales = table(rows("good"), rows("bad", **{column: -1e39}))
    with pytest.raises(CatalogueError, match=r"row 13, .* must be -1e\+30 to 1e\+30, got -1e\+39"):
        read_panel(frame_parts(sales), columns=COLUMNS)

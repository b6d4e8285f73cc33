"""What a sales table becomes as a panel: gaps, returns, repeated rows, shops, stock, faults."""

import re
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.panel import over_shops
from fusion.data.panel.reading import read_panel
from fusion.data.panel.tables import tell_left_out
from fusion.errors import CatalogueError

NAN = float("nan")
WEEKS = ["2024-01-01", "2024-01-08", "2024-01-15", "2024-01-22", "2024-01-29"]


def table(*rows, more=()):
    return pd.DataFrame(rows, columns=["item_id", "date", "units", *more])


def panel_of(frame, *, part_rows=None, items=None, launches=None, frequency=None, **columns):
    parts = frame_parts(frame)
    if part_rows:
        begins = range(0, len(frame), part_rows)
        parts = lambda: (frame.iloc[begin : begin + part_rows] for begin in begins)  # noqa: E731
    return read_panel(
        parts, columns=SalesColumns(**columns), items=items, launches=launches, frequency=frequency
    )


def series(panel, name, column=None):
    row = panel.ids.index(name)
    values = panel.units if column is None else panel.columns[column]
    return values[panel.offsets[row] : panel.offsets[row + 1]].tolist()


SALES = table(
    ("b", WEEKS[2], 4), ("a", WEEKS[0], 1), ("a", WEEKS[3], 2),
    ("b", WEEKS[4], 5), ("c", WEEKS[4], 0),
)  # fmt: skip


@pytest.mark.parametrize("part_rows", [None, 1, 2])
def test_a_gap_is_zero_from_the_first_row_to_the_end_of_the_table(part_rows):
    panel = panel_of(SALES, part_rows=part_rows)
    assert panel.ids == ("a", "b", "c")
    assert series(panel, "a") == [1, 0, 0, 2, 0]
    assert series(panel, "b") == [4, 0, 5]
    assert series(panel, "c") == [0]
    assert panel.given.tolist() == [True, False, False, True, False, True, False, True, True]
    assert panel.reported.tolist() == [True, False, True, True, True]
    assert panel.units.dtype == np.float32


@pytest.mark.parametrize(
    "frame", [pl.from_pandas(SALES), pa.Table.from_pandas(SALES), SALES.astype(object)]
)
def test_frames_of_other_packages_give_the_same_panel(frame):
    assert panel_of(frame).units.tolist() == panel_of(SALES).units.tolist()


def test_an_item_is_on_sale_from_its_launch_where_that_is_earlier():
    launches = {"b": date(2024, 1, 8), "c": date(2024, 3, 1), "a": date(1990, 1, 1)}
    panel = panel_of(SALES, launches=launches)
    assert series(panel, "b") == [0, 4, 0, 5]
    assert series(panel, "a") == [1, 0, 0, 2, 0]
    assert series(panel, "c") == [0]


def test_repeated_rows_add_up_and_are_counted(caplog):
    panel = panel_of(pd.concat([SALES, SALES.iloc[[1, 1]]]), part_rows=3)
    assert series(panel, "a") == [3, 0, 0, 2, 0]
    assert "2 row(s) of the sales table repeat an item and date. Their units" in caplog.text


def test_returns_are_taken_off_the_units_of_their_period_and_counted(caplog):
    rows = [("a", WEEKS[0], -3), ("a", WEEKS[3], -1)]
    panel = panel_of(pd.concat([SALES, table(*rows)]))
    assert series(panel, "a") == [-2, 0, 0, 1, 0]
    assert "2 row(s) of the sales table have negative units. They count as returns" in caplog.text


def test_items_that_are_not_wanted_stay_out_and_are_told(caplog):
    panel = panel_of(SALES, items={"b", "never sold"})
    assert panel.ids == ("b",)
    tell_left_out(panel)
    assert "2 item(s) of the sales table are not among the items and are left out" in caplog.text
    assert "such as 'a', 'c'" in caplog.text
    assert panel.reported.tolist() == panel_of(SALES).reported.tolist()


@pytest.mark.parametrize("column", ["stock", "in_stock"])
def test_a_period_without_stock_and_sale_is_unknown_until_stock_is_told_again(column):
    rows = [
        ("a", WEEKS[0], 3, 1), ("a", WEEKS[1], 0, 0), ("a", WEEKS[3], 0, 1), ("a", WEEKS[4], 2, 1),
    ]  # fmt: skip
    panel = panel_of(table(*rows, more=[column]), **{column: column})
    np.testing.assert_array_equal(series(panel, "a"), [3, NAN, NAN, 0, 2])


def test_a_price_is_the_mean_over_units_and_the_last_one_where_none_was_sold():
    rows = [
        ("a", WEEKS[0], 3, 2.0), ("a", WEEKS[0], 1, 6.0), ("a", WEEKS[0], -1, 50.0),
        ("a", WEEKS[2], 2, None), ("a", WEEKS[3], 0, 8.0), ("b", WEEKS[1], 0, None),
    ]  # fmt: skip
    panel = panel_of(table(*rows, more=["price"]), price="price")
    np.testing.assert_array_equal(series(panel, "a", "price"), [3, 3, NAN, 8])
    np.testing.assert_array_equal(series(panel, "b", "price"), [NAN, NAN, NAN])


def test_covariates_are_means_by_period_and_declared_ahead_or_not():
    rows = [("a", WEEKS[0], 3, 2.0, 0), ("a", WEEKS[0], 1, 6.0, 1), ("a", WEEKS[2], 1, 6.0, None)]
    frame = table(*rows, more=["searches", "promo"])
    panel = panel_of(frame, promotion="promo", past=("searches",), known=("promo",))
    np.testing.assert_array_equal(series(panel, "a", "searches"), [4, NAN, 6])
    np.testing.assert_array_equal(series(panel, "a", "promotion"), [0.5, NAN, NAN])
    assert panel.known == {"promotion"}


def test_shops_have_series_of_their_own_that_add_up_to_the_item():
    rows = [
        ("a", WEEKS[0], 3, "north", 2.0), ("a", WEEKS[1], 1, "south", 4.0),
        ("a", WEEKS[1], 1, "north", 2.0), ("b", WEEKS[2], 7, "south", 9.0),
    ]  # fmt: skip
    panel = panel_of(table(*rows, more=["shop", "price"]), shop="shop", price="price")
    assert list(zip(panel.ids, panel.shops, strict=True)) == [
        ("a", "north"), ("a", "south"), ("b", "south")
    ]  # fmt: skip
    both = over_shops(panel)
    assert series(both, "a") == [3, 2, 0] and series(both, "b") == [7]
    assert series(both, "a", "price") == [2, 3, 3]
    assert both.shops is None
    assert over_shops(both) is both


def test_units_of_an_item_are_unknown_only_where_no_shop_had_it():
    rows = [
        ("a", WEEKS[0], 3, "north", 1), ("a", WEEKS[0], 3, "south", 1),
        ("a", WEEKS[1], 0, "north", 0), ("a", WEEKS[1], 2, "south", 1),
        ("a", WEEKS[2], 0, "north", 0), ("a", WEEKS[2], 0, "south", 0),
    ]  # fmt: skip
    frame = table(*rows, more=["shop", "in_stock"])
    both = over_shops(panel_of(frame, shop="shop", in_stock="in_stock"))
    np.testing.assert_array_equal(series(both, "a"), [6, 2, NAN])
    assert series(both, "a", "in_stock") == [1, 0.5, 0]


def test_days_are_added_up_to_whole_weeks_and_cut_ones_are_told(caplog):
    daily = pd.date_range("2024-01-03", "2024-01-30", freq="D").strftime("%Y-%m-%d")
    frame = table(*[("a", day, 1) for day in daily], ("a", "2024-01-10", 2))
    panel = panel_of(frame, frequency="week")
    assert series(panel, "a") == [7 + 2, 7, 7]
    assert "begins on 2024-01-03, within the week of 2024-01-01, which is left out" in caplog.text
    assert "ends on 2024-01-30, within the week of 2024-01-29, which is left out" in caplog.text
    assert "1 row(s) of the sales table repeat" in caplog.text
    whole = frame[frame["date"].between("2024-01-08", "2024-01-28")]
    caplog.clear()
    assert series(panel_of(whole, frequency="week"), "a") == [9, 7, 7]
    assert "left out" not in caplog.text
    with pytest.raises(CatalogueError, match="must hold a whole month, got days from 2024-01-03"):
        panel_of(frame, frequency="month")


def test_rows_of_weeks_and_months_are_never_partial(caplog):
    ends = pd.date_range("2024-01-31", periods=3, freq="ME").strftime("%Y-%m-%d")
    assert series(panel_of(table(*[("a", day, 2) for day in ends])), "a") == [2, 2, 2]
    assert series(panel_of(SALES, frequency="week"), "a") == [1, 0, 0, 2, 0]
    assert "left out" not in caplog.text


def test_dates_of_two_time_zones_are_refused_but_summer_time_is_one():
    rows = [("a", "2024-01-01T00:00+01:00", 1), ("a", "2024-07-01T00:00+02:00", 1)]
    assert panel_of(table(*rows)).n_series == 1
    told = (
        "date must hold dates of one time zone, got '2024-01-01T00:00+01:00' (row 1) and "
        "'2024-07-08T00:00+10:00' (row 3) in the sales table. Write the local date"
    )
    with pytest.raises(CatalogueError, match=re.escape(told)):
        panel_of(table(*rows, ("b", "2024-07-08T00:00+10:00", 1)))


def test_all_faults_of_all_columns_are_in_one_message():
    rows = [
        (None, WEEKS[0], 1, "n", 5, 0.5), ("a", "soon", 1, "n", 5, 0.5),
        ("a", WEEKS[0], "three", "n", 5, 0.5), ("a", WEEKS[0], None, "n", 5, 0.5),
        ("a", WEEKS[0], 1, None, 5, 0.5), ("a", WEEKS[0], 1, "n", "x", 0.5),
        ("a", WEEKS[0], 1, "n", 5, 1.5), ("a", WEEKS[0], 1, "n", 5, 0.5),
    ]  # fmt: skip
    frame = table(*rows, more=["shop", "price", "in_stock"])
    with pytest.raises(CatalogueError) as caught:
        panel_of(frame, part_rows=3, shop="shop", price="price", in_stock="in_stock")
    for part in (
        "sales has 7 problems in 7 rows",
        "row 1, column item_id: must be given, got none",
        "row 2, column date: must be a date such as 2024-01-31, got 'soon'",
        "row 3, column units: must be a number, got 'three'",
        "row 4, column units: must be given, got none",
        "row 5, column shop: must be given, got none",
        "row 6, column price: must be a number, got 'x'",
        "row 7, column in_stock: must be 0 to 1, got 1.5",
    ):
        assert part in str(caught.value)


def test_a_table_without_the_items_ids_is_refused_by_the_column():
    with pytest.raises(CatalogueError, match="column item_id: must be a column of the table"):
        panel_of(SALES.rename(columns={"item_id": "sku"}))


def test_a_long_id_is_one_item_however_it_is_written():
    name = "1" * 60
    frame = table((name, WEEKS[0], 1), (f" {name} ", WEEKS[1], 2), (f"{name}.0", WEEKS[2], 3))
    panel = panel_of(frame)
    assert panel.ids == (name,) and series(panel, name) == [1, 2, 3]


def test_one_week_and_items_of_zeros_alone_are_panels_too():
    panel = panel_of(table(("a", WEEKS[0], 0)))
    assert series(panel, "a") == [0] and panel.reported.tolist() == [True]
    empty = panel_of(table())
    assert empty.n_series == 0 and len(empty.units) == 0


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ({"stock": "a", "in_stock": "b"}, "stock and in_stock must be one column, got a and b"),
        ({"past": ("x", "y"), "known": ("y",)}, "past and known must differ, got y in both"),
        ({"units": "sold", "known": ("sold",)}, "must name other columns than .*, got sold"),
        ({"price": "units"}, "must name other columns than .*, got units"),
        ({"units": "sold", "past": ("units",)}, "units, which is what is sold"),
        ({"past": ("price",)}, "must not name a covariate price, which is a role"),
    ],
)
def test_columns_that_exclude_each_other_are_refused(names, told):
    with pytest.raises(ValueError, match=told):
        SalesColumns(**names)


def test_series_of_shops_add_up_to_the_panel_of_the_table_without_its_shops():
    draw = np.random.default_rng(0)
    rows = [
        (f"i{item}", WEEKS[week], units, f"s{shop}")
        for item, week, shop, units in draw.integers(0, [4, 5, 3, 9], (60, 4))
    ]
    frame = table(*rows, more=["shop"])
    by_shop, alone = panel_of(frame, shop="shop"), panel_of(frame)
    pairs = sorted({(item, shop) for item, _, _, shop in rows})
    assert list(zip(by_shop.ids, by_shop.shops, strict=True)) == pairs and len(pairs) == 12
    both = over_shops(by_shop)
    assert both.ids == alone.ids
    for name in ("first", "offsets", "units", "given"):
        np.testing.assert_array_equal(getattr(both, name), getattr(alone, name))
    for row, item in enumerate(alone.ids):
        sums = np.zeros(alone.end - alone.start)
        for at, name in enumerate(by_shop.ids):
            if name == item:
                values = by_shop.units[by_shop.offsets[at] : by_shop.offsets[at + 1]]
                sums[len(sums) - len(values) :] += values
        length = alone.offsets[row + 1] - alone.offsets[row]
        np.testing.assert_array_equal(sums[-length:], series(both, item))

"""What is planned after the last sale: rows without units, a second table, and its gaps."""

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.ahead import planned_gaps
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.items import of_items
from fusion.data.panel.panel import over_shops
from fusion.data.panel.plan import with_plan
from fusion.data.panel.reading import read_panel
from fusion.data.panel.windows import windows_at
from fusion.errors import CatalogueError

NAN = float("nan")
WEEKS = pd.date_range("2024-01-01", periods=8, freq="7D").strftime("%Y-%m-%d").tolist()
COLUMNS = SalesColumns(price="price", known=("price",))
NAMES = ["item_id", "date", "units", "price"]
SALES = pd.DataFrame(
    [
        ("b", WEEKS[1], 4, 2.0), ("a", WEEKS[0], 1, 1.0), ("a", WEEKS[2], 2, 3.0),
        ("a", WEEKS[3], None, 5.0), ("a", WEEKS[5], None, 6.0), ("new", WEEKS[4], None, 9.0),
    ],
    columns=NAMES,
)  # fmt: skip


def panel_of(frame=SALES, columns=COLUMNS, **options):
    return read_panel(frame_parts(frame), columns=columns, **options)


def planned_of(panel, name="price"):
    return dict(zip(panel.ids, panel.planned[name].tolist(), strict=True))


@pytest.mark.parametrize("part_rows", [1, 2, 6])
@pytest.mark.parametrize("written", [float, str])
def test_rows_without_units_after_the_last_sale_tell_what_is_planned(part_rows, written):
    frame = SALES
    if written is str:
        frame = SALES.astype(object).where(SALES.notna(), "")
    parts = lambda: (frame.iloc[n : n + part_rows] for n in range(0, 6, part_rows))  # noqa: E731
    panel = read_panel(parts, columns=COLUMNS)
    assert panel.end - panel.start == 3 and panel.n_ahead == 3
    assert panel.planned["price"].dtype == np.float32
    expected = {"a": [5, NAN, 6], "b": [NAN] * 3, "new": [NAN, 9, NAN]}
    np.testing.assert_equal(planned_of(panel), expected)
    assert panel.units.tolist() == [1, 0, 2, 4, 0]
    assert panel.reported.tolist() == [True, True, True]
    alone = panel_of(SALES[SALES["units"].notna()])
    np.testing.assert_array_equal(alone.units, panel.units)
    np.testing.assert_array_equal(alone.columns["price"], panel.columns["price"])
    assert alone.planned == {} and alone.n_ahead == 0


def test_rows_without_units_at_or_before_the_last_sale_are_refused_by_their_rows():
    rows = [("a", WEEKS[1], None, 5.0), ("b", WEEKS[2], None, 5.0)]
    with pytest.raises(CatalogueError) as caught:
        panel_of(pd.concat([pd.DataFrame(rows, columns=NAMES), SALES]))
    assert "sales has 2 problems in 2 rows" in str(caught.value)
    assert "row 1, column units: must be given, got none" in str(caught.value)
    assert "row 2, column units" in str(caught.value)
    with pytest.raises(CatalogueError, match="row 1, column units"):
        panel_of(SALES.assign(units=None))


def test_planned_rows_where_nothing_is_known_ahead_are_refused_with_the_way_out():
    told = r"row 4, column units: must be given, got none(.|\n)*`known` names a column"
    with pytest.raises(CatalogueError, match=told):
        panel_of(columns=SalesColumns(price="price"))


def test_faults_of_planned_rows_are_told_with_those_of_others():
    frame = SALES.astype(object)
    frame.loc[3, "price"] = "dear"
    frame.loc[4, "date"] = "soon"
    frame.loc[5, "units"] = "none yet"
    with pytest.raises(CatalogueError) as caught:
        panel_of(frame)
    for part in ("row 4, column price", "row 5, column date", "row 6, column units"):
        assert part in str(caught.value)


def test_planned_days_belong_to_the_week_that_the_last_sale_cuts():
    days = pd.date_range("2024-01-01", "2024-01-21", freq="D").strftime("%Y-%m-%d")
    rows = [("a", day, 1 if n < 10 else None, n) for n, day in enumerate(days)]
    panel = panel_of(pd.DataFrame(rows, columns=NAMES), frequency="week")
    assert panel.units.tolist() == [7]
    assert panel.planned["price"].tolist() == [[10, 17]]  # mean of days 7..13, and of 14..20


def test_planned_numbers_of_shops_are_added_up_like_others():
    rows = [
        ("a", WEEKS[0], 1, 1.0, 5, "n"), ("a", WEEKS[0], 1, 3.0, 5, "s"),
        ("a", WEEKS[1], None, 2.0, 6, "n"), ("a", WEEKS[1], None, 4.0, 7, "s"),
        ("a", WEEKS[2], None, 8.0, None, "s"), ("b", WEEKS[2], None, 1.0, 2, "s"),
    ]  # fmt: skip
    frame = pd.DataFrame(rows, columns=[*NAMES, "stock", "shop"])
    columns = SalesColumns(price="price", stock="stock", shop="shop", known=("price", "stock"))
    panel = panel_of(frame, columns)
    assert panel.planned["price"].shape == (3, 2)
    both = over_shops(panel)
    assert both.ids == ("a", "b") and both.n_ahead == 2
    np.testing.assert_equal(planned_of(both), {"a": [3, 8], "b": [NAN, 1]})
    np.testing.assert_equal(planned_of(both, "stock"), {"a": [13, NAN], "b": [NAN, 2]})


def plan(*rows, names=("item_id", "date", "price")):
    return pd.DataFrame(rows, columns=list(names))


def test_a_second_table_says_what_planned_rows_say():
    known = SALES[SALES["units"].notna()]
    rows = SALES[SALES["units"].isna()].drop(columns="units")
    panel = with_plan(panel_of(known), frame_parts(rows), columns=COLUMNS)
    expected = panel_of()
    assert panel.ids == expected.ids
    np.testing.assert_equal(planned_of(panel), planned_of(expected))
    for name in ("first", "offsets", "units"):
        np.testing.assert_array_equal(getattr(panel, name), getattr(expected, name))


def test_a_second_table_goes_before_planned_rows_and_behind_what_was_sold():
    rows = plan(("a", WEEKS[3], 50), ("a", WEEKS[0], 70), ("other", WEEKS[3], 1))
    before = panel_of()
    panel = with_plan(before, frame_parts(rows), columns=COLUMNS, items={"a", "b", "new"})
    expected = {"a": [50, NAN, 6], "b": [NAN] * 3, "new": [NAN, 9, NAN]}
    np.testing.assert_equal(planned_of(panel), expected)
    np.testing.assert_array_equal(panel.columns["price"], before.columns["price"])


def test_a_number_of_the_second_table_alone_has_a_past_too():
    columns = SalesColumns(price="price", known=("price", "promo"))
    rows = plan(
        ("a", WEEKS[0], 1), ("a", WEEKS[2], 0), ("a", WEEKS[3], 1), ("b", WEEKS[0], 1),
        ("0", WEEKS[4], 1), ("a", WEEKS[3], 0), names=("item_id", "date", "promo"),
    )  # fmt: skip
    own = SalesColumns(price="price", known=("price",))
    panel = with_plan(panel_of(columns=own), frame_parts(rows), columns=columns)
    np.testing.assert_array_equal(panel.columns["promo"], [1, NAN, 0, NAN, NAN])
    np.testing.assert_equal(planned_of(panel, "promo")["a"], [0.5, NAN, NAN])
    assert panel.ids == ("0", "a", "b", "new") and panel.known == {"price", "promo"}
    np.testing.assert_equal(planned_of(panel)["0"], [NAN] * 3)
    asked = windows_at(panel, np.array([1, 0]), np.full(2, panel.start - 1), horizon=8)
    found = asked.future("promo")
    np.testing.assert_array_equal(found[0], [NAN, 1, NAN, 0, 0.5, NAN, NAN, NAN])
    np.testing.assert_array_equal(found[1], [NAN] * 5 + [1, NAN, NAN])


def test_a_second_table_with_faults_or_without_a_known_column_is_refused():
    faulty = plan(("a", "soon", 1), (None, WEEKS[3], 1), ("a", WEEKS[3], "x"))
    with pytest.raises(CatalogueError) as caught:
        with_plan(panel_of(), frame_parts(faulty), columns=COLUMNS)
    for part in ("planned has 3 problems", "row 1, column date", "row 2, column item_id", "row 3"):
        assert part in str(caught.value)
    for names, told in (
        (("item_id", "date", "cost"), r"known ahead \(price\), got item_id, date, cost"),
        (("sku", "date", "price"), "column item_id: must be a column of the table"),
    ):
        with pytest.raises(CatalogueError, match=told):
            with_plan(panel_of(), frame_parts(plan(names=names)), columns=COLUMNS)


def test_values_known_ahead_are_those_of_the_market_too_and_of_no_other_column():
    market = pd.DataFrame({"date": WEEKS[1:5], "holidays": [1, 2, 3, 4]})
    columns = SalesColumns(price="price", known=("holidays",))
    panel = panel_of(SALES[SALES["units"].notna()], columns, market=market)
    asked = windows_at(panel, np.array([0]), np.array([panel.start]), horizon=6)
    np.testing.assert_array_equal(asked.future_market("holidays"), [[NAN, 1, 2, 3, 4, NAN]])
    assert panel.known == {"holidays"}
    with pytest.raises(ValueError, match=r"price must be known ahead .*Known ahead: holidays\."):
        asked.future("price")


def test_nothing_lacks_where_no_series_is_asked_about():
    assert planned_gaps(panel_of(), 2, series=np.array([], dtype=int)) == ""


def test_gaps_of_a_plan_are_told_by_column_series_and_date():
    told = planned_gaps(panel_of(), 2)
    assert "whole horizon, 2024-01-22 to 2024-01-29, got none for price of 'a' (2024-01-29)" in told
    assert "'b' (2024-01-22, 2024-01-29), 'new' (2024-01-22)." in told
    assert "Add rows without units that tell them, or take the columns out of known." in told
    long = planned_gaps(panel_of(), 8, series=np.array([1]))
    assert "price of 'b' (2024-01-22, 2024-01-29, 2024-02-05 and 5 more)." in long
    assert planned_gaps(panel_of(), 1, series=np.array([0])) == ""
    only_a = panel_of(SALES[SALES["item_id"] == "a"])
    assert planned_gaps(only_a, 2, begin=only_a.start + 1) == ""
    assert planned_gaps(panel_of(SALES[:3], SalesColumns(price="price")), 2) == ""


def test_gaps_of_many_series_and_of_the_market_are_counted():
    rows = [(f"i{n}", WEEKS[0], 1, 1.0) for n in range(9)]
    market = pd.DataFrame({"date": WEEKS[:2], "holidays": [1, 2]})
    columns = SalesColumns(price="price", known=("price", "holidays"))
    told = planned_gaps(panel_of(pd.DataFrame(rows, columns=NAMES), columns, market=market), 2)
    assert "got none for holidays of the market (2024-01-15); price of 'i0' (" in told
    assert "'i2' (2024-01-08, 2024-01-15) and 6 more series." in told


def test_a_panel_of_chosen_items_keeps_what_is_planned_for_them():
    panel = of_items(panel_of(), {"new", "b", "later"})
    assert panel.ids == ("b", "later", "new") and panel.units.tolist() == [4, 0]
    np.testing.assert_equal(
        planned_of(panel), {"b": [NAN] * 3, "later": [NAN] * 3, "new": [NAN, 9, NAN]}
    )
    np.testing.assert_array_equal(panel.first, [panel.start + 1, panel.end, panel.end])

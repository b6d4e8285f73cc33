import re
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fusion.data import SalesColumns, add_history, add_target, infer_schema
from fusion.data.panel.asof import item_history
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.reach import sales_gap
from fusion.data.panel.reading import read_panel
from fusion.errors import CatalogueError

COLUMNS = SalesColumns(item="sku", date="week", units="units", price="price")
NAN = float("nan")
ITEMS = pd.DataFrame({"sku": ["A", "B", "C"], "title": ["a", "b", "c"]}, index=[5, 6, 7])
SALES = pd.DataFrame(
    [
        ("A", "2024-01-01", 10, 2.0),
        ("A", "2024-01-15", 4, 3.0),
        ("A", "2024-01-15", 1, 3.0),
        ("A", "2024-01-22", 7, 5.0),
        ("A", "2024-01-29", 8, 5.0),
        ("A", "2024-02-12", 9, 5.0),
        ("B", "2024-01-08", 0, NAN),
        ("B", "2024-01-29", 3, 1.0),
        ("Z", "2024-01-01", 99, 1.0),
    ],
    columns=["sku", "week", "units", "price"],
)


def history(**changes: Any) -> pd.DataFrame:
    options: dict[str, Any] = {"columns": COLUMNS, "as_of": "2024-01-29", "windows": (1, 4)}
    return add_history(ITEMS, **({"sales": SALES} | options | changes))


def test_history_holds_the_weeks_before_the_date() -> None:
    items = history()
    assert items.index.tolist() == [5, 6, 7]
    np.testing.assert_array_equal(items["units_last_1w"], [7, NAN, NAN])
    np.testing.assert_array_equal(items["units_last_4w"], [22, NAN, NAN])
    np.testing.assert_array_equal(items["mean_price_last_1w"], [5, NAN, NAN])
    expected = (10 * 2 + 5 * 3 + 7 * 5) / 22
    np.testing.assert_allclose(items["mean_price_last_4w"], [expected, NAN, NAN])
    np.testing.assert_array_equal(items["weeks_on_sale"], [4, NAN, NAN])
    np.testing.assert_array_equal(items["weeks_since_last_sale"], [1, NAN, NAN])


def test_a_week_without_a_row_is_zero_units_after_the_first_sale() -> None:
    items = history(as_of="2024-02-12", windows=(1, 2))
    np.testing.assert_array_equal(items["units_last_1w"], [0, 0, NAN])
    np.testing.assert_array_equal(items["units_last_2w"], [8, 3, NAN])
    np.testing.assert_array_equal(items["weeks_since_last_sale"], [2, 2, NAN])


@pytest.mark.parametrize("as_of", ["2024-01-29", "2024-01-25", "2024-02-01T09:00"])
def test_nothing_at_or_after_the_date_changes_the_history(as_of: str) -> None:
    before = history(as_of=as_of)
    ends = pd.to_datetime(SALES["week"]) + pd.Timedelta("7D")
    future = ends > pd.Timestamp(as_of)
    changed = SALES.assign(
        units=SALES["units"].where(~future, 1_000), price=SALES["price"].where(~future, 77.0)
    )
    pd.testing.assert_frame_equal(before, history(as_of=as_of, sales=changed))
    pd.testing.assert_frame_equal(before, history(as_of=as_of, sales=SALES[~future]))
    past = SALES.assign(units=SALES["units"].where(future, 1_000))
    assert not before.equals(history(as_of=as_of, sales=past))


def target(**changes: Any) -> pd.Series:
    options: dict[str, Any] = {"columns": COLUMNS, "as_of": "2024-01-29", "horizon": 2}
    return add_target(ITEMS, **({"sales": SALES} | options | changes)).iloc[:, -1]


def test_the_target_holds_the_weeks_from_the_date_on() -> None:
    units = target()
    assert units.name == "units_next_2w"
    np.testing.assert_array_equal(units, [8, 3, NAN])
    np.testing.assert_array_equal(target(as_of="2024-01-22", horizon=1), [7, NAN, NAN])
    np.testing.assert_array_equal(target(as_of="2024-01-08", horizon=1), [0, 0, NAN])


def test_nothing_before_the_date_changes_the_target() -> None:
    past = pd.to_datetime(SALES["week"]) < pd.Timestamp("2024-01-29")
    changed = SALES.assign(units=SALES["units"].where(~past, 55))
    pd.testing.assert_series_equal(target(), target(sales=changed))


def test_a_horizon_behind_the_end_of_the_sales_has_no_target() -> None:
    np.testing.assert_array_equal(
        target(as_of=["2024-02-12", "2024-01-29", "2024-01-29"]), [NAN, 3, NAN]
    )
    with pytest.raises(CatalogueError, match=r"must reach 2024-02-26, got 2024-02-12"):
        target(as_of="2024-02-12")


def test_every_item_may_have_a_date_of_its_own() -> None:
    items = history(as_of=["2024-01-29", "2024-02-12", "2024-02-12"], windows=(2,))
    np.testing.assert_array_equal(items["units_last_2w"], [12, 3, NAN])


def test_all_faulty_sales_rows_are_in_one_message() -> None:
    faulty = SALES.astype(object)
    faulty.loc[1, "units"] = "many"
    faulty.loc[2, "units"] = None
    faulty.loc[3, "week"] = "soon"
    faulty.loc[4, "sku"] = None
    with pytest.raises(CatalogueError) as caught:
        history(sales=faulty)
    for part in ("row 2, column units", "row 3, column units", "row 4, column week", "row 5, col"):
        assert part in str(caught.value)
    with pytest.raises(CatalogueError, match="column week: must be a column"):
        history(sales=SALES.drop(columns="week"))


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(CatalogueError, match="none in common"):
        history(sales=SALES.assign(sku="other"))
    with pytest.raises(CatalogueError, match="already"):
        add_history(history(), SALES, columns=COLUMNS, as_of="2024-01-29", windows=(1,))
    with pytest.raises(CatalogueError, match="as_of must be"):
        history(as_of="soon")
    with pytest.raises(CatalogueError, match="as_of must be"):
        history(as_of=["2024-01-29"])
    with pytest.raises(ValueError, match="windows must"):
        history(windows=(0,))
    with pytest.raises(ValueError, match="horizon must"):
        target(horizon=0)


def test_ids_written_as_numbers_in_one_table_and_as_text_in_the_other_meet() -> None:
    items = pd.DataFrame({"sku": ["1", "2"]})
    sales = pd.DataFrame({"sku": [1.0, 1.0], "week": ["2024-01-01"] * 2, "units": [2, 3]})
    columns = SalesColumns(item="sku", date="week")
    out = add_history(items, sales, columns=columns, as_of="2024-02-01", windows=(5,))
    np.testing.assert_array_equal(out["units_last_5w"], [5, NAN])
    assert out.columns.tolist()[-2:] == ["weeks_on_sale", "weeks_since_last_sale"]


def test_new_columns_are_found_as_history_and_the_target_is_not_an_input() -> None:
    rows = range(30)
    items = pd.DataFrame({"sku": [f"A{row}" for row in rows]})
    sales = pd.DataFrame(
        {
            "sku": [f"A{row}" for row in rows] * 3,
            "week": ["2024-01-01"] * 30 + ["2024-01-08"] * 30 + ["2024-01-15"] * 30,
            "units": [row % 7 for row in range(90)],
        }
    )
    columns = SalesColumns(item="sku", date="week")
    items = add_history(items, sales, columns=columns, as_of="2024-01-15", windows=(1, 2))
    items = add_target(items, sales, columns=columns, as_of="2024-01-15", horizon=1)
    schema = infer_schema(items, photos=None)
    new = ("units_last_1w", "units_last_2w", "weeks_on_sale", "weeks_since_last_sale")
    assert schema.columns_of("history") == new
    assert "units_next_1w" in schema.ignored


@pytest.mark.parametrize(
    "written",
    [
        lambda weeks: weeks.dt.strftime("%Y-%m-%dT00:00+02:00"),
        lambda weeks: [f"{week}+0{1 + place % 2}:00" for place, week in enumerate(weeks)],
        lambda weeks: weeks.dt.tz_localize("Pacific/Auckland"),
        lambda weeks: weeks.dt.strftime("%d.%m.%Y"),
        lambda weeks: weeks.dt.strftime("%Y%m%d").astype(int),
        lambda weeks: weeks.dt.to_period("W"),
    ],
)
def test_weeks_are_those_on_the_wall_however_they_are_written(written: Any) -> None:
    sales = SALES.assign(week=written(pd.to_datetime(SALES["week"])))
    np.testing.assert_array_equal(target(sales=sales), target())
    pd.testing.assert_frame_equal(history(sales=sales), history())
    pd.testing.assert_frame_equal(history(as_of="29.01.2024"), history())


@pytest.mark.parametrize("as_of", [20240129, pd.Period("2024-01-29"), pd.Timestamp("2024-01-29")])
def test_one_date_may_have_any_type(as_of: Any) -> None:
    np.testing.assert_array_equal(target(as_of=as_of), target())


def test_no_date_is_refused_with_what_it_must_be() -> None:
    with pytest.raises(CatalogueError, match="as_of must be one date such as"):
        target(as_of=None)


def test_weeks_whose_day_and_month_cannot_be_told_apart_are_refused() -> None:
    sales = SALES.assign(week=[f"0{1 + row}/02/2024" for row in range(len(SALES))])
    with pytest.raises(CatalogueError, match=r"column week: .*cannot be told apart"):
        history(sales=sales)


def test_an_id_that_passed_through_a_float_meets_the_same_item() -> None:
    items = pd.DataFrame({"sku": ["1", "2"]})
    sales = pd.DataFrame({"sku": ["1.0", "2.50"], "week": ["2024-01-01"] * 2, "units": ["2", "3"]})
    options: dict[str, Any] = {
        "columns": SalesColumns(item="sku", date="week"),
        "as_of": "2024-02-01",
    }
    out = add_history(items, sales, windows=(5,), **options)
    np.testing.assert_array_equal(out["units_last_5w"], [2, NAN])


def test_sales_that_end_long_before_the_date_are_refused_with_the_dates() -> None:
    with pytest.raises(CatalogueError, match=r"2024-03-18, got 2024-02-12 .*Take 2024-02-19"):
        history(as_of="2024-03-18", windows=(4, 13))
    zero = pd.DataFrame([("B", "2024-03-11", 0, NAN)], columns=SALES.columns)
    known = history(as_of="2024-03-18", windows=(4,), sales=pd.concat([SALES, zero]))
    np.testing.assert_array_equal(known["units_last_4w"], [0, 0, NAN])


def test_sales_that_end_some_weeks_before_the_date_are_told(caplog) -> None:
    history(as_of="2024-02-19", windows=(4,))
    assert "ends with" not in caplog.text
    history(as_of="2024-03-11", windows=(4,))
    assert "ends with the week of 2024-02-12, 3 whole week(s) before 2024-03-11" in caplog.text
    assert (
        sales_gap(read_panel(frame_parts(SALES), columns=COLUMNS), "2024-02-25") == ""
    )  # six days: no whole week is missing


def test_a_date_before_all_sales_is_refused_by_name_of_the_first_week() -> None:
    first = SALES["week"].min()
    with pytest.raises(CatalogueError, match=f"by as_of 2019-01-07, got {first} as its first week"):
        history(as_of="2019-01-07", windows=(4,))


@pytest.mark.parametrize(("in_parts", "as_of"), [(False, "2024-03-18"), (True, "2024-03-19")])
def test_one_late_item_does_not_hide_that_the_others_end_early(in_parts, as_of, caplog) -> None:
    weeks = [f"2024-01-{day:02}" for day in (1, 8, 15, 22, 29)]
    rows = [(f"i{item}", week, 3) for item in range(30) for week in weeks]
    early = pd.DataFrame([*rows, ("i0", "2024-03-11", 1)], columns=["item_id", "date", "units"])

    def told(sales):
        caplog.clear()
        if in_parts:
            item_history(read_panel(lambda: [sales], columns=SalesColumns()), as_of=as_of)
        else:
            items = pd.DataFrame({"item_id": [f"i{item}" for item in range(30)]})
            add_history(items, sales, columns=SalesColumns(), as_of=as_of)
        return caplog.text

    assert f"Of 30 items that were sold in the 13 weeks before {as_of}, 1 were" in told(early)
    some = pd.DataFrame(
        {"item_id": [f"i{item}" for item in range(5)], "date": "2024-03-04"}
    ).assign(units=1)
    assert "were sold in the last" not in told(pd.concat([early, some]))


def test_one_date_that_can_be_read_in_two_ways_is_refused_with_both() -> None:
    told = "got '5/9/2011'. Did you mean 2011-05-09 or 2011-09-05?"
    with pytest.raises(CatalogueError, match=re.escape(told)):
        history(as_of="5/9/2011")
    assert history(as_of="29.01.2024").equals(history())  # points are never month first

"""Rows of new periods are read as those of a training, or refused in one message."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.appending import appended
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.errors import CatalogueError
from fusion.forecasting.updating.new_periods import NewSales, read_new_periods, spec_as_trained

COLUMNS = SalesColumns(price="price")
WEEKS = pd.date_range("2024-01-01", periods=14, freq="7D").strftime("%Y-%m-%d").tolist()
NAMES = ["item_id", "date", "units", "price"]


def table(*rows):
    return pd.DataFrame(list(rows), columns=NAMES)


PAST = table(*[(item, week, 3, 2.5) for item in ("a", "b") for week in WEEKS[:10]])


@pytest.fixture(scope="module")
def kept():
    rows = pd.concat([PAST, table(("left", WEEKS[0], 1, 1.0))])
    return read_panel(frame_parts(rows), columns=COLUMNS, items={"a", "b"})


def read(kept, *rows, items=()):
    sales = NewSales(frame_parts(table(*rows)), spec_as_trained(COLUMNS, kept), "new.csv")
    return read_new_periods(sales, kept, items)


def test_new_weeks_are_read(kept):
    panel = read(kept, ("a", WEEKS[10], 4, 2.0), ("b", WEEKS[11], 1, 2.0))
    assert panel.start == kept.end and panel.end == kept.end + 2
    assert panel.units.tolist() == [4.0, 0.0, 1.0]


def test_what_the_training_left_out_is_left_out_again(kept):
    panel = read(kept, ("a", WEEKS[10], 4, 2.0), ("left", WEEKS[10], 4, 2.0))
    assert panel.ids == ("a",)


def test_a_new_item_of_the_items_table_is_read(kept):
    rows = ("a", WEEKS[10], 4, 2.0), ("c", WEEKS[10], 9, 2.0)
    assert read(kept, *rows, items={"c"}).ids == ("a", "c")


NEW = ("a", WEEKS[10], 4, 2.0)
REFUSED = {
    "weeks that are kept, with the same values": (
        [("a", WEEKS[9], 3, 2.5), NEW],
        r"^new\.csv must hold weeks after the week of 2024-03-04, the last one that is kept, and "
        r"no others, got rows that are kept already, with the same values: row 1 \('a', 2024-03-0",
    ),
    "weeks that change the past": (
        [NEW, ("a", WEEKS[9], 3, 2.5), ("b", WEEKS[8], 99, 2.5)],
        r"new\.csv must not change the past, got 1 row of kept weeks with other values than are "
        r"kept: row 3 \('b', 2024-02-26\)\. Leave them out, or train again",
    ),
    "a price that changes the past": (
        [NEW, ("a", WEEKS[9], 3, 9.5)],
        r"must not change the past, got 1 row .* row 2 \('a', 2024-03-04\)",
    ),
    "a hole before them": (
        [("a", WEEKS[12], 4, 2.0)],
        r"new\.csv must go on with the week of 2024-03-11 and leave no week out, got no row of 2 "
        r"weeks \(2024-03-11, 2024-03-18\).* Add the rows",
    ),
    "a hole among them": (
        [NEW, ("a", WEEKS[12], 4, 2.0)],
        r"leave no week out, got no row of 1 week \(2024-03-18\)",
    ),
    "weeks that begin on another day": (
        [("a", "2024-03-13", 4, 2.0)],
        r"new\.csv must be of weeks that begin as the kept ones, such as 2024-03-11, got "
        r"row 1 \('a', 2024-03-13\)",
    ),
    "months": (
        [("a", f"2024-{month:02}-01", 4, 2.0) for month in (4, 5, 6)],
        r"must be of weeks that begin as the kept ones, such as 2024-03-11, got row 2 \('a'",
    ),
    "items that nothing is known of": (
        [NEW, ("c", WEEKS[10], 4, 2.0), ("left", WEEKS[10], 4, 2.0)],
        r"new\.csv must hold items that are known or stand in the items table, got 1 other item: "
        r"row 2 \('c', 2024-03-11\)\. Give an items table",
    ),
    "units that are no numbers": (
        [("a", WEEKS[10], "four", 2.0)],
        r"sales has 1 problem in 1 row(.|\n)*units(.|\n)*four",
    ),
    "no row": ([], r"new\.csv must hold rows of weeks after the week of 2024-03-04.*got none"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_is_refused_with_rows_and_remedy(kept, name):
    rows, told = REFUSED[name]
    with pytest.raises(CatalogueError, match=told):
        read(kept, *rows)


def test_numbers_of_the_market_must_come_too(kept):
    of_market = replace(kept, market={"index": np.zeros(10, dtype=np.float32)})
    with pytest.raises(CatalogueError, match=r"market must be given, as in training.*index"):
        spec_as_trained(COLUMNS, of_market)


def day_sales(begin, end, *, mask):
    dates = pd.bdate_range(begin, end, freq="C", weekmask=mask).strftime("%Y-%m-%d")
    return [("a", day, 1, 2.5) for day in dates]


SHOP_DAYS = "Mon Tue Wed Thu Fri Sat"


def kept_days(frequency, *, end="2024-03-23", market=None):
    """Sales of a shop that is closed on Sundays, up to a Saturday."""
    days = day_sales("2024-01-01", end, mask=SHOP_DAYS)
    columns = COLUMNS if market is None else replace(COLUMNS, past=("index",))
    return read_panel(
        frame_parts(table(*days)), columns=columns, frequency=frequency, market=market
    )


@pytest.mark.parametrize(("last", "n_weeks"), [("2024-03-30", 1), ("2024-03-28", 0)])
def test_a_week_of_days_ends_where_the_training_had_its_last_open_day(last, n_weeks):
    kept = kept_days("week")
    rows = day_sales("2024-03-25", last, mask=SHOP_DAYS)
    if n_weeks:
        assert read(kept, *rows).units.tolist() == [6.0]
        return
    with pytest.raises(CatalogueError, match=r"all days of a week.*got none of 2024-03-29, 2024-0"):
        read(kept, *rows)


CLOSED = {
    "a week of one day": (
        "2024-03-25",
        "2024-03-25",
        r"2024-03-26, .*, 2024-03-30\. Give ",
    ),
    "Monday": ("2024-03-26", "2024-03-30", r"2024-03-25\. Give .* closed on one, a row of 0 units"),
    "Monday of two weeks": ("2024-03-26", "2024-04-06", r"got none of 2024-03-25\."),
    "Saturday": ("2024-03-25", "2024-03-29", r"got none of 2024-03-30\."),
}


@pytest.mark.parametrize("name", CLOSED)
def test_days_that_a_week_lacks_are_named(name):
    first, last, told = CLOSED[name]
    with pytest.raises(CatalogueError, match=told):
        read(kept_days("week"), *day_sales(first, last, mask=SHOP_DAYS))


def test_a_holiday_is_told_by_a_row_of_no_units():
    rows = [("a", "2024-03-25", 0, 2.5), *day_sales("2024-03-26", "2024-03-30", mask=SHOP_DAYS)]
    assert read(kept_days("week"), *rows).units.tolist() == [5.0]


@pytest.mark.parametrize("frequency", ["week", "day"])
def test_one_row_on_a_closed_weekday_opens_no_other(frequency):
    kept = kept_days(frequency)
    rows = [*day_sales("2024-03-25", "2024-04-20", mask=SHOP_DAYS), ("a", "2024-04-07", 1, 2.5)]
    panel = read(kept, *rows)
    if frequency == "week":
        assert panel.units.tolist() == [6.0, 7.0, 6.0, 6.0]
    grown = appended(kept, panel, {})
    assert grown.open_weekdays == kept.open_weekdays == (0, 1, 2, 3, 4, 5)
    assert read(grown, *day_sales("2024-04-22", "2024-04-27", mask=SHOP_DAYS)).start == grown.end


@pytest.mark.parametrize(
    ("day", "last"), [("2024-03-24", "2024-03-30"), ("2024-03-23", "2024-04-06")]
)
def test_days_of_a_kept_week_are_not_lost_without_a_word(day, last):
    rows = [("a", day, 7, 2.5), *day_sales("2024-03-25", last, mask=SHOP_DAYS)]
    told = rf"got 1 row of days within kept weeks: row 1 \('a', {day}\)\. Leave them out if"
    with pytest.raises(CatalogueError, match=told):
        read(kept_days("week"), *rows)


def test_weekly_totals_behind_days_are_refused():
    rows = [("a", day, 70, 2.5) for day in ("2024-03-25", "2024-04-01", "2024-04-08")]
    told = r"must be of days, as kept weeks were added up from days, got a date a week: row 1 \('a'"
    with pytest.raises(CatalogueError, match=told):
        read(kept_days("week"), *rows)


def test_closed_days_are_no_holes_between_days():
    market = pd.DataFrame({"date": pd.date_range("2024-01-01", "2024-04-03").astype(str)})
    market["index"] = np.arange(len(market), dtype=float)
    kept = kept_days("day", market=market[:83])
    spec = spec_as_trained(replace(COLUMNS, past=("index",)), kept, market=market[83:])
    rows = day_sales("2024-03-25", "2024-04-03", mask=SHOP_DAYS)
    panel = read_new_periods(NewSales(frame_parts(table(*rows)), spec, "new.csv"), kept)
    assert panel.start == kept.end and len(panel.reported) == 11
    assert np.flatnonzero(~panel.reported).tolist() == [0, 7]
    old = replace(spec, market=market[:83])
    with pytest.raises(CatalogueError, match=r"market must hold index of the new days, got none"):
        read_new_periods(NewSales(frame_parts(table(*rows)), old, "new.csv"), kept)
    grown, whole = appended(kept, panel, {}), kept_days("day", end="2024-04-03", market=market)
    assert grown.reported.tolist() == whole.reported.tolist()
    assert grown.units.tolist() == whole.units.tolist()
    assert grown.market["index"].tolist() == whole.market["index"].tolist()
    with pytest.raises(CatalogueError, match=r"go on with 2024-03-25.* row of 1 day \(2024-03-25"):
        read(kept_days("day"), *day_sales("2024-03-26", "2024-04-03", mask=SHOP_DAYS))

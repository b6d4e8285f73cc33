"""Windows look into one array, and never past their date."""

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.errors import CatalogueError

WEEKS = pd.date_range("2024-01-01", periods=6, freq="7D").strftime("%Y-%m-%d").tolist()
SALES = pd.DataFrame(
    [("a", week, n, n / 2) for n, week in enumerate(WEEKS)] + [("b", WEEKS[3], 9, 1.5)],
    columns=["item_id", "date", "units", "price"],
)
COLUMNS = SalesColumns(price="price")


@pytest.fixture
def panel():
    return read_panel(frame_parts(SALES), columns=COLUMNS)


@pytest.mark.parametrize(
    ("series", "as_of", "length", "expected"),
    [
        (0, "2024-01-22", 2, [1, 2]),
        (0, "2024-01-25", 2, [1, 2]),
        (0, "2024-01-29", 9, [0, 1, 2, 3]),
        (0, "2030-01-01", 2, []),
        (0, "2024-02-19", 2, [5]),
        (0, "2023-01-01", 4, []),
        (1, "2024-01-22", 4, []),
        (1, "2024-02-05", 4, [9, 0]),
    ],
)
def test_a_window_is_a_view_of_what_had_ended_by_the_date(panel, series, as_of, length, expected):
    window = panel.window(series, as_of, length)
    assert window.tolist() == expected
    assert not expected or np.shares_memory(window, panel.units)
    prices = panel.window(series, as_of, length, column="price")
    assert len(prices) == len(expected)
    assert not expected or np.shares_memory(prices, panel.columns["price"])


def market_of(**columns):
    return pd.DataFrame({"date": [*WEEKS, "2024-02-19", "2024-02-20"], **columns})


def test_the_market_has_one_number_a_period_and_goes_on_where_it_is_known_ahead():
    market = market_of(rain=range(8), holidays=[0, 0, None, 0, 1, 0, 2, 4])
    columns = SalesColumns(past=("rain",), known=("holidays",))
    panel = read_panel(frame_parts(SALES), columns=columns, market=market)
    assert panel.market["rain"].tolist() == [0, 1, 2, 3, 4, 5]
    nan = float("nan")
    np.testing.assert_array_equal(panel.market["holidays"], [0, 0, nan, 0, 1, 0, nan, 3])
    assert panel.known == {"holidays"}


def test_a_market_with_faults_or_an_undeclared_number_is_refused():
    market = market_of(rain=["x", *range(7)], index=range(8))
    columns = SalesColumns(past=("rain",))
    with pytest.raises(CatalogueError) as caught:
        read_panel(frame_parts(SALES), columns=columns, market=market)
    assert "row 1, column rain: must be a number, got 'x'" in str(caught.value)
    assert "column index: must be named in past or known, got neither" in str(caught.value)


def test_a_period_without_any_row_is_unknown_where_many_rows_are_usual():
    weeks = pd.date_range("2024-01-01", periods=6, freq="7D")
    rows = [(f"i{item:02}", week, 2) for item in range(25) for week in weeks if week != weeks[3]]
    sales = pd.DataFrame(rows, columns=["item_id", "date", "units"])
    panel = read_panel(frame_parts(sales), columns=SalesColumns())
    assert panel.silent.tolist() == [3]
    assert np.isnan(panel.known_units[3]) and panel.units[3] == 0
    few = read_panel(frame_parts(sales[sales.item_id < "i10"]), columns=SalesColumns())
    assert few.silent.tolist() == [] and few.known_units is few.units


def test_rows_that_come_later_do_not_make_a_period_unknown():
    weeks = pd.date_range("2024-01-01", periods=9, freq="7D")
    rows = [("i00", weeks[0], 2), ("i00", weeks[2], 2)]
    rows += [(f"i{item:02}", week, 2) for item in range(25) for week in weeks[3:]]
    sales = pd.DataFrame(rows, columns=["item_id", "date", "units"])
    assert read_panel(frame_parts(sales), columns=SalesColumns()).silent.tolist() == []

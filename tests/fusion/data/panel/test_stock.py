"""Periods without full stock: which they are, and stock that contradicts the sales."""

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.data.panel.stock import of_demand
from fusion.errors import CatalogueError

WEEKS = pd.date_range("2024-01-01", periods=6, freq="7D")
NAN = np.nan


def panel_of(units, told, *, days=WEEKS, role="in_stock", **options):
    frame = pd.DataFrame({"item_id": "a", "date": days, "units": units, "shelf": told})
    return read_panel(frame_parts(frame), columns=SalesColumns(**{role: "shelf"}), **options)


def test_units_of_a_period_partly_in_stock_are_a_bound_and_a_rate():
    panel = of_demand(panel_of([4, 3, 1, 0, 5, 6], [1, 0.5, 0.1, 0, None, 1]))
    np.testing.assert_allclose(panel.in_stock, [1, 0.5, 0.1, 0, 0, 1])
    np.testing.assert_array_equal(panel.known_units, [4, NAN, NAN, NAN, NAN, 6])
    np.testing.assert_array_equal(panel.lag_units, [4, 6, NAN, NAN, NAN, 6])
    np.testing.assert_array_equal(panel.units[:3], [4, 3, 1])


def test_without_being_asked_for_demand_a_panel_is_that_of_sales():
    panel = panel_of([4, 3, 1, 0, 5, 6], [1, 0.5, 0.2, 0, 1, 1])
    np.testing.assert_array_equal(panel.lag_units, [4, 3, 1, NAN, 5, 6])


def test_a_stock_of_days_tells_the_share_of_a_week():
    days = pd.date_range("2024-01-01", periods=14, freq="D")
    panel = panel_of(
        [2] * 5 + [0] * 2 + [1] * 7, [9] * 5 + [0] * 2 + [9] * 7, days=days, role="stock",
        frequency="week",
    )  # fmt: skip
    np.testing.assert_allclose(panel.in_stock, [5 / 7, 1])


@pytest.mark.parametrize("role", ["stock", "in_stock"])
def test_sales_without_stock_are_refused_with_all_rows_and_what_to_do(role):
    with pytest.raises(CatalogueError) as caught:
        panel_of([4, 3, 0, -1, 5, 6], [1, 0, 0, 0, 0, 1], role=role)
    told = str(caught.value)
    assert "sales has 2 problems in 2 rows" in told and "Units that were sold were at hand" in told
    assert "row 2, column shelf: must be above 0 where units were sold, got 0 and 3 units" in told
    assert "row 5, column shelf: must be above 0 where units were sold, got 0 and 5 units" in told


def test_shares_are_no_stock_in_units():
    with pytest.raises(CatalogueError, match="stock must be in units, got parts of 1 alone"):
        panel_of([4, 3, 1, 0, 5, 6], [1, 0.5, 0.2, 0, 1, 1], role="stock")


def test_percent_are_refused_with_how_a_share_is_written():
    with pytest.raises(CatalogueError, match=r"must be 0 to 1, got 40\n.*\n.*0 to 1 \(40 % is 0.4"):
        panel_of([4, 3, 0, 1, 5, 6], [1, 40, 100, 1, 1, 1])


def test_a_panel_that_tells_nothing_of_stock_tells_no_demand():
    frame = pd.DataFrame({"item_id": "a", "date": WEEKS, "units": 1})
    with pytest.raises(ValueError, match="Name a column as stock or in_stock"):
        of_demand(read_panel(frame_parts(frame), columns=SalesColumns()))

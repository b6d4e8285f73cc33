"""A panel that shows its price: known where something was sold at one, and nowhere else."""

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.panel import SOLD, over_shops
from fusion.data.panel.priced import priced
from fusion.data.panel.reading import read_panel
from fusion.forecasting.examples import examples_at, past_examples

WEEKS = pd.date_range("2024-01-01", periods=6, freq="7D")
COLUMNS = SalesColumns(price="price", past=("visitors",))


def panel_of(rows, columns=COLUMNS):
    names = ["item_id", "date", "units", "price", "visitors"]
    names += ["shop"] if columns.shop else []
    return read_panel(frame_parts(pd.DataFrame(rows, columns=names)), columns=columns)


@pytest.fixture(scope="module")
def panel():
    """The price of `a` moves; it sold nothing in week 2, free in week 3, without a price in 4."""
    units, prices = [3, 2, 0, 1, 2, 4], [5.0, 6.0, 9.0, 0.0, None, 7.0]
    rows = [("a", *one, 8) for one in zip(WEEKS, units, prices, strict=True)]
    rows += [("b", WEEKS[2], 0, 3.0, 1), ("b", WEEKS[4], 5, 2.0, 1)]
    return priced(panel_of(rows))


def test_a_price_is_known_where_something_was_sold_at_one(panel, caplog):
    nan = np.nan
    own = panel.units[panel.offsets[0] : panel.offsets[1]]
    assert np.array_equal(own, [5, 6, nan, nan, nan, 7], equal_nan=True)
    assert panel.quantity == "price" and "price" not in panel.columns
    sold = panel.columns[SOLD][panel.offsets[0] : panel.offsets[1]]
    assert sold.tolist() == [3, 2, 0, 1, 2, 4] and SOLD not in panel.known


def test_prices_of_0_are_told(caplog):
    priced(panel_of([("a", WEEKS[0], 1, 0.0, 1), ("a", WEEKS[1], 1, 2.0, 1)]))
    assert "1 price(s) of the sales table are 0 or less" in caplog.text


def test_the_level_is_the_last_known_price_so_that_1_is_one_that_does_not_move(panel):
    series, as_of = np.zeros(6, dtype=np.int64), panel.start + np.arange(1, 7)
    examples = examples_at(panel, series, as_of, horizon=1)
    assert examples.levels().tolist() == [5, 6, 6, 6, 6, 7]
    assert examples.recent_levels().tolist() == [5, 6, 6, 6, 6, 7]
    assert examples.paths()[0].tolist() == pytest.approx([6 / 5, 6 / 5])


def test_an_item_that_never_had_a_price_is_measured_by_the_level_of_new_ones(panel):
    series, as_of = np.array([1, 1]), panel.start + np.array([4, 5])
    examples = examples_at(panel, series, as_of, horizon=1)
    assert examples.stages().tolist() == [0, 1]  # units of 0 are no history of prices
    assert examples.levels().tolist() == [examples.new_level, 2.0]
    assert np.isnan(examples.recent_levels()[0])


def test_shortened_histories_do_not_see_older_prices(panel):
    examples = examples_at(panel, np.array([0]), np.array([panel.start + 5]), horizon=1)
    assert np.isnan(examples.recent(np.array([2])).recent_levels()[0])
    assert examples.recent(np.array([4])).levels().tolist() == [6]


def test_the_market_is_the_mean_price_of_what_was_sold(panel):
    wanted = [5, 6, np.nan, np.nan, 2, 7]
    assert np.array_equal(panel.market_units, wanted, equal_nan=True)


def test_questions_begin_where_a_price_is_known(panel):
    asked = past_examples(panel, horizon=1, until=panel.end)
    of_b = asked.as_of[asked.windows.series == 1] - panel.start
    assert of_b.tolist() == [2, 5]  # as a new item, and once its price is known


def test_over_shops_prices_count_by_what_was_sold_at_them():
    rows = [("a", WEEKS[0], 3, 4.0, 1, "x"), ("a", WEEKS[0], 1, 8.0, 1, "y")]
    rows += [("a", WEEKS[1], 2, 4.0, 1, "x"), ("a", WEEKS[1], 0, 8.0, 1, "y")]
    columns = SalesColumns(price="price", past=("visitors",), shop="shop")
    both = over_shops(priced(panel_of(rows, columns)))
    assert both.units.tolist() == [5.0, 4.0] and both.columns[SOLD].tolist() == [4.0, 2.0]
    assert both.quantity == "price"


@pytest.mark.parametrize("columns", [SalesColumns(past=("visitors",)), None])
def test_a_panel_without_a_price_that_is_unknown_ahead_is_refused(columns):
    known = SalesColumns(price="price", past=("visitors",), known=("price",))
    with pytest.raises(ValueError, match="with a price that is not known ahead"):
        priced(panel_of([("a", WEEKS[0], 1, 1.0, 1)], columns or known))

"""Nothing at or after a date reaches the past, and nothing before it the future."""

from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.data.panel.asof import history_names, item_history
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.data.panel.tables import add_history, add_target
from fusion.errors import CatalogueError

DEMO = Path(__file__).parents[4] / "demo_data"
COLUMNS = SalesColumns(price="price", shop="shop")
AS_OF = "2024-02-14"
rows = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c"]),
        st.integers(0, 9),
        st.integers(-3, 10**7),
        st.one_of(st.none(), st.floats(0, 1e6)),
        st.sampled_from(["x", "y"]),
    ),
    max_size=12,
)
BASE = [(item, week, 2, 3.0, "x") for item in "abc" for week in (0, 5)]


def sales_of(cells):
    frame = pd.DataFrame(cells, columns=["item_id", "week", "units", "price", "shop"])
    dates = pd.Timestamp("2024-01-01") + pd.to_timedelta(7 * frame["week"], unit="D")
    return frame.assign(date=dates.dt.strftime("%Y-%m-%d"))


def items():
    return pd.DataFrame({"item_id": ["a", "b", "c", "never"]})


def history(cells):
    return add_history(items(), sales_of(cells), columns=COLUMNS, as_of=AS_OF, windows=(2, 4))


@settings(max_examples=20, deadline=None)
@given(rows, rows)
def test_no_row_at_or_after_the_date_changes_the_history(some, others):
    past = [row for row in [*BASE, *some] if row[1] < 6]  # the seventh week holds the date
    future = [row for row in others if row[1] >= 6]
    pd.testing.assert_frame_equal(history([*past, *future]), history(past))


@settings(max_examples=20, deadline=None)
@given(rows, rows)
def test_no_units_before_the_date_change_the_target(some, others):
    def target(past):
        cells = [*BASE, *past, *future, ("a", 9, 0, None, "x")]
        frame = sales_of(cells)
        return add_target(items(), frame, columns=COLUMNS, as_of=AS_OF, horizon=2)

    future = [row for row in some if row[1] >= 7]
    past = [row for row in others if row[1] < 7]
    pd.testing.assert_frame_equal(target(past), target([]))


@pytest.mark.parametrize(("freq", "letter", "unit"), [("D", "d", "day"), ("MS", "m", "month")])
def test_days_and_months_have_columns_of_their_own(freq, letter, unit):
    dates = pd.date_range("2024-01-01", periods=40, freq=freq)
    sales = pd.DataFrame({"item_id": "a", "date": dates, "units": range(40)})
    as_of = dates[-1] + (dates[1] - dates[0])
    one = pd.DataFrame({"item_id": ["a"]})
    found = add_history(one, sales, columns=SalesColumns(), as_of=as_of)
    assert tuple(found.columns[1:]) == history_names(unit)
    short = add_history(one, sales, columns=SalesColumns(), as_of=dates[30], windows=(3,))
    assert short.iloc[0, 1:].tolist() == [27 + 28 + 29, 29, 1]
    ahead = add_target(one, sales, columns=SalesColumns(), as_of=dates[30], horizon=3)
    assert ahead[f"units_next_3{letter}"].tolist() == [30 + 31 + 32]


def test_a_target_is_unknown_where_the_item_was_not_to_be_had_at_all():
    weeks = pd.date_range("2024-01-01", periods=6, freq="7D").strftime("%Y-%m-%d")
    stock = [1, 1, 1, 0, 0, 0]
    sales = pd.DataFrame({"item_id": "a", "date": weeks, "units": [5, 5, 5, 0, 0, 0]})
    columns = SalesColumns(in_stock="in_stock")
    one = pd.DataFrame({"item_id": ["a"]})

    def target(horizon, as_of):
        frame = sales.assign(in_stock=stock)
        return add_target(one, frame, columns=columns, as_of=as_of, horizon=horizon).iloc[0, 1]

    assert np.isnan(target(3, weeks[3]))
    assert target(4, weeks[2]) == 5


def test_a_date_before_any_sale_and_a_horizon_past_the_end_are_refused():
    sales = sales_of(BASE)
    with pytest.raises(CatalogueError, match="by as_of 2020-01-01, got 2024-01-01 as its first"):
        add_history(items(), sales, columns=COLUMNS, as_of="2020-01-01")
    with pytest.raises(CatalogueError, match="must reach 2024-09-02, got 2024-02-05 as its last"):
        add_target(items(), sales, columns=COLUMNS, as_of="2024-01-08", horizon=34)


def test_the_demo_catalogue_holds_the_history_and_target_that_its_sales_tell():
    table = pd.read_csv(DEMO / "items.csv").set_index("item_id")
    sales = pd.read_csv(DEMO / "sales.csv", dtype=str)
    columns = SalesColumns(date="week")
    asked = table.reset_index()[["item_id"]]
    found = add_history(asked, sales, columns=columns, as_of="2025-03-03")
    found = add_target(found, sales, columns=columns, as_of="2025-03-03", horizon=8)
    found = found.set_index("item_id")
    np.testing.assert_array_equal(found["units_next_8w"], table["units_next_8w"])
    sold = found["weeks_on_sale"].notna()
    for weeks in (4, 13, 52):
        name = f"units_last_{weeks}w"
        np.testing.assert_array_equal(found.loc[sold, name], table.loc[sold, name])
    assert (table.loc[~sold, "units_last_52w"].fillna(0) == 0).all()


def test_sums_are_those_of_a_database(tmp_path):
    draw = np.random.default_rng(0)
    sales = pd.DataFrame(
        {
            "item_id": [f"i{n}" for n in draw.integers(0, 30, 4000)],
            "date": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 90, 4000), "D"),
            "units": draw.integers(-2, 9, 4000),
        }
    )
    panel = read_panel(frame_parts(sales), columns=SalesColumns(), frequency="week")
    query = """
        SELECT item_id, sum(units) FROM sales
        WHERE date >= DATE '2024-02-05' AND date < DATE '2024-03-04' GROUP BY 1
    """
    expected = dict(duckdb.sql(query).fetchall())
    found = item_history(panel, as_of="2024-03-04")["units_last_4w"]
    assert {name: found[name] for name in expected} == expected

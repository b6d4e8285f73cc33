"""What a forecaster refuses before it learns, and what it reads of plans and new items."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from fusion.errors import CatalogueError, ConfigError
from fusion.estimators.forecaster import FusionForecaster

WEEKS = pd.date_range("2024-01-01", periods=26, freq="7D")
AHEAD = [WEEKS[-1] + pd.Timedelta(weeks=step) for step in (1, 2)]
IDS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def items():
    return pd.DataFrame({"item_id": IDS, "cost": [1.0, 2.0, 3.0, 4.0]})


@pytest.fixture(scope="module")
def sales():
    """A low price doubles what is sold."""
    draw = np.random.default_rng(0)
    rows = [(item, week, draw.choice([5.0, 9.0])) for item in IDS for week in WEEKS]
    table = pd.DataFrame(rows, columns=["item_id", "date", "price"])
    return table.assign(units=draw.poisson(np.where(table["price"] < 7, 24, 12)))


def plan(price, items=IDS, weeks=AHEAD):
    rows = [(item, week, price) for item in items for week in weeks]
    return pd.DataFrame(rows, columns=["item_id", "date", "price"])


def forecaster(**options):
    known = {"price": "price", "known": ("price",)}
    given = {"horizon": 2, "members": ["trees"], "sales": known, "random_state": 0}
    return FusionForecaster(**{**given, **options})


@pytest.fixture(scope="module")
def fitted(items, sales):
    return forecaster().fit(items, sales)


def test_a_plan_of_its_own_table_counts_as_one_in_the_rows_of_sales(fitted, items, sales):
    apart = fitted.predict(items, sales, planned=plan(5.0))
    within = fitted.predict(items, pd.concat([sales, plan(5.0)]))
    pd.testing.assert_frame_equal(apart, within)
    dear = fitted.predict(items, sales, planned=plan(9.0))
    assert (dear["mean"] < 0.8 * apart["mean"]).all()


def test_a_plan_that_is_forgotten_is_told_where_it_belongs(items, sales):
    plain, names = sales.drop(columns="price"), {"price": "price", "known": ("price",)}
    past = sales[["item_id", "date", "price"]]
    model = forecaster(sales=names).fit(items, plain, planned=past)
    week = plan(5.0, weeks=AHEAD[:1]).drop(columns="price").assign(units=3)
    told = r"price(.|\n)*neither in the sales table nor in a table of plans. Give the table of"
    for ask in (lambda: model.predict(items, plain), lambda: model.update(None, week)):
        with pytest.raises(CatalogueError, match=told):
            ask()


def test_what_is_no_table_is_told_by_its_parameter(fitted, items, sales):
    for name, row, ask in (
        ("new_sales", "an item and period", lambda: fitted.update(None, None)),
        ("sales", "an item and period", lambda: fitted.predict(items, "sales.csv")),
        ("planned", "an item and period", lambda: fitted.predict(items, planned="plan.csv")),
        ("planned", "an item and period", lambda: fitted.predict(items, sales, planned="plan.csv")),
        ("market", "a period", lambda: fitted.predict(items, sales, market="market.csv")),
        ("items", "an item", lambda: fitted.predict(None)),
    ):
        with pytest.raises(TypeError, match=f"^{name} must be a table with one row {row} "):
            ask()


def test_a_gap_in_a_plan_is_refused_or_taken_as_unknown(fitted, items, sales, caplog):
    gaps = plan(5.0).iloc[1:]
    told = r"price of 'a' \(2024-07-01\). Add rows without units that tell them"
    with pytest.raises(CatalogueError, match=told):
        fitted.predict(items, sales, planned=gaps)
    lenient = forecaster(on_bad_rows="absent")
    lenient.forecast_ = fitted.forecast_
    found = lenient.predict(items, sales, planned=gaps)
    assert np.isfinite(found["mean"]).all() and "price of 'a' (2024-07-01)" in caplog.text


def test_no_plan_is_asked_for_of_weeks_that_the_sales_tell(fitted, items, sales):
    found = fitted.predict(items, sales, as_of=str(WEEKS[-2].date()))
    assert len(found) == 4 * 3


def test_an_item_that_comes_later_needs_a_plan_from_its_launch_on(items, sales):
    launches = ["2023-01-02"] * 3 + ["2024-07-08"]
    items = items.assign(launch=launches)
    sales = sales[sales["item_id"] != "d"]
    model = forecaster(launch="launch").fit(items, sales)
    with pytest.raises(CatalogueError, match=r"price of 'd' \(2024-07-15\)"):
        model.predict(items, sales, planned=plan(5.0))
    later = plan(5.0, ["d"], [pd.Timestamp("2024-07-15")])
    found = model.predict(items, sales, planned=pd.concat([plan(5.0), later]))
    assert found.loc[found["id"] == "d", "from"].iloc[0] == pd.Timestamp("2024-07-08")


def test_items_of_which_none_was_sold_are_forecast_as_new(fitted, sales, caplog):
    new = pd.DataFrame({"item_id": ["n1", "n2"], "cost": [1.0, 4.0]})
    found = fitted.predict(new, sales, planned=plan(5.0, ["n1", "n2"]))
    assert (found["life_stage"] == "new").all() and found["mean"].gt(0).all()
    model = forecaster()
    with pytest.raises(CatalogueError, match="must share ids in column item_id"):
        model.fit(new, sales)


def test_sales_without_rows_are_refused_as_they_have_no_date(fitted, items, sales):
    for ask in (fitted.predict, forecaster().fit):
        with pytest.raises(CatalogueError, match="sales must hold rows of what was sold, got a ta"):
            ask(items, sales[:0], planned=plan(5.0))


@pytest.mark.parametrize(
    "name", ["units_last_13w", "mean_price_last_4w", "weeks_on_sale", "units_next_8w"]
)
def test_columns_of_items_that_tell_of_sales_are_refused(items, sales, name):
    with pytest.raises(CatalogueError, match=f"no columns that tell of sales.*'{name}'"):
        forecaster().fit(items.assign(**{name: 1}), sales)


def test_a_horizon_longer_than_any_history_by_then_is_refused(items, sales):
    with pytest.raises(CatalogueError, match=r"at most 3 week\(s\), the longest history"):
        forecaster(horizon=4).fit(items, sales, as_of=str(WEEKS[3].date()))


@pytest.mark.parametrize("as_of", ["01/02/2024", "soon"])
def test_a_date_that_is_none_is_refused(fitted, items, sales, as_of):
    with pytest.raises(CatalogueError, match="as_of must be a date such as 2024-01-31"):
        fitted.predict(items, sales, as_of=as_of)


def test_nothing_that_comes_later_changes_an_answer_or_what_is_learned(items, sales):
    """`d` has a launch, but no row before the date; `c` moves to another shop after it."""
    date = WEEKS[18]
    items = items.assign(launch=["2024-01-01", "2024-01-01", "2024-02-05", "2024-03-04"])
    sales = sales[(sales["item_id"] != "d") | (sales["date"] > date)].assign(shop="north")
    moved = sales.assign(units=sales["units"].where(sales["date"] < date, 900))
    moved.loc[(moved["item_id"] == "c") & (moved["date"] >= date), "shop"] = "south"
    names = {"price": "price", "shop": "shop"}
    model = forecaster(sales=names, launch="launch", members=["ridge"])
    asked = items, sales[sales["date"] < date]
    told = model.fit(*asked).predict(*asked)
    for later in (sales, moved):
        again = clone(model).fit(items, later, as_of=str(date.date()))
        pd.testing.assert_frame_equal(again.predict(*asked), told)
    again = model.predict(items, sales, as_of=str(date.date())).query("id != 'd'")
    same = told.query("shop == 'north'").reset_index(drop=True)
    pd.testing.assert_frame_equal(again.query("shop == 'north'").reset_index(drop=True), same)


def test_a_backtest_refuses_all_counts_that_it_cannot_do_at_once(items, sales):
    """A gap below 0 would learn from what is asked about."""
    with pytest.raises(ConfigError) as caught:
        forecaster().backtest(items, sales, origins="2", every=0, gap=-1)
    for told in ("origins must be a whole number >= 1, got '2'", ">= 1, got 0", ">= 0, got -1"):
        assert told in str(caught.value)

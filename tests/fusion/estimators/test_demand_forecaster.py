"""A forecaster of demand: what a stock that is never full does to levels, and what it keeps."""

import numpy as np
import pandas as pd
import pytest

from fusion import FusionForecaster
from fusion.errors import CatalogueError, ConfigError

WEEKS = pd.date_range("2023-01-02", periods=44, freq="7D")
IDS = [f"i{row:02}" for row in range(16)]


@pytest.fixture(scope="module")
def items():
    return pd.DataFrame({"item_id": IDS, "cost": np.arange(16.0)})


@pytest.fixture(scope="module")
def sales():
    draw = np.random.default_rng(0)
    rows = [(item, week, draw.poisson(20), 1.0) for item in IDS for week in WEEKS[:40]]
    return pd.DataFrame(rows, columns=["item_id", "date", "units", "share"])


def forecaster():
    return FusionForecaster(
        horizon=2,
        head="demand",
        members=["classical"],
        sales={"in_stock": "share"},
        random_state=0,
    )


@pytest.mark.parametrize(("share", "since"), [(0.4, 0), (0.4, 20), (0.1, 20)])
def test_an_item_that_is_seldom_in_stock_is_wanted_as_much_as_it_sells(items, sales, share, since):
    is_low = (sales["item_id"] == "i02") & (sales["date"] >= WEEKS[since])
    known = sales.assign(share=np.where(is_low, share, 1.0))
    known["units"] = np.where(is_low, np.round(sales["units"] * share), sales["units"])
    asked = forecaster().fit(items, known).predict(items, known)
    own = asked[(asked["id"] == "i02") & (asked["window"] == "step")]
    assert (own["mean"] > 12).all() and (own["mean"] < 32).all()


@pytest.mark.parametrize("members", [["ridge"], ["ridge", "network"]])
def test_members_that_leave_sold_out_periods_aside_are_told(items, sales, members, caplog):
    options = {"network": {"settings": {"epochs": 1}}, "ridge": {}}
    model = forecaster().set_params(members={name: options[name] for name in members})
    model.fit(items, sales.assign(share=np.where(sales.index % 5, 1.0, 0.5)))
    assert ("Members ridge leave out periods that sold out" in caplog.text) == (len(members) == 1)


def test_sales_without_a_period_in_full_stock_are_refused(items, sales):
    with pytest.raises(CatalogueError, match=r"must hold periods in full stock .* got none"):
        forecaster().fit(items, sales.assign(share=0.98))


def test_demand_is_updated_and_told_by_the_histories_that_are_kept(items, sales):
    model = forecaster().fit(items, sales)
    new = sales[sales["date"] == WEEKS[0]].assign(date=WEEKS[40], share=0.0, units=0)
    found = model.update(None, new)
    assert found.n_periods == 1
    told = model.demand(items)
    late = told[told["from"] == WEEKS[40]]
    assert len(late) == 16 and (late["mean"] > 5).all()


def test_a_market_is_refused_beside_kept_histories(items, sales):
    model = forecaster().fit(items, sales)
    with pytest.raises(ConfigError, match="market must be left out where the kept histories"):
        model.predict(items, market=pd.DataFrame({"nonsense": [1]}))


def test_a_plan_beside_kept_histories_is_the_plan(items, sales):
    draw = np.random.default_rng(1)
    plan = pd.DataFrame(
        [(item, week, float(draw.random() < 0.3)) for item in IDS for week in WEEKS],
        columns=["item_id", "date", "deal"],
    )
    known = sales.drop(columns="share").merge(plan)
    known["units"] = (known["units"] * (1 + 2 * known.pop("deal"))).astype(int)
    model = FusionForecaster(
        horizon=2, members=["ridge"], sales={"known": ("deal",)}, random_state=0
    ).fit(items, known, planned=plan)
    other = plan.assign(deal=1.0 - plan["deal"])
    told = model.predict(items, planned=other)
    assert not told["mean"].equals(model.predict(items)["mean"])
    ahead = other[other["date"] >= WEEKS[40]]
    both = pd.concat([plan[plan["date"] < WEEKS[40]], ahead])
    whole = model.predict(items, known, planned=both)
    np.testing.assert_allclose(told["mean"], whole["mean"], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("launch", "A launch is launch = of the forecaster"),
        ("frequency", "A frequency is frequency = of the forecaster"),
        ("market", "A table of the market is market = of fit and predict"),
    ],
)
def test_what_is_no_sales_column_is_told_where_it_belongs(name, place):
    with pytest.raises(ConfigError, match=rf"got '{name}'\. {place}"):
        FusionForecaster(sales={name: "week"}).fit(None, None)

"""A forecaster learns from two tables and answers step by step."""

import numpy as np
import pandas as pd
import pytest

from fusion.data import SalesColumns, add_history
from fusion.errors import CatalogueError, ConfigError
from fusion.estimators.forecaster import FusionForecaster

pytestmark = pytest.mark.usefixtures("few_draws")

MEMBERS = {"ridge": {}, "classical": {}}
WEEKS = pd.date_range("2024-01-01", periods=40, freq="7D")


@pytest.fixture(scope="module")
def tables():
    """60 items that come one after the other and sell at a steady level of their own."""
    draw = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": [f"i{row:02}" for row in range(60)], "cost": draw.random(60)})
    levels = draw.uniform(2, 30, 60)
    rows = [
        (item, week, draw.poisson(levels[row]))
        for row, item in enumerate(items["item_id"][:58])
        for week in WEEKS[row // 2 :]
    ]
    return items, pd.DataFrame(rows, columns=["item_id", "date", "units"]), levels


@pytest.fixture(scope="module")
def fitted(tables):
    items, sales, _ = tables
    return FusionForecaster(horizon=3, members=MEMBERS, random_state=0).fit(items, sales)


@pytest.fixture(scope="module")
def answers(fitted, tables):
    return fitted.predict(*tables[:2])


def test_every_item_has_a_row_for_each_step_and_one_for_all(answers):
    assert answers.groupby("id").size().eq(4).all() and answers["id"].nunique() == 60
    first = answers[answers["id"] == "i00"]
    assert first["window"].tolist() == ["step"] * 3 + ["total"]
    assert first["step"].tolist()[:3] == [1, 2, 3] and pd.isna(first["step"].iloc[3])
    assert str(first["from"].iloc[0])[:10] == "2024-10-07" == str(first["from"].iloc[3])[:10]
    assert str(first["until"].iloc[3])[:10] == "2024-10-27"


def test_answers_follow_the_level_of_an_item(answers, tables):
    steps = answers[(answers["window"] == "step") & (answers["life_stage"] == "known")]
    levels = dict(zip(tables[0]["item_id"], tables[2], strict=True))
    expected = steps["id"].map(levels)
    assert abs(steps["mean"] - expected).mean() < 0.35 * expected.mean()
    assert (steps["p10"] <= steps["p50"]).all() and (steps["p50"] <= steps["p90"]).all()


def test_the_mean_of_all_steps_is_their_sum(answers):
    steps = answers[answers["window"] == "step"].groupby("id")["mean"].sum()
    total = answers[answers["window"] == "total"].set_index("id")["mean"]
    assert np.allclose(steps, total)


def test_trend_and_hot_items_are_those_of_the_total(answers, fitted):
    total = answers[answers["window"] == "total"]
    known = total[total["life_stage"] == "known"]
    hot = known["p50"] >= fitted.forecast_.model.hot.threshold
    assert (hot == (known["hot_probability"] >= 0.5)).all() and 0 < hot.sum() < len(hot)
    assert np.allclose(known.filter(regex="probability_").sum(axis=1), 1)
    assert set(known["trend"]) <= {"up", "flat", "down"}
    new = total[total["life_stage"] == "new"]
    assert new["trend"].isna().all() and new["hot_probability"].notna().all()
    assert answers.loc[answers["window"] == "step", "hot_probability"].isna().all()


def test_items_that_were_never_sold_are_answered_too(answers):
    new = answers[answers["id"].isin(["i58", "i59"])]
    assert (new["life_stage"] == "new").all() and new["mean"].gt(0).all()


def test_like_items_are_past_ones_and_their_curves_end_at_the_date(fitted, tables):
    items, sales, _ = tables
    date = "2024-09-02"
    found = fitted.similar(items, sales, "i59", before=date, k=3)
    assert found["rank"].tolist() == [1, 2, 3] and found["distance"].is_monotonic_increasing
    assert (found["launched"] < date).all()
    later = sales.assign(units=sales["units"].where(sales["date"] < date, 500))
    assert found.equals(fitted.similar(items, later, "i59", before=date, k=3))
    with pytest.raises(ValueError, match="item must be in the panel"):
        fitted.similar(items, sales, "j59")


def test_a_forecast_of_a_past_date_does_not_know_what_came_later(fitted, tables):
    items, sales, _ = tables
    date = "2024-09-02"
    later = sales.assign(units=sales["units"].where(sales["date"] < date, 500))
    before = fitted.predict(items, sales, as_of=date)
    assert before.equals(fitted.predict(items, later, as_of=date))


def test_a_training_up_to_a_date_does_not_look_at_what_came_later(tables):
    items, sales, _ = tables
    date = "2024-09-02"
    later = sales.assign(units=sales["units"].where(sales["date"] < date, 500))
    found = [
        FusionForecaster(horizon=3, members={"ridge": {}}, random_state=0)
        .fit(items, one, as_of=date)
        .predict(items, one, as_of=date)
        for one in (sales, later)
    ]
    assert found[0].equals(found[1])


def test_a_backtest_tells_how_good_each_method_was(tables):
    items, sales, _ = tables
    model = FusionForecaster(horizon=3, members=MEMBERS, random_state=0)
    result = model.backtest(items, sales, origins=2)
    assert sorted(np.unique(result.examples.as_of - result.examples.as_of.min())) == [0, 3]
    table = result.tables[0].frame().set_index("method")
    assert table.loc["forecast", "wape"] < 0.8 * table.loc["zero", "wape"]
    assert {"median of last 8", "trees on lags"} <= set(table.index)
    by = {one.by for one in result.tables}
    assert {"step", "life stage", "origin"} <= by
    assert set(result.gains.frame()["reference"]) == {"forecast"}


def test_ranges_hold_about_as_often_as_they_say(tables):
    items, sales, _ = tables
    model = FusionForecaster(horizon=3, members={"ridge": {}}, random_state=0)
    found = model.backtest(items, sales, origins=2).tables[0].frame().set_index("method")
    assert 0.68 < found.loc["forecast", "coverage"] < 0.95


def test_shops_are_forecast_one_by_one_and_their_means_add_up(tables):
    items, sales, _ = tables
    draw = np.random.default_rng(1)
    north = sales.assign(shop="north", units=draw.binomial(sales["units"], 0.7))
    south = sales.assign(shop="south", units=sales["units"] - north["units"])
    model = FusionForecaster(
        horizon=2, members={"ridge": {}}, sales={"shop": "shop"}, random_state=0
    )
    both = pd.concat([north, south])
    answers = model.fit(items, both).predict(items, both)
    known = answers[answers["life_stage"] == "known"]
    assert set(known["shop"]) == {"north", "south"}
    assert known.groupby("shop")["mean"].sum().idxmax() == "north"
    whole = answers[(answers["shop"] == "") & (answers["window"] == "total")].set_index("id")
    by_shop = answers[(answers["shop"] != "") & (answers["window"] == "total")]
    sums = by_shop.groupby("id")["mean"].sum()
    assert np.allclose(sums, whole.loc[sums.index, "mean"])
    assert whole.loc[sums.index, "p50"].isna().all()
    assert whole.index.is_unique and set(whole.index) == set(items["item_id"])


def test_all_parameters_that_do_not_suit_are_told_at_once(tables):
    model = FusionForecaster(horizon=0, levels=(2.0,), members=["tree"], sales={"itm": "x"})
    with pytest.raises(ConfigError) as told:
        model.fit(*tables[:2])
    for word in ("horizon must be", "levels must be", "trees", "itm"):
        assert word in str(told.value)


def test_a_frequency_of_pandas_is_refused_with_our_word_for_it(tables):
    with pytest.raises(ConfigError, match=r"got 'W'\. Did you mean 'week'\?"):
        FusionForecaster(frequency="W").fit(*tables[:2])
    with pytest.raises(ConfigError, match="frequency must be one of"):
        add_history(*tables[:2], columns=SalesColumns(), as_of="2024-09-02", frequency="W")


def test_a_date_before_all_sales_is_refused(fitted, tables):
    with pytest.raises(CatalogueError, match="as_of must lie behind the first week"):
        fitted.predict(*tables[:2], as_of="2020-01-06")


def test_sales_too_short_for_the_origins_are_refused(tables):
    items, sales, _ = tables
    model = FusionForecaster(horizon=3, members=MEMBERS)
    with pytest.raises(CatalogueError, match="weeks more for 20 origins"):
        model.backtest(items, sales, origins=20)


def test_the_median_comes_whatever_levels_are_asked_for(tables):
    items, sales, _ = tables
    model = FusionForecaster(horizon=2, members={"ridge": {}}, levels=(0.25,), random_state=0)
    assert {"p25", "p50"} <= set(model.fit(items, sales).predict(items, sales).columns)

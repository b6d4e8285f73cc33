"""A forecast of demand: what it learns from, what it is measured on, and what was wanted before."""

import numpy as np
import pandas as pd
import pytest

from fusion import ConfigError
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.data.panel.stock import of_demand
from fusion.estimators.forecaster import FusionForecaster
from fusion.forecasting.examples import past_examples
from fusion.forecasting.fit import training_of
from fusion.forecasting.pool import Pool, answers_now

WEEKS = pd.date_range("2024-01-01", periods=30, freq="7D")
IDS = ["a", "b", "c", "d"]
OUT, PART = 14, 20
"""Week of item a without any stock, and with half of one."""


@pytest.fixture(scope="module")
def items():
    return pd.DataFrame({"item_id": IDS, "cost": [1.0, 2.0, 3.0, 4.0]})


@pytest.fixture(scope="module")
def sales():
    """About 20 units a week; item a sells twice as much from the gap on."""
    rows = [(item, week) for item in IDS for week in WEEKS]
    table = pd.DataFrame(rows, columns=["item_id", "date"])
    units = np.random.default_rng(0).poisson(20, len(table))
    units[OUT:30] = 40
    in_stock = np.ones(len(table))
    units[OUT], in_stock[OUT] = 0, 0.0
    units[PART], in_stock[PART] = 20, 0.5
    return table.assign(units=units, in_stock=in_stock)


def forecaster(**options):
    named = {"in_stock": "in_stock"}
    return FusionForecaster(
        **{"head": "demand", "horizon": 4, "members": ["classical"], "sales": named, **options}
    )


@pytest.fixture(scope="module")
def fitted(items, sales):
    return forecaster(random_state=0).fit(items, sales)


def test_demand_is_what_was_sold_in_full_stock_and_no_less_than_that_elsewhere(
    fitted, items, sales
):
    table = fitted.demand(items, sales)
    assert len(table) == len(sales)
    full = table["in_stock"] == 1
    for name in ("mean", "p10", "p50", "p90"):
        assert (table.loc[full, name] == table.loc[full, "sold"]).all()
        assert (table.loc[~full, name] >= table.loc[~full, "sold"]).all()
    out, part = table.iloc[OUT], table.iloc[PART]
    assert 28 < out["mean"] < 45  # both sides: 20 before, 40 after
    assert 33 < part["mean"] < 47 and part["sold"] == 20
    spreads = [(one["p90"] - one["p10"]) / one["mean"] for one in (out, part)]
    assert spreads[0] > spreads[1] > 0


def test_what_came_after_a_date_is_not_read(fitted, items, sales):
    day = str(WEEKS[OUT + 1].date())
    later = sales.copy()
    later.loc[later["date"] >= day, "units"] = 500
    first, second = (fitted.demand(items, table, as_of=day) for table in (sales, later))
    pd.testing.assert_frame_equal(first, second)
    assert first["until"].max() < pd.Timestamp(day)
    assert first.loc[first["in_stock"] == 0, "mean"].iloc[0] < 28  # one side alone


def test_a_saved_forecast_keeps_its_head(fitted, items, sales, tmp_path):
    fitted.save(tmp_path / "forecast")
    loaded = FusionForecaster.load(tmp_path / "forecast")
    pd.testing.assert_frame_equal(loaded.demand(items, sales), fitted.demand(items, sales))


def test_a_backtest_scores_periods_in_full_stock_alone(items, sales):
    outs = sales.assign(in_stock=np.where(sales["date"] == WEEKS[27], 0.5, sales["in_stock"]))
    actual = forecaster(random_state=0).backtest(items, outs, origins=1).actual
    assert np.isnan(actual.steps[:, 1]).all() and np.isfinite(actual.steps[:, [0, 2, 3]]).all()


def test_demand_is_refused_where_no_column_tells_of_stock(items, sales):
    told = "sales must name a column for stock or in_stock where head is demand, got none"
    with pytest.raises(ConfigError, match=told):
        forecaster(sales={}).fit(items, sales)
    with pytest.raises(ConfigError, match=r"head must be demand .*, got sales_path"):
        forecaster(head="sales_path", random_state=0).fit(items, sales).demand(items, sales)


def test_bounds_are_those_of_steps_sold_short_and_of_windows_that_hold_one(sales):
    panel = read_panel(frame_parts(sales), columns=SalesColumns(in_stock="in_stock"))
    assert past_examples(panel, horizon=2, until=panel.end).bounds() is None
    examples = past_examples(of_demand(panel), horizon=2, until=panel.end)
    training = training_of(examples)
    own = (examples.windows.series == 0) & (examples.as_of == panel.start + PART - 1)
    (row,) = np.flatnonzero(own)
    level = examples.levels()[row]
    np.testing.assert_allclose(training.at_least[row], [np.nan, 20 / level, 30 / level])
    np.testing.assert_allclose(training.targets[row], [40 / level, np.nan, np.nan])
    gap = (examples.windows.series == 0) & (examples.as_of == panel.start + OUT)
    assert np.isnan(training.at_least[gap]).all()


def test_an_updated_forecast_keeps_what_stock_cut_short(items, sales, tmp_path):
    day = str(WEEKS[26].date())
    is_out = (sales["item_id"] == "b") & (sales["date"] == WEEKS[27])
    sales = sales.assign(
        units=sales["units"].mask(is_out, 3), in_stock=sales["in_stock"].mask(is_out, 0.1)
    )
    model = forecaster(random_state=0).fit(items, sales[sales["date"] < day])
    model.update(None, sales[sales["date"] >= day])
    model.save(tmp_path / "forecast")
    kept = FusionForecaster.load(tmp_path / "forecast").forecast_.kept.panel
    panel = read_panel(frame_parts(sales), columns=SalesColumns(in_stock="in_stock"))
    np.testing.assert_array_equal(kept.is_bound, of_demand(panel).is_bound)
    np.testing.assert_array_equal(kept.known_units, of_demand(panel).known_units)
    pd.testing.assert_frame_equal(model.predict(items), model.predict(items, sales))
    pd.testing.assert_frame_equal(model.demand(items), model.demand(items, sales))


def test_bounds_of_periods_left_out_are_read_nowhere(sales):
    panel = of_demand(read_panel(frame_parts(sales), columns=SalesColumns(in_stock="in_stock")))
    examples = past_examples(panel, horizon=2, until=panel.end)
    pool = Pool(examples, answers_now({}, examples))
    period = panel.start + PART
    assert np.nansum(pool.training(period + 1, period + 2).at_least[:, :-1]) > 0
    assert np.isnan(pool.training(period, period + 1).at_least).all()

from dataclasses import replace

import numpy as np
import pytest

from fusion.evaluation import paired_bootstrap
from fusion.forecasting.backtest.forecasts import Actual, Forecasts
from fusion.forecasting.backtest.metrics import scores
from fusion.forecasting.backtest.paired import paired_gains

LEVELS = (0.1, 0.5, 0.9)


def flat(point):
    return Forecasts(point, np.repeat(point[:, :, None], 3, axis=2), LEVELS)


def made_up(n=60, *, seed=0):
    """Sales, a forecast that errs, and one that errs by half as much again."""
    rng = np.random.default_rng(seed)
    actual = Actual.of(rng.poisson(20.0, (n, 2)).astype(float), np.empty((n, 0)))
    error = rng.normal(0.0, 5.0, (n, 3))
    methods = {"worse": flat(actual.paths + 1.5 * error), "ours": flat(actual.paths + error)}
    return actual, methods


def gains(table, metric):
    return {row.method: row for row in table.rows if row.metric == metric}


def test_a_gain_is_the_difference_of_the_metrics():
    actual, methods = made_up()
    table = paired_gains(actual, methods, blocks=np.arange(60), reference="ours")
    ours, worse = (scores(actual, methods[name]) for name in ("ours", "worse"))
    for name in ("wape", "wape_total", "pinball", "pinball_total"):
        row = gains(table, name)["worse"]
        assert row.gain == pytest.approx(worse[name] - ours[name])
        assert row.low < row.gain < row.high
        assert row.verdict == "better"
    assert table.n_blocks == 60
    assert table.frame().columns.tolist() == [
        "reference",
        "method",
        "metric",
        "gain",
        "low",
        "high",
        "verdict",
    ]


def test_the_interval_is_that_of_whole_rows_drawn_by_block():
    actual, methods = made_up()
    items = np.repeat(np.arange(20), 3)
    table = paired_gains(actual, methods, blocks=items, reference="ours", metrics=("wape",))

    def wape(target, columns):
        error = np.abs(columns["median"] - target[:, :-1])
        return float(error.sum() / target[:, :-1].sum())

    wanted = paired_bootstrap(
        wape,
        actual.paths,
        {"median": methods["ours"].median[:, :-1]},
        {"median": methods["worse"].median[:, :-1]},
        higher_is_better=False,
        groups=items,
    )
    (row,) = table.rows
    assert (row.gain, row.low, row.high) == pytest.approx(wanted)


def test_rows_of_one_item_are_no_new_evidence():
    actual, methods = made_up(seed=1)
    again = np.repeat(np.arange(60), 9)
    copies = {name: forecasts.take(again) for name, forecasts in methods.items()}
    one = paired_gains(actual, methods, blocks=np.arange(60), reference="ours").rows[0]
    many = paired_gains(actual.take(again), copies, blocks=again, reference="ours").rows[0]
    apart = paired_gains(actual.take(again), copies, blocks=np.arange(540), reference="ours")
    assert (many.low, many.high) == pytest.approx((one.low, one.high))
    assert apart.rows[0].high - apart.rows[0].low < 0.5 * (one.high - one.low)


def test_a_method_that_is_alike_has_no_clear_difference():
    actual, methods = made_up()
    methods["alike"] = methods["ours"]
    table = paired_gains(actual, methods, blocks=np.arange(60), reference="ours")
    assert gains(table, "wape")["alike"].verdict == "no clear difference"
    assert [row.method for row in table.rows] == ["worse"] * 4 + ["alike"] * 4


def test_nothing_is_clear_of_one_item_or_of_no_sales():
    actual, methods = made_up()
    table = paired_gains(actual, methods, blocks=np.zeros(60), reference="ours")
    assert gains(table, "wape")["worse"].verdict == "not defined"
    nothing = replace(actual, steps=np.zeros((60, 2)))
    table = paired_gains(nothing, methods, blocks=np.arange(60), reference="ours")
    assert gains(table, "wape")["worse"].verdict == "not defined"


def test_a_reference_that_is_no_method_is_refused():
    actual, methods = made_up()
    with pytest.raises(ValueError, match="reference must be one of worse, ours, got mine"):
        paired_gains(actual, methods, blocks=np.arange(60), reference="mine")
    with pytest.raises(ValueError, match="blocks must have 60 labels, one a row, got 3"):
        paired_gains(actual, methods, blocks=np.arange(3), reference="ours")

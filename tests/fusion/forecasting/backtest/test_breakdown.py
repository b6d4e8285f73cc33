from dataclasses import replace

import numpy as np
import pytest

from fusion.forecasting.backtest.breakdown import (
    breakdown,
    example_groupings,
    group_prices,
    group_rows,
)
from fusion.forecasting.backtest.forecasts import Actual, Forecasts
from fusion.forecasting.backtest.metrics import scores
from fusion.forecasting.members.example import example_examples

LEVELS = (0.1, 0.5, 0.9)


def made_up(n=30, *, seed=0):
    rng = np.random.default_rng(seed)
    actual = Actual.of(
        rng.poisson(5.0, (n, 3)).astype(float), rng.poisson(5.0, (n, 9)).astype(float)
    )
    methods = {
        name: Forecasts(
            rng.gamma(2.0, 3.0, (n, 4)), np.sort(rng.gamma(2.0, 3.0, (n, 4, 3)), axis=2), LEVELS
        )
        for name in ("ours", "last value")
    }
    return actual, methods


def test_each_group_has_the_metrics_of_its_rows():
    actual, methods = made_up()
    labels = np.array(["shirts", "coats", "coats"] * 10)
    tables = breakdown(actual, methods, [group_rows("category", labels)])
    everything, _, by_category = tables
    assert [table.by for table in tables] == ["all", "step", "category"]
    for row in everything.rows:
        assert row.metrics == pytest.approx(scores(actual, methods[row.method]))
    assert [(row.group, row.method) for row in by_category.rows] == [
        (group, method) for group in ("coats", "shirts") for method in methods
    ]
    for row in by_category.rows:
        rows = np.flatnonzero(labels == row.group)
        assert row.n_rows == len(rows)
        wanted = scores(actual.take(rows), methods[row.method].take(rows))
        assert row.metrics == pytest.approx(wanted)


def test_each_step_has_the_metrics_of_its_column():
    actual, methods = made_up()
    by_step = breakdown(actual, methods)[1]
    assert by_step.metric_names[:3] == ("wape", "mae", "bias")
    assert "wape_total" not in by_step.metric_names and "rmsse" not in by_step.metric_names
    second = next(row for row in by_step.rows if row.group == "2" and row.method == "ours")
    alone = Forecasts(methods["ours"].mean[:, [1, 3]], methods["ours"].quantiles[:, [1, 3]], LEVELS)
    wanted = scores(replace(actual, steps=actual.steps[:, [1]]), alone)
    assert second.metrics == pytest.approx({name: wanted[name] for name in by_step.metric_names})


def test_a_frame_has_a_row_a_group_and_method():
    actual, methods = made_up()
    frame = breakdown(actual, methods)[0].frame()
    assert frame.columns[:5].tolist() == ["by", "group", "method", "n_rows", "wape"]
    assert frame.method.tolist() == ["ours", "last value"]
    assert frame.n_rows.tolist() == [30, 30]


def test_prices_fall_into_quarters_and_unknown_ones_stand_apart():
    prices = np.array([np.nan, *np.arange(1.0, 9.0)])
    grouping = group_prices(prices)
    assert grouping.labels == (
        "up to 2.75",
        "2.75 to 4.5",
        "4.5 to 6.25",
        "over 6.25",
        "unknown",
    )
    assert grouping.codes.tolist() == [4, 0, 0, 1, 1, 2, 2, 3, 3]


def test_rows_of_one_price_are_in_one_band():
    assert group_prices(np.full(5, 9.99)).labels == ("up to 9.99",)
    assert group_prices(np.full(5, np.nan)).labels == ("unknown",)
    assert group_prices(np.array([1.0, 1, 1, 1, 1, 5])).labels == ("up to 1", "over 1")
    assert group_prices(np.full(3, 2.325281)).labels == ("up to 2.325",)


def test_labels_that_are_not_one_a_row_are_refused():
    actual, methods = made_up()
    with pytest.raises(ValueError, match="groups by shop must be 30, one a row, got 2"):
        breakdown(actual, methods, [group_rows("shop", ["a", "b"])])


def test_examples_fall_into_groups_by_life_stage_origin_and_price():
    examples = example_examples()
    by_stage, by_origin, by_price = example_groupings(examples)
    assert (by_stage.by, by_origin.by, by_price.by) == ("life stage", "origin", "price")
    assert by_stage.codes.tolist() == examples.stages().tolist()
    days = [by_origin.labels[code] for code in by_origin.codes]
    assert days == examples.windows.step_dates()[:, 0].astype(str).tolist()
    assert by_price.labels[-1] == "unknown"
    assert (by_price.codes == len(by_price.labels) - 1).tolist() == (by_stage.codes == 0).tolist()


def test_the_last_known_price_is_that_before_the_first_step():
    windows = example_examples().windows
    wanted = windows.past("price", 1)[:, 0]
    assert np.array_equal(windows.last("price"), wanted, equal_nan=True)


def test_groups_without_rows_are_not_shown():
    examples = example_examples()
    examples = examples.take(np.flatnonzero(examples.stages() == 2)[:5])
    actual = Actual.of_examples(examples)
    zero = Forecasts(np.zeros((5, 4)), np.zeros((5, 4, 3)), LEVELS)
    by_stage = breakdown(actual, {"zero": zero}, example_groupings(examples))[2]
    assert [row.group for row in by_stage.rows] == ["known"]

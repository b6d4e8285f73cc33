"""Simple methods say what their names say, and learn their spread from the past alone."""

import numpy as np
import pytest

from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel, ragged
from fusion.forecasting.backtest.baseline_models import lag_table
from fusion.forecasting.backtest.baseline_spread import AgeMedians
from fusion.forecasting.backtest.baselines import (
    BY_AGE,
    LEAST_SQUARES,
    RATIO,
    RULES,
    TREES,
    WEEKDAY,
    baseline_forecasts,
    week_before,
)
from fusion.forecasting.backtest.forecasts import Actual, joined, unit_paths
from fusion.forecasting.backtest.metrics import scores
from fusion.forecasting.examples import examples_at, past_examples

START = 2800
LEVELS = (0.1, 0.5, 0.9)


def panel_of(*rows, unit="week"):
    """Series that end together; the longest is as old as the panel."""
    lengths = np.array([len(row) for row in rows])
    n_periods = int(lengths.max())
    offsets, _ = ragged(lengths)
    return Panel(
        frequency=Frequency(unit),
        start=START,
        ids=tuple(f"i{row}" for row in range(len(rows))),
        shops=None,
        first=START + n_periods - lengths,
        offsets=offsets,
        units=np.concatenate(rows).astype(np.float32),
        given=np.ones(lengths.sum(), dtype=bool),
        reported=np.ones(n_periods, dtype=bool),
    )


def asked_at(panel, period, *, horizon=2):
    series = np.arange(panel.n_series)
    return examples_at(panel, series, np.full(len(series), period), horizon=horizon)


def made_up(*, n_series=15, n_periods=24, seed=0):
    """Series of different ages whose weeks are Poisson around levels of their own."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(8, n_periods, n_series)
    lengths[0] = n_periods
    level = rng.gamma(2.0, 5.0, n_series)
    return panel_of(
        *[rng.poisson(mean, length) for mean, length in zip(level, lengths, strict=True)]
    )


def said(name, history, *, horizon=2):
    panel = panel_of(np.array(history, dtype=float))
    return RULES[name](asked_at(panel, panel.end, horizon=horizon).windows)[0].tolist()


HISTORY = [50.0, 1, 2, 9, 4, np.nan, 8, np.nan]


def test_rules_of_a_history_by_hand():
    assert said("zero", HISTORY) == [0.0]
    assert said("last value", HISTORY) == [8.0]
    assert said("mean of last 4", HISTORY) == [6.0]  # of two known ones
    assert said("median of last 4", HISTORY) == [6.0]
    assert said("mean of last 8", HISTORY) == [pytest.approx(74 / 6)]
    assert said("median of last 8", HISTORY) == [6.0]  # between 4 and 8
    assert said("median of last 13", HISTORY[1:]) == [4.0]
    level = 50.0
    for units in (1, 2, 9, 4, 8):
        level += 0.2 * (units - level)
    assert said("exponential smoothing", HISTORY) == [pytest.approx(level)]
    assert said("TSB", HISTORY) == [pytest.approx(level)]  # sold in every known period
    assert said("TSB", [10, 0]) == [pytest.approx(10 * 0.8)]
    assert said("TSB", [0, 0]) == [0.0]


def test_periods_that_lack_give_way_to_the_last_known_one():
    gone = [7.0, *[np.nan] * 5]
    for name in ("mean of last 4", "median of last 4", "seasonal naive"):
        assert said(name, gone)[0] == 7.0


def test_a_year_before_is_the_same_week_and_months_have_twelve():
    history = np.arange(60.0)
    assert said("seasonal naive", history, horizon=3) == [8.0, 9.0, 10.0]
    panel = panel_of(np.arange(20.0), unit="month")
    asked = asked_at(panel, panel.end, horizon=13).windows
    assert RULES["seasonal naive"](asked)[0].tolist() == [*np.arange(8.0, 20.0), 8.0]


def test_days_are_also_forecast_by_the_same_weekday():
    history = [*range(10, 17), 20.0, 21, np.nan, 23, 24, 25, 26]
    panel = panel_of(np.array(history), unit="day")
    asked = asked_at(panel, panel.end, horizon=9)
    assert week_before(asked.windows)[0].tolist() == [20, 21, 26, 23, 24, 25, 26, 20, 21]
    training = past_examples(panel, horizon=9, until=panel.end)
    assert WEEKDAY in baseline_forecasts(training, asked, levels=LEVELS).forecasts


def forecast(panel, origin, rows=slice(None)):
    """Simple forecasts of a panel's series at a period, by what was known then."""
    training = past_examples(panel, horizon=2, until=origin)
    return baseline_forecasts(training, asked_at(panel, origin).take(rows), levels=LEVELS)


@pytest.fixture(scope="module")
def found():
    """All methods of one panel, two periods before its end."""
    panel = made_up()
    return forecast(panel, panel.end - 2)


def test_a_method_that_has_nothing_to_go_by_is_left_out_with_a_reason(found):
    assert found.left_out == {"seasonal naive": "no history reaches back 52 weeks"}
    assert set(found.forecasts) == {*RULES, BY_AGE, RATIO, LEAST_SQUARES, TREES} - {
        "seasonal naive"
    }


def test_items_without_a_history_have_the_median_path_of_new_ones():
    rows = [np.full(12, 3.0), *[[float(n), 10.0 * n, 1, 1] for n in range(1, 10)]]
    panel = panel_of(*rows)
    training = past_examples(panel, horizon=2, until=panel.end)
    new = examples_at(panel, np.array([1]), np.array([panel.end - 4]), horizon=2)
    found = baseline_forecasts(training, new, levels=LEVELS)
    assert set(found.forecasts) == {"zero", BY_AGE}
    assert found.left_out["last value"] == "no item has a history"
    assert found.forecasts[BY_AGE].median.tolist() == [[5.0, 50.0, 55.0]]
    both = examples_at(panel, np.array([1, 0]), np.full(2, panel.end - 4), horizon=2)
    points = baseline_forecasts(training, both, levels=LEVELS).forecasts["last value"].median
    assert points.tolist() == [[5.0, 50.0, 55.0], [3.0, 3.0, 6.0]]


def test_young_items_follow_the_shape_of_those_that_were_as_old():
    rows = [np.zeros(9), *[[9.0 * n, 5.0 * n, 5.0 * n, 2.0 * n] for n in (1, 2, 3, 20, 30, 40)]]
    panel = panel_of(*rows)
    training = past_examples(panel, horizon=2, until=panel.end)
    young = examples_at(panel, np.array([4]), np.array([panel.end - 3]), horizon=2)
    found = baseline_forecasts(training, young, levels=LEVELS).forecasts
    exact = [100.0, 100.0, 200.0]
    assert found[RATIO].median[0] == pytest.approx(exact, rel=0.1)  # of levels, which are 1 more
    assert found[BY_AGE].median[0] == pytest.approx([57.5, 57.5, 115.0])


def test_medians_of_an_age_with_few_rows_are_those_of_the_age_before():
    rows = [np.zeros(9), *[[1.0, 2.0, 3.0]] * 6, *[[1.0, 2.0, 3.0, 40.0, 50.0, 60.0]] * 3]
    training = past_examples(panel_of(*rows), horizon=1, until=START + 9)
    ages = AgeMedians.fitted(training.windows, unit_paths(training.targets()))
    assert ages.of(np.array([0, 1, 2, 3, 99]))[:, 0].tolist() == [1.0, 2.0, 3.0, 3.0, 3.0]
    rows = [np.zeros(9), *[[1.0, np.nan, 3.0]] * 6, *[[1.0, 2.0, 3.0]] * 3]
    training = past_examples(panel_of(*rows), horizon=1, until=START + 9)
    ages = AgeMedians.fitted(training.windows, unit_paths(training.targets()))
    assert ages.of(np.array([0, 1, 2]))[:, 0].tolist() == [1.0, 1.0, 3.0]


def test_a_quantile_never_lies_on_the_other_side_of_the_point():
    panel = panel_of(*[np.arange(20.0)[::-1] + 5 for _ in range(4)])  # always less than before
    found = forecast(panel, panel.end - 2).forecasts["last value"]
    low, median, high = (found.quantiles[:, :, place] for place in range(3))
    assert (low < median).all()
    assert np.array_equal(median, high)


def test_quantiles_lie_around_the_point_and_cover_what_they_say():
    panel = made_up(n_series=150)
    asked = asked_at(panel, panel.end - 2)
    found = forecast(panel, panel.end - 2).forecasts
    actual = Actual.of_examples(asked)
    for name in ("mean of last 8", "median of last 4", "exponential smoothing"):
        shown = scores(actual, found[name])
        assert 0.65 < shown["coverage"] < 0.93, name
        assert 0.65 < shown["coverage_total"] < 0.93, name
    mean = found["mean of last 8"]
    assert np.array_equal(mean.median, mean.mean)
    assert scores(actual, mean)["pinball"] < scores(actual, found["zero"])["pinball"]


def test_learned_ones_beat_the_mean_where_weeks_alternate():
    odd = [np.tile([2.0 * n, 0.0], 15)[: 12 + n] for n in range(2, 18)]
    panel = panel_of(*odd)
    asked = asked_at(panel, panel.end - 2)
    found = forecast(panel, panel.end - 2).forecasts
    actual = Actual.of_examples(asked)
    errors = {name: scores(actual, one)["wape"] for name, one in found.items()}
    assert errors[LEAST_SQUARES] < 0.5 * errors["mean of last 8"]
    assert errors[TREES] < errors["mean of last 8"]


def test_nothing_that_is_sold_from_the_origin_on_reaches_a_forecast(found):
    panel = made_up()
    for stop in panel.offsets[1:]:
        panel.units[stop - 2 : stop] = 1000.0
    other = forecast(panel, panel.end - 2).forecasts
    for name, forecasts in found.forecasts.items():
        assert np.array_equal(forecasts.quantiles, other[name].quantiles), name
        assert np.array_equal(forecasts.mean, other[name].mean), name


def test_a_row_does_not_depend_on_its_neighbours(found):
    panel, rows = made_up(), np.array([7, 3])
    part = forecast(panel, panel.end - 2, rows).forecasts
    for name, forecasts in part.items():
        assert forecasts.quantiles == pytest.approx(found.forecasts[name].quantiles[rows]), name


def test_nothing_sold_in_the_past_forecasts_nothing():
    panel = panel_of(*[np.zeros(20)] * 5)
    for name, forecasts in forecast(panel, panel.end - 2).forecasts.items():
        assert not forecasts.quantiles.any() and not forecasts.mean.any(), name


def test_lags_sums_counts_and_age_by_hand():
    windows = asked_at(panel_of([5.0, 0, 2, np.nan, 1]), START + 5).windows
    table = lag_table(windows)[0]
    assert np.array_equal(table[:8], [np.nan, np.nan, np.nan, 5, 0, 2, np.nan, 1], equal_nan=True)
    assert table[8:12].tolist() == [3.0, 8.0, 8.0, 8.0]
    assert table[12:16].tolist() == [2.0, 3.0, 3.0, 3.0]
    assert table[16] == 5.0


def test_returns_are_forecast_as_nothing_and_unknown_targets_are_no_errors():
    panel = made_up()
    begins, stops = panel.offsets[:-1], panel.offsets[1:]
    panel.units[stops[:5] - 1] = -300.0
    panel.units[begins[5:9] + 2] = np.nan
    for name, one in forecast(panel, panel.end).forecasts.items():
        assert (one.quantiles >= 0).all() and (one.mean >= 0).all(), name


def test_a_path_ends_with_its_sum():
    assert unit_paths(np.array([[1.0, 2.0]])).tolist() == [[1.0, 2.0, 3.0]]
    assert np.isnan(unit_paths(np.array([[1.0, np.nan]]))[0, 2])


def test_forecasts_of_several_origins_stand_one_behind_the_other(found):
    zero, mean = (found.forecasts[name] for name in ("zero", "mean of last 4"))
    both = joined([zero, mean])
    n = len(zero.mean)
    assert np.array_equal(both.take(np.arange(n)).quantiles, zero.quantiles)
    assert np.array_equal(both.take(np.arange(n, 2 * n)).mean, mean.mean)

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_pinball_loss

from fusion.forecasting.backtest.forecasts import Actual, Forecasts
from fusion.forecasting.backtest.metrics import METRICS, scores
from heads import metrics as heads_metrics

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its escapes, where Python compiles it anew
    from utilsforecast import losses

LEVELS = (0.1, 0.5, 0.9)


def histories(n=20):
    """Units of the past, of different lengths."""
    rng = np.random.default_rng(1)
    past = rng.poisson(5.0, (n, 12)).astype(float)
    past[np.arange(12) < rng.integers(0, 9, n)[:, None]] = np.nan
    return past


PAST = histories()


def made_up(n=20, horizon=3, *, levels=LEVELS):
    """What was sold after these histories, and forecasts that know nothing of it."""
    rng = np.random.default_rng(0)
    steps = rng.poisson(5.0, (n, horizon)).astype(float)
    quantiles = np.sort(rng.gamma(2.0, 3.0, (n, horizon + 1, len(levels))), axis=2)
    return Actual.of(steps, PAST), Forecasts(
        rng.gamma(2.0, 3.0, (n, horizon + 1)), quantiles, levels
    )


def test_metrics_of_steps_are_those_of_all_values_in_one_row():
    actual, forecasts = made_up()
    found, target = scores(actual, forecasts), actual.steps.ravel()
    median, mean = forecasts.median[:, :-1].ravel(), forecasts.mean[:, :-1].ravel()
    low, high = (forecasts.quantiles[:, :-1, place].ravel() for place in (0, -1))
    assert found["wape"] == pytest.approx(heads_metrics.wape(target, median))
    assert found["mae"] == pytest.approx(heads_metrics.mae(target, median))
    assert found["bias"] == pytest.approx(heads_metrics.bias(target, mean))
    assert found["rmse"] == pytest.approx(heads_metrics.rmse(target, mean))
    assert found["coverage"] == pytest.approx(heads_metrics.coverage(target, low, high))
    assert found["width"] == pytest.approx((high - low).mean())
    assert found["pinball"] == pytest.approx(
        np.mean(
            [
                mean_pinball_loss(target, forecasts.quantiles[:, :-1, place].ravel(), alpha=level)
                for place, level in enumerate(LEVELS)
            ]
        )
    )


def test_metrics_of_totals_look_at_the_last_entry_and_the_sum_of_the_steps():
    actual, forecasts = made_up()
    found, target = scores(actual, forecasts), actual.steps.sum(axis=1)
    assert found["wape_total"] == pytest.approx(
        heads_metrics.wape(target, forecasts.quantiles[:, -1, 1])
    )
    assert found["pinball_total"] == pytest.approx(
        np.mean(
            [
                mean_pinball_loss(target, forecasts.quantiles[:, -1, place], alpha=level)
                for place, level in enumerate(LEVELS)
            ]
        )
    )
    assert found["coverage_total"] == pytest.approx(
        heads_metrics.coverage(target, forecasts.quantiles[:, -1, 0], forecasts.quantiles[:, -1, 2])
    )


def as_tables(actual, forecasts):
    """Forecasts and histories as utilsforecast reads them: one row a series and day."""
    n, horizon = actual.steps.shape
    days = pd.date_range("2024-01-01", periods=12 + horizon)
    future = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(n), horizon),
            "ds": np.tile(days[12:], n),
            "y": actual.steps.ravel(),
            "median": forecasts.median[:, :-1].ravel(),
            "mean": forecasts.mean[:, :-1].ravel(),
        }
    )
    past = pd.DataFrame(
        {
            "unique_id": np.repeat(np.arange(n), 12),
            "ds": np.tile(days[:12], n),
            "y": PAST.ravel(),
        }
    )
    return future, past.dropna()


def test_scaled_errors_are_those_of_utilsforecast():
    actual, forecasts = made_up()
    future, past = as_tables(actual, forecasts)
    options = {"seasonality": 1, "train_df": past}
    found = scores(actual, forecasts)
    mase = losses.mase(future, ["median"], **options)["median"].mean()
    rmsse = losses.rmsse(future, ["mean"], **options)["mean"].mean()
    assert found["mase"] == pytest.approx(mase)
    assert found["rmsse"] == pytest.approx(rmsse)


def test_rows_whose_past_never_changes_have_no_scaled_error():
    actual, forecasts = made_up()
    past = PAST.copy()
    past[3] = 7.0
    past[4] = np.nan
    rest = np.setdiff1d(np.arange(len(actual)), [3, 4])
    found = scores(Actual.of(actual.steps, past), forecasts)
    wanted = scores(actual.take(rest), forecasts.take(rest))
    assert found["mase"] == pytest.approx(wanted["mase"])
    assert found["rmsse"] == pytest.approx(wanted["rmsse"])
    assert found["wape"] != pytest.approx(wanted["wape"])


def test_crps_on_a_fine_grid_is_that_of_the_sample_it_was_taken_from():
    levels = tuple((np.arange(199) + 1) / 200)
    sample = np.sort(np.random.default_rng(0).gamma(2.0, 3.0, 1000))
    quantiles = np.broadcast_to(np.quantile(sample, levels), (1, 2, len(levels)))
    forecasts = Forecasts(np.full((1, 2), 6.0), quantiles, levels)
    found = scores(Actual.of(np.array([[9.0]]), np.empty((1, 0))), forecasts)["crps"]
    pairs = np.abs(sample[:, None] - sample[None]).mean()
    assert found == pytest.approx(np.abs(sample - 9.0).mean() - pairs / 2, rel=0.01)


def test_crps_of_few_levels_weighs_each_by_what_lies_nearest_to_it():
    quantiles = np.array([[[2.0, 4.0, 8.0]] * 2])
    forecasts = Forecasts(np.full((1, 2), 4.0), quantiles, LEVELS)
    found = scores(Actual.of(np.array([[6.0]]), np.empty((1, 0))), forecasts)["crps"]
    assert found == pytest.approx(2 * (0.3 * 0.1 * 4 + 0.4 * 0.5 * 2 + 0.3 * 0.1 * 2))


def test_a_target_is_covered_or_in_one_of_the_tails():
    found = scores(*made_up())
    for entry in ("", "_total"):
        names = (f"coverage{entry}", f"below{entry}", f"above{entry}")
        assert sum(found[name] for name in names) == pytest.approx(1.0)
    assert min(found[name] for name in ("coverage", "below", "above")) > 0


def test_a_step_that_is_not_known_counts_in_no_metric():
    actual, forecasts = made_up()
    steps = actual.steps.copy()
    steps[:, 2] = np.nan
    found = scores(Actual.of(steps, PAST), forecasts)
    two = Forecasts(forecasts.mean[:, [0, 1, 3]], forecasts.quantiles[:, [0, 1, 3]], LEVELS)
    wanted = scores(Actual.of(actual.steps[:, :2], PAST), two)
    for name, metric in METRICS.items():
        if metric.entries == "total":
            assert np.isnan(found[name]), name
        else:
            assert found[name] == pytest.approx(wanted[name]), name


def test_a_perfect_forecast_errs_nowhere():
    actual, _ = made_up()
    perfect = Forecasts(actual.paths, np.repeat(actual.paths[:, :, None], 3, axis=2), LEVELS)
    for name, value in scores(actual, perfect).items():
        assert value == (1.0 if name.startswith("coverage") else 0.0), name


def test_forecasts_of_zero_have_a_wape_of_1_and_nothing_sold_has_none():
    actual, forecasts = made_up()
    nothing = Forecasts(np.zeros_like(forecasts.mean), np.zeros_like(forecasts.quantiles), LEVELS)
    assert scores(actual, nothing)["wape"] == 1.0
    assert scores(actual, nothing)["bias"] == -1.0
    assert np.isnan(scores(Actual.of(np.zeros_like(actual.steps), PAST), forecasts)["wape"])


@pytest.mark.parametrize("levels", [(0.1, 0.4, 0.9), (0.5, 0.7, 0.9), (0.9, 0.5, 0.1)])
def test_levels_must_lie_around_the_median(levels):
    with pytest.raises(ValueError, match=r"levels must ascend in \(0, 1\) around 0.5"):
        Forecasts(np.zeros((1, 2)), np.zeros((1, 2, 3)), levels)


def test_forecasts_that_do_not_fit_are_refused():
    actual, forecasts = made_up()
    with pytest.raises(ValueError, match=r"forecasts must be \[n, horizon \+ 1\] = \(20, 4\)"):
        scores(actual, forecasts.take(np.arange(3)))
    with pytest.raises(ValueError, match="forecasts must be finite"):
        Forecasts(forecasts.mean * np.nan, forecasts.quantiles, LEVELS)
    with pytest.raises(ValueError, match="quantiles must ascend"):
        Forecasts(forecasts.mean, forecasts.quantiles[:, :, ::-1], LEVELS)
    with pytest.raises(ValueError, match=r"quantiles must be \[n, horizon \+ 1, n_levels\]"):
        Forecasts(forecasts.mean, forecasts.quantiles[:, :-1], LEVELS)

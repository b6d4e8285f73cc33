"""The benchmark of forecasts of many items runs in process on few items, without NHITS."""

import numpy as np


def test_it_times_all_methods_on_one_size_and_the_forecast_on_others(script, monkeypatch, capsys):
    speed = script("forecast_speed")
    quick = speed.by_trees_with_promotions
    monkeypatch.setattr(speed, "METHODS", {**speed.METHODS, speed.FORECAST: quick})
    monkeypatch.setattr(speed, "N_TREES", 3)
    monkeypatch.setattr("fusion.forecasting.backtest.baseline_models.N_TREES", 3)
    monkeypatch.setattr(speed, "measured", speed.taken)
    monkeypatch.setattr(speed, "find_spec", lambda name: None)
    speed.main(["--items", "20", "10", "--weeks", "20", "--compared", "20", "20"])
    told = capsys.readouterr().out
    assert "| NHITS |" not in told and "NHITS is left out" in told
    for method in ("forecast", "LightGBM on lags", "LightGBM on lags and promotions"):
        assert told.count(f"| {method} | 20 | 20 | 380 |") == 1
    assert told.count("| forecast | 10 | 20 | 190 |") == 1


def test_the_forecast_answers_weeks_that_it_is_not_given(script, monkeypatch):
    speed = script("forecast_speed")
    members = {"ridge": {}}
    spec = speed.ForecastSpec
    monkeypatch.setattr(
        speed, "ForecastSpec", lambda *given, **options: spec(*given, members=members, **options)
    )
    sales = speed.sales_table(12, 20)
    found = speed.by_forecast(sales)
    assert found.shape == (12, speed.HORIZON + 1)
    asked = speed.hidden(sales).index
    blind = sales.assign(units=sales["units"].where(~sales.index.isin(asked), 10_000))
    assert np.array_equal(speed.by_forecast(blind), found)


def test_a_perfect_median_has_a_wape_of_0_and_nothing_sold_one_of_1(script, monkeypatch):
    speed = script("forecast_speed")

    def perfect(sales):
        return speed.hidden(sales)["units"].to_numpy(float).reshape(-1, speed.HORIZON)

    monkeypatch.setattr(
        speed, "METHODS", {"all": perfect, "none": lambda sales: 0 * perfect(sales)}
    )
    assert (speed.taken("all", 5, 10).wape, speed.taken("all", 5, 10).wape_total) == (0, 0)
    assert (speed.taken("none", 5, 10).wape, speed.taken("none", 5, 10).wape_total) == (1, 1)

"""Benchmarks of forecasts run from end to end on tiny, made-up data of the same form."""

import re

import numpy as np
import pandas as pd
import pytest


def test_online_retail(
    script, monkeypatch, quick_forecasts, weekly_sales, tmp_path, capsys
) -> None:
    retail = script("online_retail")
    monkeypatch.setattr(retail, "DEFAULT_MEMBERS", ("ridge",))
    options = ["--data", str(weekly_sales), "--store", str(tmp_path / "store"), "--seeds", "1"]
    retail.main([*options, "--items", "12", "--members", "ridge"])
    printed = capsys.readouterr().out
    names = ("forecast (ridge)", "ridge alone", "forecast with descriptions", "trees on lags")
    assert all(f"| {name} |" in printed for name in names)
    assert "12 items, 43 whole weeks" in printed


def test_weeks_without_orders_are_zeros_after_the_first_sale(script, weekly_sales) -> None:
    _, sales = script("online_retail").tables(weekly_sales, most_items=None)
    counts = sales.groupby("StockCode").size()
    assert counts.max() == 43
    assert counts.min() < 10
    assert (sales["units"] == 0).any()
    assert (sales.groupby("StockCode")["units"].first() > 0).all()


def test_updates(script, monkeypatch, quick_forecasts, weekly_sales, capsys) -> None:
    update = script("update")
    monkeypatch.setattr(update, "SPEED_WEEKS", 16)
    options = ["--data", str(weekly_sales), "--items", "12", "--members", "classical"]
    update.main([*options, "--weeks", "1", "--long", "2", "--seeds", "1"])
    printed = capsys.readouterr().out
    assert "| update by one week (retrain) |" in printed
    assert printed.count("| updated each week |") == 2 == printed.count("| trained anew |")
    assert printed.count("| trained a week before, updated once |") == 1


def test_visuelle_weeks(
    script, monkeypatch, quick_forecasts, launched_weeks, tmp_path, capsys
) -> None:
    visuelle = script("visuelle_weeks")
    monkeypatch.setattr(visuelle, "DEFAULT_MEMBERS", ("ridge",))
    small = {"clothing18": "colour_texture", "efficientnet_lite0": "colour_texture"}
    monkeypatch.setattr(visuelle, "PHOTOS", small)
    options = ["--data", str(launched_weeks), "--store", str(tmp_path / "store"), "--seeds", "1"]
    visuelle.main([*options, "--items", "40"])
    printed = capsys.readouterr().out
    assert printed.count("| kernel alone, no photo |") == 2
    assert "weekly units of two weeks after arrival" in printed


def test_demo_forecast(
    script, monkeypatch, quick_forecasts, small_demo_weeks, tmp_path, capsys
) -> None:
    demo = script("demo_forecast")
    monkeypatch.setattr(demo, "demo_folder", lambda: small_demo_weeks)
    options = ["--store", str(tmp_path / "store"), "--seeds", "2", "--origins", "1", "--trial"]
    demo.main([*options, "--members", "ridge"])
    printed = capsys.readouterr().out
    assert re.search(r"\| all \| \d+ \| step 8 \| [01]\.\d{3} / [01]\.\d{3} \|", printed)
    assert "| median of last 8 |" in printed
    assert "from 2025-01-06, all over before the cutoff of 2025-03-03" in printed


def test_demo_demand(script, monkeypatch, quick_forecasts, small_demo_weeks, capsys) -> None:
    demo = script("demo_demand")
    monkeypatch.setattr(demo, "demo_folder", lambda: small_demo_weeks)
    sales = pd.read_csv(small_demo_weeks / "sales.csv", parse_dates=["week"])
    drawn = sales.assign(expected=sales["units"].clip(lower=10.0), drawn=sales["units"])
    told = drawn[["item_id", "week", "expected", "drawn"]]  # the recipe draws 2,000 items for it
    monkeypatch.setattr(demo, "expected_units", lambda folder: told)
    demo.main(["--seeds", "1", "--members", "classical", "--trial"])
    printed = capsys.readouterr().out
    assert re.search(r"\| demand \| \d\.\d{3} \| [+-]\d\.\d{3} \|", printed)
    assert "| mean of the last 4 weeks in stock |" in printed


def test_coverage_of_items_that_err_alike_is_less_sure(script) -> None:
    demo = script("demo_forecast")
    draw = np.random.default_rng(0)
    steps = np.repeat(draw.uniform(0, 100, 50), 4)[:, None].repeat(2, axis=1)  # 4 dates an item
    levels = np.broadcast_to(100 * np.array(demo.LEVELS), (200, 3, 5))
    actual = demo.Actual.of(steps, np.empty((200, 0)))
    forecasts = demo.Forecasts(levels[..., 2], levels, demo.LEVELS)
    found = demo.coverages(actual, forecasts, np.repeat(np.arange(50), 4), promised=0.8)
    alone = demo.coverages(actual, forecasts, np.arange(200), promised=0.8)
    share = np.mean((steps >= 10) & (steps <= 90))
    assert found["all steps"].found == pytest.approx(share)
    assert found["all steps"].error == pytest.approx((share * (1 - share) / 49) ** 0.5)
    assert alone["step 1"].error < 0.6 * found["step 1"].error
    assert found["total"].found == pytest.approx(np.mean((2 * steps >= 10) & (2 * steps <= 90)))


def test_coverage_holds_within_two_points_and_two_standard_errors(script) -> None:
    coverage = script("demo_forecast").Coverage
    assert coverage(0.8, 0.835, 0.01).holds
    assert coverage(0.8, 0.765, 0.01).holds
    assert not coverage(0.8, 0.845, 0.01).holds
    assert not coverage(0.8, float("nan"), float("nan")).holds


def test_price_path(
    script, monkeypatch, quick_forecasts, weekly_sales, small_demo_weeks, tmp_path, capsys
) -> None:
    prices = script("price_path")
    monkeypatch.setattr(prices, "demo_folder", lambda: small_demo_weeks)
    options = ["--data", str(weekly_sales), "--store", str(tmp_path / "store"), "--seeds", "2"]
    options += ["--members", "classical", "--demo-origins", "1", "--trial"]
    prices.main([*options, "--items", "12"])
    printed = capsys.readouterr().out
    assert all(printed.count(f"| {name} |") == 2 for name in ("forecast", "last price", "drift"))
    assert "online_retail: mean prices" in printed and "Demo catalogue: prices" in printed
    assert re.search(r"last price, wape: [+-]0\.\d{4} \[.*\] / [+-]0\.\d{4} \[", printed)
    flat = re.search(r"([01]\.\d{3}) / ([01]\.\d{3}) / ([01]\.\d{3}) went down, stayed", printed)
    row = next(line for line in printed.splitlines() if line.startswith("| last price |"))
    assert row.endswith(f"| {flat[2]} |")  # a price that does not move is always flat


def test_drift(script, capsys) -> None:
    drift = script("drift")
    drift.main(["--runs", "1", "--stable", "1", "--items", "60", "--trial"])
    printed = capsys.readouterr().out
    assert len(drift.KINDS) == 8 and all(f"| {kind}" in printed for kind in drift.KINDS)
    assert "of 1 runs alarmed" in printed
    run = drift.made_run(None, n_items=300, seed=0)
    watched = {one.column for one in drift.watched(run, seed=0).readings}
    assert set().union(*drift.FITS.values()) <= watched

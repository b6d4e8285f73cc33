"""`fusion update`: a forecast goes on in its folder, or stays as it was."""

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fusion.cli import app

CONFIG = """
[data]
items = "items.csv"
[sales]
table = "sales.csv"
item = "sku"
date = "week"
units = "sold"
[forecast]
horizon = 2
members = ["classical"]
"""
WEEKS = [str(day.date()) for day in pd.date_range("2024-01-01", periods=24, freq="W-MON")]
IDS = [f"P{number}" for number in range(12)]


def run(*arguments):
    result = CliRunner().invoke(app, [str(one) for one in arguments], prog_name="fusion")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Tables, a forecast of 20 weeks, and tables of later ones."""
    folder = tmp_path_factory.mktemp("updates")
    draw = np.random.default_rng(0)
    items = pd.DataFrame({"sku": IDS, "cost": draw.random(12)})
    rows = [(item, week, draw.poisson(4 + n)) for n, item in enumerate(IDS) for week in WEEKS]
    sales = pd.DataFrame(rows, columns=["sku", "week", "sold"])
    items.to_csv(folder / "items.csv", index=False)
    for name, weeks in {"sales": WEEKS[:20], "next": WEEKS[20:21], "late": WEEKS[22:]}.items():
        sales[sales["week"].isin(weeks)].to_csv(folder / f"{name}.csv", index=False)
    (folder / "c.toml").write_text(CONFIG)
    options = ("--no-backtest", "--quiet")
    code, told = run("forecast", folder / "c.toml", "--out", folder / "out", *options)
    assert code == 0, told
    return folder


def test_a_week_comes_in_and_the_forecast_begins_after_it(shop, tmp_path):
    place = shop / "out" / "forecast"
    before = (place / "forecast.json").read_bytes()
    code, told = run("update", place, "--sales", shop / "late.csv", "--quiet")
    assert code == 1 and "leave no week out" in told and "late.csv" in told
    assert (place / "forecast.json").read_bytes() == before
    page = ("--page", tmp_path / "update.html")
    code, told = run("update", place, "--sales", shop / "next.csv", "--page", "u.txt", "--quiet")
    assert code == 1 and "page must end in .html" in told
    code, told = run("update", place, "--sales", shop / "next.csv", *page, "--quiet")
    assert "1 week came, 20 May 2024 to 26 May 2024" in page[1].read_text()
    assert code == 0 and "New 1 week (2024-05-20 to 2024-05-26), 12 rows, 0 new items" in told
    assert "Coverage" in told and "now" in told
    assert "Drift" in told
    asked = ("--items", shop / "items.csv", "--out", tmp_path / "a.csv", "--quiet")
    assert run("forecast", place, *asked)[0] == 0
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["from"].min() == "2024-05-27" and set(table["id"]) == set(IDS)
    code, told = run("update", place, "--sales", shop / "next.csv", "--quiet")
    assert code == 1 and "kept already, with the same values: row 1 ('P0'" in told


def test_a_forecast_without_histories_wants_sales(shop, tmp_path):
    (shop / "bare.toml").write_text(f"{CONFIG}keep_histories = false\n")
    options = ("--no-backtest", "--quiet")
    assert run("forecast", shop / "bare.toml", "--out", tmp_path / "out", *options)[0] == 0
    place = tmp_path / "out" / "forecast"
    assert "histories.safetensors" not in {path.name for path in place.iterdir()}
    asked = ("--items", shop / "items.csv", "--out", tmp_path / "a.csv")
    code, told = run("forecast", place, *asked)
    assert code == 1 and "--sales must be given for a forecast that keeps no histories" in told
    code, told = run("update", place, "--sales", shop / "next.csv")
    assert code == 1 and "must keep its histories" in told


def test_everything_that_is_wrong_is_told_before_the_forecast_is_loaded(shop, tmp_path):
    tables = ("--sales", tmp_path / "gone.csv", "--items", tmp_path / "none.csv")
    code, told = run("update", shop / "out" / "forecast", *tables, "--page", tmp_path / "u.txt")
    assert code == 1
    for part in ("gone.csv", "none.csv", "page must end in .html"):
        assert part in told

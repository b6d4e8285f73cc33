"""`fusion score`: the chain first, then what came; every mistake is one message."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fusion.cli import app
from fusion.data.panel.columns import SalesColumns
from fusion.forecasting.backtest.baselines import RULES
from fusion.forecasting.ledger import score as score_room
from fusion.forecasting.ledger.append import append_entry
from fusion.forecasting.ledger.entries import ForecastRun
from fusion.forecasting.saved.document import FrequencyEntry, SalesEntry

IDS = [f"P{number}" for number in range(12)]
WEEKS = pd.date_range("2024-01-01", periods=20, freq="W-MON")
COLUMNS = SalesColumns(item="sku", date="week", units="sold", price="eur", known=("eur",))


@pytest.fixture(autouse=True)
def few_methods(monkeypatch):
    monkeypatch.setattr(score_room, "RULES", {"last value": RULES["last value"]})


def run(*arguments):
    result = CliRunner().invoke(app, [str(one) for one in arguments], prog_name="fusion")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, " ".join(result.output.split())


def answers_at(week):
    """Six units a week of each item, for two weeks."""
    steps = [("step", week, 6), ("step", week + pd.Timedelta(weeks=1), 6), ("total", week, 12)]
    rows = [(item, *step) for item in IDS for step in steps]
    frame = pd.DataFrame(rows, columns=["id", "window", "from", "mean"])
    for name, share in {"p10": 0.5, "p50": 1.0, "p90": 1.5}.items():
        frame[name] = frame["mean"] * share
    return frame.assign(life_stage="known")


def run_at(week, columns=COLUMNS):
    return ForecastRun(
        title="Coats",
        head="sales_path",
        forecast="a" * 64,
        inputs={},
        as_of=str(week.date()),
        frequency=FrequencyEntry("week", 0),
        horizon=2,
        levels=[0.1, 0.5, 0.9],
        sales=SalesEntry.of(columns),
    )


@pytest.fixture
def shop(tmp_path):
    """A ledger of two entries, what came, and a planner's figures."""
    for place in (12, 16):
        day = WEEKS[place]
        append_entry(
            tmp_path / "ledger",
            run_at(day),
            answers_at(day),
        )
    draw = np.random.default_rng(0)
    rows = [(item, str(week.date()), draw.poisson(6)) for item in IDS for week in WEEKS]
    sales = pd.DataFrame(rows, columns=["sku", "week", "sold"])
    sales.to_csv(tmp_path / "sales.csv", index=False)
    sales.assign(sold=sales["sold"] + 1).to_csv(tmp_path / "planner.csv", index=False)
    return tmp_path


def score(shop, *more, sales="sales.csv"):
    words = ("--sales", shop / sales, "--out", shop / "out", "--quiet")
    return run("score", shop / "ledger", *words, *more)


def test_entries_are_scored_printed_and_written(shop):
    code, told = score(shop, "--planner", shop / "planner.csv")
    assert code == 0, told
    assert "1 (2024-03-25)" in told and "planner over last value" in told and "Last hash" in told
    assert told.index("planner over last value") < told.index("All 24 forecasts that are over")
    assert "Verdict The planner is better than the forecast. On the 48 figures" in told
    table = pd.read_csv(shop / "out" / "score.csv")
    assert set(table["rows"]) == {"all", "planned"}
    assert {"all", "step", "entry", "life stage", "value added"} == set(table["by"])
    pairs = table[(table["by"] == "value added") & (table["rows"] == "planned")]
    assert set(pairs["method"] + " over " + pairs["over"]) == {
        "forecast over planner",
        "forecast over last value",
        "planner over last value",
    }
    whole = table[(table["by"] == "all") & (table["rows"] == "planned")]
    errors = whole[whole["metric"] == "wape"].set_index("method")["value"]
    first = pairs[(pairs["metric"] == "wape") & (pairs["over"] == "planner")].iloc[0]
    assert first["value"] == pytest.approx(errors["planner"] - errors["forecast"])
    assert (shop / "out" / "score.html").is_file()


def test_prices_that_the_forecast_read_may_lack_in_the_sales_that_came(shop):
    assert "eur" not in (shop / "sales.csv").read_text()
    assert score(shop)[0] == 0


def test_a_ledger_that_was_changed_is_not_scored(shop):
    lines = (shop / "ledger" / "ledger.jsonl").read_bytes()
    (shop / "ledger" / "ledger.jsonl").write_bytes(lines.replace(b"2024-03-25", b"2024-03-26"))
    code, told = score(shop)
    assert code == 1 and "line 1 of ledger.jsonl" in told and "Restore the folder" in told
    assert not (shop / "out").exists()


def test_a_noted_hash_must_be_in_the_ledger(shop):
    noted = score(shop)[1].split("Last hash ")[1].split()[0]
    assert score(shop, "--noted", noted)[0] == 0
    code, told = score(shop, "--noted", "0" * 64)
    assert code == 1 and "must hold an entry with the noted hash" in told


def test_what_is_wrong_with_both_tables_is_one_message(shop):
    figures = pd.read_csv(shop / "planner.csv").assign(sku="Z")
    figures.to_csv(shop / "wrong.csv", index=False)
    figures.to_csv(shop / "other.csv", index=False)
    code, told = score(shop, "--planner", shop / "wrong.csv", sales="other.csv")
    assert code == 1 and "2 mistakes" in told and "wrong.csv has 240 problems" in told
    assert "other.csv must hold sales of items of the ledger" in told
    assert not (shop / "out").exists()


def test_what_cannot_be_read_is_one_message_before_the_ledger_is_hashed(shop):
    (shop / "ledger" / "answers" / "000001.parquet").write_bytes(b"x")
    (shop / "out").write_text("in the way")
    code, told = score(shop, "--planner", shop / "gone.csv", sales="lost.csv")
    assert code == 1 and "3 mistakes" in told and "000001.parquet" not in told
    assert "gone.csv" in told and "lost.csv" in told and "out must be a folder" in told


def test_a_waiting_entry_of_other_columns_stops_no_score(shop):
    week = pd.Timestamp("2024-05-20")
    columns = replace(COLUMNS, units="pieces")
    append_entry(shop / "ledger", run_at(week, columns), answers_at(week))
    code, told = score(shop)
    assert code == 0 and "Not scored entry 3 (2024-05-20), not covered" in told, told
    assert "pieces" in told


def test_sales_that_end_before_any_entry_is_over_are_refused(shop):
    sales = pd.read_csv(shop / "sales.csv")
    sales[sales["week"] < "2024-03-25"].to_csv(shop / "early.csv", index=False)
    code, told = score(shop, sales="early.csv")
    assert code == 1 and "early.csv must cover all periods of an entry" in told
    assert "entry 1 of 2024-03-25 to 2024-04-07" in told and not (shop / "out").exists()


def test_what_is_no_ledger_is_told_with_the_one_inside(shop):
    words = ("--sales", shop / "sales.csv", "--out", shop / "out", "--quiet")
    code, told = run("score", shop, *words)
    assert code == 1 and "Did you mean" in told and "ledger?" in told
    code, told = run("score", shop / "gone", *words)
    assert code == 1 and "must be a folder with ledger.jsonl" in told


def test_the_output_may_not_lie_in_the_ledger(shop):
    words = ("--sales", shop / "sales.csv", "--quiet")
    code, told = run("score", shop / "ledger", *words, "--out", shop / "ledger" / "out")
    assert code == 1 and "out must not lie in the folder of the ledger" in told

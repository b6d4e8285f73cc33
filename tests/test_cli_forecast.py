"""Forecasts through the command line: trained, asked, measured, and every mistake told at once."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fusion.cli import app
from fusion.forecasting.ledger.chain import read_ledger
from fusion.jobs import forecast as forecast_job

pytestmark = pytest.mark.usefixtures("few_draws")

CONFIG = """
title = "Coats"
[data]
items = "items.csv"
new_items = "new.csv"
[data.columns]
text = ["title"]
[sales]
table = "sales.csv"
item = "sku"
date = "week"
units = "sold"
[encoders]
text = "tfidf"
[forecast]
horizon = 2
members = ["classical"]
origins = 2
"""
WEEKS = [str(day.date()) for day in pd.date_range("2024-01-01", periods=24, freq="W-MON")]
IDS = [f"P{number}" for number in range(6)]


def run(*arguments):
    result = CliRunner().invoke(app, [str(one) for one in arguments], prog_name="fusion")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result.exit_code, " ".join(result.output.split())


def sales_of(draw):
    rows = [
        (item, week, draw.poisson(4 + place))
        for place, item in enumerate(IDS)
        for week in WEEKS[place:]
    ]
    return pd.DataFrame(rows, columns=["sku", "week", "sold"])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Tables, a configuration, and what a training writes in `out`."""
    folder = tmp_path_factory.mktemp("forecasts")
    titles = [f"{'warm' if place % 2 else 'thin'} coat" for place in range(6)]
    items = pd.DataFrame({"sku": IDS, "title": titles})
    items.to_csv(folder / "items.csv", index=False)
    items.head(2).assign(sku=["N1", "N2"]).to_csv(folder / "new.csv", index=False)
    sales_of(np.random.default_rng(0)).to_csv(folder / "sales.csv", index=False)
    (folder / "c.toml").write_text(CONFIG)
    code, told = run("forecast", folder / "c.toml", "--out", folder / "out", "--quiet")
    assert code == 0, told
    return folder


def ask(shop, out, *more, items="items.csv", sales="sales.csv"):
    tables = ("--items", shop / items, "--sales", shop / sales)
    return run("forecast", shop / "out" / "forecast", *tables, "--out", out, "--quiet", *more)


def test_a_training_writes_a_forecast_of_known_and_new_items(shop):
    table = pd.read_csv(shop / "out" / "forecast.csv")
    assert set(table["id"]) == {*IDS, "N1", "N2"} and len(table) == 8 * 3
    totals = table[table["window"] == "total"].set_index("id")
    steps = table[table["window"] == "step"]
    sums = steps.groupby("id")["mean"].sum()
    assert np.allclose(sums, totals["mean"].sort_index(), atol=2e-4)
    numbers = table.select_dtypes("float").to_numpy()
    assert np.array_equal(numbers, numbers.round(4), equal_nan=True)
    assert (steps["from"].unique() == ["2024-06-17", "2024-06-24"]).all()
    assert totals.loc["N1", "life_stage"] == "new" and totals.loc["P0", "life_stage"] == "known"


def test_a_training_measures_its_forecast_at_past_dates(shop):
    table = pd.read_csv(shop / "out" / "backtest.csv")
    whole = table[(table["by"] == "all") & (table["metric"] == "wape")].set_index("method")
    assert {"forecast", "median of last 8", "exponential smoothing"} <= set(whole.index)
    assert np.isnan(whole.loc["forecast", "gain"])
    assert (whole.loc["zero", ["low", "gain", "high"]].diff().dropna() >= 0).all()
    assert whole.loc["zero", "verdict"] == "better"
    assert (shop / "out" / "report.html").is_file()


def test_a_training_can_leave_the_measuring_out_and_write_parquet(shop, tmp_path, caplog):
    words = ("--no-backtest", "--format", "parquet", "--quiet")
    code, told = run("forecast", shop / "c.toml", "--out", tmp_path / "out", *words)
    assert code == 0 and "WAPE" not in told and "finished forecast" not in caplog.text
    assert not (tmp_path / "out" / "backtest.csv").exists()
    table = pd.read_parquet(tmp_path / "out" / "forecast.parquet")
    again = pd.read_csv(shop / "out" / "forecast.csv")
    assert (
        np.allclose(table["mean"], again["mean"]) and table["id"].tolist() == again["id"].tolist()
    )


def test_a_trained_forecast_is_asked_without_training(shop, tmp_path):
    code, told = ask(shop, tmp_path / "a.csv")
    assert code == 0, told
    whole = pd.read_csv(shop / "out" / "forecast.csv").set_index("id").loc[IDS].reset_index()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a.csv"), whole)


def test_a_trained_forecast_is_asked_about_new_items_alone(shop, tmp_path):
    code, told = ask(shop, tmp_path / "a.csv", items="new.csv")
    assert code == 0, told
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["id"].unique().tolist() == ["N1", "N2"]
    assert (table["life_stage"] == "new").all() and (table["mean"] > 0).all()


def test_each_forecast_is_sealed_beside_it_and_its_hash_is_told(shop, tmp_path):
    ledger = shop / "out" / "ledger"
    before = read_ledger(ledger).entries
    code, told = ask(shop, tmp_path / "a.csv", "--page", tmp_path / "p.html")
    entries = read_ledger(ledger).entries
    assert code == 0 and len(entries) == len(before) + 1
    last = entries[-1]
    assert last.sha256 in told and last.sha256 in (tmp_path / "p.html").read_text()
    assert before[0].sha256 in (shop / "out" / "report.html").read_text()
    run_of = last.entry.run
    assert (run_of.title, run_of.as_of, run_of.horizon) == ("Coats", "2024-06-17", 2)
    described = (shop / "out" / "forecast" / "forecast.json").read_bytes()
    assert run_of.forecast == hashlib.sha256(described).hexdigest()
    sales = hashlib.sha256((shop / "sales.csv").read_bytes()).hexdigest()
    assert run_of.inputs["sales"] == sales and set(run_of.inputs) == {"items", "sales"}
    answers = pd.read_parquet(ledger / "answers" / last.entry.file)
    assert np.allclose(answers["mean"], pd.read_csv(tmp_path / "a.csv")["mean"])


def test_another_ledger_may_be_named_and_one_that_was_changed_stops_the_run(shop, tmp_path):
    words = ("--ledger", tmp_path / "mine")
    assert ask(shop, tmp_path / "a.csv", *words)[0] == 0
    assert [one.entry.number for one in read_ledger(tmp_path / "mine").entries] == [1]
    (tmp_path / "mine" / "answers" / "000001.parquet").write_bytes(b"x")
    code, told = ask(shop, tmp_path / "b.csv", *words)
    assert code == 1 and "000001.parquet of entry 1" in told
    assert not (tmp_path / "b.csv").exists()
    inside = shop / "out" / "forecast" / "l"
    code, told = ask(shop, tmp_path / "b.csv", "--ledger", inside)
    assert code == 1 and "ledger must not lie in the folder of the trained forecast" in told


@pytest.mark.parametrize("reading", ["checked_inputs", "opened"])
def test_a_table_that_is_replaced_while_it_is_read_is_not_sealed(
    shop, tmp_path, monkeypatch, reading
):
    tables = {name: tmp_path / name for name in ("c.toml", "items.csv", "new.csv", "sales.csv")}
    for name, path in tables.items():
        path.write_bytes((shop / name).read_bytes())
    read = getattr(forecast_job, reading)

    def replaced(*arguments, **named):
        found = read(*arguments, **named)
        tables["sales.csv"].write_bytes(b"other")
        return found

    monkeypatch.setattr(forecast_job, reading, replaced)
    words = ("--ledger", tmp_path / "ledger", "--quiet")
    if reading == "opened":
        given = ("--items", tables["items.csv"], "--sales", tables["sales.csv"])
        words = (shop / "out" / "forecast", *given, "--out", tmp_path / "a.csv", *words)
    else:
        words = (tables["c.toml"], "--out", tmp_path / "out", *words)
    code, told = run("forecast", *words)
    assert code == 1 and "sales.csv must stay as it is while it is read" in told, told
    assert "Run the same command again" in told and "items.csv" not in told
    assert not (tmp_path / "ledger").exists() and not (tmp_path / "a.csv").exists()


def test_what_was_sold_from_the_date_on_changes_nothing(shop, tmp_path):
    sales = pd.read_csv(shop / "sales.csv")
    early = sales["week"] < "2024-04-01"
    sales.loc[~early, "sold"] = 999
    sales.to_csv(tmp_path / "later.csv", index=False)
    words = ("--as-of", "2024-04-01")
    assert ask(shop, tmp_path / "a.csv", *words)[0] == 0
    assert ask(shop, tmp_path / "b.csv", *words, sales=tmp_path / "later.csv")[0] == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert "2024-04-01" in (tmp_path / "a.csv").read_text()


def test_a_page_is_written_where_one_is_asked_for(shop, tmp_path):
    words = ("--page", tmp_path / "p.html", "--page-of", "P3")
    code, told = ask(shop, tmp_path / "a.csv", *words)
    assert code == 0 and "p.html" in told.replace(" ", ""), told
    assert "Coats" in (tmp_path / "p.html").read_text()


def test_a_backtest_prints_and_writes_the_forecast_beside_simple_methods(shop, tmp_path):
    out = tmp_path / "b"
    code, told = run("backtest", shop / "c.toml", "--out", out, "--quiet", "--as-of", "2024-05-20")
    assert code == 0, told
    assert "forecast by" in told and "median of last 8" in told and "TSB" in told
    assert "forecasts of past dates (2024-04-22, 2024-05-06)" in told
    assert "Left out seasonal naive: no history reaches back 52 weeks" in told
    written = sorted(path.name for path in out.iterdir() if not path.name.startswith("."))
    assert written == ["backtest.csv", "backtest.html"]
    groups = pd.read_csv(out / "backtest.csv")["by"].unique()
    assert {"all", "step", "life stage"} <= set(groups)


SALES = 'table = "sales.csv"'
WRONG_CONFIGS = [
    ("horizon = 2", "horizn = 2", ["forecast.horizn", "Did you mean 'horizon'?"]),
    ("horizon = 2", "horizon = 0", ["forecast.horizon", "got 0"]),
    ("horizon = 2", "horizon = 25", ["at most 24 week(s), the longest history", "item 'P0'"]),
    ("horizon = 2", "levels = [1.5]", ["forecast.levels", "got [1.5]", "[0.1, 0.5, 0.9]"]),
    ('["classical"]', '["clasical"]', ["Did you mean 'classical'?"]),
    ('["classical"]', "{classical = {alpha = 2}}", ["options of member classical", "alpha"]),
    ("origins = 2", "origins = 11", ["must reach back 3 weeks more for 11 origins"]),
    (SALES, f'{SALES}\nas_of = "17.06.2024"', ["Did you mean 2024-06-17?"]),
    (SALES, f'{SALES}\nas_of = "2023-06-05"', ["behind the first week of the sales, 2024-01-01"]),
    (SALES, f'{SALES}\nas_of = "2024-09-02"', ["behind the end of the sales, 2024-06-17"]),
    ('units = "sold"', 'units = "sld"', ["column sld", "Did you mean 'sold'?"]),
    ('item = "sku"', 'item = "id"', ["column id: must be a column of the table"]),
    ('item = "sku"\n', "", ["column item_id: must be", "Give its name as item, in [sales]"]),
    ('date = "week"\n', "", ["column date: must be", "Give its name as date, in [sales]"]),
    (SALES, f'{SALES}\nfrequency = "W"', ["sales.frequency: must be one of day", "'week'?"]),
    ('new_items = "new.csv"', 'new_items = "items.csv"', ["other items than items.csv", "'P0'"]),
    ('new_items = "new.csv"', 'weight = "sold"', ["data.weight must be left out of a forecast"]),
    ('["title"]', '["titel"]', ["column titel", "Did you mean 'title'?"]),
    ("[forecast]", '[[heads]]\nhead = "regression"\n[forecast]', ["heads: key must be one of"]),
]


@pytest.mark.parametrize(
    ("old", "new", "told"), WRONG_CONFIGS, ids=[n for _, n, _ in WRONG_CONFIGS]
)
def test_a_wrong_configuration_says_what_to_do(old, new, told, shop, tmp_path):
    place = shop / "wrong.toml"
    place.write_text(CONFIG.replace(old, new))
    code, output = run("forecast", place, "--out", tmp_path / "out", "--quiet")
    assert code == 1 and [each for each in told if each not in output] == [], output
    assert not (tmp_path / "out").exists()


def test_columns_of_items_that_tell_of_sales_are_refused_until_they_are_left_out(shop, tmp_path):
    items = pd.read_csv(shop / "items.csv")
    items.assign(units_last_4w=3, units_next_8w=9).to_csv(shop / "sums.csv", index=False)
    config = CONFIG.replace('"items.csv"', '"sums.csv"')
    (shop / "sums.toml").write_text(config)
    words = ("--out", tmp_path / "out", "--quiet", "--no-backtest")
    code, told = run("forecast", shop / "sums.toml", *words)
    assert code == 1 and "units_last_4w', 'units_next_8w'" in told and "data.exclude" in told
    left_out = 'exclude = ["units_last_4w", "units_next_8w"]\n[data.columns]'
    (shop / "sums.toml").write_text(config.replace("[data.columns]", left_out))
    assert run("forecast", shop / "sums.toml", *words)[0] == 0


def test_all_mistakes_are_told_together(shop, tmp_path):
    config = CONFIG.replace('units = "sold"', 'units = "sld"').replace('"title"', '"titel"')
    (shop / "many.toml").write_text(config.replace('["classical"]', "{classical = {a = 1}}"))
    out = shop / "items.csv"
    code, told = run("forecast", shop / "many.toml", "--out", out, "--quiet")
    assert code == 1 and "mistakes:" in told
    assert "column sld" in told and "member classical" in told and "out must be a folder" in told


def test_mistakes_of_items_hide_none_of_the_sales(shop, tmp_path):
    """Names that both tables lack, and sums of sales among the items."""
    items = pd.read_csv(shop / "items.csv").assign(units_last_4w=3)
    items.to_csv(shop / "sums.csv", index=False)
    wrong = CONFIG.replace('"items.csv"', '"sums.csv"').replace('"sku"', '"item"')
    (shop / "both.toml").write_text(wrong.replace('"week"', '"date"'))
    code, told = run("forecast", shop / "both.toml", "--out", tmp_path / "out", "--quiet")
    assert code == 1 and "3 mistakes:" in told and not (tmp_path / "out").exists()
    for part in ("sums.csv has 1 problem", "column item", "units_last_4w", "sales has 2 problems"):
        assert part in told
    assert told.count("column date:") == 1
    pd.read_csv(shop / "sales.csv").rename(columns={"week": "w"}).to_csv(tmp_path / "s.csv")
    pd.read_csv(shop / "items.csv").rename(columns={"sku": "s"}).to_csv(tmp_path / "i.csv")
    code, told = ask(shop, tmp_path / "a.csv", items=tmp_path / "i.csv", sales=tmp_path / "s.csv")
    assert code == 1 and "column sku" in told and "column week" in told


def test_options_that_do_not_go_together_are_refused_before_the_work(shop, tmp_path):
    code, told = run("forecast", shop / "c.toml", "--items", "a.csv", "--market", "b.csv")
    assert code == 1 and "--items, --market must be left out where a configuration is given" in told
    code, told = run("forecast", shop / "out" / "forecast", "--items", "a.csv", "--seed", 1)
    assert code == 1 and "--seed must be left out" in told
    assert "--out must name a CSV or Parquet file" in told
    code, told = ask(shop, tmp_path / "a.csv", "--page-of", "P33")
    assert code == 1 and "--page-of must name items" in told and "Did you mean 'P3'?" in told
    code, told = ask(shop, shop / "sales.csv", "--page", tmp_path / "a.pdf")
    assert code == 1 and "must not be the file of the sales" in told and "end in .html" in told


def test_a_folder_of_another_kind_says_what_takes_it(shop, tmp_path):
    code, told = run("forecast", shop / "out", "--items", "a", "--sales", "b", "--out", "c.csv")
    assert code == 1 and "Did you mean" in told and "out/forecast?" in told.replace(" ", "")
    words = ("--items", shop / "items.csv", "--out", tmp_path / "a.csv")
    code, told = run("predict", shop / "out" / "forecast", *words)
    assert code == 1 and "got a forecast. Give it to `fusion forecast`" in told
    code, told = run("similar", shop / "out" / "forecast", "--items", shop / "items.csv")
    assert code == 1 and "--page PAGE.html --page-of ID`" in told and "docs/similarity.md" in told


def changed(shop, **cells):
    """The sales, of which row 30 (of item P1) is another."""
    sales = pd.read_csv(shop / "sales.csv", dtype=object)
    for name, cell in cells.items():
        sales.loc[30, name] = cell
    return sales


def days_after_weeks(shop):
    more = [("P1", f"2024-07-{day:02}", 1) for day in range(1, 20)]
    return pd.concat([changed(shop), pd.DataFrame(more, columns=["sku", "week", "sold"])])


def two_zones(shop):
    sales = changed(shop, week="2024-02-05T00:00+09:00")
    return sales.replace({"week": {WEEKS[0]: f"{WEEKS[0]}T00:00Z"}})


REFUSED_SALES = {
    "sales without the items' ids": (
        lambda shop: changed(shop).assign(sku="other"),
        ["items and sales must share ids in column sku, got none in common"],
    ),
    "a date that does not parse": (
        lambda shop: changed(shop, week="soon"),
        ["row 31, column week: must be a date such as 2024-01-31, got 'soon'"],
    ),
    "units in text": (
        lambda shop: changed(shop, sold="three"),
        ["row 31, column sold: must be a number, got 'three'"],
    ),
    "a frequency that changes": (
        days_after_weeks,
        ["must have one frequency", "2024-07-01 (row", "Give one table for each"],
    ),
    "one week of data": (
        lambda shop: changed(shop).query(f"week == '{WEEKS[-1]}'"),
        ["horizon must be at most 1 week(s)", "got 2", "add earlier sales"],
    ),
    "time zones mixed": (
        two_zones,
        ["dates of one time zone", "(row 1)", "(row 31)", "Write the local date"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED_SALES)
def test_sales_that_cannot_be_read_are_refused_and_nothing_is_written(name, shop, tmp_path):
    make, told = REFUSED_SALES[name]
    make(shop).to_csv(shop / "bad.csv", index=False)
    (shop / "bad.toml").write_text(CONFIG.replace('"sales.csv"', '"bad.csv"'))
    code, output = run("forecast", shop / "bad.toml", "--out", tmp_path / "out", "--quiet")
    assert code == 1 and [each for each in told if each not in output] == [], output
    assert not (tmp_path / "out").exists()


LONG = "0" * 59 + "x"


def returned(sales):
    """5 % of the rows of P1 come back."""
    own = sales.index[sales["sku"] == "P1"]
    sales.loc[own[::20], "sold"] = -1
    return sales


def more_rows(sales, *rows):
    return pd.concat([sales, pd.DataFrame(list(rows), columns=["sku", "week", "sold"])])


TOLD_SALES = {
    "a date that repeats": (
        lambda sales: more_rows(sales, ("P1", WEEKS[5], 2)),
        "1 row(s) of the sales table repeat an item and date. Their units are added up.",
    ),
    "negative units": (returned, "2 row(s) of the sales table have negative units."),
    "an item that never sold": (
        lambda sales: sales.assign(sold=sales["sold"].where(sales["sku"] != "P1", 0)),
        "1 item(s) of the sales table never sold a unit, such as 'P1'.",
    ),
    "a sparse item of a long id": (
        lambda sales: more_rows(sales[sales["sku"] != "P1"], (LONG, WEEKS[3], 2)),
        "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLD_SALES)
def test_what_is_odd_in_one_item_is_told_and_leaves_the_others_as_they_are(
    name, shop, tmp_path, caplog
):
    make, told = TOLD_SALES[name]
    make(pd.read_csv(shop / "sales.csv")).to_csv(tmp_path / "odd.csv", index=False)
    items = pd.read_csv(shop / "items.csv").replace({"sku": {"P1": LONG} if not told else {}})
    items.to_csv(tmp_path / "items.csv", index=False)
    out = tmp_path / "odd_forecast.csv"
    tables = {"items": tmp_path / "items.csv", "sales": tmp_path / "odd.csv"}
    code, output = ask(shop, out, **tables)
    assert code == 0 and told in f"{output} {' '.join(caplog.text.split())}", output
    before = pd.read_csv(shop / "out" / "forecast.csv").set_index("id")
    after = pd.read_csv(out).set_index("id")
    others = [item for item in IDS if item != "P1"]
    pd.testing.assert_frame_equal(after.loc[others], before.loc[others])
    assert np.isfinite(after.drop(others)[["mean", "p10", "p50", "p90"]].to_numpy()).all()


@pytest.fixture(scope="module")
def priced(shop):
    """A forecast that knows prices ahead, in `priced/forecast`."""
    sales = pd.read_csv(shop / "sales.csv").assign(price=9.5)
    plan = pd.DataFrame(
        [(item, week, None, 8.0) for item in IDS for week in ("2024-06-17", "2024-06-24")],
        columns=sales.columns,
    )
    pd.concat([sales, plan]).to_csv(shop / "planned.csv", index=False)
    gaps = plan[~((plan["sku"] == "P2") & (plan["week"] == "2024-06-24"))]
    pd.concat([sales, gaps]).to_csv(shop / "gaps.csv", index=False)
    known = 'price = "price"\nknown = ["price"]\n[encoders]'
    text = CONFIG.replace('new_items = "new.csv"\n', "").replace("[encoders]", known)
    (shop / "planned.toml").write_text(text.replace('"sales.csv"', '"planned.csv"'))
    (shop / "gaps.toml").write_text(text.replace('"sales.csv"', '"gaps.csv"'))
    words = ("--no-backtest", "--quiet")
    code, told = run("forecast", shop / "planned.toml", "--out", shop / "priced", *words)
    assert code == 0, told
    return shop / "priced"


def test_a_planned_price_with_gaps_is_refused_before_the_work(shop, priced, tmp_path):
    code, told = run("forecast", shop / "gaps.toml", "--out", tmp_path / "out", "--quiet")
    wanted = "got none for price of 'P2' (2024-06-24). Add rows without units that tell them"
    assert code == 1 and wanted in told and not (tmp_path / "out").exists(), told
    assert "gaps.csv: columns that are known ahead must be known" in told


def test_a_gap_in_a_plan_can_be_taken_as_unknown(shop, priced, tmp_path, caplog):
    tables = ("--items", shop / "items.csv", "--sales", shop / "gaps.csv")
    words = ("--out", tmp_path / "a.csv", "--quiet", "--on-bad-rows", "absent")
    code, told = run("forecast", priced / "forecast", *tables, *words)
    assert code == 0 and "price of 'P2' (2024-06-24)" in " ".join(caplog.text.split()), told
    assert len(pd.read_csv(tmp_path / "a.csv")) == 6 * 3


def test_numbers_of_the_market_must_be_given_again(shop, tmp_path):
    market = pd.DataFrame({"week": WEEKS, "index": np.arange(24.0)})
    market.to_csv(shop / "market.csv", index=False)
    more = 'market = "market.csv"\npast = ["index"]\n[encoders]'
    (shop / "market.toml").write_text(CONFIG.replace("[encoders]", more))
    words = ("--no-backtest", "--quiet")
    assert run("forecast", shop / "market.toml", "--out", tmp_path / "m", *words)[0] == 0
    tables = ("--items", shop / "items.csv", "--sales", shop / "sales.csv", "--quiet")
    asked = ("forecast", tmp_path / "m" / "forecast", *tables, "--out", tmp_path / "a.csv")
    code, told = run(*asked)
    assert code == 1 and "market must be given, as in training" in told
    assert run(*asked, "--market", shop / "market.csv")[0] == 0


def test_a_training_that_breaks_leaves_the_forecast_before_it(shop, tmp_path, monkeypatch, caplog):
    config = (shop / "c.toml", "--out", tmp_path / "out", "--quiet", "--no-backtest")
    assert run("forecast", *config)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    def broken(*given, **options):
        raise FloatingPointError("training diverged")

    monkeypatch.setattr(forecast_job, "make_forecast", broken)
    code, told = run("forecast", *config)
    assert code == 1 and "training diverged" in told
    said = " ".join(caplog.text.split())
    assert "holds a finished forecast, which is trained anew and replaced" in said
    assert f"fusion forecast {tmp_path / 'out' / 'forecast'} --items FILE" in said
    after = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {k: v for k, v in after.items() if k in before and "lock" not in k.name} == {
        k: v for k, v in before.items() if "lock" not in k.name
    }


def test_progress_and_errors_are_told_as_lines_for_programs(shop, tmp_path):
    (shop / "wrong.toml").write_text(CONFIG.replace('"sold"', '"sld"'))
    result = CliRunner().invoke(
        app, ["backtest", str(shop / "wrong.toml"), "--out", str(tmp_path / "o"), "--log-json"]
    )
    lines = [json.loads(line) for line in result.stderr.splitlines()]
    assert [one["event"] for one in lines][:1] == ["started"] and lines[0]["verb"] == "backtest"
    assert "column sld" in next(one["message"] for one in lines if one["event"] == "error")
    assert lines[-1]["exit_code"] == 1 and not (tmp_path / "o").exists()

"""A model whose history comes from a sales table: trained, asked and measured with one."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fusion.cli import app

pytestmark = pytest.mark.usefixtures("few_draws")

CONFIG = """
[data]
items = "items.csv"
[data.columns]
numeric = ["price"]
[sales]
table = "sales.csv"
as_of = "2025-03-03"
date = "week"
horizon = 4
[[heads]]
head = "sales_volume"
target = "units_next_4w"
[training]
epochs = 3
folds = 2
[evaluation]
modalities = false
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sales")
    random = np.random.default_rng(0)
    ids = [f"P{i}" for i in range(60)]
    level = random.uniform(2, 40, 60)
    weeks = pd.date_range("2024-10-07", periods=30, freq="7D")
    rows = [
        (item, week.date(), random.poisson(rate))
        for item, rate in zip(ids, level, strict=True)
        for week in weeks
    ]
    pd.DataFrame(rows, columns=["item_id", "week", "units"]).to_csv(
        folder / "sales.csv", index=False
    )
    pd.DataFrame({"item_id": ids, "price": random.uniform(5, 9, 60).round(2)}).to_csv(
        folder / "items.csv", index=False
    )
    (folder / "train.toml").write_text(CONFIG)
    result = run("train", folder / "train.toml", "--out", folder / "out", "--quiet")
    assert result.exit_code == 0, result.output
    return folder


def ask(verb, shop, out, *more):
    return run(verb, shop / "out" / "bundle", "--items", shop / "items.csv", "--out", out, *more)


def test_past_sales_up_to_a_date_serve_a_forecast(shop, tmp_path):
    past = ["--sales", shop / "sales.csv", "--as-of"]
    early = ask("predict", shop, tmp_path / "early.csv", *past, "2025-01-06", "--quiet")
    late = ask("predict", shop, tmp_path / "late.csv", *past, "2025-03-03", "--quiet")
    assert early.exit_code == late.exit_code == 0, early.output + late.output
    tables = [pd.read_csv(tmp_path / name) for name in ("early.csv", "late.csv")]
    assert all(len(table) == 60 and table["error"].isna().all() for table in tables)
    assert not np.allclose(tables[0]["sales_units"], tables[1]["sales_units"])


def test_evaluation_takes_history_and_target_from_the_sales_table(shop, tmp_path):
    more = ["--sales", shop / "sales.csv", "--as-of", "2025-03-31", "--quiet"]
    result = ask("evaluate", shop, tmp_path / "metrics.json", *more)
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["sales_volume"]["n_rows"] == 60


def test_a_model_with_history_names_what_is_missing_without_it(shop, tmp_path):
    result = ask("predict", shop, tmp_path / "no.csv", "--quiet")
    assert result.exit_code == 1 and "units_last_4w" in result.output
    assert "--sales FILE --as-of DATE" in result.output.replace("\n", " ")
    assert not (tmp_path / "no.csv").exists()


def test_sales_and_date_go_together(shop, tmp_path):
    result = ask("predict", shop, tmp_path / "no.csv", "--sales", shop / "sales.csv")
    assert result.exit_code == 1 and "must be given together" in result.output.replace("\n", " ")


def test_items_that_are_not_launched_yet_are_left_out_and_counted(shop, tmp_path):
    items = pd.read_csv(shop / "items.csv")
    new = pd.DataFrame({"item_id": ["N1", "N2"], "price": [6.0, 7.0]})
    pd.concat([new, items]).to_csv(shop / "more.csv", index=False)
    (shop / "more.toml").write_text(CONFIG.replace("items.csv", "more.csv"))
    result = run("train", shop / "more.toml", "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 0, result.output
    assert "2 rows left out: not launched yet: no sale up to 4 week(s) after" in result.output
    assert result.output.count("left out") == 1
    report = (tmp_path / "out" / "report.html").read_text()
    assert "not launched yet" in report


def test_sales_that_end_long_before_the_date_stop_a_prediction(shop, tmp_path):
    past = ["--sales", shop / "sales.csv", "--as-of", "2025-09-05", "--quiet"]
    result = ask("predict", shop, tmp_path / "late.csv", *past)
    assert result.exit_code == 1
    assert "got 2025-04-28 as its last week" in result.output.replace("\n", " ")
    assert not (tmp_path / "late.csv").exists()


def test_a_gap_before_the_date_stands_in_the_report(shop, tmp_path):
    sales = pd.read_csv(shop / "sales.csv")
    early = sales["week"].between("2025-02-10", "2025-02-24")
    sales[~early].to_csv(shop / "gap.csv", index=False)
    (shop / "gap.toml").write_text(CONFIG.replace("sales.csv", "gap.csv"))
    result = run("train", shop / "gap.toml", "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 0, result.output
    said = "ends with the week of 2025-02-03, 3 whole week(s) before 2025-03-03"
    assert said in (tmp_path / "out" / "report.html").read_text()


def test_absent_columns_of_past_sales_need_no_sales_table(shop, tmp_path):
    found = ask("predict", shop, tmp_path / "a.csv", "--on-bad-rows", "absent", "--quiet")
    assert found.exit_code == 0, found.output
    assert pd.read_csv(tmp_path / "a.csv")["error"].isna().all()


def test_a_table_without_any_column_of_the_model_is_refused_though_absence_is_allowed(
    shop, tmp_path
):
    (tmp_path / "other.csv").write_text("colour\nred\n")
    words = ("--out", tmp_path / "a.csv", "--on-bad-rows", "absent")
    found = run("predict", shop / "out" / "bundle", "--items", tmp_path / "other.csv", *words)
    assert found.exit_code == 1 and "column price" in found.output
    assert not (tmp_path / "a.csv").exists()

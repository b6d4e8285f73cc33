"""New items through the command line: forecast after a training, and compared with known ones."""

import csv

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from fusion import FusionRegressor
from fusion.cli import app
from fusion.cli.similar_table import MOST_ITEMS, show_similar
from fusion.report import HeadWords

pytestmark = pytest.mark.usefixtures("few_draws")

CONFIG = """
title = "Coats"
[data]
items = "items.csv"
new_items = "new.csv"
details = ["brand"]
[data.columns]
text = ["title"]
categorical = ["brand"]
[sales]
table = "sales.csv"
as_of = "2025-03-03"
date = "week"
horizon = 4
[[heads]]
head = "sales_volume"
target = "units_next_4w"
[encoders]
text = "tfidf"
[model.options]
n_networks = 1
width = 8
[training]
epochs = 2
folds = 2
[evaluation]
modalities = false
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("new")
    draw = np.random.default_rng(0)
    ids = [f"P{row}" for row in range(60)]
    weeks = [day.date() for day in pd.date_range("2024-12-02", periods=20, freq="7D")]
    sold = [(name, week, draw.poisson(9)) for name in ids for week in weeks]
    pd.DataFrame(sold, columns=["item_id", "week", "units"]).to_csv(
        folder / "sales.csv", index=False
    )
    items = pd.DataFrame(
        {
            "item_id": ids,
            "title": [f"=coat({draw.choice(['warm', 'thin'])}) {row}" for row in range(60)],
            "brand": draw.choice(["Vela", "Tern"], 60),
        }
    )
    items.to_csv(folder / "items.csv", index=False)
    items.head(8).to_csv(folder / "ask.csv", index=False)
    new = items.head(8).assign(item_id=[f"N{row}" for row in range(8)])
    new.loc[3, "brand"] = "Okami"
    new.to_csv(folder / "new.csv", index=False)
    (folder / "train.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def trained(shop):
    result = run("train", shop / "train.toml", "--out", shop / "out", "--quiet")
    assert result.exit_code == 0, result.output
    return shop / "out"


def test_training_forecasts_new_items_for_machines_and_for_people(trained):
    table = pd.read_csv(trained / "new_items_predictions.csv")
    assert table["id"].tolist() == [f"N{row}" for row in range(8)]
    assert (table["sales_units"] >= 0).all() and table["error"].isna().all()
    page = (trained / "new_items.html").read_text()
    assert "Coats" in page and "brand: Okami" in page and "likely" in page
    assert "Units, next 4 weeks" in page and "units_next_4w" not in page
    report = (trained / "report.html").read_text()
    assert '<section id="new-items"' in report
    assert report.count("<bdi>Units, next 4 weeks</bdi>") > 2


def test_new_items_that_lack_a_column_are_refused_before_the_training(shop, tmp_path):
    new = pd.read_csv(shop / "new.csv").drop(columns="brand")
    new.to_csv(shop / "narrow.csv", index=False)
    text = (shop / "train.toml").read_text().replace('"new.csv"', '"narrow.csv"')
    (shop / "narrow.toml").write_text(
        text.replace("[encoders]", 'options = { distribution = "poison" }\n[encoders]')
    )
    result = run("train", shop / "narrow.toml", "--out", tmp_path / "out", "--quiet")
    told = " ".join(result.output.split())
    assert "narrow.csv" in told and "brand" in told and "poison" in told
    assert not (tmp_path / "out").exists()


def ask(shop, trained, *more):
    past = ("--sales", shop / "sales.csv", "--as-of", "2025-03-03", "--quiet")
    return run("similar", trained / "bundle", "--items", shop / "ask.csv", *past, *more)


def test_similar_items_are_printed_with_what_they_sold(shop, trained):
    result = ask(shop, trained, "--k", 2)
    assert result.exit_code == 0, result.output
    told = " ".join(result.output.split())
    assert "Units, next 4 weeks" in told and "sold 3" in told and "actual_" not in told
    assert "8 rows, 0 with an error" in result.output


def test_similar_items_are_written_as_the_estimator_gives_them(shop, trained, tmp_path):
    result = ask(shop, trained, "--k", 2, "--out", tmp_path / "near.csv")
    assert result.exit_code == 0, result.output
    with (tmp_path / "near.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == [f"P{row // 2}" for row in range(16)]
    assert all(row["similar_title"].startswith("'=coat(") for row in rows)  # no spreadsheet runs it
    sales = pd.read_csv(shop / "sales.csv").query("week >= '2025-03-03'").groupby("item_id")
    sold = sales["units"].apply(lambda units: units.head(4).sum())
    for row in rows:
        assert float(row["actual_units_next_4w"]) == sold[row["similar_id"]]
    assert ask(shop, trained, "--out", tmp_path / "near.parquet").exit_code == 0
    assert len(pd.read_parquet(tmp_path / "near.parquet")) == 24


def test_a_table_without_items_is_refused_as_by_the_other_verbs(shop, trained, tmp_path):
    (tmp_path / "none.csv").write_text("item_id,title,brand\n")
    past = ("--sales", shop / "sales.csv", "--as-of", "2025-03-03")
    result = run("similar", trained / "bundle", "--items", tmp_path / "none.csv", *past)
    assert result.exit_code == 1 and "none.csv must hold rows" in result.output


def test_a_page_for_people_is_written_without_another_training(shop, trained, tmp_path):
    result = ask(shop, trained, "--page", tmp_path / "new.html")
    assert result.exit_code == 0 and "new.html" in "".join(result.output.split()), result.output
    page = (tmp_path / "new.html").read_text()
    assert "<h1><bdi>Coats</bdi></h1>" in page and "about " in page and "sold " in page


def test_more_known_items_than_there_are_means_all_of_them(shop, trained, tmp_path):
    assert ask(shop, trained, "--k", 999, "--out", tmp_path / "all.csv").exit_code == 0
    n_known = len(FusionRegressor.load(trained / "bundle").bundle_.reference_ids)
    assert len(pd.read_csv(tmp_path / "all.csv")) == 8 * n_known


def test_mistakes_of_similar_are_told_together(shop, trained, tmp_path):
    narrow = tmp_path / "narrow.csv"
    pd.read_csv(shop / "ask.csv").drop(columns="title").to_csv(narrow, index=False)
    past = ("--sales", shop / "sales.csv", "--as-of", "2025-03-03", "--quiet")
    out = ("--out", tmp_path / "near.xlsx", "--page", tmp_path / "new.pdf")
    result = run("similar", trained / "bundle", "--items", narrow, *past, *out)
    assert result.exit_code == 1
    told = "".join(result.output.split())
    assert "near.xlsx" in told and "new.pdf" in told and "title" in told


def test_a_long_list_of_similar_items_says_how_to_get_the_rest(capsys):
    n = MOST_ITEMS + 1
    show_similar(
        pd.DataFrame(
            {
                "id": [f"[red]{row}" for row in range(n)],
                "rank": 1,
                "similar_id": ["a"] * (n - 1) + [None],
                "similar_title": "b",
                "similarity": 0.5,
                "actual_units": 3.0,
                "error": "",
            }
        ),
        {"actual_units": HeadWords("Units", "units", "units", unit="units")},
    )
    told = capsys.readouterr().out
    assert f"The first {MOST_ITEMS} of {n} items" in told and "[red]0" in told


@pytest.fixture
def embedded(monkeypatch):
    """How many items were embedded, call by call."""
    import fusion.predictor as module

    counts, prepare = [], module.prepare_inputs

    def counted(encoders, catalogue, **options):
        counts.append(len(catalogue))
        return prepare(encoders, catalogue, **options)

    monkeypatch.setattr(module, "prepare_inputs", counted)
    return counts


def test_items_are_embedded_once_for_likeness_answers_and_page(shop, trained, tmp_path, embedded):
    result = ask(shop, trained, "--page", tmp_path / "new.html", "--out", tmp_path / "near.csv")
    assert result.exit_code == 0 and embedded == [8], result.output


def test_new_items_of_a_training_are_embedded_once(shop, tmp_path, embedded):
    result = run("train", shop / "train.toml", "--out", tmp_path / "out", "--quiet")
    assert result.exit_code == 0, result.output
    assert embedded[-1] == 8 and embedded.count(8) == 1


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_predict_writes_the_page_that_similar_writes(shop, trained, tmp_path, suffix):
    ask(shop, trained, "--page", tmp_path / "similar.html")
    past = ("--sales", shop / "sales.csv", "--as-of", "2025-03-03", "--quiet")
    out = ("--out", tmp_path / f"answers{suffix}", "--page", tmp_path / "predict.html")
    result = run("predict", trained / "bundle", "--items", shop / "ask.csv", *past, *out)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "predict.html").read_text() == (tmp_path / "similar.html").read_text()


def test_a_page_of_a_folder_of_answers_is_refused_before_the_work(shop, trained, tmp_path):
    out = ("--out", tmp_path / "job", "--page", tmp_path / "new.html", "--quiet")
    result = run("predict", trained / "bundle", "--items", shop / "ask.csv", *out)
    told = " ".join(result.output.split())
    assert result.exit_code == 1 and "page must go with one items table" in told
    assert "--sales FILE" in told and not (tmp_path / "job").exists()

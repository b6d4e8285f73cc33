"""End to end through the command line, on tables made here."""

import json
import tomllib
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from fusion import Predictor, load_bundle
from fusion.cli import app
from fusion.cli.shared import show_result

pytestmark = pytest.mark.usefixtures("few_draws")

CONFIG = """
title = "A small shop"

[data]
items = "items.csv"
photos = "photos"

[data.columns]
id = ["item_id"]

[[heads]]
head = "sales_volume"
target = "units"

[[heads]]
head = "hot_item"
target = "units"

[encoders]
text = "tfidf"
image = "colour_texture"

[model]
members = ["network", "ridge"]
[model.options]
n_networks = 2
width = 32

[training]
epochs = 4
folds = 2

[split]
test = 0.25
"""


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    (folder / "photos").mkdir()
    random = np.random.default_rng(0)
    n = 80
    colours = random.integers(0, 255, (n, 3))
    for number, colour in enumerate(colours):
        Image.new("RGB", (32, 32), tuple(colour.tolist())).save(folder / f"photos/{number}.png")
    words = random.choice(["soft", "thin", "warm", "plain"], (n, 3))
    frame = pd.DataFrame(
        {
            "item_id": [f"B{number}" for number in range(n)],
            "title": [f"a {' and '.join(row)} coat number {i}" for i, row in enumerate(words)],
            "photo": [f"{number}.png" for number in range(n)],
            "price": random.uniform(10, 90, n).round(2),
            "units": random.poisson(20 + colours[:, 0] / 10),
        }
    )
    frame.to_csv(folder / "items.csv", index=False)
    (folder / "train.toml").write_text(CONFIG)
    return folder


@pytest.fixture(scope="module")
def trained(shop):
    result = run("train", shop / "train.toml", "--out", shop / "out", "--seed", 3, "--quiet")
    assert result.exit_code == 0, result.output
    return shop / "out"


def test_training_writes_model_report_metrics_and_predictions(trained):
    assert {path.name for path in trained.iterdir()} == {
        ".lock",
        "bundle",
        "metrics.json",
        "report.html",
        "store",
        "test_predictions.csv",
    }
    metrics = json.loads((trained / "metrics.json").read_text())
    names = [score["name"] for score in metrics["sales_volume"]["scores"]]
    assert {"median", "numbers only (boosted trees)", "TF-IDF + boosted trees"} <= set(names)
    assert {"image alone", "text alone", "numeric alone", "without text"} <= set(names)
    page = (trained / "report.html").read_text()
    assert "A small shop" in page and "http://" not in page.replace("http://www.w3.org", "")


def test_columns_that_are_not_used_are_told_with_their_reason(capsys):
    reason = "holds numbers such as '1,234' that may be read in two ways; write them as 1234.5"
    result = SimpleNamespace(
        evaluations={},
        dropped={},
        notes=(),
        unread={"cost[net]": reason},
        bundle="b",
        report="r",
        new_items=None,
    )
    show_result(result)
    assert f"Not used cost[net]: {reason}" in " ".join(capsys.readouterr().out.split())


def test_predictions_come_in_input_order_with_reasons(shop, trained, tmp_path):
    frame = pd.read_csv(shop / "items.csv").head(12).iloc[::-1].drop(columns="units")
    frame.loc[4, "photo"] = "../items.csv"
    frame.loc[6, "photo"] = "gone.png"
    frame.to_csv(tmp_path / "new.csv", index=False)
    arguments = ["--items", tmp_path / "new.csv", "--photos", shop / "photos", "--quiet"]
    result = run("predict", trained / "bundle", *arguments, "--out", tmp_path / "out.csv")
    assert result.exit_code == 0, result.output
    output = " ".join(result.output.split())
    assert f"12 rows, 2 with an error (column error): {tmp_path / 'out.csv'}" in output
    assert "2 failed (1 photo_missing, 1 photo_outside)" in output
    table = pd.read_csv(tmp_path / "out.csv", keep_default_na=False)
    assert table["id"].tolist() == frame["item_id"].tolist()
    failed = table[table["error"] != ""].set_index("id")["error"]
    assert sorted(failed.index) == ["B4", "B6"]
    assert "outside" in failed["B4"] or "must" in failed["B4"]
    stop = run("predict", trained / "bundle", *arguments, "--out", tmp_path / "no.csv",
               "--on-bad-rows", "raise")  # fmt: skip
    assert stop.exit_code == 1 and not (tmp_path / "no.csv").exists()
    assert "B4" in stop.output and "B6" in stop.output


def test_a_spreadsheet_with_semicolons_gives_its_own_ids_back(shop, trained, tmp_path):
    frame = pd.read_csv(shop / "items.csv").head(4).drop(columns="units").assign(empty="")
    frame["item_id"] = ["-A12", " B 7 ", "=1+1", "007"]
    frame = frame.rename(columns={"empty": ""})
    folder = tmp_path / "a[/]b"
    folder.mkdir(parents=True)
    frame.to_csv(folder / "new.csv", index=False, sep=";", encoding="utf-8-sig")
    for out in ("out.csv", "out.parquet"):
        result = run("predict", trained / "bundle", "--items", folder / "new.csv", "--photos",
                     shop / "photos", "--out", folder / out, "--quiet")  # fmt: skip
        assert result.exit_code == 0, result.output
        assert f"4 rows, 0 with an error: {folder / out}" in result.output
        read = {"out.csv": pd.read_csv, "out.parquet": pd.read_parquet}[out]
        table = read(folder / out, **({"dtype": str} if out == "out.csv" else {}))
        assert table["id"].tolist() == frame["item_id"].tolist()
    text = (folder / "new.csv").read_text(encoding="utf-8-sig").replace(";", "^")
    (folder / "new.csv").write_text(text)
    result = run("predict", trained / "bundle", "--items", folder / "new.csv", "--photos",
                 shop / "photos", "--delimiter", "^", "--out", folder / "out.csv")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert pd.read_csv(folder / "out.csv", dtype=str)["id"].tolist() == frame["item_id"].tolist()


def test_predictions_can_be_parquet(shop, trained, tmp_path):
    result = run("predict", trained / "bundle", "--items", shop / "items.csv", "--photos",
                 shop / "photos", "--out", tmp_path / "out.parquet", "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(pq.read_table(tmp_path / "out.parquet")) == 80


def test_a_table_of_many_shards_is_a_job_whose_state_is_shown(shop, trained, tmp_path):
    arguments = ["--items", shop / "items.csv", "--photos", shop / "photos", "--quiet"]
    asked = ["predict", trained / "bundle", *arguments, "--workers", 0, "--shard-rows", 30, "--out"]
    assert run(*asked, tmp_path / "out.csv").exit_code == 0
    result = run(*asked, tmp_path / "job")
    assert "80 rows, 0 with an error" in result.output.replace("\n", " ")
    state = run("predict", "--status", tmp_path / "job").output
    assert "finished: 3 of 3 shards" in state and "80 rows predicted" in state
    assert "Whole: every row once" in run("verify", tmp_path / "job").output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["job", "out.csv"]
    table = pd.read_parquet(tmp_path / "job" / "predictions")
    alone = pd.read_csv(tmp_path / "out.csv")
    np.testing.assert_allclose(table["sales_units_p50"], alone["sales_units_p50"], rtol=1e-6)
    assert "must be given, or --status alone" in run("predict", "--out", tmp_path / "x.csv").stderr


def test_rows_without_an_answer_are_named_where_a_job_of_predictions_says(shop, trained, tmp_path):
    frame = pd.read_csv(shop / "items.csv").drop(columns="units")
    frame.loc[[4, 70], "photo"] = "gone.png"
    frame.to_csv(tmp_path / "new.csv", index=False)
    arguments = ["--items", tmp_path / "new.csv", "--photos", shop / "photos", "--quiet",
                 "--workers", 0, "--shard-rows", 30, "--out"]  # fmt: skip
    result = run("predict", trained / "bundle", *arguments, tmp_path / "job")
    assert f"2 with an error ({tmp_path / 'job'}/errors)" in " ".join(result.output.split())
    errors = pd.read_parquet(tmp_path / "job" / "errors")
    assert errors["id"].tolist() == ["B4", "B70"]
    assert errors["message"].str.contains("photo_missing").all()
    stop = run("predict", trained / "bundle", *arguments, tmp_path / "no", "--on-bad-rows", "raise")
    assert stop.exit_code == 1 and "B4" in stop.output
    assert "faults of rows 1 to 30 of 80, where the job stopped" in " ".join(stop.output.split())


@pytest.mark.parametrize("shard_rows", [4096, 30])
def test_predictions_tell_programs_what_they_do(shard_rows, shop, trained, tmp_path):
    arguments = ["--items", shop / "items.csv", "--photos", shop / "photos", "--log-json"]
    where = ["--workers", 0, "--shard-rows", shard_rows, "--out"]
    asked = ["predict", trained / "bundle", *arguments, *where]
    result = run(*asked, tmp_path / "out.csv")
    told = [json.loads(line) for line in result.stderr.splitlines()]
    assert (told[0]["event"], told[0]["verb"]) == ("started", "predict")
    assert (told[-1]["event"], told[-1]["exit_code"]) == ("ended", 0)
    steps = [each for each in told if each["event"] == "progress"]
    assert len(steps) == len(told) - 2
    assert {(step["stage"], step["unit"], step["total"]) for step in steps} == {
        ("predicting", "rows", 80)
    }
    assert (steps[0]["done"], steps[-1]["done"], steps[-1]["ending"]) == (0, 80, "done")
    assert "80 rows, 0 with an error" in result.stdout
    refused = run(*asked, tmp_path / "out.xlsx")
    told = [json.loads(line) for line in refused.stderr.splitlines()]
    assert [each["event"] for each in told] == ["started", "error", "ended"]
    assert "must end in .csv or .parquet" in told[1]["message"] and refused.stdout == ""


def test_evaluation_agrees_with_predictions(shop, trained, tmp_path):
    result = run("evaluate", trained / "bundle", "--items", shop / "items.csv", "--photos",
                 shop / "photos", "--out", tmp_path / "metrics.json", "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["sales_volume"]["n_rows"] == 80
    assert 0 < metrics["sales_volume"]["wape"] < 1


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_embedding_writes_fixed_size_lists_with_absent_rows_null(shop, tmp_path, forked_pool):
    frame = pd.read_csv(shop / "items.csv").head(5)
    frame.loc[1, "photo"] = None
    frame.to_csv(tmp_path / "items.csv", index=False)
    result = run("embed", "--items", tmp_path / "items.csv", "--photos", shop / "photos", "--out",
                 tmp_path / "job", "--column", "image=photo", "--column", "text=title",
                 "--encoder", "image=colour_texture", "--workers", 1, "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pq.read_table(tmp_path / "job" / "embeddings")
    assert table["image_embedding"].null_count == 1
    assert table["text_embedding"].type.list_size == 384
    assert table["image_present"].to_pylist() == [True, False, True, True, True]
    assert table["id"].to_pylist() == frame["item_id"].tolist()
    assert run("verify", tmp_path / "job").exit_code == 0
    status = run("embed", "--status", tmp_path / "job")
    assert status.exit_code == 0 and "finished: 1 of 1 shards" in status.output


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_fused_embeddings_come_from_a_bundle(shop, trained, tmp_path, forked_pool):
    result = run("embed", "--items", shop / "items.csv", "--photos", shop / "photos", "--bundle",
                 trained / "bundle", "--out", tmp_path / "job", "--workers", 1,
                 "--quiet")  # fmt: skip
    assert result.exit_code == 0, result.output
    table = pq.read_table(tmp_path / "job" / "embeddings")
    assert table["fused_embedding"].type.list_size == 2 * 32
    predictor = Predictor(load_bundle(trained / "bundle"), photos=shop / "photos")
    expected = predictor.embed(pd.read_csv(shop / "items.csv"))
    actual = np.stack(table["fused_embedding"].to_numpy(zero_copy_only=False))
    assert np.abs(actual - expected).max() < 1e-5


def test_a_config_with_five_mistakes_lists_all_of_them_and_writes_nothing(tmp_path):
    (tmp_path / "bad.toml").write_text(
        '[data]\nitms = "items.csv"\n[[heads]]\nhead = "sales_volme"\ntarget = "units"\n'
        '[model]\nstrategi = "concat"\n[training]\nepochs = -1\nlearning_rate = "fast"\n'
    )
    result = run("train", tmp_path / "bad.toml", "--out", tmp_path / "out")
    assert result.exit_code == 1
    message = result.output
    for place in ("data.items", "data.itms", "model.strategi", "training.epochs",
                  "training.learning_rate", "heads.0.head"):  # fmt: skip
        assert place in message
    assert "'items'" in message and "'strategy'" in message and "sales_volume" in message
    assert not (tmp_path / "out").exists()


def test_a_config_that_does_not_fit_its_table_is_refused_with_all_mistakes(shop, tmp_path):
    wrong = CONFIG.replace("[data]", '[data]\ndetails = ["prise"]')
    wrong = wrong.replace("test = 0.25", 'kind = "group"\ncolumn = "titel"').replace(
        "width", "widht"
    )
    (shop / "wrong.toml").write_text(wrong)
    (tmp_path / "file").write_text("")
    result = run("train", shop / "wrong.toml", "--out", tmp_path / "file", "--quiet")
    assert result.exit_code == 1 and "4 mistakes:" in result.output
    for place in ("'price'", "'title'", "'width'", "out must be a folder"):
        assert place in result.output
    arguments = ["--items", shop / "items.csv", "--encoder", "text=colour_texture"]
    result = run("embed", *arguments, "--out", tmp_path / "job", "--stall-seconds", -1)
    assert result.exit_code == 1 and "2 mistakes:" in result.output
    assert not (tmp_path / "job").exists()


def test_places_are_told_together_with_other_mistakes(tmp_path):
    (tmp_path / "file").write_text("")
    places = ["--items", tmp_path / "none.csv", "--photos", tmp_path / "none", "--out"]
    arguments = [*places, tmp_path / "file", "--encoder", "image=resnet19"]
    for verb, told in (("embed", 4), ("pretrain", 2)):
        more = ["--objective", "mlms"] if verb == "pretrain" else []
        result = run(verb, *arguments, *more)
        assert result.exit_code == 1 and f"{told} mistakes:" in result.output
        assert "'resnet18'" in result.output


def test_columns_that_a_bundle_does_not_read_are_refused(shop, trained, tmp_path):
    arguments = ["embed", "--items", shop / "items.csv", "--bundle", trained / "bundle"]
    columns = ["--column", "id=item_id", "--column", "text=titel", "--workers", 0]
    result = run(*arguments, "--out", tmp_path / "job", *columns)
    assert result.exit_code == 1 and "text columns must be those of the bundle" in result.output
    assert "id columns" not in result.output


@pytest.mark.parametrize(
    "verb",
    [
        "train",
        "fine-tune",
        "pretrain",
        "evaluate",
        "predict",
        "similar",
        "forecast",
        "update",
        "backtest",
        "score",
        "embed",
        "demo",
    ],
)
def test_every_verb_has_help(verb):
    result = run(verb, "--help")
    assert result.exit_code == 0 and "Usage" in result.output


def test_a_missing_file_is_one_sentence(tmp_path):
    result = run("train", tmp_path / "none.toml")
    assert result.exit_code == 1 and "none.toml" in result.output
    assert "Traceback" not in result.output


def test_the_demo_configurations_are_valid():
    from fusion.job_steps.config import TrainConfig
    from fusion.jobs.demo import demo_folder

    path = demo_folder() / "train.toml"
    assert TrainConfig.from_file(path).data.items.is_file()
    from fusion.job_steps.forecast_config import ForecastConfig

    weeks = ForecastConfig.from_file(demo_folder() / "forecast.toml")
    assert weeks.sales.table.is_file() and weeks.data.new_items.is_file()
    assert tomllib.loads(path.read_text())["encoders"]["image"]["weights"] == "clothing18"

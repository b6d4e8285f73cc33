"""`fusion fine-tune` from the command line to the report."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from encoders.text.tiny_bert import tiny_checkpoint
from fusion import load_bundle
from fusion.cli import app

ROOT = Path(__file__).parents[1]
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

[encoders]
text = {text}
image = "colour_texture"

[model.options]
n_networks = 2
width = 16

[training]
epochs = 2
folds = 2

[tuning]
mode = "last_layers"
layers = 1
epochs = 2
folds = 2
batch_size = 8

[tuning.text]
word_dropout = 0.1

[split]
test = 0.25
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    (folder / "photos").mkdir()
    checkpoint = shutil.copytree(tiny_checkpoint(), folder / "tiny")
    random = np.random.default_rng(0)
    colours = random.integers(0, 255, (60, 3))
    for number, colour in enumerate(colours):
        Image.new("RGB", (32, 32), tuple(colour.tolist())).save(folder / f"photos/{number}.png")
    words = random.choice(["soft", "thin", "warm", "plain"], (60, 3))
    pd.DataFrame(
        {
            "item_id": [f"B{number}" for number in range(60)],
            "title": [f"a {' and '.join(row)} coat number {i}" for i, row in enumerate(words)],
            "photo": [f"{number}.png" for number in range(60)],
            "price": random.uniform(10, 90, 60).round(2),
            "units": random.poisson(20 + 10 * (words == "warm").sum(axis=1)),
        }
    ).to_csv(folder / "items.csv", index=False)
    (folder / "tune.toml").write_text(CONFIG.format(text=json.dumps(str(checkpoint))))
    return folder


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def tuned(shop):
    result = run("fine-tune", shop / "tune.toml", "--out", shop / "out", "--seed", 1, "--quiet")
    assert result.exit_code == 0, result.output
    assert re.search("Kept: (tuned|original) encoders", result.output)
    return shop / "out"


def test_the_report_compares_tuned_encoders_with_those_that_stayed(tuned):
    page = (tuned / "report.html").read_text(encoding="utf-8")
    assert "Fine-tuning" in page and "original encoders" in page
    metrics = json.loads((tuned / "metrics.json").read_text())
    scores = {score["name"]: score for score in metrics["sales_volume"]["scores"]}
    (other,) = (score for score in scores.values() if score["kind"] in ("original", "tuned"))
    assert other["low"] <= other["gain"] <= other["high"]


def kept(folder):
    """Which encoders metrics.json says are kept; the bundle must hold these."""
    tuning = json.loads((folder / "metrics.json").read_text())["sales_volume"]["tuning"]
    losses = tuning["out_of_fold_loss"]
    assert tuning["kept"] == min(losses, key=losses.get)
    adapter = load_bundle(folder / "bundle").model.encoder("text").adapter
    assert (adapter is not None) == (tuning["kept"] == "tuned encoders")
    return tuning["kept"]


def test_tuning_that_hurts_on_rows_held_out_is_not_kept(shop):
    out = shop / "hurt"
    result = run("fine-tune", shop / "tune.toml", "--out", out, "--learning-rate", 0.3, "--quiet")
    assert result.exit_code == 0, result.output
    assert kept(out) == "original encoders"
    assert "Kept: original encoders. Their loss on training rows held out" in result.output
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count("Kept: original encoders.") == 2  # in the headline and the section
    scores = json.loads((out / "metrics.json").read_text())["sales_volume"]["scores"]
    assert [(score["name"], score["kind"]) for score in scores][:2] == [
        ("fusion", "fusion"),
        ("tuned encoders", "tuned"),
    ]
    assert "not kept" in page


def test_the_bundle_predicts_with_the_encoders_that_were_kept(tuned, shop):
    assert kept(tuned)
    result = run(
        "predict", tuned / "bundle", "--items", shop / "items.csv", "--photos", shop / "photos",
        "--out", shop / "forecast.csv", "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert (pd.read_csv(shop / "forecast.csv")["error"].isna()).all()


def test_what_was_tuned_is_not_tuned_again(tuned, shop):
    states = {path: path.stat().st_mtime_ns for path in tuned.glob("tuning/*/weights.safetensors")}
    assert len(states) == 3
    before = json.loads((tuned / "metrics.json").read_text())
    result = run("fine-tune", shop / "tune.toml", "--out", tuned, "--seed", 1, "--quiet")
    assert result.exit_code == 0, result.output
    assert {path: path.stat().st_mtime_ns for path in states} == states
    assert json.loads((tuned / "metrics.json").read_text()) == before


def test_other_settings_in_the_same_folder_are_refused(tuned, shop):
    result = run(
        "fine-tune", shop / "tune.toml", "--out", tuned, "--seed", 1, "--epochs", 5, "--quiet"
    )
    assert result.exit_code == 1
    assert "states of the same tuning" in result.output.replace("\n", " ")


def test_mistakes_in_the_file_are_listed_together(shop):
    text = (shop / "tune.toml").read_text()
    text = text.replace("layers = 1", "layer = 1")
    text = text.replace("word_dropout = 0.1", "colum_dropout = 0.1\n[tuning.photos]\ncrop = 7")
    (shop / "wrong.toml").write_text(text)
    result = run("fine-tune", shop / "wrong.toml", "--out", shop / "wrong", "--quiet")
    assert result.exit_code == 1
    message = result.output.replace("\n", " ")
    assert "3 mistakes" in message
    assert "Did you mean 'column_dropout'" in message
    assert "crop must be a number in" in message
    assert "Did you mean 'layers'" in message
    assert not (shop / "wrong").exists()


def test_a_section_that_is_no_table_is_a_mistake_like_others(shop):
    text = (shop / "tune.toml").read_text()
    start, end = text.index("[tuning]"), text.index("[split]")
    (shop / "flat.toml").write_text(f'tuning = "lora"\n{text[:start]}{text[end:]}')
    result = run(
        "fine-tune", shop / "flat.toml", "--out", shop / "flat", "--epochs", "3", "--quiet"
    )
    assert result.exit_code == 1
    assert "1 mistake" in result.output and "got 'lora'" in result.output


def test_memory_that_is_too_short_is_one_message(shop, monkeypatch):
    def short(*arguments, **options):
        raise MemoryError("memory must hold one row, got too little.")

    monkeypatch.setattr("fusion.tuning.crossfit.CrossFit.run", short)
    result = run("fine-tune", shop / "tune.toml", "--out", shop / "short", "--quiet")
    assert result.exit_code == 1
    assert "fusion: memory must hold one row" in result.output.replace("\n", " ")


@pytest.mark.slow
def test_two_processes_make_one_model(shop):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [sys.executable, *launcher, "-m", "fusion", "fine-tune", shop / "tune.toml",
         "--out", shop / "two", "--seed", "1", "--batch-size", "4"],
        env=environment, capture_output=True, text=True, timeout=500, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Report ") == 1
    assert (shop / "two" / "report.html").is_file()
    assert load_bundle(shop / "two" / "bundle").model.encoder("text").adapter is not None

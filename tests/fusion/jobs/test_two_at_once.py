"""Two commands with one output: the second is refused, before its work, with who holds it."""

import os

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import fusion.jobs.demo
import fusion.jobs.evaluate
import fusion.jobs.predict
import fusion.jobs.train
import fusion.shards.job
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import FusionRegressor
from fusion.cli import app
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.source import ItemSource
from fusion.jobs.evaluate import evaluate
from fusion.jobs.predict import predict
from fusion.jobs.train import fine_tune, held, train
from fusion.system.lock import LockedError, check_free, locked, locked_file

HOLDER = f"process {os.getpid()} on "


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    random = np.random.default_rng(0)
    items = pd.DataFrame({"price": random.uniform(5, 50, 40), "units": np.arange(40)})
    items["title"] = [f"red coat {number} of wool" for number in range(40)]
    items.to_csv(folder / "items.csv", index=False)
    settings = {
        "members": ["network"],
        "training": {"epochs": 1, "folds": 1},
        "strategy_options": {"width": 8},
    }
    FusionRegressor(**settings, columns={"numeric": ["price"]}).fit(
        items[["price"]], items["units"]
    ).save(folder / "bundle")
    (folder / "train.toml").write_text(
        f'[data]\nitems = "{folder / "items.csv"}"\ncolumns.text = ["title"]\n\n[encoders]\n'
        f'text = "{tiny_checkpoint()}"\n\n[[heads]]\nhead = "regression"\ntarget = "units"\n'
    )
    return folder


def begun(*arguments, **options):
    raise AssertionError("the work has begun")


@pytest.fixture
def no_work(monkeypatch):
    monkeypatch.setattr(fusion.jobs.train, "build_experiment", begun)
    monkeypatch.setattr(fusion.predictor.Predictor, "predict", begun)
    monkeypatch.setattr(fusion.shards.job, "plan_of", begun)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("verb", ["train", "fine-tune", "demo"])
def test_a_folder_that_is_held_is_refused_with_code_4(shop, tmp_path, verb):
    out = tmp_path / "out"
    out.mkdir()
    config = [] if verb == "demo" else [str(shop / "train.toml")]
    with locked(out):
        result = CliRunner().invoke(app, [verb, *config, "--out", str(out), "--quiet"])
    assert result.exit_code == 4
    assert f"{out} must have one writer" in result.stderr and HOLDER in result.stderr
    assert [path.name for path in out.iterdir()] == [".lock"]


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_file_that_is_about_to_be_written_is_refused_with_code_4(shop, tmp_path, verb):
    out = tmp_path / ("answers.csv" if verb == "predict" else "metrics.json")
    places = ["--items", str(shop / "items.csv"), "--out", str(out), "--quiet"]
    with locked_file(out):
        result = CliRunner().invoke(app, [verb, str(shop / "bundle"), *places])
    assert result.exit_code == 4
    assert f"{out} must have one writer" in result.stderr and HOLDER in result.stderr
    assert list(tmp_path.iterdir()) == []


class Stop(Exception):
    pass


def stop_if_held(check):
    def inside(*arguments, **options):
        with pytest.raises(LockedError):
            check()
        raise Stop

    return inside


@pytest.mark.parametrize("run", [train, fine_tune])
def test_a_training_holds_its_folder_while_it_works(shop, tmp_path, monkeypatch, run):
    inside = stop_if_held(lambda: check_free(tmp_path))
    monkeypatch.setattr(fusion.jobs.train, "build_experiment", inside)
    with pytest.raises(Stop):
        run(TrainConfig.from_file(shop / "train.toml"), tmp_path)
    check_free(tmp_path)


def test_an_answer_holds_its_file_while_it_is_made(shop, tmp_path, monkeypatch):
    out = tmp_path / "new" / "answers.csv"
    inside = stop_if_held(lambda: locked_file(out).__enter__())
    monkeypatch.setattr(fusion.predictor.Predictor, "predict", inside)
    monkeypatch.setattr(fusion.shards.job, "plan_of", inside)
    source = ItemSource(shop / "items.csv")
    with pytest.raises(Stop):
        predict(shop / "bundle", source, out)
    with pytest.raises(Stop):
        evaluate(shop / "bundle", source, output=out)
    assert list(out.parent.iterdir()) == []


def test_answers_leave_no_lock_behind(shop, tmp_path):
    source = ItemSource(shop / "items.csv")
    predict(shop / "bundle", source, tmp_path / "answers.csv")
    evaluate(shop / "bundle", source, output=tmp_path / "metrics.json")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["answers.csv", "metrics.json"]


def test_processes_that_share_a_tuning_share_its_folder(tmp_path, monkeypatch):
    with held(tmp_path):
        monkeypatch.setenv("RANK", "1")
        with held(tmp_path):
            pass

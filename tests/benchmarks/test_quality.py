"""Benchmarks of quality run from end to end on tiny, made-up data of the same form."""

from functools import partial

import numpy as np
import pytest

ONE_EPOCH = ["--epochs", "1"]


def test_results_are_written_under_their_heading(script, monkeypatch, tmp_path) -> None:
    results = script("results")
    monkeypatch.setattr(results, "PAGE", tmp_path / "RESULTS.md")
    for number in (1, 2):
        for name in ("one", "two"):
            rows = [{"a": number}]
            results.write_section(name, command="run", workload="work", rows=rows)
    results.write_section("three", command="run", workload="work", rows=[{"a": 1}], trial=True)
    page = results.PAGE.read_text()
    assert page.count("## one\n") == page.count("## two\n") == 1
    assert page.count("| 2 |") == 2
    assert "## three" not in page


def test_babies_r_us(script, prices, tmp_path, capsys) -> None:
    options = ["--data", str(prices), "--store", str(tmp_path / "store"), "--folds", "1"]
    script("babies_r_us").main([*options, *ONE_EPOCH])
    assert "40 products, 1 random folds" in capsys.readouterr().out


def test_womens_clothing(script, monkeypatch, reviews, tmp_path, capsys) -> None:
    clothing = script("womens_clothing")
    monkeypatch.setattr(clothing, "STRENGTHS", (1.0,))
    few_draws = partial(clothing.paired_bootstrap, n_resamples=20)
    monkeypatch.setattr(clothing, "paired_bootstrap", few_draws)
    options = ["--data", str(reviews), "--store", str(tmp_path / "store"), "--limit", "20"]
    clothing.main([*options, *ONE_EPOCH])
    assert "| fusion without Rating |" in capsys.readouterr().out


def test_coverage(script, prices, tmp_path, capsys) -> None:
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "babies_r_us").symlink_to(prices)
    options = ["--data", str(tmp_path / "sets"), "--store", str(tmp_path / "store")]
    script("coverage").main([*options, "--seeds", "1", "--sets", "babies_r_us"])
    assert "| quantiles | 0 | p5 to p95 | 0.90 |" in capsys.readouterr().out


def test_members_are_measured_alone_and_together(script, prices, tmp_path, capsys) -> None:
    (tmp_path / "sets").mkdir()
    (tmp_path / "sets" / "babies_r_us").symlink_to(prices)
    options = ["--data", str(tmp_path / "sets"), "--store", str(tmp_path / "store")]
    few = ["--splits", "1", "--sets", "babies_r_us", "--members", "ridge", "trees"]
    script("members").main([*options, *few])
    printed = capsys.readouterr().out
    assert all(f"| babies_r_us, R2 | {some} |" in printed for some in ("ridge", "ridge + trees"))


def test_visuelle2_550(script, monkeypatch, launches, tmp_path, capsys) -> None:
    visuelle = script("visuelle2_550")
    few = {("fusion", "fusion"): ("categorical",), ("photo alone", "alone"): ("image",)}
    monkeypatch.setattr(visuelle, "MODALITIES", few)
    first, *_ = visuelle.BASELINES
    monkeypatch.setattr(visuelle, "BASELINES", {first: visuelle.BASELINES[first]})
    options = ["--data", str(launches), "--store", str(tmp_path / "store"), "--seeds", "1"]
    visuelle.main([*options, *ONE_EPOCH])
    assert "| photo alone |" in capsys.readouterr().out


def test_similar_items(script, launches, tmp_path, capsys) -> None:
    options = ["--data", str(launches), "--store", str(tmp_path / "store")]
    script("similar_items").main([*options, *ONE_EPOCH])
    printed = capsys.readouterr().out
    assert all(f"| {way} |" in printed for way in ("content", "fused vectors", "image alone"))


@pytest.mark.parametrize("trains", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_photo_pretraining(
    script, monkeypatch, clothes, launches, tmp_path, capsys, trains
) -> None:
    photos = script("photo_pretraining")
    if not trains:
        draw = np.random.default_rng(0)
        answers = {"units": [draw.uniform(1, 9, 20)], "hot": [draw.uniform(0, 1, 20)]}
        monkeypatch.setattr(photos, "launches_read", lambda *_, **__: answers)
    monkeypatch.setattr(photos, "N_DRAWS", 10)
    options = ["--clothing", clothes, "--visuelle", launches, "--work", tmp_path / "work"]
    photos.main([*map(str, options), "--seeds", "1", *ONE_EPOCH])
    printed = capsys.readouterr().out
    assert printed.count("| self-supervised |") == 2


def test_parts_of_the_demo_are_found(script, monkeypatch, small_demo, tmp_path) -> None:
    demo = script("demo")
    monkeypatch.setattr(demo, "demo_folder", lambda: small_demo)
    monkeypatch.setattr(demo, "PARTS", {"numeric": "numbers"})
    config = demo.configuration(seed=0, store=tmp_path / "store", epochs=1)
    experiment = demo.experiment_of(config, tmp_path / "store")
    found = demo.contributions(experiment, experiment.fit().bundle)
    (row,) = demo.contribution_rows([found])
    assert row["left out"] == "numbers"
    assert set(found["numeric"]) == {"drop", "correlation"}


@pytest.mark.slow
def test_demo(script, monkeypatch, small_demo, tmp_path, capsys) -> None:
    demo = script("demo")
    monkeypatch.setattr(demo, "demo_folder", lambda: small_demo)
    monkeypatch.setattr(demo, "PARTS", {"numeric": "numbers"})
    demo.main(["--store", str(tmp_path / "store"), "--seeds", "1", *ONE_EPOCH])
    printed = capsys.readouterr().out
    assert "known contributions recovered" in printed
    assert "| numbers |" in printed


def test_pretraining_demo(script, monkeypatch, small_demo, tmp_path, capsys) -> None:
    pretraining = script("pretraining_demo")
    monkeypatch.setattr(pretraining, "demo_folder", lambda: small_demo)
    monkeypatch.setattr(pretraining, "N_TEST", 15)
    monkeypatch.setattr(pretraining, "N_POOL", 30)
    monkeypatch.setattr(pretraining, "N_DRAWS", 5)
    monkeypatch.setattr(pretraining, "INPUTS", {"texts": ("text",)})
    monkeypatch.setattr(pretraining, "learned", lambda *_: {})  # its own tests show that it learns
    options = ["--work", str(tmp_path), "--labels", "20", "--draws", "1"]
    pretraining.main([*options, *ONE_EPOCH])
    assert "| texts | 20 | new |" in capsys.readouterr().out


@pytest.mark.slow
def test_pretraining_demo_with_its_pretraining(
    script, monkeypatch, small_demo, tmp_path, capsys
) -> None:
    pretraining = script("pretraining_demo")
    monkeypatch.setattr(pretraining, "demo_folder", lambda: small_demo)
    monkeypatch.setattr(pretraining, "N_TEST", 15)
    monkeypatch.setattr(pretraining, "N_POOL", 30)
    monkeypatch.setattr(pretraining, "N_DRAWS", 5)
    options = ["--work", str(tmp_path), "--labels", "20", "--draws", "1"]
    pretraining.main([*options, *ONE_EPOCH])
    assert "| texts and photos | 20 | new |" in capsys.readouterr().out


@pytest.mark.slow
def test_babies_r_us_tuned(script, monkeypatch, prices, tmp_path, capsys) -> None:
    tuned = script("babies_r_us_tuned")
    monkeypatch.setattr(tuned, "N_DRAWS", 5)
    options = ["--data", str(prices), "--work", str(tmp_path / "work"), "--folds", "1"]
    tuned.main([*options, *ONE_EPOCH])
    assert "Mean gain by tuning" in capsys.readouterr().out


def test_womens_clothing_tuned(script, monkeypatch, reviews, tmp_path, capsys) -> None:
    tuned = script("womens_clothing_tuned")
    monkeypatch.setattr(tuned, "N_DRAWS", 5)
    monkeypatch.setattr(tuned, "SETS", {"without Rating": tuned.SETS["without Rating"]})
    options = ["--data", str(reviews), "--work", str(tmp_path / "work"), "--limit", "20"]
    tuned.main([*options, *ONE_EPOCH])
    assert "| tuned, without Rating |" in capsys.readouterr().out

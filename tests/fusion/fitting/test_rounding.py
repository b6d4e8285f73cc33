"""Bundles that were made in bfloat16, where the processor has it and where it lacks it."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file, save_file

from encoders.dtype import SWITCH, in_precision
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import BundleError, FusionRegressor, load_bundle
from fusion.bundle import save_bundle
from fusion.fitting.rounding import largest_changes
from fusion.predictor import Predictor
from fusion.ready import ReadyItems

WORDS = ["red", "blue", "green", "dress", "shoe", "coat"]


@pytest.fixture(scope="module")
def items():
    random = np.random.default_rng(0)
    titles = [" ".join(random.choice(WORDS, size=random.integers(2, 8))) for _ in range(60)]
    return pd.DataFrame({"title": titles})


@pytest.fixture(scope="module")
def units(items):
    return np.array([10.0 + 5 * title.count("red") for title in items["title"]])


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return shutil.copytree(tiny_checkpoint(), tmp_path_factory.mktemp("hub") / "tiny")


def regressor(checkpoint, items, units, **options):
    return FusionRegressor(
        columns={"text": ["title"]},
        encoders={"text": str(checkpoint)},
        training={"epochs": 2, "folds": 2},
        random_state=0,
        **options,
    ).fit(items, units)


@pytest.fixture(scope="module")
def rounded(checkpoint, items, units):
    """A model that was trained where the processor has bf16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, "yes")
        return regressor(checkpoint, items, units)


@pytest.fixture
def folder(rounded, tmp_path):
    rounded.save(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def said(monkeypatch):
    lines = []
    monkeypatch.setattr("fusion.bundle.saved_encoders.say_once", lines.append)
    return lines


@pytest.mark.usefixtures("bfloat16")
def test_a_bundle_names_its_format_and_keeps_it_where_the_processor_has_it(
    folder, rounded, items, said
):
    document = json.loads((folder / "bundle.json").read_text())
    assert document["encoders"]["text"]["config"]["dtype"] == "bfloat16"
    loaded = FusionRegressor.load(folder)
    np.testing.assert_array_equal(loaded.predict(items), rounded.predict(items))
    assert said == []


@pytest.mark.usefixtures("float32")
def test_without_bf16_it_computes_in_float32_and_says_what_that_changes(
    folder, rounded, items, said
):
    loaded = FusionRegressor.load(folder)
    assert loaded.bundle_.model.encoder("text").config["dtype"] == "float32"
    measured = rounded.bundle_.info["bfloat16"]
    moved = np.abs(loaded.predict(items) - rounded.predict(items)).max()
    assert 0 < moved == pytest.approx(measured["largest_change"]["prediction"], rel=1e-3)
    assert measured["n_rows"] == len(items)
    (line,) = said
    assert "text encoder of bundle was made in bfloat16, which this processor lacks" in line
    assert "on 60 validation rows" in line
    assert f"{measured['largest_change']['prediction']:.3g} (prediction)" in line


@pytest.mark.usefixtures("float32")
def test_its_embeddings_lie_under_a_fingerprint_of_their_own(folder, rounded, items, tmp_path):
    loaded = FusionRegressor.load(folder, store=tmp_path / "store")
    loaded.predict(items)
    (kept,) = (tmp_path / "store").iterdir()
    encoder = rounded.bundle_.model.encoder("text")
    assert kept.name == encoder.fingerprint_in("float32") != encoder.fingerprint


@pytest.mark.usefixtures("float32")
def test_other_weights_are_refused_in_the_other_format_too(items, units, tmp_path, said):
    checkpoint = shutil.copytree(tiny_checkpoint(), tmp_path / "tiny")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, "yes")
        regressor(checkpoint, items, units).save(tmp_path / "bundle")
    weights = load_file(checkpoint / "model.safetensors")
    name = sorted(weights)[0]
    weights[name] = weights[name] + 0.5
    save_file(weights, checkpoint / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match="must be the one that bundle was trained with"):
        load_bundle(tmp_path / "bundle")
    assert said == []


@pytest.mark.usefixtures("float32")
def test_a_change_that_was_not_measured_is_said_to_be_unknown(rounded, tmp_path, said):
    info = {name: fact for name, fact in rounded.bundle_.info.items() if name != "bfloat16"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, "yes")
        save_bundle(
            type(rounded.bundle_)(**{**vars(rounded.bundle_), "info": info}), tmp_path / "bundle"
        )
    load_bundle(tmp_path / "bundle")
    assert "by how much that changes answers was not measured" in said[0]


@pytest.mark.usefixtures("bfloat16")
def test_rows_that_cannot_be_read_any_more_cost_no_trained_model(rounded, items):
    bundle, titles = rounded.bundle_, list(items["title"])
    read = Predictor(bundle).read(items)
    rows = np.arange(10)

    def measured(values):
        catalogue = replace(read.catalogue, values={**read.catalogue.values, "text": values})
        ready = ReadyItems(catalogue, {"text": bundle.model.encoder("text")}, read.inputs)
        return largest_changes(bundle, ready, rows)

    with_all, broken = measured(titles), "\0"
    assert with_all["n_rows"] == 10 and with_all["largest_change"]["prediction"] > 0
    assert measured([broken, *titles[1:]])["n_rows"] == 9
    assert measured([broken] * len(titles)) is None


def test_nothing_is_measured_where_nothing_was_rounded(checkpoint, items, units, monkeypatch):
    monkeypatch.setenv(SWITCH, "no")
    assert "bfloat16" not in regressor(checkpoint, items, units).bundle_.info


@pytest.mark.usefixtures("bfloat16")
def test_a_float32_bundle_stays_float32(rounded, items, tmp_path):
    exact = in_precision(rounded.bundle_.model.encoder("text"), "float32")
    model = FusionRegressor(
        columns={"text": ["title"]},
        encoders={"text": exact},
        training={"epochs": 1, "folds": 1},
        random_state=0,
    ).fit(items, np.arange(60.0))
    model.save(tmp_path / "exact")
    assert load_bundle(tmp_path / "exact").model.encoder("text").config["dtype"] == "float32"

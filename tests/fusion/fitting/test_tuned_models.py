"""Models whose encoders were tuned: what they predict, what their bundles hold."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from encoders import BertEncoder
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import BundleError, ConfigError, FusionClassifier, FusionRegressor
from fusion.choices.mistakes import Mistakes
from fusion.estimators.asked import training_spec

WORDS = ["red", "blue", "green", "dress", "shoe", "coat"]
TUNING = {"mode": "lora", "layers": 1, "rank": 2, "epochs": 1, "folds": 2}
FAST = {"epochs": 3, "folds": 2}


@pytest.fixture(scope="module")
def items():
    random = np.random.default_rng(0)
    titles = [" ".join(random.choice(WORDS, size=random.integers(2, 8))) for _ in range(80)]
    return pd.DataFrame(
        {"title": titles, "units": [10.0 + 5 * title.count("red") for title in titles]}
    )


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return shutil.copytree(tiny_checkpoint(), tmp_path_factory.mktemp("hub") / "tiny")


def regressor(checkpoint, **options):
    given = {"encoders": {"text": str(checkpoint)}, "tuning": TUNING, "training": FAST}
    return FusionRegressor(**{"random_state": 0, **given, **options})


@pytest.fixture(scope="module")
def fitted(items, checkpoint):
    """A model whose tuned encoders err less: so few rows cannot say so themselves."""
    with pytest.MonkeyPatch.context() as patch:
        losses = {True: 0.5, False: 0.9}
        patch.setattr(
            "fusion.fitting.kept_encoders._loss", lambda one, _: losses[one.tuned is not None]
        )
        return regressor(checkpoint).fit(items[["title"]], items["units"])


def test_a_loaded_model_reads_texts_with_tuned_encoders(fitted, items, tmp_path):
    fitted.save(tmp_path / "bundle")
    loaded = FusionRegressor.load(tmp_path / "bundle")
    np.testing.assert_array_equal(
        loaded.predict(items[["title"]]), fitted.predict(items[["title"]])
    )
    encoder = loaded.bundle_.model.encoder("text")
    assert encoder.adapter is not None and not encoder.is_trainable


def test_a_bundle_holds_the_adapter_and_the_name_and_hash_of_the_checkpoint(
    fitted, checkpoint, tmp_path
):
    fitted.save(tmp_path / "bundle")
    weights = load_file(tmp_path / "bundle" / "weights.safetensors")
    mine = {name: tensor for name, tensor in weights.items() if name.startswith("encoders.text.")}
    assert mine and all("lora_" in name for name in mine)
    described = json.loads((tmp_path / "bundle" / "bundle.json").read_text())
    entry = described["encoders"]["text"]
    assert len(entry["origin"]["weights_sha256"]) == 64
    assert entry["config"]["adapter"] == {
        "kind": "lora", "layers": 1, "rank": 2, "is_trainable": False
    }  # fmt: skip
    assert "tuned on the other 1 of 2 parts" in described["info"]["tuning"]


def test_another_checkpoint_under_the_adapter_is_refused(items, tmp_path):
    folder = shutil.copytree(tiny_checkpoint(), tmp_path / "hub")
    model = regressor(folder).fit(items[["title"]], items["units"])
    model.save(tmp_path / "bundle")
    weights = load_file(folder / "model.safetensors")
    name = sorted(weights)[0]
    weights[name] = weights[name] + 0.5
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(BundleError, match="must be the one that bundle was trained with"):
        FusionRegressor.load(tmp_path / "bundle")


def test_tuned_encoders_read_other_than_those_that_stayed_as_they_were(fitted, items, checkpoint):
    plain = BertEncoder(str(checkpoint))
    tuned = fitted.bundle_.model.encoder("text")
    titles = items["title"].tolist()[:4]
    assert tuned.origin == plain.origin and tuned.fingerprint != plain.fingerprint
    assert not np.allclose(tuned.encode(titles), plain.encode(titles))


def test_an_item_is_nearest_to_itself_in_the_space_of_tuned_encoders(fitted, items):
    nearest = fitted.similar(items[["title"]][:10], k=1)
    same = items["title"].iloc[nearest["similar_id"].astype(int)].to_numpy()
    assert (same == items["title"][:10].to_numpy()).mean() >= 0.9


def test_classes_can_be_tuned_on_and_balanced(items, checkpoint):
    labels = np.where(items["title"].str.contains("red coat"), "hot", "cold")
    model = FusionClassifier(
        encoders={"text": str(checkpoint)},
        tuning={**TUNING, "balance": True},
        training=FAST,
        random_state=0,
    ).fit(items[["title"]], labels)
    assert model.predict_proba(items[["title"]]).shape == (80, 2)


def test_a_mode_alone_is_a_tuning(items, checkpoint):
    model = regressor(checkpoint, tuning="last_layers")
    assert training_spec(model, {}, Mistakes()).tuning.mode == "last_layers"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoders": {"text": "tfidf"}}, "got none that can be tuned"),
        ({"head": "linear"}, "got a linear head"),
        ({"tuning": {**TUNING, "modalities": ["image"]}}, "bert or resnet of image"),
        ({"tuning": {**TUNING, "layers": 3}}, "layers must be from 1 to 2, got 3"),
        ({"tuning": "lorra"}, "Did you mean 'lora'"),
        ({"tuning": {"mod": "lora"}}, "Did you mean 'mode'"),
    ],
)
def test_a_tuning_that_cannot_be_done_says_why(items, checkpoint, options, message):
    with pytest.raises((ConfigError, ValueError), match=re.escape(message)):
        regressor(checkpoint, **options).fit(items[["title"]], items["units"])


def test_an_encoder_with_an_adapter_trains_end_to_end_in_each_network(items):
    torch.manual_seed(0)
    encoder = BertEncoder(**{**BertEncoder.tiny().config, "adapter": {"layers": 1}})
    model = FusionRegressor(
        encoders={"text": encoder}, training=FAST, strategy_options={"width": 16}, random_state=0
    ).fit(items[["title"]], items["units"])
    networks = model.bundle_.model.members["network"].networks
    first, second = (network.encoder("text") for network in networks)
    assert first.fingerprint != second.fingerprint != encoder.fingerprint


def test_noise_and_mixup_change_a_training_and_not_its_predictions_of_one_row(items):
    frame = items.assign(price=np.linspace(5, 50, 80))[["title", "price"]]
    answers = {}
    for name, options in (("plain", {}), ("noise", {"noise": 0.3}), ("mixup", {"mixup": 0.4})):
        model = FusionRegressor(
            encoders={"text": "tfidf"},
            members=["network"],
            training={**FAST, **options},
            random_state=0,
        ).fit(frame, items["units"])
        answers[name] = model.predict(frame)
        np.testing.assert_array_equal(answers[name], model.predict(frame))
    assert not np.allclose(answers["plain"], answers["noise"])
    assert not np.allclose(answers["plain"], answers["mixup"])


@pytest.mark.parametrize("kind", [FusionRegressor, FusionClassifier])
def test_tuning_that_hurts_on_rows_held_out_is_not_kept(items, checkpoint, kind, caplog):
    target = items["units"]
    if kind is FusionClassifier:
        target = items["title"].str.contains("red coat").rename("hot")
    model = kind(
        encoders={"text": str(checkpoint)},
        tuning={**TUNING, "mode": "full", "learning_rate": 0.3},
        training=FAST,
        random_state=0,
    ).fit(items[["title"]], target)
    assert model.bundle_.model.encoder("text").adapter is None
    assert model.bundle_.info["tuning"].startswith("Kept: original encoders. Their loss on")
    assert "Kept: original encoders" in caplog.text
    plain = kind(encoders={"text": str(checkpoint)}, training=FAST, random_state=0)
    plain.fit(items[["title"]], target)
    pd.testing.assert_frame_equal(
        model.predict_table(items[["title"]]), plain.predict_table(items[["title"]])
    )


def test_tuning_that_helps_on_rows_held_out_is_kept_and_said(fitted):
    stated = fitted.bundle_.info["tuning"]
    assert stated.startswith("Kept: tuned encoders. Their loss on")

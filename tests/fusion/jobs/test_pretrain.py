import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from encoders import BertEncoder, ColourTextureEncoder, ResNetEncoder
from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.errors import CatalogueError, ConfigError, JobError
from fusion.jobs.pretrain import (
    Source,
    build_encoders,
    pretrain,
    settings_of,
    summary_lines,
)
from fusion.pretraining import PretrainingSettings
from fusion.system.lock import locked

MLM = PretrainingSettings(objective="mlm", epochs=1, batch_size=16)
PHOTOS = PretrainingSettings(objective="self_supervised", epochs=1, batch_size=16, image_size=32)
PAIRS = PretrainingSettings(objective="contrastive", epochs=1, batch_size=16, image_size=32)
TINY = EncoderChoices({"text": str(tiny_checkpoint()), "image": {"weights": None}})


@pytest.fixture
def shop(tmp_path):
    """A table of 30 items; two lack a photo, one a text; `units` are their sales."""
    (tmp_path / "photos").mkdir()
    random = np.random.default_rng(0)
    for number in range(30):
        colour = tuple(random.integers(0, 255, 3).tolist())
        Image.new("RGB", (40, 40), colour).save(tmp_path / "photos" / f"{number}.png")
    frame = pd.DataFrame(
        {
            "item_id": [f"A{number}" for number in range(30)],
            "title": [f"a warm coat, cut {number}, with a hood" for number in range(30)],
            "photo": [f"{number}.png" for number in range(30)],
            "units": random.poisson(20, 30),
        }
    )
    frame.loc[[3, 4], "photo"] = None
    frame.loc[5, "title"] = None
    return tmp_path, frame


@pytest.fixture
def run(shop):
    """Runs a job on the shop, whose table may lack columns."""
    folder, frame = shop

    def pretrain_shop(settings=MLM, *, encoders=TINY, without=(), **source):
        frame.drop(columns=list(without)).to_csv(folder / "items.csv", index=False)
        where = Source(folder / "items.csv", folder / "photos", **source)
        return pretrain(where, folder / "out", settings, encoders=encoders)

    return pretrain_shop


def test_texts_and_photos_are_found_and_sales_play_no_part(run, shop):
    folder, frame = shop
    result = run(PAIRS)
    assert result.items["table"] == "items.csv"
    assert result.items["columns"] == {"text": ["title"], "image": ["photo"]}
    assert result.items["n_read"] == 30
    assert result.items["n_without"] == {"text": 1, "image": 2}
    assert result.items["left_out"] == []
    assert result.n_training + result.n_validation == 27
    before = (folder / "out" / "settings.json").read_bytes()
    frame["units"] = 0
    assert run(PAIRS) == result
    assert (folder / "out" / "settings.json").read_bytes() == before
    image = ResNetEncoder("resnet18", weights=folder / "out" / "image.safetensors")
    assert (image.preprocessing.crop, image.preprocessing.resize) == (32, 37)


def test_texts_alone_need_no_photos(run, shop):
    folder, _ = shop
    result = run(without=["photo"])
    assert result.n_training + result.n_validation == 29
    assert summary_lines(result, folder / "out") == [
        "epoch   training loss   held-out loss",
        f"    1{result.training_loss[0]:>16.4f}{result.validation_loss[0]:>16.4f}",
        "Learned from 26 rows; 3 were held out.",
        f"text   encoder  {folder / 'out' / 'text'}",
    ]
    assert BertEncoder(str(folder / "out" / "text")).embedding_dim == 32
    assert not (folder / "out" / "image.safetensors").exists()


def test_photos_alone_need_no_texts(run, shop):
    folder, _ = shop
    result = run(PHOTOS, without=["title"])
    assert result.n_training + result.n_validation == 28
    assert not (folder / "out" / "text").exists()


@pytest.fixture
def spoiled(shop):
    """Cuts one photo off and names another that is not there."""
    folder, frame = shop
    path = folder / "photos" / "7.png"
    path.write_bytes(path.read_bytes()[:60])
    frame.loc[8, "photo"] = "gone.png"
    return folder


def test_every_unreadable_photo_is_listed_before_anything_is_written(run, spoiled):
    with pytest.raises(CatalogueError) as error:
        run(PHOTOS)
    assert "row 8 (id A7)" in str(error.value) and "row 9 (id A8)" in str(error.value)
    assert not (spoiled / "out").exists()


@pytest.mark.parametrize(("policy", "n_named"), [("record", 2), ("absent", 0)])
def test_rows_with_unreadable_photos_are_left_out_and_named(policy, n_named, run, spoiled):
    result = run(PHOTOS, on_bad_rows=policy)
    assert result.n_training + result.n_validation == 26
    assert result.items["n_without"]["image"] == 4 - n_named
    told = "\n".join(summary_lines(result, spoiled / "out"))
    assert ("2 faulty rows are named" in told) == (policy == "record")
    left_out = json.loads((spoiled / "out" / "pretraining.json").read_bytes())["items"]["left_out"]
    assert [(row["row"], row["id"]) for row in left_out] == [(7, "A7"), (8, "A8")][:n_named]
    assert all(row["reason"].startswith("photo_") for row in left_out)


def test_columns_can_be_named(run, shop):
    _, frame = shop
    frame["colour"] = ["red", "blue"] * 15
    result = run(columns={"text": ["title", "colour"], "id": ["item_id"]})
    assert result.items["columns"] == {"text": ["title", "colour"]}


@pytest.mark.parametrize(
    ("settings", "without", "columns", "told"),
    [
        (PAIRS, ["photo"], {}, "a column of the role image for"),
        (PHOTOS, ["photo"], {}, "a column of the role image for"),
        (MLM, ["title"], {}, "a column of the role text for"),
        (MLM, [], {"image": ["photo"]}, "image columns must be left out"),
        (PHOTOS, [], {"text": ["title"]}, "text columns must be left out"),
    ],
)
def test_a_table_that_does_not_fit_the_objective_is_refused(settings, without, columns, told, run):
    with pytest.raises(ConfigError, match=told):
        run(settings, without=without, columns=columns)


@pytest.mark.parametrize(
    ("settings", "encoders", "told"),
    [
        (MLM, EncoderChoices({"text": "tfidf"}), "got tfidf, which has no weights"),
        (PHOTOS, EncoderChoices({"image": "colour_texture"}), "got colour_texture, which has no"),
        (
            PHOTOS,
            EncoderChoices({"image": ColourTextureEncoder()}),
            "encoders.image must be one of",
        ),
    ],
)
def test_an_encoder_that_cannot_be_trained_is_refused(settings, encoders, told, run):
    with pytest.raises(ConfigError, match=told):
        run(settings, encoders=encoders)


def test_built_encoders_are_taken_as_they_are():
    text, image = BertEncoder.tiny(), ResNetEncoder.tiny()
    settings = PretrainingSettings(objective="contrastive")
    built = build_encoders(EncoderChoices({"text": text, "image": image}), settings)
    assert built == {"text": text, "image": image}


def test_random_weights_follow_from_the_seed():
    def fingerprint(seed):
        settings = PHOTOS.model_copy(update={"seed": seed})
        return build_encoders(TINY, settings)["image"].fingerprint

    assert fingerprint(0) == fingerprint(0) != fingerprint(1)


def test_a_folder_in_use_is_refused(run, shop):
    folder, _ = shop
    (folder / "out").mkdir()
    with locked(folder / "out"), pytest.raises(JobError, match="must have one writer"):
        run()


def test_options_that_are_not_given_keep_their_defaults():
    assert settings_of(objective="mlm", epochs=3, seed=None) == PretrainingSettings(
        objective="mlm", epochs=3
    )


def test_every_mistake_in_the_options_is_told_at_once():
    with pytest.raises(ConfigError) as error:
        settings_of(objective="sales", epochs=0)
    assert "pretraining has 2 mistakes" in str(error.value)
    assert "- objective: " in str(error.value) and "got 'sales'." in str(error.value)
    assert "- epochs: " in str(error.value) and "got 0." in str(error.value)
    with pytest.raises(ConfigError, match="- loss must be left out"):
        settings_of(objective="mlm", loss="siglip")

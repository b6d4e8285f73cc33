import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion import BundleError, FusionRegressor, load_bundle
from fusion.bundle import Content, save_bundle
from fusion.members.kernel import KernelMember
from fusion.predictor import Predictor


@pytest.fixture(scope="module")
def items():
    random = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "sku": [f"A{number}" for number in range(60)],
            "title": random.choice(["soft wool scarf", "thin belt", "leather belt, wide"], 60),
            "price": random.uniform(5, 50, 60),
            "brand": random.choice(["north", "south"], 60),
        }
    )


@pytest.fixture(scope="module")
def fitted(items):
    model = FusionRegressor(
        columns={"text": ["title"]},
        encoders={"text": "tfidf"},
        members=["network", "kernel"],
        training={"epochs": 3},
        random_state=1,
    )
    return model.fit(items, (items["price"] * 2 + 1).to_numpy())


@pytest.fixture
def folder(fitted, tmp_path):
    fitted.save(tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_loaded_bundle_gives_the_same_numbers(fitted, items, folder):
    loaded = FusionRegressor.load(folder)
    assert np.array_equal(loaded.predict(items), fitted.predict(items))
    assert np.array_equal(loaded.embed(items), fitted.embed(items))
    pd.testing.assert_frame_equal(loaded.similar(items, 3), fitted.similar(items, 3))


def test_a_bundle_is_plain_json_and_safetensors(folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "bundle.json",
        "bundle.sha256",
        "reference.safetensors",
        "weights.safetensors",
    ]
    document = json.loads((folder / "bundle.json").read_text())
    assert document["heads"]["target"]["name"] == "regression"
    assert document["encoders"]["text"]["fingerprint"]


@pytest.mark.parametrize("name", ["bundle.json", "bundle.sha256", "reference.safetensors",
                                  "weights.safetensors"])  # fmt: skip
def test_every_flipped_byte_is_detected(folder, name):
    path = folder / name
    content = path.read_bytes()
    for place in np.linspace(0, len(content) - 1, 40).astype(int):
        changed = bytearray(content)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(BundleError):
            load_bundle(folder)
    path.write_bytes(content)
    load_bundle(folder)


def test_a_missing_file_is_a_clear_error(folder):
    (folder / "weights.safetensors").unlink()
    with pytest.raises(BundleError, match=r"weights\.safetensors cannot be read"):
        load_bundle(folder)


def test_an_encoder_whose_weights_changed_is_refused(items, tmp_path):
    from encoders.text.tiny_bert import tiny_checkpoint

    checkpoint = tmp_path / "bert"
    shutil.copytree(tiny_checkpoint(), checkpoint)
    model = FusionRegressor(
        columns={"text": ["title"]},
        encoders={"text": str(checkpoint)},
        training={"epochs": 1},
        random_state=0,
    )
    model.fit(items.drop(columns="price"), items["price"]).save(tmp_path / "bundle")
    load_bundle(tmp_path / "bundle")
    weights = checkpoint / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match="other weights"):
        load_bundle(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("room", "part", "message"),
    [
        ("members", "kernel", r"member kernel must be one of .*network.* register it first"),
        ("heads", "target", r"head target must be one of .*regression.* register it first"),
        ("encoders", "text", r"encoder of text must be one of .*tfidf.* register it first"),
    ],
)
def test_names_that_are_in_no_registry_are_refused(folder, room, part, message, write_crafted):
    document = json.loads((folder / "bundle.json").read_text())
    document[room][part]["name"] = "os.system"
    write_crafted(folder, document)
    with pytest.raises(BundleError, match=message):
        load_bundle(folder)


def test_saving_over_a_foreign_folder_is_refused(fitted, tmp_path):
    (tmp_path / "thesis.txt").write_text("ten years of work")
    with pytest.raises(BundleError, match="must be new, empty or a bundle"):
        fitted.save(tmp_path)
    assert (tmp_path / "thesis.txt").exists()


def test_saving_again_replaces_the_bundle(fitted, folder):
    fitted.bundle_.info["note"] = "second"
    fitted.save(folder)
    assert load_bundle(folder).info["note"] == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["bundle"]


def test_a_part_outside_the_registries_cannot_be_saved(fitted, tmp_path):
    class PrivateMember(KernelMember):
        pass

    fitted.save(tmp_path / "bundle")
    bundle = load_bundle(tmp_path / "bundle")
    bundle.model.members["kernel"].__class__ = PrivateMember
    with pytest.raises(BundleError, match="PrivateMember must be in its room's table"):
        save_bundle(bundle, tmp_path / "other")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("name", ["no word", "größe", "../kernel", "a.b", ""])
def test_a_member_whose_name_is_no_name_of_a_file_cannot_be_saved(folder, tmp_path, name):
    bundle = load_bundle(folder)
    bundle.model.members[name] = bundle.model.members["kernel"]
    with pytest.raises(BundleError, match="member name must be letters a to z, digits and _"):
        save_bundle(bundle, tmp_path / "other")


def test_a_new_row_is_predicted_without_the_training_data(folder):
    new = pd.DataFrame({"sku": ["Z1"], "title": ["wool hat"], "price": [None], "brand": ["west"]})
    table = Predictor(load_bundle(folder)).predict(new)
    assert table["id"].tolist() == ["Z1"]
    assert np.isfinite(table["prediction"]).all()
    assert table["present"].tolist() == ["numeric+text"]


def test_nothing_is_similar_to_an_item_without_content_and_ties_follow_ids(fitted, items):
    bundle = replace(fitted.bundle_)
    known = bundle.reference
    vectors, levels = np.zeros_like(known.vectors["text"]), np.zeros_like(known.levels)
    bundle.reference = Content({"text": vectors}, levels)
    vectors[[7, 3, 20]] = -known.vectors["text"][0]  # opposite, and yet nearer than nothing
    found = Predictor(bundle).similar(items.head(1).assign(brand=None), 4)
    ids = sorted(bundle.reference_ids[place] for place in (7, 3, 20))
    assert found["similar_id"].tolist()[:3] == ids
    assert found["similarity"].tolist()[:3] == pytest.approx([-1.0] * 3, abs=1e-5)
    assert found.iloc[3][["similar_id", "similarity"]].isna().all()


def test_a_row_that_cannot_be_read_has_no_similar_items(fitted, items):
    wrong = items.head(2).astype({"price": object})
    wrong.loc[1, "price"] = "12,9O"
    found = Predictor(fitted.bundle_, on_bad_rows="record").similar(wrong, 2)
    assert found["similar_id"].isna().tolist() == [False, False, True, True]
    assert found["similarity"].isna().tolist() == [False, False, True, True]


def test_the_folder_around_a_bundle_leads_to_the_bundle(tmp_path):
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "bundle.json").touch()
    with pytest.raises(
        BundleError, match=r"cannot be read \(No such file.*\)\. Did you mean .*bundle\?"
    ):
        load_bundle(tmp_path)


def test_a_bundle_in_a_folder_whose_name_is_no_utf8_is_like_any_other(fitted, items, tmp_path):
    folder = tmp_path / os.fsdecode(b"b\xe9")
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("this file system has names in UTF-8 alone")
    fitted.save(folder)
    fitted.save(folder)  # the second takes the place of the first
    loaded = FusionRegressor.load(folder, store=tmp_path / os.fsdecode(b"st\xe9"))
    assert np.array_equal(loaded.predict(items), fitted.predict(items))

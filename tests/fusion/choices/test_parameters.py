"""A loaded estimator: its parameters, its checkpoints where they lie now, and fitting it again."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.torch import load_file, save_file
from sklearn.base import clone
from typer.testing import CliRunner

from encoders import BertEncoder, ResNetEncoder
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import BundleError, ConfigError, FusionClassifier, FusionRegressor, load_bundle
from fusion.bundle import save_bundle
from fusion.choices.parameters import EncoderPaths, NotKept
from fusion.cli import app
from fusion.shards import run_shard
from fusion.shards.data_paths import DataPaths

N_ROWS = 24
PRICE = np.linspace(1, 9, N_ROWS)
ITEMS = pd.DataFrame({"title": ["soft scarf", "thin belt"] * (N_ROWS // 2), "price": PRICE})
QUICK = {
    "members": ["network"],
    "training": {"epochs": 1, "folds": 2},
    "strategy_options": {"n_networks": 1, "width": 8, "depth": 1},
    "random_state": 3,
}


def fitted(**options) -> FusionRegressor:
    given = {"columns": {"text": ["title"], "row_text": []}, "encoders": {"text": "tfidf"}}
    return FusionRegressor(**{**QUICK, **given, **options}).fit(ITEMS, PRICE)


def test_a_loaded_estimator_fits_the_model_that_the_saved_one_fits(tmp_path):
    model = fitted(head="sales_volume", store=tmp_path / "store")
    model.save(tmp_path / "bundle")
    loaded = FusionRegressor.load(tmp_path / "bundle")
    assert loaded.get_params() == {**model.get_params(), "store": str(tmp_path / "store")}
    assert clone(loaded).get_params() == loaded.get_params()
    again = clone(loaded).fit(ITEMS, PRICE)
    assert np.array_equal(again.predict(ITEMS), model.predict(ITEMS))
    assert np.array_equal(loaded.fit(ITEMS, PRICE).predict(ITEMS), model.predict(ITEMS))
    assert not np.array_equal(fitted(random_state=4).predict(ITEMS), model.predict(ITEMS))


def test_what_is_given_to_load_wins(tmp_path):
    fitted().save(tmp_path / "bundle")
    loaded = FusionRegressor.load(tmp_path / "bundle", random_state=9, on_bad_rows="record")
    assert (loaded.random_state, loaded.on_bad_rows) == (9, "record")
    assert loaded.columns == {"text": ["title"], "row_text": []}


def test_an_unknown_parameter_is_met_with_the_nearest(tmp_path):
    fitted().save(tmp_path / "bundle")
    with pytest.raises(ConfigError, match=r"parameter must be one of .*'fotos'.*'photos'"):
        FusionRegressor.load(tmp_path / "bundle", fotos="photos")


def test_parameters_that_json_cannot_hold_are_named_when_it_is_fitted_again(tmp_path):
    model = fitted(random_state=np.random.RandomState(0), encoders={"text": BertEncoder.tiny()})
    model.save(tmp_path / "bundle")
    loaded = FusionRegressor.load(tmp_path / "bundle")
    assert np.array_equal(loaded.predict(ITEMS), model.predict(ITEMS))
    assert loaded.random_state == NotKept("was a RandomState")
    for estimator in (loaded, clone(loaded)):
        with pytest.raises(
            ConfigError, match=r"^encoders, random_state must be given to .*was a BertEncoder"
        ):
            estimator.fit(ITEMS, PRICE)
    loaded.save(tmp_path / "again")
    assert FusionRegressor.load(tmp_path / "again").random_state == loaded.random_state
    given = {"random_state": 0, "encoders": {"text": BertEncoder.tiny()}}
    FusionRegressor.load(tmp_path / "bundle", **given).fit(ITEMS, PRICE)


def test_a_bundle_that_no_such_estimator_made_is_not_fitted_again(tmp_path):
    model = fitted()
    save_bundle(model.bundle_, tmp_path / "bundle")  # as `fusion train` does
    loaded = FusionRegressor.load(tmp_path / "bundle")
    assert np.array_equal(loaded.predict(ITEMS), model.predict(ITEMS))
    with pytest.raises(ConfigError, match=r"made by the command line"):
        loaded.fit(ITEMS, PRICE)
    labels = PRICE > 5
    FusionClassifier(encoders={"text": "tfidf"}, **QUICK).fit(ITEMS, labels).save(
        tmp_path / "classes"
    )
    with pytest.raises(ConfigError, match=r"made by FusionClassifier"):
        FusionRegressor.load(tmp_path / "classes").fit(ITEMS, PRICE)


@pytest.fixture(scope="module")
def moved(tmp_path_factory):
    """A bundle whose text checkpoint and photo weights have moved and got other names."""
    folder = tmp_path_factory.mktemp("moved")
    (folder / "photos").mkdir()
    Image.new("RGB", (40, 40), "red").save(folder / "photos" / "red.png")
    shutil.copytree(tiny_checkpoint(), folder / "old_bert")
    state = ResNetEncoder.tiny().network.state_dict()
    save_file(
        {name: value.contiguous() for name, value in state.items()}, folder / "old.safetensors"
    )
    items = ITEMS.assign(photo="red.png")
    model = FusionRegressor(
        columns={"text": ["title"], "image": ["photo"], "row_text": []}, photos=folder / "photos",
        encoders={
            "text": str(folder / "old_bert"), "image": {"weights": folder / "old.safetensors"},
        },
        **QUICK,
    ).fit(items, PRICE)  # fmt: skip
    model.save(folder / "bundle")
    items.to_csv(folder / "items.csv", index=False)
    expected = model.predict(items)
    (folder / "old_bert").rename(folder / "new_bert")
    (folder / "old.safetensors").rename(folder / "new.safetensors")
    return folder, items, expected


def test_moved_checkpoints_are_found_where_load_is_told(moved):
    folder, items, expected = moved
    with pytest.raises(BundleError, match=r"lies elsewhere now.*--encoder image.weights=PLACE"):
        FusionRegressor.load(folder / "bundle")
    with pytest.raises(BundleError, match=r"lies elsewhere now.*--encoder text=PLACE"):
        moved_photos = {"image": {"weights": folder / "new.safetensors"}}
        FusionRegressor.load(folder / "bundle", encoders=moved_photos)
    places = {"text": folder / "new_bert", "image": {"weights": folder / "new.safetensors"}}
    loaded = FusionRegressor.load(folder / "bundle", encoders=places)
    assert np.array_equal(loaded.predict(items), expected)
    loaded.save(folder / "again")
    again = FusionRegressor.load(folder / "again")
    assert np.array_equal(again.predict(items), expected)
    assert again.encoders["text"] == str(folder / "new_bert")


def test_a_place_given_to_load_keeps_the_rest_of_the_choice(tmp_path):
    encoders = {"text": {"name": "tfidf", "min_count": 3}, "row_text": {"embedding_dim": 8}}
    fitted(encoders=encoders).save(tmp_path / "bundle")
    loaded = FusionRegressor.load(tmp_path / "bundle", encoders={"text": {"embedding_dim": 16}})
    assert loaded.encoders == {
        "text": {"name": "tfidf", "min_count": 3, "embedding_dim": 16},
        "row_text": {"embedding_dim": 8},
    }


def test_other_weights_are_refused_wherever_they_lie(moved, tmp_path):
    folder, _, _ = moved
    for name, place in (
        ("new_bert", tmp_path / "b"),
        ("new.safetensors", tmp_path / "w.safetensors"),
    ):
        (shutil.copytree if place.suffix == "" else shutil.copy)(folder / name, place)
        file = place / "model.safetensors" if place.is_dir() else place
        state = load_file(file)
        first = next(tensor for tensor in state.values() if tensor.is_floating_point())
        first.view(-1)[0] += 1.0
        save_file(state, file, metadata={"format": "pt"})
    right = {"text": folder / "new_bert", "image": {"weights": folder / "new.safetensors"}}
    load_bundle(folder / "bundle", encoder_paths=EncoderPaths.of(right))
    with pytest.raises(BundleError, match="other weights"):
        text = {**right, "text": tmp_path / "b"}
        load_bundle(folder / "bundle", encoder_paths=EncoderPaths.of(text))
    with pytest.raises(BundleError, match="weights_sha256 must be that of"):
        photos = {**right, "image": {"weights": tmp_path / "w.safetensors"}}
        load_bundle(folder / "bundle", encoder_paths=EncoderPaths.of(photos))


def test_a_place_for_an_encoder_that_is_not_there_is_refused(tmp_path):
    fitted().save(tmp_path / "bundle")
    told = r"encoders.text.checkpoint must be left out .* numeric \(numeric\), tfidf \(text\)"
    with pytest.raises(BundleError, match=told):
        FusionRegressor.load(tmp_path / "bundle", encoders={"text": str(tiny_checkpoint())})
    with pytest.raises(BundleError, match=r"encoders.image.weights must be left out"):
        FusionRegressor.load(tmp_path / "bundle", encoders={"image": {"weights": "imagenet"}})
    FusionRegressor.load(tmp_path / "bundle", encoders={"text": "tfidf"})  # no place, but a choice


class OneProcess:
    """An engine without workers, whose shards read where things lie from the job's folder."""

    def run(self, folder, shards, log):
        for shard in shards:
            log.done(run_shard(folder, shard))
        return {}


@pytest.mark.parametrize("verb", ["predict", "evaluate", "embed"])
def test_the_command_line_says_where_checkpoints_lie_now(moved, tmp_path, monkeypatch, verb):
    folder, items, _ = moved
    monkeypatch.setattr("fusion.jobs.embed.engine_of", lambda *_, **__: OneProcess())
    places = ["--encoder", f"text={folder / 'new_bert'}"]
    places += ["--encoder", f"image.weights={folder / 'new.safetensors'}"]
    items.assign(target=PRICE).to_csv(tmp_path / "items.csv", index=False)
    words = {
        "predict": ["predict", folder / "bundle", "--out", tmp_path / "out.csv"],
        "evaluate": ["evaluate", folder / "bundle"],
        "embed": ["embed", "--bundle", folder / "bundle", "--out", tmp_path / "out"],
    }[verb]
    command = [*map(str, words), "--items", str(tmp_path / "items.csv"), "--quiet"]
    command += ["--photos", str(folder / "photos")]
    result = CliRunner().invoke(app, [*command, *places])
    assert result.exit_code == 0, result.output
    refused = [word.replace(str(tmp_path / "out"), str(tmp_path / "other")) for word in command]
    assert CliRunner().invoke(app, refused).exit_code == 1


def test_places_of_a_job_come_back_with_absolute_paths_and_names_as_they_were(
    tmp_path, monkeypatch
):
    (tmp_path / "bert").mkdir()
    monkeypatch.chdir(tmp_path)
    moved = EncoderPaths.of({"text": "bert", "image": {"weights": "clothing18"}})
    paths = DataPaths(Path("items.csv"), None, None, Path("bundle"), moved)
    again = DataPaths.from_dict(paths.to_dict())
    assert again.encoders.moved == (
        ("text", "checkpoint", str(tmp_path / "bert")),
        ("image", "weights", "clothing18"),
    )
    assert again.bundle == tmp_path / "bundle"

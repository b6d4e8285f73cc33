"""A forecast is one folder: the same answers after a round trip, or one error that says what is."""

import json
import os
from functools import partial

import numpy as np
import pytest
import torch

from benchmarks.kill_job import run_until
from fusion import BundleError, load_bundle
from fusion.bundle.document import BUNDLE
from fusion.bundle.folder import check_folder
from fusion.forecasting.members.classical import ClassicalMember
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.forecasting.saved.folder import load_forecast, save_forecast

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
needs_links = pytest.mark.skipif(os.name == "nt", reason="needs fork and links")
MEMBERS = [name for name in FORECAST_MEMBERS if name not in ("fracast", "chronos")]


@pytest.fixture(scope="module")
def saved(every_member, tmp_path_factory):
    """A forecast of every member; tests that change it take `place`."""
    folder = tmp_path_factory.mktemp("saved") / "forecast"
    save_forecast(every_member[0], folder)
    return folder


@pytest.fixture
def place(noted, tmp_path):
    save_forecast(noted("old"), tmp_path / "forecast")
    return tmp_path / "forecast"


def note_of(place):
    return load_forecast(place).info["note"]


def alone(place):
    return [path.name for path in place.parent.iterdir()] == [place.name]


@pytest.fixture(scope="module")
def loaded(saved):
    return load_forecast(saved)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_answers_the_same_after_a_round_trip(every_member, loaded, name):
    trained, examples = every_member
    own, again = trained.model.members[name], loaded.model.members[name]
    assert again is not own and type(again) is FORECAST_MEMBERS[name]
    np.testing.assert_allclose(again.raw(examples), own.raw(examples), rtol=1e-5, atol=1e-6)


def test_the_joined_answer_is_the_same_after_a_round_trip(every_member, loaded):
    trained, examples = every_member
    own, again = trained.model.distribution(examples), loaded.model.distribution(examples)
    np.testing.assert_allclose(again.mean, own.mean, rtol=1e-5, atol=1e-6)
    assert loaded.model.head.config == trained.model.head.config
    assert loaded.model.blend.config == trained.model.blend.config
    assert loaded.model.calibration.config == trained.model.calibration.config


def test_all_that_reads_tables_is_the_same_after_a_round_trip(every_member, loaded):
    trained, _ = every_member
    for name in ("schema", "sales", "frequency", "launch", "info", "horizon"):
        assert getattr(loaded, name) == getattr(trained, name)
    assert {name: one.fingerprint for name, one in loaded.encoders.items()} == {
        name: one.fingerprint for name, one in trained.encoders.items()
    }


def test_a_forecast_is_plain_json_safetensors_and_texts_of_members(saved):
    names = {path.name for path in saved.iterdir()}
    assert names >= {"forecast.json", "forecast.sha256", "weights.safetensors"}
    assert all(name.endswith((".json", ".sha256", ".safetensors", ".txt")) for name in names)
    document = json.loads((saved / "forecast.json").read_text())
    assert document["sales"]["price"] == "price_eur"
    assert document["members"]["classical"]["name"] == "classical"


def test_every_flipped_byte_is_detected(place):
    for name in ("forecast.json", "forecast.sha256", "weights.safetensors"):
        content = (place / name).read_bytes()
        for at in np.linspace(0, len(content) - 1, 10).astype(int):
            changed = bytearray(content)
            changed[at] ^= 1
            (place / name).write_bytes(changed)
            with pytest.raises(BundleError):
                load_forecast(place)
        (place / name).write_bytes(content)
    load_forecast(place)


@pytest.mark.parametrize("name", ["forecast.json", "forecast.sha256", "weights.safetensors"])
def test_a_cut_or_missing_file_is_named(place, name):
    (place / name).write_bytes((place / name).read_bytes()[:40])
    with pytest.raises(BundleError, match=rf"{name[:8]}.* has changed since it was saved"):
        load_forecast(place)
    (place / name).unlink()
    with pytest.raises(BundleError, match=rf"must be a forecast, but {name} cannot be read"):
        load_forecast(place)


def test_a_forecast_where_a_bundle_is_wanted_is_told_with_what_takes_it(place):
    with pytest.raises(BundleError) as failure:
        load_bundle(place)
    assert str(failure.value) == (
        f"{place} must be a bundle, got a forecast. Give it to `fusion forecast`, "
        "FusionForecaster.load or load_forecast."
    )


def test_a_bundle_where_a_forecast_is_wanted_is_told_with_what_takes_it(tmp_path):
    (tmp_path / "bundle.json").write_text("{}")
    with pytest.raises(BundleError, match=r"must be a forecast, got a bundle\. Give .*fusion pred"):
        load_forecast(tmp_path)


def test_the_folder_around_a_forecast_leads_to_it(place):
    with pytest.raises(BundleError, match=r"Did you mean .*forecast\?"):
        load_forecast(place.parent)


def test_a_bundle_is_not_replaced_by_a_forecast_nor_the_other_way(place, noted):
    with pytest.raises(BundleError, match=r"new, empty or a bundle, got .* with forecast\.json"):
        check_folder(place, BUNDLE)
    bundle = place.with_name("bundle")
    bundle.mkdir()
    (bundle / "bundle.json").write_text("{}")
    with pytest.raises(BundleError, match=r"new, empty or a forecast, got .* with bundle\.json"):
        save_forecast(noted("new"), bundle)
    assert (bundle / "bundle.json").read_text() == "{}"


def test_a_forecast_with_anything_else_beside_it_is_not_replaced(place, noted):
    (place / "thesis.txt").write_text("ten years of work")
    with pytest.raises(BundleError, match=r"also holds thesis\.txt"):
        save_forecast(noted("new"), place)
    assert (place / "thesis.txt").exists() and note_of(place) == "old"


@pytest.mark.parametrize("damage", ["cut", "missing", "other format"])
def test_a_damaged_forecast_or_one_of_another_format_is_replaced(place, noted, damage):
    if damage == "other format":
        document = json.loads((place / "forecast.json").read_text())
        (place / "forecast.json").write_text(json.dumps({**document, "format": 4}))
    elif damage == "missing":
        (place / "weights.safetensors").unlink()
    else:
        (place / "weights.safetensors").write_bytes(b"")
    save_forecast(noted("new"), place)
    assert note_of(place) == "new" and alone(place)


@needs_links
def test_after_kills_the_old_or_the_new_forecast_is_there_and_the_next_save_works(place, noted):
    before = "old"
    for number, delay in enumerate((0.0, 0.01, 0.02, 0.04)):
        run_until(partial(save_forecast, noted(number), place), delay)
        now = note_of(place)
        assert now in (before, number)
        before = now
    save_forecast(noted("last"), place)
    assert note_of(place) == "last" and alone(place)


@needs_links
def test_a_load_puts_back_what_a_dead_save_has_moved_aside(place):
    place.rename(place.with_name(f".{place.name}.{'a' * 32}"))
    assert note_of(place) == "old" and alone(place)


def test_a_forecast_that_cannot_be_loaded_again_is_not_saved(noted, tmp_path, monkeypatch):
    trained = noted("new")
    member = trained.model.members["classical"]
    state = {**member.state(), "answers.knots": torch.tensor(torch.nan)}
    monkeypatch.setattr(member, "state", lambda: state)
    with pytest.raises(BundleError, match=r"must hold finite numbers.*classical\.answers\.knots"):
        save_forecast(trained, tmp_path / "forecast")
    assert not (tmp_path / "forecast").exists()


def test_a_member_outside_the_table_cannot_be_saved(noted, tmp_path):
    class PrivateMember(ClassicalMember):
        pass

    trained = noted("new")
    own = trained.model.members["classical"]
    private = PrivateMember(**own.config)
    private.load_state(own.state(), head=trained.model.head)
    trained.model.members["classical"] = private
    try:
        with pytest.raises(BundleError, match="PrivateMember must be in its room's table"):
            save_forecast(trained, tmp_path / "forecast")
    finally:
        trained.model.members["classical"] = own


def test_an_encoder_of_other_weights_is_refused(place, write_crafted):
    document = json.loads((place / "forecast.json").read_text())
    document["encoders"]["numeric"]["fingerprint"] = "another"
    write_crafted(place, document)
    with pytest.raises(BundleError, match=r"must be the one that forecast was trained with.*other"):
        load_forecast(place)

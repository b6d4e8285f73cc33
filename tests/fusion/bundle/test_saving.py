"""Where a bundle may be saved, and what is there whenever a save ends."""

import json
import os
import threading
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from benchmarks.kill_job import run_until
from fusion import BundleError, load_bundle, save_bundle
from fusion.system import folders

pytestmark = [
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
    pytest.mark.skipif(os.name == "nt", reason="needs fork and links"),
]


@pytest.fixture
def noted(small_classifier):
    """The same small bundle with a note that tells it apart."""
    bundle = small_classifier.bundle_
    return lambda note: replace(bundle, info={**bundle.info, "note": note})


@pytest.fixture
def place(tmp_path, noted):
    save_bundle(noted("old"), tmp_path / "model")
    return tmp_path / "model"


def note_of(place):
    return load_bundle(place).info["note"]


def alone(place):
    return [path.name for path in place.parent.iterdir()] == [place.name]


@pytest.mark.parametrize(
    "stranger", ["thesis.txt", "notes/a.txt", "weights.safetensors.bak", ".hidden", "empty/"]
)
def test_a_bundle_with_anything_else_beside_it_is_not_replaced(place, noted, stranger):
    path = place / stranger
    path.parent.mkdir(exist_ok=True)
    path.mkdir() if stranger.endswith("/") else path.write_text("ten years of work")
    with pytest.raises(BundleError, match=f"also holds {stranger.split('/')[0]}"):
        save_bundle(noted("new"), place)
    assert path.exists() and note_of(place) == "old" and alone(place)


@pytest.mark.parametrize(
    "content", ["{}", "[]", "no JSON", '{"format": 4}', '{"name": "an app", "files": []}']
)
def test_a_folder_with_another_bundle_json_is_not_replaced(tmp_path, noted, content):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=r"must be new, empty or a bundle, got .* with bundle\.j"):
        save_bundle(noted("new"), tmp_path / "app")
    assert (tmp_path / "app" / "bundle.json").read_text() == content


def test_a_bundle_that_names_strangers_files_as_its_own_does_not_reach_outside(place, noted):
    document = json.loads((place / "bundle.json").read_text())
    document["files"]["../thesis.txt"] = document["files"]["weights.safetensors"]
    (place / "bundle.json").write_text(json.dumps(document))
    (place.parent / "thesis.txt").write_text("ten years of work")
    with pytest.raises(BundleError, match="must be new, empty or a bundle"):
        save_bundle(noted("new"), place)
    assert (place.parent / "thesis.txt").exists()


@pytest.mark.parametrize("damage", ["cut", "missing", "other format"])
def test_a_damaged_bundle_or_one_of_another_format_is_replaced(place, noted, damage):
    if damage == "other format":
        document = json.loads((place / "bundle.json").read_text())
        (place / "bundle.json").write_text(json.dumps({**document, "format": 4}))
    elif damage == "missing":
        (place / "weights.safetensors").unlink()
    else:
        (place / "weights.safetensors").write_bytes(b"")
    save_bundle(noted("new"), place)
    assert note_of(place) == "new" and alone(place)


def test_an_empty_folder_and_one_that_is_not_there_become_a_bundle(tmp_path, noted):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "no/such/folder/", "name with spaces. and dots"):
        save_bundle(noted(name), tmp_path / name)
        assert note_of(tmp_path / name) == name


def test_a_link_is_followed_and_stays(place, noted, tmp_path):
    links = tmp_path / "links"
    links.mkdir()
    (links / "one").symlink_to(place)
    (links / "two").symlink_to("one")
    for note in ("first", "second"):
        save_bundle(noted(note), links / "two")
        assert note_of(place) == note_of(links / "two") == note
    assert (links / "one").is_symlink() and (links / "two").is_symlink()
    assert sorted(path.name for path in links.iterdir()) == ["one", "two"]


@pytest.mark.parametrize("kind", ["dangling", "loop", "to a file", "file", "pipe"])
def test_what_is_no_folder_is_refused_and_stays(tmp_path, noted, kind):
    path, other = tmp_path / "model", tmp_path / "other"
    if kind == "dangling":
        path.symlink_to(other)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        (other if kind == "to a file" else path).write_text("ten years of work")
        if kind == "to a file":
            path.symlink_to(other)
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(BundleError, match="must be new, empty or a bundle"):
        save_bundle(noted("new"), path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", [".", "", "../model", "../../{parent}"])
def test_the_folder_where_one_works_is_not_replaced(place, noted, monkeypatch, name):
    monkeypatch.chdir(place)
    path = place.__class__(name.format(parent=place.parent.name))
    with pytest.raises(BundleError, match=r"replaced as a whole, got .*where this program works"):
        save_bundle(noted("new"), path)
    assert note_of(place) == "old"


def test_a_folder_below_the_one_where_one_works_is_replaced(place, noted, monkeypatch):
    monkeypatch.chdir(place.parent)
    save_bundle(noted("new"), place.__class__("model"))
    assert note_of(place) == "new"


@pytest.mark.parametrize("link", [False, True])
def test_after_ten_kills_the_old_or_the_new_bundle_is_there_and_the_next_save_works(
    place, noted, tmp_path, link
):
    asked = place
    if link:
        asked = tmp_path.with_name(f"{tmp_path.name}-link")
        asked.symlink_to(place)
    before = "old"
    for number, delay in enumerate(np.linspace(0, 0.1, 5).tolist()):
        run_until(partial(save_bundle, noted(number), asked), delay)
        now = note_of(asked)
        assert now in (before, number)
        before = now
    save_bundle(noted("last"), asked)
    assert note_of(place) == "last" and alone(place) and asked.is_symlink() == link


def test_a_load_puts_back_what_a_dead_save_has_moved_aside(place, noted, monkeypatch):
    aside = place.with_name(f".{place.name}.{'a' * 32}")
    place.rename(aside)
    half = place.with_name(f".{place.name}.{'b' * 32}")
    half.mkdir()
    (half / "weights.safetensors").write_bytes(b"half")
    assert note_of(place) == "old"
    save_bundle(noted("new"), place)
    assert note_of(place) == "new" and alone(place)


@pytest.mark.parametrize("exchanged", [True, False])
def test_readers_beside_writers_always_find_a_whole_bundle(place, noted, monkeypatch, exchanged):
    if not exchanged:
        monkeypatch.setattr(folders, "exchange_folders", lambda first, second: False)
    found, failed = [], []

    def write(note):
        for _ in range(5):
            save_bundle(noted(note), place)

    def read():
        while any(writer.is_alive() for writer in writers):
            try:
                found.append(note_of(place))
            except BundleError as error:
                failed.append(error)

    writers = [threading.Thread(target=write, args=(note,)) for note in ("one", "two")]
    reader = threading.Thread(target=read)
    for thread in (*writers, reader):
        thread.start()
    for thread in (*writers, reader):
        thread.join()
    assert failed == [] and set(found) <= {"old", "one", "two"}
    save_bundle(noted("last"), place)
    assert note_of(place) == "last" and alone(place)

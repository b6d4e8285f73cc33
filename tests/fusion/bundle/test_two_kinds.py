"""Two models of other members saved to one place at once: one of them is there, whole."""

import json
import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

import fusion.bundle.folder
from fusion import load_bundle, save_bundle
from fusion.bundle.document import FORMAT
from fusion.model import ProductModel
from fusion.stack import Stack
from fusion.system import folders

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs links and locks")
FROZEN = Path(__file__).parent / "frozen" / f"format_{FORMAT}" / "bundle"
KINDS = {"sums": ("kernel", "ridge"), "grown": ("trees", "network")}
STEPS = [
    (fusion.bundle.folder, "replace_folder"),
    (folders, "_write"),
    (folders, "_put_in_place"),
    (folders, "_remove"),
    (folders, "_sweep"),
]


@pytest.fixture(scope="module")
def bundles():
    """Bundles that differ by their members: trees alone have files of their own."""
    whole = load_bundle(FROZEN)

    def with_members(*names):
        model = whole.model
        members = {name: model.members[name] for name in names}
        weights = {head: dict.fromkeys(names, 0.5) for head in model.heads}
        heads, stack = model.heads, Stack(weights)
        return ProductModel(model.encoders, heads=heads, members=members, stack=stack)

    return {kind: replace(whole, model=with_members(*names)) for kind, names in KINDS.items()}


def kind_of(place):
    """Which of the two lies there, whole and with nothing else."""
    members = load_bundle(place).model.members
    (kind,) = [kind for kind, names in KINDS.items() if set(names) == set(members)]
    files = json.loads((place / "bundle.json").read_text())["files"]
    assert {path.name for path in place.iterdir()} == {*files, "bundle.json", "bundle.sha256"}
    return kind


@pytest.mark.usefixtures("exchanged_or_moved")
@pytest.mark.parametrize(("room", "step"), STEPS, ids=[step for _, step in STEPS])
@pytest.mark.parametrize(("first", "second"), [("sums", "grown"), ("grown", "sums")])
def test_a_save_inside_another_leaves_one_of_the_two_whole(
    bundles, tmp_path, monkeypatch, room, step, first, second
):
    place = tmp_path / "shop" / "model"
    save_bundle(bundles[first], place)
    own, begun = getattr(room, step), []

    def with_another(*arguments, **options):
        if not begun:
            begun.append(step)
            save_bundle(bundles[second], place)
        return own(*arguments, **options)

    monkeypatch.setattr(room, step, with_another)
    save_bundle(bundles[first], place)
    assert begun and kind_of(place) in KINDS
    save_bundle(bundles[second], place)
    assert kind_of(place) == second
    assert [path.name for path in place.parent.iterdir()] == ["model"]


@pytest.mark.usefixtures("exchanged_or_moved")
def test_writers_of_two_kinds_beside_each_other_leave_one_whole_and_nothing_else(bundles, tmp_path):
    place, failed = tmp_path / "shop" / "model", []

    def write(kind):
        try:
            for _ in range(8):
                save_bundle(bundles[kind], place)
        except Exception as error:
            failed.append(error)

    writers = [threading.Thread(target=write, args=(kind,)) for kind in KINDS]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed == [] and kind_of(place) in KINDS
    save_bundle(bundles["sums"], place)
    assert kind_of(place) == "sums"
    assert [path.name for path in place.parent.iterdir()] == ["model"]


def test_what_a_dead_save_of_another_kind_has_left_is_swept(bundles, tmp_path):
    place = tmp_path / "shop" / "model"
    save_bundle(bundles["grown"], place)
    half = place.with_name(f".model.{'a' * 32}")
    place.rename(half)
    for name in ("weights.safetensors", "bundle.sha256"):
        (half / name).unlink()
    save_bundle(bundles["sums"], place)
    assert [path.name for path in place.parent.iterdir()] == ["model"]


def test_the_description_of_a_replaced_bundle_is_removed_last(bundles, tmp_path, monkeypatch):
    """As long as another file is there, whoever removes it too, the description names it."""
    place, unlink, removed = tmp_path / "model", Path.unlink, []
    save_bundle(bundles["grown"], place)

    def noted(path, **options):
        removed.append(path.name)
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", noted)
    save_bundle(bundles["sums"], place)
    assert "trees.0_0.txt" in removed and removed.index("bundle.json") == len(removed) - 1

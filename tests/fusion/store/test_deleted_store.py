"""A store may be deleted at any moment, also while it is used: that costs time and nothing else."""

import os
import shutil
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch

from encoders.base import Encoder
from fusion.errors import StoreError
from fusion.store import SegmentStore, embed, embed_values, index, merge, merge_stores

KEYS = np.asarray([bytes([value]) * 32 for value in range(1, 7)], dtype="S32")
VECTORS = np.eye(6, dtype=np.float32)
TEXTS = ["a", "bb", "ccc", "dd"]
STEPS = {os: ("open", "fsync", "listdir"), Path: ("mkdir", "open", "replace", "is_file", "stat")}


@contextmanager
def before_step(at, act):
    """Calls a function before the n-th call to the file system inside the block."""
    calls = []

    def watch(call):
        def watched(*arguments, **options):
            calls.append(call.__name__)
            if len(calls) == at:
                with watching(False):
                    act()
            return call(*arguments, **options)

        return watched

    plain = {(owner, name): getattr(owner, name) for owner in STEPS for name in STEPS[owner]}
    watched = {place: watch(call) for place, call in plain.items()}

    @contextmanager
    def watching(on):
        for (owner, name), call in (watched if on else plain).items():
            setattr(owner, name, call)
        try:
            yield calls
        finally:
            for (owner, name), call in (plain if on else watched).items():
                setattr(owner, name, call)

    with watching(True):
        yield calls


def deleted_at_every_step(folder, run, *, begin, what, every=1):
    """Runs something again and again, each time in a folder of its own, of which a part is deleted
    before another step; yields these folders."""
    for at in count(1, every):
        place = folder / str(at)
        place.mkdir()
        begin(place)
        with before_step(at, lambda place=place: shutil.rmtree(place / what)) as calls:
            run(place)
        yield place
        if len(calls) < at:  # it ended before that step
            break


class LengthEncoder(Encoder):
    """The length of a text."""

    modality = "text"
    cacheable = True
    embedding_dim = 1
    config: ClassVar = {}

    def content(self, part):
        return part.encode()

    def preprocess(self, values):
        return {"lengths": torch.tensor([[float(len(value))] for value in values])}

    def forward(self, tensors):
        return tensors["lengths"]

    @classmethod
    def tiny(cls):
        return cls()


def opened(folder):
    return SegmentStore(folder, fingerprint="f", description={"encoder": "E"})


def embedded(store):
    return embed_values(LengthEncoder(), TEXTS, store=store)


def test_deleted_at_any_step_of_a_shard_it_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(embed, "COMMIT_PARTS", 2)
    monkeypatch.setattr(index, "MOST_LOOSE", 2)
    wanted = embedded(None).vectors

    def begin(folder):
        (folder / "store").mkdir()
        if int(folder.name) % 2:
            embed_values(LengthEncoder(), TEXTS[:2], store=folder / "store")
            embed._opened.cache_clear()

    def run(folder):
        assert np.array_equal(embedded(folder / "store").vectors, wanted)

    folders = list(deleted_at_every_step(tmp_path, run, begin=begin, what="store"))
    assert len(folders) > 20
    for folder in folders[::11]:
        assert np.array_equal(embedded(folder / "store").vectors, wanted)


@pytest.mark.parametrize(
    ("deleted", "every"),
    [
        ("a", 9),
        ("c", 9),
        *(pytest.param(name, 1, marks=pytest.mark.slow) for name in ("a", "b", "c")),
    ],
)
def test_deleted_at_any_step_of_a_merge_nothing_is_lost_without_a_word(
    tmp_path, monkeypatch, deleted, every
):
    monkeypatch.setattr(merge, "SEGMENT_ROWS", 1)
    told = {}

    def begin(folder):
        (folder / "c").mkdir()
        for name, rows in {"a": [0, 1], "b": [1, 2]}.items():
            store = opened(folder / name)
            for row in rows:
                store.add(KEYS[[row]], VECTORS[[row]])

    def run(folder):
        try:
            merge_stores([folder / "a", folder / "b"], folder / "c")
        except StoreError as error:
            told[folder] = str(error)

    whole = []
    for folder in deleted_at_every_step(tmp_path, run, begin=begin, what=deleted, every=every):
        if folder not in told:
            whole.append(opened(folder / "c").find(KEYS[:3]).mask.all())
    assert told and all("store" in line for line in told.values())
    assert whole and all(whole)

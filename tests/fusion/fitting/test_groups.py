"""Near-duplicates stay in one fold, also where an estimator draws the folds."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fusion import FusionRegressor
from fusion.choices.heads import HeadChoice
from fusion.data.catalogue import build_catalogue
from fusion.data.folds import DRAWN, RowOptions
from fusion.data.schema import Schema
from fusion.fitting.groups import with_groups
from fusion.fitting.spec import TrainingSpec
from fusion.members.network import NetworkMember

SPEC = TrainingSpec({"units": HeadChoice("regression", target="units", options={})})
LINEAR = TrainingSpec({"units": HeadChoice("linear", target="units", options={})})


def catalogue(texts):
    return build_catalogue(
        pd.DataFrame({"text": texts}), Schema(columns={"text": ("text",)}), photos=None
    )


def words(number):
    return f"{number * 7919:x} {number * 104729:x} {number * 15485863:x}"


PAIRS = [words(number // 2 + 1) for number in range(40)]


def test_near_duplicates_of_a_catalogue_are_the_groups_of_its_folds():
    groups = with_groups(DRAWN, catalogue(PAIRS), spec=SPEC).groups
    assert groups is not None and len(np.unique(groups)) == 20
    assert (groups[::2] == groups[1::2]).all()


def test_beside_photos_a_few_words_are_no_sign_of_a_copy_and_a_whole_text_is(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 32, 32, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    photos = [f"{number}.png" for number in range(40)]
    schema = Schema(columns={"text": ("text",), "image": ("photo",)})

    def folds(texts):
        frame = pd.DataFrame({"text": texts, "photo": photos})
        return with_groups(DRAWN, build_catalogue(frame, schema, photos=tmp_path), spec=SPEC)

    assert folds(PAIRS) is DRAWN  # three words each
    groups = folds([f"{text} {text} {text}" for text in PAIRS]).groups
    assert groups is not None and (groups[::2] == groups[1::2]).all()


@pytest.mark.parametrize(
    ("texts", "spec"),
    [
        ([words(number + 1) for number in range(40)], SPEC),  # nothing is alike
        (["soft wool"] * 30 + PAIRS[:10], SPEC),  # labels: no fold could hold them
        (PAIRS, LINEAR),  # nothing is stopped
    ],
)
def test_rows_are_drawn_where_groups_are_of_no_use(texts, spec):
    assert with_groups(DRAWN, catalogue(texts), spec=spec) is DRAWN


def test_given_rows_and_groups_are_kept():
    for given in (RowOptions(validation=np.arange(4)), RowOptions(groups=np.arange(40))):
        assert with_groups(given, catalogue(PAIRS), spec=SPEC) is given


def test_an_estimator_never_stops_a_network_on_copies_of_its_rows(monkeypatch):
    seen = []

    def spy(member, view, *, training, **options):
        seen.extend(training.folds)
        return original(member, view, training=training, **options)

    original = NetworkMember.fit
    monkeypatch.setattr(NetworkMember, "fit", spy)
    settings = {"training": {"epochs": 1, "folds": 2}, "strategy_options": {"width": 8}}
    frame = pd.DataFrame({"text": PAIRS, "price": np.arange(40.0) % 7})
    model = FusionRegressor(
        columns={"text": ["text"]},
        encoders={"text": "tfidf"},
        members=["network"],
        random_state=0,
        **settings,
    )
    model.fit(frame, np.arange(40.0))
    assert sorted(np.concatenate(seen).tolist()) == list(range(40))
    for fold in seen:
        assert set(fold // 2 * 2) <= set(fold.tolist())  # each with its copy
    seen.clear()
    model.fit(frame, np.arange(40.0), validation_rows=[0, 2, 4])
    assert all(fold.tolist() == [0, 2, 4] for fold in seen)

"""What the embedding of a catalogue tells while it works."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from encoders import BertEncoder, ColourTextureEncoder, TfidfEncoder
from fusion.data import Schema, build_catalogue
from fusion.embedding import prepare_inputs
from fusion.members.view import view_of


@pytest.mark.parametrize("kept", [False, True])
def test_a_progress_bar_ends_where_it_says(tmp_path, kept, works):
    for name in "abc":
        Image.new("RGB", (8, 8), ("red", "blue", "red")["abc".index(name)]).save(
            tmp_path / f"{name}.png"
        )
    frame = pd.DataFrame({"p": ["a.png", "b.png", None], "q": ["c.png", None, None]})
    catalogue = build_catalogue(frame, Schema(columns={"image": ("p", "q")}), photos=tmp_path)
    store = tmp_path / "store" if kept else None
    prepare_inputs({"image": ColourTextureEncoder()}, catalogue, store=store, stage=works)
    works.check()
    (work,) = works.opened
    assert (work.done, work.unit) == (3, "photos")
    assert work.n_known == 1  # the third photo is that of the first
    prepare_inputs({"image": ColourTextureEncoder()}, catalogue, store=store, stage=works)
    assert works.opened[-1].n_known == (3 if kept else 1)


def test_photos_that_cannot_be_opened_are_counted_too(tmp_path, works):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (8, 8), "red").save(tmp_path / name)
    frame = pd.DataFrame({"p": ["a.png", "b.png"]})
    catalogue = build_catalogue(frame, Schema(columns={"image": ("p",)}), photos=tmp_path)
    (tmp_path / "b.png").unlink()
    prepared = prepare_inputs({"image": ColourTextureEncoder()}, catalogue, stage=works)
    assert len(prepared.problems) == 1
    works.check()
    assert [work.ending for work in works.opened] == ["done"]


def test_chunks_of_long_texts_are_what_is_counted(works):
    encoder = BertEncoder(**BertEncoder.tiny().config | {"long_text": "chunks"})
    frame = pd.DataFrame({"t": ["many words " * 200, "few words", None]})
    prepare_inputs(
        {"text": encoder},
        build_catalogue(frame, Schema(columns={"text": ("t",)}), photos=None),
        stage=works,
    )
    works.check()
    (work,) = works.opened
    assert work.ending == "done" and work.done > 3


def test_a_text_of_tfidf_has_its_terms_beside_its_embedding():
    frame = pd.DataFrame({"t": ["red dress", None, "red scarf"]})
    encoders = {"text": TfidfEncoder.fitted(["red dress", "red scarf"], embedding_dim=4)}
    catalogue = build_catalogue(frame, Schema(columns={"text": ("t",)}), photos=None)
    inputs = prepare_inputs(encoders, catalogue).inputs
    view = view_of(encoders, inputs)
    assert [(name, b.kind) for name, b in view.blocks.items()] == [
        ("text", "vectors"), ("text.words", "terms"), ("text.characters", "terms")
    ]  # fmt: skip
    words = view.blocks["text.words"].values
    assert words[:2].getnnz(axis=1).tolist() == [3, 0]  # red, dress, red dress
    assert view.take(np.array([2, 0])).blocks["text.words"].values[1].nnz == 3

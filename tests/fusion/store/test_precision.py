"""A store keeps the precision of its embeddings."""

import shutil

import numpy as np
import pandas as pd
import pytest

from encoders import BertEncoder, ColourTextureEncoder
from encoders.dtype import in_precision
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import FusionRegressor, embed_values
from fusion.choices.build import pretrained_encoders
from fusion.choices.encoders import EncoderChoices
from fusion.progress import notices
from fusion.store import as_kept

TEXTS = ["a red coat", "two blue shoes", None]


def precisions(store):
    """Precision of the folders of a store."""
    import json

    documents = [json.loads(path.read_text()) for path in store.glob("*/encoder.json")]
    return sorted(document["config"]["dtype"] for document in documents)


@pytest.fixture
def said(monkeypatch):
    """Lines that were told."""
    lines = []
    monkeypatch.setattr("fusion.store.precision.say_once", lines.append)
    return lines


@pytest.fixture
def filled(tmp_path, precision):
    """A store that was filled in one of the precisions."""
    encoder = BertEncoder(str(tiny_checkpoint()), max_length=32)
    embed_values(encoder, TEXTS, store=tmp_path / "store")
    assert precisions(tmp_path / "store") == [precision]
    return tmp_path / "store"


def test_a_store_keeps_its_format_on_a_processor_with_bf16(filled, precision, monkeypatch):
    monkeypatch.setenv("FUSION_BF16", "yes")
    chosen = as_kept(BertEncoder(str(tiny_checkpoint()), max_length=32), filled)
    assert chosen.config["dtype"] == precision
    again = embed_values(chosen, TEXTS, store=filled)
    assert (again.report.n_found, again.report.n_encoded) == (2, 0)


def test_a_processor_without_bf16_computes_in_float32_beside_it_and_says_so(
    filled, precision, monkeypatch, said
):
    monkeypatch.setenv("FUSION_BF16", "no")
    chosen = as_kept(BertEncoder(str(tiny_checkpoint()), max_length=32), filled)
    assert chosen.config["dtype"] == "float32"
    embed_values(chosen, TEXTS, store=filled)
    assert precisions(filled) == sorted({"float32", precision})
    assert len(said) == (precision == "bfloat16")
    assert all("text embeddings in bfloat16, which this processor lacks" in line for line in said)


@pytest.mark.usefixtures("bfloat16")
def test_a_format_that_was_built_stays_and_one_by_name_is_the_stores(tmp_path):
    checkpoint = shutil.copytree(tiny_checkpoint(), tmp_path / "hub" / "tiny")
    exact = BertEncoder(str(checkpoint), dtype="float32")
    embed_values(exact, TEXTS, store=tmp_path)
    rounded = in_precision(exact, "bfloat16")
    for choice, expected in ((str(checkpoint), "float32"), (rounded, "bfloat16")):
        built = pretrained_encoders(
            EncoderChoices({"text": choice}), {"text": "text"}, store=tmp_path
        )
        assert built["text"].config["dtype"] == expected


def test_an_encoder_without_a_choice_and_an_empty_store_change_nothing(tmp_path):
    colours = ColourTextureEncoder()
    assert as_kept(colours, tmp_path) is colours
    text = BertEncoder.tiny()
    assert as_kept(text, tmp_path) is text and as_kept(text, None) is text


def test_a_training_goes_on_with_the_format_of_its_store(tmp_path, monkeypatch):
    checkpoint = shutil.copytree(tiny_checkpoint(), tmp_path / "tiny")
    items = pd.DataFrame({"title": [f"coat {number}" for number in range(20)]})
    units = np.arange(20.0)
    for has_bf16 in ("no", "yes"):
        monkeypatch.setenv("FUSION_BF16", has_bf16)
        model = FusionRegressor(
            columns={"text": ["title"]},
            encoders={"text": str(checkpoint)},
            store=tmp_path / "store",
            members=["ridge"],
            random_state=0,
        ).fit(items, units)
        assert model.bundle_.model.encoder("text").config["dtype"] == "float32"
    assert precisions(tmp_path / "store") == ["float32"]


def test_a_line_is_said_once(monkeypatch, caplog):
    monkeypatch.setattr(notices, "_SAID", set())
    for line in ("first", "first", "second"):
        notices.say_once(line)
    assert [record.message for record in caplog.records] == ["first", "second"]


def test_workers_leave_it_to_their_parent(monkeypatch, caplog):
    monkeypatch.setattr(notices.multiprocessing, "parent_process", lambda: object())
    notices.say_once("a line of a worker")
    assert caplog.records == []

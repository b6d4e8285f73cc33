import json
import shutil

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load

from encoders import BertEncoder, ResNetEncoder
from fusion.errors import JobError
from fusion.pretraining.result import safetensors_bytes, write_encoder


def test_a_text_encoder_comes_back_with_its_options_and_embeddings(tmp_path):
    encoder = BertEncoder.tiny()
    loaded = write_encoder(encoder, tmp_path)
    assert (encoder.encode(["a coat"]) == loaded.encode(["a coat"])).all()
    assert loaded.config == {**encoder.config, "checkpoint": str(tmp_path / "text")}


def test_a_photo_encoder_comes_back_with_its_preprocessing_and_embeddings(tmp_path, items):
    encoder = ResNetEncoder.tiny()
    loaded = write_encoder(encoder, tmp_path)
    assert (encoder.encode(items["image"][:3]) == loaded.encode(items["image"][:3])).all()
    assert loaded.preprocessing.crop == 32 and loaded.preprocessing.source == "weights"


def test_an_encoder_that_is_there_is_replaced(tmp_path):
    encoder = BertEncoder.tiny()
    first = write_encoder(encoder, tmp_path)
    (tmp_path / "text" / "config.json").write_text("{}")
    again = write_encoder(encoder, tmp_path)
    assert first.fingerprint == again.fingerprint
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_files_of_somebody_else_beside_an_encoder_are_not_removed(tmp_path):
    (tmp_path / ".text.backup").mkdir()
    write_encoder(BertEncoder.tiny(), tmp_path)
    (tmp_path / "text" / "thesis.txt").write_text("ten years of work")
    with pytest.raises(JobError, match=r"got thesis\.txt as well"):
        write_encoder(BertEncoder.tiny(), tmp_path)
    assert (tmp_path / "text" / "thesis.txt").exists() and (tmp_path / ".text.backup").exists()


def test_weight_files_have_the_same_bytes_every_time(tmp_path):
    state = {"b": torch.ones(3), "a": torch.arange(4).view(2, 2)}
    metadata = {"one": "1", "two": '{"x": 2}', "three": "3"}
    content = safetensors_bytes(state, metadata)
    assert content == safetensors_bytes(dict(reversed(state.items())), metadata)
    (tmp_path / "file.safetensors").write_bytes(content)
    assert all(torch.equal(tensor, state[name]) for name, tensor in load(content).items())
    with safe_open(tmp_path / "file.safetensors", framework="pt") as file:
        assert file.metadata() == metadata


def test_what_follows_the_transformer_is_written_too(tmp_path):
    source = tmp_path / "source"
    shutil.copytree(BertEncoder.tiny().config["checkpoint"], source)
    (source / "1_Pooling").mkdir()
    (source / "1_Pooling" / "config.json").write_text('{"pooling_mode": "cls"}')
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    listed = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (path, kind) in enumerate(kinds.items())
    ]
    (source / "modules.json").write_text(json.dumps(listed))
    encoder = BertEncoder(str(source), dtype="float32")
    write_encoder(encoder, tmp_path)
    by_path = BertEncoder(str(tmp_path / "text"), dtype="float32")
    assert by_path.config["pooling"] == "cls"
    assert (encoder.encode(["a coat"]) == by_path.encode(["a coat"])).all()
    assert np.linalg.norm(by_path.encode(["a coat"])) == pytest.approx(1.0)

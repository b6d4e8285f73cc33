"""Checkpoints of sentence-transformers: our vectors are its own, or a message says why not."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from encoders import BertEncoder
from encoders.base import Encoder

sentence_transformers = pytest.importorskip("sentence_transformers")
modules = sentence_transformers.sentence_transformer.modules

TEXTS = ["a red summer dress", "Wooden RATTLE for babies", "x", "tyre 205 55 r16 " * 20]
Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Writes a tiny checkpoint with the given modules behind the transformer."""

    def write(*steps: Any, max_length: int = 32, **options: Any) -> Path:
        read = modules.Transformer(str(BertEncoder.tiny().config["checkpoint"]))
        read.max_seq_length = max_length
        model = sentence_transformers.SentenceTransformer(
            modules=[read, *steps], device="cpu", **options
        )
        model.save(str(tmp_path / "sentences"))
        return tmp_path / "sentences"

    return write


def theirs(folder: Path) -> np.ndarray:
    model = sentence_transformers.SentenceTransformer(str(folder), device="cpu")
    return np.asarray(model.encode(TEXTS, show_progress_bar=False))


def check_equal(folder: Path) -> Encoder:
    encoder = BertEncoder(str(folder), dtype="float32")
    assert np.abs(encoder.encode(TEXTS) - theirs(folder)).max() < 1e-5
    return encoder


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize("mode", ["mean", "cls", "max", "mean_sqrt_len_tokens"])
def test_pooling_is_the_checkpoints_own(build: Build, mode: str) -> None:
    encoder = check_equal(build(modules.Pooling(32, mode)))
    assert encoder.config["pooling"] == mode


@pytest.mark.parametrize("mode", ["mean", "cls", "max", "mean_sqrt_len_tokens"])
def test_pooling_of_older_versions_is_read_too(build: Build, mode: str) -> None:
    folder = build(modules.Pooling(32, mode))
    flag = {"cls": "cls_token", "mean_sqrt_len_tokens": mode}.get(mode, f"{mode}_tokens")
    flags = {f"pooling_mode_{name}": False for name in ("cls_token", "mean_tokens", "max_tokens")}
    (folder / "1_Pooling" / "config.json").write_text(
        json.dumps({"word_embedding_dimension": 32, **flags, f"pooling_mode_{flag}": True})
    )
    assert check_equal(folder).config["pooling"] == mode


def test_dense_layers_and_unit_length_are_applied_in_order(build: Build) -> None:
    torch.manual_seed(0)
    dense = [modules.Dense(32, 24), modules.Dense(24, 8, activation_function=torch.nn.Identity())]
    encoder = check_equal(
        build(modules.Pooling(32, "cls"), dense[0], modules.Normalize(), dense[1])
    )
    assert encoder.embedding_dim == 8
    again = BertEncoder(**encoder.config)
    assert again.fingerprint == encoder.fingerprint
    assert np.array_equal(again.encode(TEXTS), encoder.encode(TEXTS))


def test_prompt_lower_case_and_length_are_applied(build: Build) -> None:
    folder = build(
        modules.Pooling(32, "mean"),
        max_length=24,
        prompts={"query": "find: ", "passage": "item: "},
        default_prompt_name="passage",
    )
    edit(folder / "sentence_bert_config.json", do_lower_case=True, max_seq_length=16)
    edit(folder / "tokenizer_config.json", do_lower_case=False)
    assert check_equal(folder).config["max_length"] == 16


def test_length_is_all_that_the_checkpoint_reads_where_it_says_nothing(build: Build) -> None:
    assert check_equal(build(modules.Pooling(32), max_length=48)).config["max_length"] == 48


def test_minilm_gives_the_vectors_of_sentence_transformers() -> None:
    encoder = BertEncoder("minilm", dtype="float32")
    folder = encoder._checkpoint.folder
    assert np.abs(encoder.encode(TEXTS) - theirs(folder)).max() < 1e-5
    assert encoder.encode(["", None]).tolist() == [[0.0] * 384] * 2


def test_explicit_choice_wins(build: Build) -> None:
    folder = build(modules.Pooling(32, ("mean", "cls")))
    chosen = BertEncoder(str(folder), dtype="float32", pooling="cls", max_length=12)
    plain = BertEncoder(**BertEncoder.tiny().config | {"pooling": "cls", "max_length": 12})
    assert np.array_equal(chosen.encode(TEXTS), plain.encode(TEXTS))


def test_every_setting_is_in_the_fingerprint(build: Build, tmp_path: Path) -> None:
    torch.manual_seed(0)
    folder = build(modules.Pooling(32), modules.Dense(32, 8), prompts={"a": "x: ", "b": ""})
    seen = {BertEncoder(str(folder), dtype="float32").fingerprint}
    edit(folder / "config_sentence_transformers.json", default_prompt_name="a")
    seen.add(BertEncoder(str(folder), dtype="float32").fingerprint)
    edit(folder / "1_Pooling" / "config.json", pooling_mode="cls")
    seen.add(BertEncoder(str(folder), dtype="float32").fingerprint)
    edit(folder / "2_Dense" / "config.json", activation_function="torch.nn.modules.linear.Identity")
    seen.add(BertEncoder(str(folder), dtype="float32").fingerprint)
    edit(folder / "sentence_bert_config.json", do_lower_case=True)
    seen.add(BertEncoder(str(folder), dtype="float32").fingerprint)
    listed = json.loads((folder / "modules.json").read_text())
    listed.append({"idx": 3, "name": "3", "path": "3_Normalize", "type": NORMALIZE})
    (folder / "modules.json").write_text(json.dumps(listed))
    seen.add(BertEncoder(str(folder), dtype="float32").fingerprint)
    assert len(seen) == 6


NORMALIZE = "sentence_transformers.models.Normalize"


def refuse(folder: Path, message: str) -> None:
    (folder / "model.safetensors").unlink()  # what is refused is refused before weights are read
    with pytest.raises(ValueError, match=message):
        BertEncoder(str(folder))


def test_modes_that_are_not_supported_are_named(build: Build) -> None:
    folder = build(modules.Pooling(32, ("mean", "max")))
    with pytest.raises(ValueError, match=r"one of mean, cls, max, .* got 'mean\+max'"):
        BertEncoder(str(folder))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("sentence_transformers.models.LayerNorm", "got LayerNorm "),
        ("custom_model.Normalize", r"got custom_model\.Normalize "),
    ],
)
def test_modules_that_are_not_supported_are_named(build: Build, kind: str, message: str) -> None:
    folder = build(modules.Pooling(32))
    listed = json.loads((folder / "modules.json").read_text())
    listed.append({"idx": 2, "name": "2", "path": "2_Last", "type": kind})
    (folder / "modules.json").write_text(json.dumps(listed))
    refuse(folder, message)


@pytest.mark.parametrize(
    ("file", "changes", "message"),
    [
        ("2_Dense/config.json", {"activation_function": "os.system"}, "activation os.system"),
        ("2_Dense/config.json", {"use_residual": True}, "use_residual"),
        ("2_Dense/config.json", {"module_input_name": "token_embeddings"}, "in a row"),
        ("1_Pooling/config.json", {"include_prompt": False}, "include_prompt = false"),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {"a": 1}}}, "processing_kw"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "fill-mask"),
        ("config_sentence_transformers.json", {"default_prompt_name": "b"}, "a name in prompts"),
    ],
)
def test_settings_that_are_not_supported_are_named(
    build: Build, file: str, changes: dict[str, Any], message: str
) -> None:
    folder = build(
        modules.Pooling(32), modules.Dense(32, 8), prompts={"a": "x: "}, default_prompt_name="a"
    )
    edit(folder / file, **changes)
    refuse(folder, message)


def test_damaged_and_absent_files_are_named(build: Build) -> None:
    folder = build(modules.Pooling(32))
    shutil.rmtree(folder / "1_Pooling")
    refuse(folder, r"must hold config.json as JSON.*1_Pooling")
    (folder / "modules.json").write_text("{")
    with pytest.raises(ValueError, match=r"must hold modules.json as JSON"):
        BertEncoder(str(folder))


def test_dense_weights_that_do_not_fit_are_refused(build: Build) -> None:
    folder = build(modules.Pooling(32), modules.Dense(32, 8))
    edit(folder / "2_Dense" / "config.json", out_features=9)
    with pytest.raises(ValueError, match=r"dense weights that fit their config.json"):
        BertEncoder(str(folder))
    (folder / "modules.json").write_text('[{"path": ""}]')
    refuse(folder, "a type and a path for each module")


def test_prompt_that_leaves_no_room_for_text_is_refused(build: Build) -> None:
    folder = build(modules.Pooling(32), prompts={"a": "search: "}, default_prompt_name="a")
    with pytest.raises(ValueError, match=r"max_length must be over 9.*'search: '.*got 8"):
        BertEncoder(str(folder), max_length=8)

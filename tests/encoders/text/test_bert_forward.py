"""Texts packed one behind the other: transformers' numbers, and the same bits in any company."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from encoders import BertEncoder
from encoders.adapter import Adapter
from encoders.text import bert_forward
from encoders.text.bert_forward import is_plain_bert, packed_batches
from encoders.text.tiny_bert import tiny_checkpoint

TEXTS = ["a " * (1 + 7 * number % 25) + "coat" * (number % 3) for number in range(60)]


def tiny(folder: Path | None = None, **options: object) -> BertEncoder:
    return BertEncoder(str(folder or tiny_checkpoint()), max_length=32, **options)  # type: ignore[arg-type]


def by_transformers(encoder: BertEncoder, texts: list[str]) -> torch.Tensor:
    """Mean of the hidden states, text by text."""
    means = []
    for text in texts:
        tensors = encoder.preprocess([text])
        hidden = encoder.model(**tensors).last_hidden_state.float()
        means.append(hidden[tensors["attention_mask"].bool()].mean(0))
    return torch.stack(means)


def copied(folder: Path, **config: object) -> Path:
    shutil.copytree(tiny_checkpoint(), folder)
    told = json.loads((folder / "config.json").read_text()) | config
    (folder / "config.json").write_text(json.dumps(told))
    return folder


def test_packed_texts_have_the_embeddings_of_transformers(precision: str) -> None:
    encoder = tiny(dtype=precision)
    assert encoder._packs
    found, wanted = torch.from_numpy(encoder.encode(TEXTS)), by_transformers(encoder, TEXTS)
    nearest = torch.nn.functional.cosine_similarity(found, wanted).min()
    assert nearest > (0.999999 if precision == "float32" else 0.999)
    if precision == "float32":
        assert (found - wanted).abs().max() < 1e-5


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.999999), ("bfloat16", 0.9995)])
def test_minilm_is_near_transformers_float32(dtype: str, least: float) -> None:
    exact = BertEncoder("minilm", dtype="float32")
    texts = ["a red summer dress for women", "x", "Wooden rattle, painted by hand " * 9]
    wanted = by_transformers(exact, texts)
    found = torch.from_numpy(BertEncoder("minilm", dtype=dtype).encode(texts))
    assert torch.nn.functional.cosine_similarity(found, wanted).min() > least


def test_a_packed_text_has_the_same_bits_in_any_company(precision: str) -> None:
    encoder = tiny(dtype=precision)
    together = encoder.encode(TEXTS)
    order = np.random.default_rng(0).permutation(len(TEXTS))[:20]
    assert np.array_equal(encoder.encode([TEXTS[i] for i in order]), together[order])
    for i in (0, 1, 17, 59):
        assert np.array_equal(encoder.encode([TEXTS[i]])[0], together[i])
    padded = encoder(encoder.preprocess(TEXTS)).numpy()
    assert np.array_equal(padded, together)


def test_a_packed_text_has_the_same_bits_in_any_company_without_avx512(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bert_forward, "has_avx512", lambda: False)
    monkeypatch.setattr(bert_forward, "_has_softmax", lambda: False)
    encoder = tiny(dtype=precision)
    together = encoder.encode(TEXTS)
    for i in range(0, 60, 6):
        assert np.array_equal(encoder.encode([TEXTS[i]])[0], together[i])
    near = torch.nn.functional.cosine_similarity(
        torch.from_numpy(together), by_transformers(encoder, TEXTS)
    )
    assert near.min() > (0.999999 if precision == "float32" else 0.999)


@pytest.mark.slow
def test_onednn_may_be_kept_from_avx512() -> None:
    tests = f"{__file__}::test_a_packed_text_has_the_same_bits_in_any_company"
    less = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tests],
        env=less,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout


def test_dense_layers_after_pooling_give_a_text_the_same_bits_alone(tmp_path: Path) -> None:
    folder = copied(tmp_path / "dense")
    (folder / "1_Pooling").mkdir()
    (folder / "2_Dense").mkdir()
    kinds = {"Transformer": "", "Pooling": "1_Pooling", "Dense": "2_Dense"}
    modules = [{"type": f"sentence_transformers.models.{k}", "path": p} for k, p in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": "mean"}))
    sizes = {"in_features": 32, "out_features": 96}
    (folder / "2_Dense" / "config.json").write_text(json.dumps(sizes))
    torch.manual_seed(0)
    weights = {"linear.weight": torch.randn(96, 32), "linear.bias": torch.randn(96)}
    save_file(weights, folder / "2_Dense" / "model.safetensors")
    encoder = tiny(folder, dtype="float32")
    together = encoder.encode(TEXTS)
    for i in range(0, 60, 6):
        assert np.array_equal(encoder.encode([TEXTS[i]])[0], together[i])


def test_weights_that_are_loaded_later_are_the_ones_that_count() -> None:
    encoder = tiny(dtype="float32")
    before = encoder.encode(TEXTS)
    state = {name: weight + 0.01 for name, weight in encoder.state_dict().items()}
    encoder.load_state_dict(state)
    assert not np.allclose(encoder.encode(TEXTS), before)
    wanted = by_transformers(encoder, TEXTS)
    assert (torch.from_numpy(encoder.encode(TEXTS)) - wanted).abs().max() < 1e-4


def test_a_mask_that_hides_a_token_in_the_middle_takes_the_way_of_transformers() -> None:
    encoder = tiny(dtype="float32")
    tensors = {"input_ids": torch.tensor([[2, 5, 6, 7]]), "attention_mask": torch.ones(1, 4).long()}
    tensors["attention_mask"][0, 1] = 0
    hidden = encoder.model(**tensors).last_hidden_state[:, [0, 2, 3]]
    assert (encoder(tensors) - hidden.mean(1)).abs().max() < 1e-5


def test_another_activation_takes_the_way_of_transformers(tmp_path: Path) -> None:
    encoder = tiny(copied(tmp_path / "relu", hidden_act="relu"), dtype="float32")
    assert not is_plain_bert(encoder.model)
    wanted = by_transformers(encoder, TEXTS[:5])
    assert (torch.from_numpy(encoder.encode(TEXTS[:5])) - wanted).abs().max() < 1e-5


def test_an_encoder_that_trains_takes_the_way_of_transformers() -> None:
    encoder = tiny(dtype="float32")
    encoder.adapt(Adapter(layers=1))
    assert is_plain_bert(encoder.model) and not encoder._packs
    assert encoder.frozen_copy()._packs


def test_packed_batches_hold_every_text_once_and_keep_to_their_tokens() -> None:
    lengths = [1 + 37 * number % 23 for number in range(100)] + [90]
    batches = list(packed_batches(lengths, n_tokens=64))
    assert sorted(position for batch in batches for position in batch) == list(range(101))
    assert all(sum(lengths[i] for i in batch) <= 64 for batch in batches[:-1])
    assert batches[-1] == [100]
    assert list(packed_batches([], n_tokens=64)) == []

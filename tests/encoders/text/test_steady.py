"""A row of a product keeps its bits in any company, on processors that would change them too."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from transformers import DistilBertConfig, DistilBertModel

from encoders import BertEncoder
from encoders.stream import encode_each
from encoders.text import bert_forward, steady
from encoders.text.steady import (
    SteadyLinear,
    alternating,
    cancelling,
    in_blocks,
    keeps_texts,
    rows_of_one_product,
    steady_linear,
)
from encoders.text.tiny_bert import tiny_checkpoint

TEXTS = ["a " * (1 + 7 * number % 25) + "coat" * (number % 3) for number in range(60)]


class OtherProcessor(TorchFunctionMode):
    """Adds the terms of a row backwards where there are many rows, as kernels of AMX do."""

    def __init__(self, n_rows: int) -> None:
        super().__init__()
        self.n_rows = n_rows

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is not F.linear or args[0].numel() // args[0].shape[-1] < self.n_rows:
            return func(*args, **(kwargs or {}))
        source, weight, bias = args
        dense = source.to_dense() if source.is_mkldnn else source
        result = F.linear(dense.flip(-1), weight.flip(-1), bias)
        return result.to_mkldnn() if source.is_mkldnn else result


@pytest.fixture
def measured_anew() -> Iterator[None]:
    """What was measured before, or on a processor that does not exist, is forgotten."""
    steady._rows_of_one_product.cache_clear()
    keeps_texts.cache_clear()
    yield
    steady._rows_of_one_product.cache_clear()
    keeps_texts.cache_clear()


def weight_and_rows(n_terms: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(n_terms, generator=generator)
    weight = cancelling((8,), order, generator=generator)
    return weight, cancelling((600,), order, generator=generator) * alternating(order)


@pytest.mark.parametrize("n_terms", [64, 65])
def test_sums_of_cancelling_terms_are_rounding_alone_and_show_their_order(n_terms: int) -> None:
    weight, rows = weight_and_rows(n_terms)
    assert F.linear(rows.double(), weight.double()).abs().max() < 1e-12
    forwards, backwards = F.linear(rows, weight), F.linear(rows.flip(1), weight.flip(1))
    assert (forwards != backwards).any(1).float().mean() > 0.9


@pytest.mark.parametrize(("n_rows", "chosen"), [(1000, None), (300, 256), (30, 256)])
def test_rows_that_change_with_their_number_are_computed_in_blocks(
    n_rows: int, chosen: int | None
) -> None:
    weight, rows = weight_and_rows(64)

    def product(some: Tensor) -> Tensor:
        with OtherProcessor(n_rows):
            return F.linear(some, weight, None)

    assert rows_of_one_product(product, rows) == chosen


@pytest.mark.parametrize(("place", "chosen"), [(20, 16), (3, 1)])
def test_rows_that_change_with_their_place_are_computed_in_small_blocks(
    place: int, chosen: int
) -> None:
    weight, rows = weight_and_rows(64)

    def product(some: Tensor) -> Tensor:
        early = F.linear(some[:place].flip(1), weight.flip(1))
        return torch.cat([early, F.linear(some[place:], weight)])

    assert rows_of_one_product(product, rows) == chosen


def test_blocks_of_one_number_of_rows_hold_every_row() -> None:
    sizes = []

    def product(some: Tensor) -> Tensor:
        sizes.append(len(some))
        return some + 1

    rows = torch.arange(70.0).view(35, 2)
    assert torch.equal(in_blocks(product, rows, n_rows=16), rows + 1)
    assert sizes == [16, 16, 16]


@pytest.mark.usefixtures("measured_anew")
def test_a_product_in_blocks_is_the_product() -> None:
    weight, rows = torch.randn(5, 48), torch.randn(7, 9, 48)
    bias = torch.randn(5)
    with OtherProcessor(100):
        found = steady_linear(rows, weight, bias)
    assert found.shape == (7, 9, 5)
    assert torch.allclose(found, F.linear(rows, weight, bias), atol=1e-5)


@pytest.mark.usefixtures("measured_anew")
@pytest.mark.parametrize("n_rows", [48, 17])
def test_a_packed_text_keeps_its_bits_where_the_number_of_rows_matters(
    n_rows: int, precision: str
) -> None:
    encoder = BertEncoder(str(tiny_checkpoint()), max_length=32, dtype=precision)
    with OtherProcessor(n_rows):
        together = encoder.encode(TEXTS)
        for i in range(0, 60, 4):
            assert np.array_equal(encoder.encode([TEXTS[i]])[0], together[i])


@pytest.mark.usefixtures("measured_anew")
def test_a_text_of_another_family_keeps_its_bits_where_the_number_of_rows_matters(
    tmp_path: Path,
) -> None:
    torch.manual_seed(0)
    small = {"dim": 32, "hidden_dim": 64, "n_layers": 2, "n_heads": 2, "vocab_size": 400}
    DistilBertModel(DistilBertConfig(**small, max_position_embeddings=32)).save_pretrained(tmp_path)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((tiny_checkpoint() / name).read_bytes())
    encoder = BertEncoder(str(tmp_path), dtype="float32", max_length=32)
    assert not encoder._packs
    with OtherProcessor(48):
        together = encoder.encode(TEXTS)
        for i in range(0, 60, 6):
            assert np.array_equal(encoder.encode([TEXTS[i]])[0], together[i])


def test_attention_that_changes_with_the_number_of_texts_takes_them_one_by_one(
    precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def moody(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        if len(query) < 3:
            return F.scaled_dot_product_attention(query, key, value)
        order = torch.arange(key.shape[2]).flip(0)
        return F.scaled_dot_product_attention(query, key[:, :, order], value[:, :, order])

    monkeypatch.setattr(bert_forward, "_fused", moody)
    monkeypatch.setattr(bert_forward, "_products", moody)
    assert not keeps_texts(moody, 2, 16, torch.float32, torch.get_num_threads())
    encoder = BertEncoder(str(tiny_checkpoint()), max_length=32, dtype=precision)
    together = encoder.encode(TEXTS)
    for i in range(0, 60, 4):
        assert np.array_equal(encoder.encode([TEXTS[i]])[0], together[i])


def test_other_functions_and_devices_are_left_alone() -> None:
    with SteadyLinear():
        assert torch.ones(2).sum() == 2
        assert F.linear(torch.ones(2, 3, device="meta"), torch.ones(4, 3, device="meta")).shape == (
            2,
            4,
        )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_minilm_gives_a_text_the_same_bits_in_any_company_with_two_threads(
    dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FUSION_BF16", "yes")
    encoder = BertEncoder("minilm", dtype=dtype)
    texts = [text.replace("coat", "knitted winter coat, ") for text in TEXTS[:24]]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        together = encode_each(encoder, texts).vectors
        again = encode_each(encoder, texts[:8][::-1]).vectors[::-1]
        alone = [encode_each(encoder, [text]).vectors[0] for text in texts[:8]]
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(again, together[:8])
    assert np.array_equal(np.stack(alone), together[:8])

"""The forward pass of a frozen BERT on the CPU, over texts of many lengths without padding."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from encoders.text.sentence import pool
from encoders.text.steady import ROW_MULTIPLE, keeps_texts, steady_linear

PACKED_TOKENS = {torch.float32: 1024, torch.bfloat16: 2048}
"""Tokens of one packed batch: enough to fill the machine, few enough for its caches."""

Spans = Sequence[tuple[int, int, int]]
"""First row, number of texts and their length, for each run of texts of one length."""


def is_plain_bert(model: nn.Module) -> bool:
    """True for a BERT encoder as published: learned positions, GELU, linear layers unchanged.

    Other families, other activations and layers with LoRA take the way of transformers.
    """
    config: Any = model.config
    if config.model_type != "bert":  # others name their settings differently
        return False
    positions = getattr(config, "position_embedding_type", "absolute")
    if (config.hidden_act, config.is_decoder, positions) != ("gelu", False, "absolute"):
        return False
    return all(type(linear) is nn.Linear for layer in _layers(model) for linear in _linears(layer))


def packed_pooled(model: nn.Module, ids: Tensor, mask: Tensor, *, mode: str) -> Tensor:
    """One float32 vector for each text of a padded batch; the padding is not computed.

    Shape:
        ids, mask int64 `[batch, tokens]`; at least one token each -> `[batch, hidden_size]`.

    Args:
        model: See `packed_hidden`.
        ids: Token numbers; texts of one length one behind the other are computed together.
        mask: 1 where there is a token, 0 behind the last.
        mode: See `pool`.
    """
    spans = spans_of(mask.sum(1).tolist())
    hidden = packed_hidden(model, ids[mask.bool()], spans).float()
    pooled = []
    for start, n_texts, length in spans:
        texts = hidden[start : start + n_texts * length].view(n_texts, length, -1)
        pooled.append(pool(texts, mask.new_ones(n_texts, length), mode=mode))
    return torch.cat(pooled)


def packed_batches(lengths: Sequence[int], *, n_tokens: int) -> Iterator[list[int]]:
    """Positions of texts, short ones first, at most so many tokens together, or a text alone."""
    batch: list[int] = []
    taken = 0
    for position in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and taken + lengths[position] > n_tokens:
            yield batch
            batch, taken = [], 0
        batch.append(position)
        taken += lengths[position]
    if batch:
        yield batch


def packed_hidden(model: nn.Module, ids: Tensor, spans: Spans) -> Tensor:
    """Last hidden states of texts that lie one behind the other.

    Why: a tenth of padded tokens is padding, and attention without a mask is faster. Products,
    activations and norms work on all tokens at once, attention on the texts of one length.
    Each token's row is computed alike whatever lies beside it, to the bit (see
    `encoders.text.steady`). *differs* from
    transformers' own pass in the last bits: sums are taken in another order.
    Source: Devlin et al. (2019); packing: Krell et al. (2021), arXiv 2107.02027, without the mask.

    Shape:
        ids int64 `[tokens]` -> `[tokens, hidden_size]` in the format of the weights.

    Args:
        model: See `is_plain_bert`; on the CPU, nothing trains.
        ids: Token numbers of all texts.
        spans: Where the texts lie; together they are all of `ids`.
    """
    n_tokens = len(ids)
    hidden = _embedded(model, nn.functional.pad(ids, (0, -n_tokens % ROW_MULTIPLE)), spans)
    n_heads = int(model.config.num_attention_heads)  # type: ignore[union-attr,arg-type]
    for layer in _layers(model):
        hidden = _layer(layer, hidden, spans, n_heads=n_heads)
    return hidden[:n_tokens]


def spans_of(lengths: Sequence[int]) -> Spans:
    """The spans of texts of these lengths, in order.

    Example:
        >>> spans_of([3, 3, 5])
        [(0, 2, 3), (6, 1, 5)]
    """
    spans = []
    start = 0
    for length, group in groupby(lengths):
        n_texts = len(list(group))
        spans.append((start, n_texts, length))
        start += n_texts * length
    return spans


def one_by_one(spans: Spans) -> Spans:
    """The same texts, each a span of its own.

    Example:
        >>> one_by_one([(0, 2, 3), (6, 1, 5)])
        [(0, 1, 3), (3, 1, 3), (6, 1, 5)]
    """
    return [
        (start + place * length, 1, length)
        for start, n_texts, length in spans
        for place in range(n_texts)
    ]


def _layers(model: nn.Module) -> Any:
    return model.get_submodule("encoder.layer")


def _linears(layer: Any) -> list[nn.Module]:
    attention = layer.attention
    inner = [attention.self.query, attention.self.key, attention.self.value]
    return [*inner, attention.output.dense, layer.intermediate.dense, layer.output.dense]


def _embedded(model: Any, ids: Tensor, spans: Spans) -> Tensor:
    tables = model.embeddings
    places = torch.zeros_like(ids)
    for start, n_texts, length in spans:
        places[start : start + n_texts * length] = torch.arange(length).repeat(n_texts)
    hidden = tables.word_embeddings(ids) + tables.token_type_embeddings.weight[0]
    return _normalised(hidden.add_(tables.position_embeddings(places)), tables.LayerNorm)


def _layer(layer: Any, hidden: Tensor, spans: Spans, *, n_heads: int) -> Tensor:
    attention, output = layer.attention, layer.output
    source = _ready(hidden)
    parts = [_dense(_linear(source, part)) for part in _linears(layer)[:3]]
    mixed = _attention(parts, spans, n_heads=n_heads)
    mixed = _dense(_linear(_ready(mixed), attention.output.dense))
    hidden = _normalised(mixed.add_(hidden), attention.output.LayerNorm)
    inner = F.gelu(_linear(_ready(hidden), layer.intermediate.dense))
    return _normalised(_dense(_linear(_ready(inner), output.dense)).add_(hidden), output.LayerNorm)


def _attention(parts: Sequence[Tensor], spans: Spans, *, n_heads: int) -> Tensor:
    """Softmax(query key' / sqrt(head_dim)) value, text by text and head by head."""
    mixed = torch.zeros_like(parts[0])
    attend = _products if mixed.dtype == torch.bfloat16 and _has_softmax() else _fused
    head_dim = mixed.shape[1] // n_heads
    if not keeps_texts(attend, n_heads, head_dim, mixed.dtype, torch.get_num_threads()):
        spans = one_by_one(spans)
    for start, n_texts, length in spans:
        rows = slice(start, start + n_texts * length)
        shape = (n_texts, length, n_heads, -1)
        query, key, value = (part[rows].view(shape).transpose(1, 2) for part in parts)
        mixed[rows].view(shape).transpose(1, 2).copy_(attend(query, key, value))
    return mixed


def _fused(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(query, key, value)


def _products(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """The same from two products: torch's fused kernel is slow on short texts in bfloat16.

    Shape:
        Each `[texts, heads, length, head_dim]` -> the same.
    """
    shape = query.shape
    query, key, value = (part.reshape(-1, *shape[2:]) for part in (query, key, value))
    none = query.new_zeros(())
    scores = torch.baddbmm(none, query, key.transpose(1, 2), beta=0, alpha=shape[3] ** -0.5)
    # oneDNN's softmax takes any length; torch's own computes what exceeds 32 one by one.
    weights = scores.view(-1, shape[2]).to_mkldnn().softmax(-1).to_dense()
    return torch.bmm(weights.view_as(scores), value).view(shape)


def _normalised(hidden: Tensor, norm: Any) -> Tensor:
    return F.layer_norm(hidden, hidden.shape[1:], norm.weight, norm.bias, norm.eps)


def _linear(source: Tensor, layer: Any) -> Tensor:
    return steady_linear(source, layer.weight, layer.bias)


def _ready(source: Tensor) -> Tensor:
    """The same for oneDNN where it is faster: torch multiplies float32 by MKL.

    MKL leaves half of the vector width of AMD's processors unused.
    """
    fits = source.dtype == torch.float32 and has_avx512() and not source.is_mkldnn
    return source.to_mkldnn() if fits else source


def _dense(result: Tensor) -> Tensor:
    return result.to_dense() if result.is_mkldnn else result


@cache
def _has_softmax() -> bool:
    """True where oneDNN has a softmax in bfloat16; its settings may keep it from using AVX-512."""
    if not has_avx512():
        return False
    try:
        torch.zeros(1, 2, dtype=torch.bfloat16).to_mkldnn().softmax(-1)
    except RuntimeError:
        return False
    return True


@cache
def has_avx512() -> bool:
    """True where oneDNN computes 512 bits at a time; with fewer, its copies cost what it gains."""
    has = torch.cpu.get_capabilities()
    return all(has.get(f"avx512_{name}", False) for name in ("f", "bw", "vl", "dq"))

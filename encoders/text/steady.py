"""Matrix products that give a row the same bits in any company, on any processor.

Why: libraries choose how a product is computed by its number of rows, too, and with it the order in
which a row's terms are added. Which numbers matter depends on processor, version and threads: with
AMX, oneDNN adds 1,536 bfloat16 terms in other blocks for 384 rows than for 256. So it is measured,
once in a process for each shape; where rows change, they are computed in blocks of one size.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

ROW_MULTIPLE = 16
"""Rows of matrix products are filled up to a multiple of this: with few of them, kernels differ."""

ROW_BLOCKS = (256, ROW_MULTIPLE, 1)
"""Rows of one product where their number matters, tried in turn; one row has no company."""

PROBED_ROWS = (16, 32, 48, 112, 256, 384, 768, 1536)
PROBED_AMONG = 2048
PROBED_LENGTHS = (5, 16, 33, 64)
PROBED_TEXTS = (1, 2, 5)
PROBED_TEXTS_AMONG = 12

Product = Callable[[Tensor], Tensor]
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


class SteadyLinear(TorchFunctionMode):
    """Inside, linear layers on the CPU are computed by `steady_linear`, whoever calls them."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs one function of torch."""
        if func is F.linear and args[0].device.type == "cpu":
            return steady_linear(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


def steady_linear(source: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`source @ weight.T + bias`; a row's bits do not depend on the number of rows or its place.

    Shape:
        source `[..., inputs]`, dense or oneDNN's, weight `[outputs, inputs]` -> `[..., outputs]`,
        oneDNN's if the source is and rows need no blocks.
    """
    rows = _rows_of_one_product(
        tuple(weight.shape), weight.dtype, source.is_mkldnn, torch.get_num_threads()
    )
    if source.is_mkldnn:
        if rows is None:
            return F.linear(source, weight, bias)
        return in_blocks(_in_onednn(weight, bias), source.to_dense(), n_rows=rows)
    flat = source.reshape(-1, source.shape[-1])
    n_missing = -len(flat) % ROW_MULTIPLE
    product = _dense_product(weight, bias)
    if rows is not None:
        made = in_blocks(product, flat, n_rows=rows)
    else:
        made = product(F.pad(flat, (0, 0, 0, n_missing)) if n_missing else flat)[: len(flat)]
    return made.view(*source.shape[:-1], -1)


def in_blocks(product: Product, source: Tensor, *, n_rows: int) -> Tensor:
    """The product of blocks of one number of rows, the last filled up with zeros.

    Shape:
        source `[rows, inputs]` -> `[rows, outputs]`.
    """
    filled = F.pad(source, (0, 0, 0, -len(source) % n_rows))
    return torch.cat([product(block) for block in filled.split(n_rows)])[: len(source)]


def rows_of_one_product(product: Product, source: Tensor) -> int | None:
    """How many rows to multiply at once: None for any number, else one of `ROW_BLOCKS`.

    Args:
        product: Gives a row for a row.
        source: Rows to try it with; best such whose terms cancel, see `cancelling`.
    """
    if _keeps_rows(product, source):
        return None
    for n_rows in ROW_BLOCKS[:-1]:
        if _keeps_rows(partial(in_blocks, product, n_rows=n_rows), source):
            return n_rows
    return ROW_BLOCKS[-1]


def cancelling(shape: Iterable[int], order: Tensor, *, generator: torch.Generator) -> Tensor:
    """Numbers whose products with ones of the same order sum to zero along the last axis.

    Why: what is computed in place of zero is rounding alone, so each other order of additions shows
    in each sum. With usual numbers few of a thousand bfloat16 sums show it.

    Args:
        shape: Of what is wanted, without its last axis.
        order: A permutation of the terms, the same for both factors; their number may be odd.
        generator: Draws the numbers.
    """
    half = torch.randn(*shape, len(order) // 2, generator=generator)
    odd = torch.zeros(*half.shape[:-1], len(order) % 2)
    return torch.cat([half, half, odd], dim=-1)[..., order].contiguous()


def alternating(order: Tensor) -> Tensor:
    """1 and -1 for the two terms of each pair of `cancelling`."""
    half = torch.ones(len(order) // 2)
    return torch.cat([half, -half, torch.ones(len(order) % 2)])[order]


@lru_cache(maxsize=256)
def _rows_of_one_product(
    shape: tuple[int, int], dtype: torch.dtype, is_mkldnn: bool, n_threads: int
) -> int | None:
    """See `rows_of_one_product`; `n_threads`, with which it is called, is part of the choice."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(shape[1], generator=generator)
    weight = cancelling(shape[:1], order, generator=generator).to(dtype)
    source = cancelling((PROBED_AMONG,), order, generator=generator) * alternating(order)
    make = _in_onednn if is_mkldnn else _dense_product
    with torch.inference_mode():
        return rows_of_one_product(
            make(weight, torch.zeros(shape[0], dtype=dtype)), source.to(dtype)
        )


def _dense_product(weight: Tensor, bias: Tensor | None) -> Product:
    return lambda rows: F.linear(rows, weight, bias)


def _in_onednn(weight: Tensor, bias: Tensor | None) -> Product:
    return lambda rows: F.linear(rows.to_mkldnn(), weight, bias).to_dense()


def _keeps_rows(product: Product, source: Tensor) -> bool:
    """True if fewer rows, which then also lie elsewhere, come out as among all."""
    among = product(source)
    return all(
        torch.equal(product(source[-n_rows:].clone()), among[-n_rows:])
        for n_rows in PROBED_ROWS
        if n_rows < len(source)
    )


@lru_cache(maxsize=64)
def keeps_texts(
    attend: Attend, n_heads: int, head_dim: int, dtype: torch.dtype, n_threads: int
) -> bool:
    """True if attention gives a text the same bits alone and among others of its length.

    Args:
        attend: Of query, key and value, `[texts, heads, length, head_dim]` each.
        n_heads: Heads of a text.
        head_dim: Width of each.
        dtype: What is computed in.
        n_threads: What it is called with: another number may give another answer.
    """
    generator = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        for length in PROBED_LENGTHS:
            for parts in _probes(length, n_heads=n_heads, head_dim=head_dim, generator=generator):
                query, key, value = (part.to(dtype) for part in parts)
                among = attend(query, key, value)
                for n in PROBED_TEXTS:
                    alone = attend(*(part[-n:].clone() for part in (query, key, value)))
                    if not torch.equal(alone, among[-n:]):
                        return False
    return True


def _probes(
    length: int, *, n_heads: int, head_dim: int, generator: torch.Generator
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Scores that are rounding alone, then equal weights whose sums are."""
    shape = (PROBED_TEXTS_AMONG, n_heads, length)
    dims = torch.randperm(head_dim, generator=generator)
    places = torch.randperm(length, generator=generator)
    query = 2.0**12 * cancelling(shape, dims, generator=generator)
    key = 2.0**10 * cancelling(shape, dims, generator=generator) * alternating(dims)
    value = torch.randn(*shape, head_dim, generator=generator)
    sums = cancelling((*shape[:2], head_dim), places, generator=generator)
    sums = (sums * alternating(places)).transpose(2, 3).contiguous()
    return [(query, key, value), (torch.zeros_like(query), key, sums)]

"""The contract of decoders, as a test that anybody can run on a decoder of their own."""

import json
import math

import torch
from torch import Tensor

from heads.base import Floats, Head
from heads.check import BATCH, N_NETWORKS, example_target
from heads.contract import is_close, overfit, require
from heads.decoders.base import ClosedForm, Decoder, Memory
from heads.linear import LinearHead
from heads.sales_path import SalesPathHead
from heads.sales_volume import SalesVolumeHead

N_PAST = 5
"""Past periods of a row; each lacks some of the first."""


def check_decoder(
    decoder_class: type[Decoder], *, head: Head | None = None, target: Floats | None = None
) -> None:
    """Hold a decoder class to the contract of `Decoder`.

    A class with `closed_form = True` has no weights for gradients to reach, so that check falls
    away, and it is fitted to the batch by `solve` in place of gradient steps.

    Args:
        decoder_class: The class, which builds its own small instances by `tiny`.
        head: A head that suits the targets (default: `linear` for closed forms, `sales_path`
            where periods are read, else `sales_volume`, which has two raw outputs).
        target: Twelve differing training targets `[12, *target_shape]` of the head.

    Raises:
        AssertionError: At the first broken rule, which it names.

    Example:
        >>> from heads.decoders.linear import LinearDecoder
        >>> check_decoder(LinearDecoder)
    """
    if head is None:
        head = _example_head(decoder_class)
    target = example_target(type(head)) if target is None else target
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = decoder_class.tiny(BATCH, head)
        solved = isinstance(decoder, ClosedForm)
        require(solved == decoder.closed_form, "closed forms must have solve, the others not")
        require(bool(list(decoder.parameters())) != solved, "weights must be solved or trained")
        _check_shapes(decoder, head)
        if not solved:
            _check_start(decoder, head)
            _check_gradient(decoder, head, target)
        _check_overfit(decoder, head, target)
        _check_rows(decoder)
        _check_networks(decoder)
        _check_rebuild(decoder, head)
        if decoder.reads_periods:
            _check_past(decoder)
            _check_future(decoder)


def _example_head(decoder_class: type[Decoder]) -> Head:
    head_class: type[Head] = LinearHead if decoder_class.closed_form else SalesVolumeHead
    if decoder_class.reads_periods:
        head_class = SalesPathHead
    return head_class.fitted(example_target(head_class))


def _check_start(decoder: Decoder, head: Head) -> None:
    if head.start is None:
        return
    raw = decoder(torch.zeros(1, 1, BATCH))[0, 0]
    require(is_close(raw, head.start), "raw outputs of zeros must begin at the start of the head")


def _check_gradient(decoder: Decoder, head: Head, target: Floats) -> None:
    encoded = torch.from_numpy(head.encode_target(target))
    head.loss(decoder(_fused(BATCH), *_periods(decoder, BATCH)), encoded).backward()
    for name, weight in decoder.named_parameters():
        if weight.requires_grad:
            reached = weight.grad is not None and bool((weight.grad != 0).any())
            require(reached, f"the gradient must reach {name}")
            weight.grad = None


def _check_overfit(decoder: Decoder, head: Head, target: Floats) -> None:
    encoded = torch.from_numpy(head.encode_target(target))
    fused = torch.eye(BATCH)  # each row has a weight of its own, so a perfect fit exists

    periods = _periods(decoder, BATCH)

    def loss() -> Tensor:
        return head.loss(decoder(fused[:, None], *periods), encoded)

    if isinstance(decoder, ClosedForm):
        decoder.solve(fused.double().numpy(), head.additive_scale(target))
        found = float(loss())
    else:
        found = overfit([w for w in decoder.parameters() if w.requires_grad], loss)
    bound = 0.7 * head.constant_loss(encoded)
    require(found < bound, f"one batch must be overfitted below {bound}, got {found}")


def _check_shapes(decoder: Decoder, head: Head) -> None:
    for batch in (BATCH, 1, 0):
        for n_networks in (1, N_NETWORKS):
            raw = decoder(_fused(batch, n_networks))
            shape = (batch, n_networks, *head.target_shape, head.raw_dim)
            require(raw.shape == shape, f"raw must be {shape}, got {tuple(raw.shape)}")
            require(bool(raw.isfinite().all()), "raw must be finite")


def _check_rows(decoder: Decoder) -> None:
    fused = _fused(BATCH)
    order = torch.randperm(BATCH)
    together = decoder(fused)
    require(is_close(decoder(fused[order]), together[order]), "raw must follow the order of rows")
    alone = torch.cat([decoder(row[None]) for row in fused])
    require(is_close(alone, together), "raw must not depend on the other rows")


def _check_networks(decoder: Decoder) -> None:
    fused = _fused(BATCH)
    alone = torch.cat([decoder(fused[:, [place]]) for place in range(N_NETWORKS)], dim=1)
    require(is_close(alone, decoder(fused)), "raw must not depend on the other networks")


def _check_rebuild(decoder: Decoder, head: Head) -> None:
    config = json.loads(json.dumps(decoder.config))
    require(config == decoder.config, "config must survive JSON")
    again = type(decoder)(decoder.fused_dim, head, **config)
    again.load_state_dict(decoder.state_dict())
    fused = _fused(BATCH)
    same = torch.equal(again(fused), decoder(fused))
    require(same, "config and state must rebuild the decoder")


def _periods(decoder: Decoder, batch: int) -> tuple[Memory | None, Tensor | None]:
    """Past periods, of which each row lacks some, and coming ones; none where none are read."""
    if not decoder.reads_periods:
        return None, None
    values = torch.randn(batch, N_PAST, decoder.config["memory_dim"])
    there = torch.arange(N_PAST) >= torch.arange(batch)[:, None] % N_PAST
    future = torch.randn(batch, _n_entries(decoder), decoder.config["future_dim"])
    return Memory(values, there), future


def _n_entries(decoder: Decoder) -> int:
    """Numbers of the target that a decoder answers."""
    return math.prod(decoder.raw_shape[:-1])


def _check_past(decoder: Decoder) -> None:
    fused, (memory, future) = _fused(BATCH), _periods(decoder, BATCH)
    assert memory is not None and future is not None
    told = decoder(fused, memory, future)
    require(told.shape == decoder(fused).shape, "raw must be of one shape with and without periods")
    poisoned = memory.values.masked_fill(~memory.mask[..., None], torch.nan)
    same = torch.equal(decoder(fused, Memory(poisoned, memory.mask), future), told)
    require(same, "a period that is not there must change nothing")
    longer = Memory(
        torch.cat([torch.randn(BATCH, 2, poisoned.shape[-1]), memory.values], dim=1),
        torch.cat([torch.zeros(BATCH, 2, dtype=torch.bool), memory.mask], dim=1),
    )
    require(is_close(decoder(fused, longer, future), told), "padding must change nothing")
    moved = Memory(memory.values + 1.0, memory.mask)
    require(not is_close(decoder(fused, moved, future), told), "the past must be read")
    none = Memory(memory.values, torch.zeros_like(memory.mask))
    empty = Memory(memory.values[:, :0], memory.mask[:, :0])
    for nothing in (none, empty):
        same = is_close(decoder(fused, nothing, future), decoder(fused, None, future))
        require(same, "a past without a period must be that of no memory")
    rows = [
        decoder(fused[[row]], Memory(*(one[[row]] for one in memory)), future[[row]])
        for row in range(BATCH)
    ]
    require(is_close(torch.cat(rows), told), "raw must not depend on the periods of other rows")
    network = decoder(fused[:, [1]], memory, future)
    require(is_close(network, told[:, [1]]), "each network must read the same periods")


def _check_future(decoder: Decoder) -> None:
    fused, (memory, future) = _fused(BATCH), _periods(decoder, BATCH)
    assert future is not None
    n, told = future.shape[1], decoder(fused, memory, future)
    require(not is_close(decoder(fused, memory, future + 1.0), told), "the future must be read")
    for place in range(1, n):
        changed = torch.cat([future[:, :place], future[:, place:] + 1.0], dim=1)
        found = decoder(fused, memory, changed)[:, :, :place]
        require(is_close(found, told[:, :, :place]), "a later step must not change an earlier one")
    if n > 1:
        shorter = decoder(fused, memory, future[:, :-1])
        require(shorter.shape == told.shape, "numbers without a step of their own must be answered")


def _fused(batch: int, n_networks: int = N_NETWORKS) -> Tensor:
    return torch.randn(batch, n_networks, BATCH)

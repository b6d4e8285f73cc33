"""The contract of decoders, as a test that anybody can run on a decoder of their own."""

import json

import torch
from torch import Tensor

from heads.base import Floats, Head
from heads.check import BATCH, N_NETWORKS, example_target
from heads.contract import is_close, overfit, require
from heads.decoders.base import ClosedForm, Decoder
from heads.linear import LinearHead
from heads.sales_volume import SalesVolumeHead


def check_decoder(
    decoder_class: type[Decoder], *, head: Head | None = None, target: Floats | None = None
) -> None:
    """Hold a decoder class to the contract of `Decoder`.

    A class with `closed_form = True` has no weights for gradients to reach, so that check falls
    away, and it is fitted to the batch by `solve` in place of gradient steps.

    Args:
        decoder_class: The class, which builds its own small instances by `tiny`.
        head: A head that suits the targets (default: `linear` for closed forms, else
            `sales_volume`, which has two raw outputs).
        target: Twelve differing training targets `[12, *target_shape]` of the head.

    Raises:
        AssertionError: At the first broken rule, which it names.

    Example:
        >>> from heads.decoders.linear import LinearDecoder
        >>> check_decoder(LinearDecoder)
    """
    if head is None:
        head_class = LinearHead if decoder_class.closed_form else SalesVolumeHead
        head = head_class.fitted(example_target(head_class))
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


def _check_start(decoder: Decoder, head: Head) -> None:
    if head.start is None:
        return
    raw = decoder(torch.zeros(1, 1, BATCH))[0, 0]
    require(is_close(raw, head.start), "raw outputs of zeros must begin at the start of the head")


def _check_gradient(decoder: Decoder, head: Head, target: Floats) -> None:
    encoded = torch.from_numpy(head.encode_target(target))
    head.loss(decoder(_fused(BATCH)), encoded).backward()
    for name, weight in decoder.named_parameters():
        if weight.requires_grad:
            reached = weight.grad is not None and bool((weight.grad != 0).any())
            require(reached, f"the gradient must reach {name}")
            weight.grad = None


def _check_overfit(decoder: Decoder, head: Head, target: Floats) -> None:
    encoded = torch.from_numpy(head.encode_target(target))
    fused = torch.eye(BATCH)  # each row has a weight of its own, so a perfect fit exists

    def loss() -> Tensor:
        return head.loss(decoder(fused[:, None]), encoded)

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


def _fused(batch: int, n_networks: int = N_NETWORKS) -> Tensor:
    return torch.randn(batch, n_networks, BATCH)

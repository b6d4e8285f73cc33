"""The contract of heads, as a test that anybody can run on a head of their own."""

import json
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from heads.base import Floats, Head
from heads.closed_form import ClosedForm

BATCH, MEMBERS, STEPS, REPEATS = 12, 3, 300, 10
COUNTS = np.array([0.0, 1, 2, 4, 8, 15, 30, 60, 120, 250, 500, 1000])


def check_head(head_class: type[Head], *, target: Floats = COUNTS) -> None:
    """Hold a head class to the contract of `Head`.

    A class with `closed_form = True` has no weights for gradients to reach, so that check falls
    away, and it is fitted to the batch by `solve` in place of gradient steps.

    Args:
        head_class: The class, which builds its own small instance by `tiny`.
        target: Twelve differing training targets that the head accepts (default: counts).

    Raises:
        AssertionError: At the first broken rule, which it names.

    Example:
        >>> from heads.linear import LinearHead
        >>> check_head(LinearHead)
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for check in (_check_shapes, _check_ranges, _check_rows, _check_members, _check_rebuild):
            check(head_class.tiny())
        _check_target(head_class, target)
        _check_options(head_class, target)
        for check in (_check_shapes, _check_ranges, _check_rows, _check_members, _check_rebuild):
            check(_calibrated(head_class, target))
        if not head_class.closed_form:
            _check_gradient(head_class, target)
        _check_overfit(head_class, target)


def _check_shapes(head: Head) -> None:
    for batch in (BATCH, 1, 0):
        raw = head(_fused(head, batch))
        _require(raw.ndim == 2 and raw.shape[0] == batch, f"raw must be [{batch}, raw_dim]")
        columns = head.predict(raw)
        _require(tuple(columns) == head.columns, "predict must give `columns`, in order")
        for name, values in columns.items():
            _require(values.shape == (batch,), f"{name} must be [batch], got {values.shape}")
            _require(bool(values.isfinite().all()), f"{name} must be finite")
    described = tuple(column.name for column in head.described_columns)
    _require(described == head.columns, "described_columns must describe `columns`, in order")
    _require(head.task in ("regression", "classification"), "task must be one of the two")
    _require(head.statement() != "", "statement must say what the answer means")


def _check_ranges(head: Head) -> None:
    for size in (1.0, 1e2, 1e4):  # the last two are what a diverging training gives
        columns = head.predict(head(size * _fused(head, BATCH)))
        for name, values in columns.items():
            _require(bool(values.isfinite().all()), f"{name} must be finite at any input")
            if "units" in name:
                _require(bool((values >= 0).all()), f"{name} must be 0 or more units")
            if "probability" in name:
                inside = bool(((values >= 0) & (values <= 1)).all())
                _require(inside, f"{name} must be in [0, 1]")
        quantiles = [columns[name] for name in sorted(columns) if _is_quantile(name)]
        for lower, upper in pairwise(quantiles):
            _require(bool((lower <= upper).all()), "quantiles must be in order")


def _check_rows(head: Head) -> None:
    fused = _fused(head, BATCH)
    order = torch.randperm(BATCH)
    together = head.predict(head(fused))
    shuffled = head.predict(head(fused[order]))
    alone = [head.predict(head(row[None])) for row in fused]
    for name, values in together.items():
        _require(_close(shuffled[name], values[order]), f"{name} must follow the order of rows")
        single = torch.cat([columns[name] for columns in alone])
        _require(_close(single, values), f"{name} must not depend on the other rows")


def _check_members(head: Head) -> None:
    fused = _fused(head, BATCH)
    plain = head(fused)
    raw = head(fused[:, None].expand(-1, MEMBERS, -1))
    _require(raw.shape == (BATCH, MEMBERS, plain.shape[1]), "raw must keep the axes between")
    columns = head.predict(raw)
    for name, values in head.predict(plain).items():
        _require(_close(columns[name], values), f"{name} of equal members must be that of one")


def _check_rebuild(head: Head) -> None:
    config = json.loads(json.dumps(head.config))
    _require(config == head.config, "config must survive JSON")
    again = type(head)(**config)
    again.load_state_dict(head.state_dict())
    _require(again.config == head.config, "config must rebuild the head")
    fused = _fused(head, BATCH)
    rebuilt = again.predict(again(fused))
    for name, values in head.predict(head(fused)).items():
        _require(torch.equal(rebuilt[name], values), "config and state must rebuild the head")


def _check_target(head_class: type[Head], target: Floats) -> None:
    _require(not head_class.target_faults(target), "check_head needs targets that suit")
    broken = target.copy()
    broken[0] = np.nan
    _require(bool(head_class.target_faults(broken)), "a missing target must be a fault")
    head, encoded = _fitted(head_class, target)
    _require(encoded.shape == (len(target),), "encode_target must give [batch]")
    _require(encoded.dtype == torch.float32, "encode_target must give float32")
    _require(head.constant_loss(encoded) > 0, "constant_loss must be more than 0")
    same = encoded[:1].expand(len(target))
    _require(head.constant_loss(same) > 0, "constant_loss of equal targets must be more than 0")
    raw = head(torch.randn(len(target), len(target)))
    spread = raw[:, None].expand(-1, MEMBERS, -1)
    averaged = _close(head.loss(spread, encoded), head.loss(raw, encoded))
    _require(averaged, "loss of equal members must be that of one")
    columns = head.predict(raw)
    found = head.metrics(target, {name: _floats(values) for name, values in columns.items()})
    _require(head.primary_metric in found, "metrics must hold the primary metric")
    _require(all(type(value) is float for value in found.values()), "metrics must be floats")


def _check_options(head_class: type[Head], target: Floats) -> None:
    for options in head_class.open_options(target):
        head = head_class.fitted(target, in_dim=len(target), **options)
        _require(bool(np.isfinite(head.encode_target(target)).all()), "options must suit")


def _calibrated(head_class: type[Head], target: Floats) -> Head:
    """A head that was calibrated on answers of several members."""
    head = head_class.fitted(target, in_dim=len(target))
    fused = torch.randn(len(target) * REPEATS, MEMBERS, len(target))
    parts = np.repeat(np.arange(REPEATS), len(target))
    head.calibrate(head(fused), np.tile(target, REPEATS), parts=parts)
    return head


def _check_gradient(head_class: type[Head], target: Floats) -> None:
    head, encoded = _fitted(head_class, target)
    head.loss(head(torch.randn(len(target), len(target))), encoded).backward()
    for name, weight in head.named_parameters():
        if weight.requires_grad:
            reached = weight.grad is not None and bool((weight.grad != 0).any())
            _require(reached, f"the gradient must reach {name}")


def _check_overfit(head_class: type[Head], target: Floats) -> None:
    head, encoded = _fitted(head_class, target)
    fused = torch.eye(len(target))  # each row has a weight of its own, so a perfect fit exists
    if isinstance(head, ClosedForm):
        head.solve(_floats(fused), target)
    else:
        weights = [weight for weight in head.parameters() if weight.requires_grad]
        _train(weights, lambda: head.loss(head(fused), encoded))
    loss = head.loss(head(fused), encoded)
    _require(loss.ndim == 0 and bool(loss.isfinite()), "loss must be one finite number")
    _require(loss.item() >= 0, f"loss must be 0 or more, got {loss.item()}")
    bound = 0.7 * head.constant_loss(encoded)
    _require(loss.item() < bound, f"one batch must be overfitted below {bound}, got {loss.item()}")


def _train(weights: list[torch.nn.Parameter], loss: Callable[[], Tensor]) -> None:
    """RMSprop, written out: the first use of torch.optim loads a compiler, which takes seconds."""
    squares = [torch.zeros_like(weight) for weight in weights]
    for _ in range(STEPS):
        gradients = torch.autograd.grad(loss(), weights)
        with torch.no_grad():
            for weight, square, gradient in zip(weights, squares, gradients, strict=True):
                square.lerp_(gradient.square(), 0.1)
                weight.sub_(0.1 * gradient / (square.sqrt() + 1e-8))


def _fitted(head_class: type[Head], target: Floats) -> tuple[Head, Tensor]:
    head = head_class.fitted(target, in_dim=len(target))
    return head, torch.as_tensor(head.encode_target(target))


def _fused(head: Head, batch: int) -> Tensor:
    return torch.randn(batch, int(head.config["in_dim"]))


def _floats(values: Tensor) -> Floats:
    return values.detach().double().numpy()


def _is_quantile(name: str) -> bool:
    end = name.rpartition("_")[2]
    return end[:1] == "p" and end[1:].isdigit()


def _close(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-5, atol=1e-5)


def _require(holds: bool, rule: str) -> None:
    if not holds:
        raise AssertionError(rule)

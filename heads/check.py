"""The contract of heads, as a test that anybody can run on a head of their own."""

import json
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import torch
from torch import Tensor

from heads.base import Column, Floats, Head, Kind
from heads.contract import is_close, overfit, require

BATCH, N_NETWORKS, REPEATS = 12, 3, 10
COUNTS = np.array([0.0, 1, 2, 4, 8, 15, 30, 60, 120, 250, 500, 1000])
LABELS = ("down", "flat", "up")
NEARBY = 0.3


def check_head(head_class: type[Head], *, target: Floats | None = None, **options: Any) -> None:
    """Hold a head class to the contract of `Head`.

    Args:
        head_class: The class, which builds its own small instance by `tiny`.
        target: Twelve differing training targets `[12, *target_shape]` that the head accepts
            (default: counts, or positions of three labels).
        options: Options of `fitted` besides.

    Raises:
        AssertionError: At the first broken rule, which it names.

    Example:
        >>> from heads.linear import LinearHead
        >>> check_head(LinearHead)
    """
    tiny = head_class.tiny()
    target, options = example_target(head_class) if target is None else target, dict(options)
    if head_class.reads_labels:
        options.setdefault("labels", LABELS)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        _check_columns(tiny)
        fitted = head_class.fitted(target, **options)
        calibrated = _calibrated(head_class.fitted(target, **options), target)
        for head in (tiny, fitted, calibrated):
            _check_shapes(head)
            _check_ranges(head)
            _check_rows(head)
            _check_networks(head)
            _check_steps(head)
            _check_rebuild(head)
        _check_target(fitted, target)
        _check_loss(fitted, target)
        _check_scores(fitted, target)
        _check_start(fitted, target)
        if not fitted.raw_is_additive:  # else the perfect raw outputs are known
            _check_overfit(fitted, target)
        _check_options(head_class, target, options)


def example_target(head_class: type[Head]) -> Floats:
    """Twelve training targets `[12, *target_shape]`: counts, shares, or positions of labels."""
    shape = head_class.tiny().target_shape
    counts = COUNTS / COUNTS.mean() if head_class.reads_relative else COUNTS
    values = np.arange(BATCH) % len(LABELS) * 1.0 if head_class.reads_labels else counts
    steps = [np.roll(values, step) for step in range(*shape)] if shape else values
    return np.asarray(steps).T.copy()


def _check_columns(head: Head) -> None:
    columns, n_steps = head.columns, [*head.target_shape, None][0]
    require(len(head.target_shape) <= 1, "target_shape must be () or (n_steps,)")
    require(head.raw_dim >= 1, "raw_dim must be 1 or more")
    require(bool(columns), "columns must hold the answer")
    require(len({column.name for column in columns}) == len(columns), "names must be unique")
    for column in columns:
        name = column.name
        require(column.kind in get_args(Kind), f"kind of {name} must be one of {get_args(Kind)}")
        require((column.level is not None) == (column.kind == "quantile"), f"level of {name}")
        require(0 < (column.level or 0.5) < 1, f"level of {name} must be in (0, 1)")
        steps = [None] if n_steps is None else range(1, n_steps + 1)
        require(column.step in steps, f"step of {name} must be one of {list(steps)}")
    require(head.task in ("regression", "classification"), "task must be one of the two")
    require(head.describe() != "", "describe must say what the answer means")


def _check_shapes(head: Head) -> None:
    names = tuple(column.name for column in head.columns)
    for batch in (BATCH, 1, 0):
        for n_networks in (1, N_NETWORKS):
            columns = head.decode(_raw(head, batch, n_networks))
            require(tuple(columns) == names, "decode must give `columns`, in order")
            for name, values in columns.items():
                require(values.shape == (batch,), f"{name} must be [batch], got {values.shape}")
                require(values.dtype == torch.float64, f"{name} must be float64")
                require(bool(values.isfinite().all()), f"{name} must be finite")


def _check_ranges(head: Head) -> None:
    for size in (1.0, 1e2, 1e4):  # the last two are what a diverging training gives
        values = head.decode(size * _raw(head, BATCH, N_NETWORKS))
        for column in head.columns:
            found = values[column.name]
            require(bool(found.isfinite().all()), f"{column.name} must be finite at any input")
            if column.unit == "units":
                require(bool((found >= 0).all()), f"{column.name} must be 0 or more units")
            if column.kind == "probability":
                inside = bool(((found >= 0) & (found <= 1)).all())
                require(inside, f"{column.name} must be in [0, 1]")
        for step in {column.step for column in head.columns}:
            _check_step(tuple(c for c in head.columns if c.step == step), values)


def _check_step(columns: tuple[Column, ...], values: dict[str, Tensor]) -> None:
    """Quantiles in order, and probabilities of all classes beside the likeliest of them."""
    levels = sorted((c.level or 0.0, c.name) for c in columns if c.kind == "quantile")
    for (_, lower), (_, upper) in pairwise(levels):
        require(bool((values[lower] <= values[upper]).all()), "quantiles must be in order")
    classes = [values[column.name] for column in columns if column.kind == "class"]
    if classes:
        chances = torch.stack([values[c.name] for c in columns if c.kind == "probability"])
        total = chances.sum(dim=0)
        require(is_close(total, torch.ones_like(total)), "probabilities of classes must sum to 1")
        for found in classes:
            likeliest = chances.argmax(dim=0).double()
            require(torch.equal(found, likeliest), "a class must be the position of the likeliest")


def _check_rows(head: Head) -> None:
    raw = _raw(head, BATCH, N_NETWORKS)
    order = torch.randperm(BATCH)
    together, shuffled = head.decode(raw), head.decode(raw[order])
    alone = [head.decode(row[None]) for row in raw]
    for name, values in together.items():
        require(is_close(shuffled[name], values[order]), f"{name} must follow the order of rows")
        single = torch.cat([columns[name] for columns in alone])
        require(is_close(single, values), f"{name} must not depend on the other rows")


def _check_networks(head: Head) -> None:
    raw = _raw(head, BATCH, N_NETWORKS)
    one = raw[:, :1]
    repeated = head.decode(one.expand_as(raw))
    mirrored = head.decode(raw.flip(1))
    for name, values in head.decode(one).items():
        require(is_close(repeated[name], values), f"{name} of equal networks must be that of one")
    for name, values in head.decode(raw).items():
        require(is_close(mirrored[name], values), f"{name} must not depend on the networks' order")


def _check_steps(head: Head) -> None:
    raw = _raw(head, BATCH, N_NETWORKS)
    for place in range(*head.target_shape) if head.target_shape else ():
        changed = raw.clone()
        changed[:, :, place] += 1.0
        before, after = head.decode(raw), head.decode(changed)
        others = [column.name for column in head.columns if column.step != place + 1]
        for name in others:
            require(is_close(before[name], after[name]), f"{name} must depend on its step alone")


def _check_rebuild(head: Head) -> None:
    config = json.loads(json.dumps(head.config))
    require(config == head.config, "config must survive JSON")
    again = type(head)(**config)
    require(again.config == head.config, "config must rebuild the head")
    require(again.columns == head.columns, "config must rebuild the columns")
    raw = _raw(head, BATCH, N_NETWORKS)
    rebuilt = again.decode(raw)
    for name, values in head.decode(raw).items():
        require(torch.equal(rebuilt[name], values), "config must rebuild the head")


def _check_target(head: Head, target: Floats) -> None:
    require(not head.target_faults(target), "check_head needs targets that suit")
    broken = target.copy()
    broken[0] = np.nan
    masks = list(head.target_faults(broken).values())
    require(bool(masks), "a missing target must be a fault")
    shape = (len(target), *head.target_shape)
    require(all(m.shape == shape for m in masks), f"masks of target_faults must be {shape}")
    encoded = head.encode_target(target)
    require(encoded.shape == shape, f"encode_target must give {shape}, got {encoded.shape}")
    require(encoded.dtype == np.float32, "encode_target must give float32")
    columns = head.decode(_raw(head, BATCH, 1))
    found = head.metrics(target, {name: values.numpy() for name, values in columns.items()})
    require(head.primary_metric in found, "metrics must hold the primary metric")
    require(all(type(value) is float for value in found.values()), "metrics must be floats")


def _check_loss(head: Head, target: Floats) -> None:
    encoded = torch.from_numpy(head.encode_target(target))
    raw = _raw(head, BATCH, 2).requires_grad_()
    loss = head.loss(raw, encoded)
    require(loss.ndim == 0 and bool(loss.isfinite()), "loss must be one finite number")
    require(loss.item() >= 0, f"loss must be 0 or more, got {loss.item()}")
    alone = torch.stack([head.loss(raw[:, [place]], encoded) for place in range(2)])
    require(is_close(alone.mean(), loss), "loss must be the mean over networks, each on its own")
    single = [head.loss(raw[[row]], encoded[[row]]) for row in range(BATCH)]
    require(is_close(torch.stack(single).mean(), loss), "loss must be the mean over rows")
    (gradient,) = torch.autograd.grad(loss, raw)
    reached = bool((gradient != 0).any(dim=0).all())
    require(reached, "the gradient must reach every raw output of every network")
    require(head.constant_loss(encoded) > 0, "constant_loss must be more than 0")
    same = encoded[:1].expand_as(encoded)
    require(head.constant_loss(same) > 0, "constant_loss of equal targets must be more than 0")


def _check_scores(head: Head, target: Floats) -> None:
    scores = head.additive_scale(target)
    shape = (len(target), head.n_scores)
    require(scores.shape == shape, f"additive_scale must give {shape}, got {scores.shape}")
    require(scores.dtype == np.float64, "additive_scale must give float64")
    require(bool(np.isfinite(scores).all()), "additive_scale must be finite")
    if head.raw_is_additive:
        raw = torch.from_numpy(scores).reshape(len(target), 1, *head.target_shape, head.raw_dim)
        encoded = torch.from_numpy(head.encode_target(target))
        bound = 1e-3 * head.constant_loss(encoded)
        require(head.loss(raw, encoded).item() < bound, "additive raw outputs must be perfect")


def _check_start(head: Head, target: Floats) -> None:
    shape = (*head.target_shape, head.raw_dim)
    start, given = torch.zeros(shape), head.start
    encoded = torch.from_numpy(head.encode_target(target))

    def loss(raw: Tensor) -> float:
        return float(head.loss(raw.expand(len(target), 1, *shape), encoded))

    if given is not None:
        start = given
        require(start.shape == shape, f"start must be {shape}, got {tuple(start.shape)}")
        require(start.dtype == torch.float32, "start must be float32")
        reached = loss(start) <= 1.02 * head.constant_loss(encoded)
        require(reached, "start must be as good as the best constant answer")
    away = NEARBY if given is not None else 1.0  # zeros are about it
    for place in range(start.numel()):
        for move in (-away, away):
            moved = start.clone()
            moved.view(-1)[place] += move
            better = loss(moved) < loss(start) * (1 - 1e-4)
            require(not better, "start must be better than other constants nearby")


def _check_overfit(head: Head, target: Floats) -> None:
    encoded = torch.from_numpy(head.encode_target(target))
    raw = _raw(head, BATCH, 1).requires_grad_()
    loss = overfit([raw], lambda: head.loss(raw, encoded))
    bound = 0.7 * head.constant_loss(encoded)
    require(loss < bound, f"one batch must be overfitted below {bound}, got {loss}")
    require(loss >= 0, f"loss must be 0 or more, got {loss}")


def _check_options(head_class: type[Head], target: Floats, options: dict[str, Any]) -> None:
    for some in head_class.open_options(target, **options):
        head = head_class.fitted(target, **some)
        require(bool(np.isfinite(head.encode_target(target)).all()), "options must suit")


def _calibrated(head: Head, target: Floats) -> Head:
    """A head that was calibrated on answers of several networks."""
    raw = _raw(head, len(target) * REPEATS, N_NETWORKS)
    parts = np.repeat(np.arange(REPEATS), len(target))
    head.calibrate(raw, np.concatenate([target] * REPEATS), parts=parts)
    return head


def _raw(head: Head, batch: int, n_networks: int) -> Tensor:
    """Raw outputs around the start, at random."""
    raw = torch.randn(batch, n_networks, *head.target_shape, head.raw_dim)
    return raw if head.start is None else raw + head.start

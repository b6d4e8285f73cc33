"""The laws of `Encoder` as a check that any encoder, built in or not, has to pass."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import Encoder
from encoders.series.windows import Windows


def check_encoder(encoder: Encoder, values: Any, *, tolerance: float = 1e-5) -> None:
    """Check that an encoder keeps every law of `Encoder`; it is left as it was.

    Args:
        encoder: The encoder, fitted if it has anything to fit.
        values: At least three different raw values: a list, a DataFrame for tables, or windows of
            series, the last of which has a history.
        tolerance: Largest difference of two embeddings that count as equal.

    Raises:
        AssertionError: If a law is broken; the message names it.

    Example:
        >>> from encoders import BertEncoder
        >>> check_encoder(BertEncoder.tiny(), ["a red dress", "shoes", "a long blue coat"])
    """
    was_training = encoder.training
    encoder.eval()
    embeddings = encoder.encode(values)
    _check_shape(encoder, embeddings, rows=len(values))
    _check_empty_batch(encoder, values)
    _check_rows_alone(encoder, values, embeddings, tolerance=tolerance)
    _check_absent(encoder, values)
    _check_named_contents(encoder, values)
    _check_round_trip(encoder, values, embeddings)
    _check_changed_weights(encoder)
    _check_gradient(encoder, values)
    _check_frozen_in_training(encoder, values, tolerance=tolerance)
    encoder.train(was_training)


def _check_shape(encoder: Encoder, embeddings: NDArray[np.float32], *, rows: int) -> None:
    wanted = (rows, encoder.embedding_dim)
    assert embeddings.shape == wanted, f"encode must give {wanted}, got {embeddings.shape}"
    assert embeddings.dtype == np.float32, f"encode must give float32, got {embeddings.dtype}"
    assert np.isfinite(embeddings).all(), "embeddings must be finite"


def _check_empty_batch(encoder: Encoder, values: Any) -> None:
    empty = _rows(values, [])
    for shape in (encoder.encode(empty).shape, tuple(_forward(encoder, empty).shape)):
        assert shape == (0, encoder.embedding_dim), f"no values must give no rows, got {shape}"


def _check_rows_alone(
    encoder: Encoder, values: Any, embeddings: NDArray[np.float32], *, tolerance: float
) -> None:
    alone = np.concatenate([encoder.encode(_rows(values, [i])) for i in range(len(values))])
    _assert_close(alone, embeddings, tolerance, "a row must not depend on its neighbours")
    order = list(range(len(values)))[::-1]
    turned = encoder.encode(_rows(values, order))
    _assert_close(turned, embeddings[order], tolerance, "rows must keep their order")


def _check_absent(encoder: Encoder, values: Any) -> None:
    if isinstance(values, pd.DataFrame):
        first = values.astype(object).head(1)
        mixed: Any = pd.concat([first.where(first.isna(), None), first])
    elif isinstance(values, Windows):
        mixed = values.take(np.array([-1, -1])).recent(np.array([0, 10_000]))
    else:
        mixed = [None, values[0]]
    output = _forward(encoder, mixed)
    assert output.shape == (2, encoder.embedding_dim), "an absent value must keep its row"
    assert bool(output.isfinite().all()), "an absent value must give a finite embedding"


def _check_named_contents(encoder: Encoder, values: Any) -> None:
    """What is kept under the hash of a file must be what was read of it, not what it was before."""
    if not encoder.cacheable:
        return
    for part in (part for value in values for part in encoder.parts(value)):
        (read,) = encoder.read([part])
        wanted = hashlib.sha256(encoder.content(part)).digest()
        rule = "read must give sha256, the hash of the content that it has read"
        assert read.sha256 in (None, wanted), f"{rule}, got another"
        assert read.sha256 or not isinstance(part, Path), (
            f"{rule}, where a part is a file, got none"
        )


def _check_round_trip(encoder: Encoder, values: Any, embeddings: NDArray[np.float32]) -> None:
    rebuilt = _rebuilt(encoder)
    assert rebuilt.config == encoder.config, "config must rebuild an encoder of the same config"
    assert rebuilt.fingerprint == encoder.fingerprint, (
        "config and weights must give one fingerprint"
    )
    assert np.array_equal(rebuilt.encode(values), embeddings), (
        "a rebuilt encoder must embed equally"
    )


def _check_changed_weights(encoder: Encoder) -> None:
    """Weights that come from outside are covered by the hash in `origin` instead."""
    changed = _rebuilt(encoder)
    weights = [t for t in changed.state_dict().values() if t.is_floating_point() and t.numel()]
    if encoder.origin is not None or not weights:
        return
    with torch.no_grad():
        weights[-1] += 1.0
    assert changed.fingerprint != encoder.fingerprint, "other weights must give another fingerprint"


def _check_gradient(encoder: Encoder, values: Any) -> None:
    if not encoder.is_trainable:
        return
    encoder.zero_grad()
    output = _forward(encoder, values)
    direction = torch.linspace(-1, 1, output.numel()).to(output).view_as(output)
    torch.autograd.backward((output * direction).sum())
    for name, weight in encoder.named_parameters():
        if weight.requires_grad:
            assert weight.grad is not None, f"a gradient must reach {name}"
            assert bool(weight.grad.isfinite().all()), f"the gradient of {name} must be finite"
    encoder.zero_grad()


def _check_frozen_in_training(encoder: Encoder, values: Any, *, tolerance: float) -> None:
    """Dropout and batch statistics of frozen weights would show in training mode."""
    if encoder.is_trainable:
        return
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    encoder.train()
    output = _forward(encoder, values).detach().float().cpu().numpy()
    rule = "a frozen encoder must stay in evaluation mode after train()"
    _assert_close(output, _forward(encoder.eval(), values).float().cpu().numpy(), tolerance, rule)
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name]), f"{rule}, got another {name}"


def _forward(encoder: Encoder, values: Any) -> Tensor:
    output: Tensor = encoder(encoder.preprocess(values))
    return output


def _rebuilt(encoder: Encoder) -> Encoder:
    rebuilt = type(encoder)(**json.loads(json.dumps(encoder.config)))
    rebuilt.load_state_dict(encoder.state_dict())
    rebuilt.eval()
    return rebuilt


def _rows(values: Any, positions: list[int]) -> Any:
    if isinstance(values, pd.DataFrame):
        return values.iloc[positions]
    if isinstance(values, Windows):
        return values.take(np.array(positions, dtype=np.int64))
    return [values[i] for i in positions]


def _assert_close(
    left: NDArray[np.float32], right: NDArray[np.float32], tolerance: float, rule: str
) -> None:
    largest = float(np.abs(left - right).max(initial=0.0))
    assert largest <= tolerance, f"{rule}, got a difference of {largest:.2g}"

"""The axes between batch and last one: members of an ensemble, side by side."""

from torch import Tensor


def beside(target: Tensor, raw: Tensor) -> Tensor:
    """A target `[batch]` with axes of length one, so that it broadcasts over `raw[..., 0]`.

    Shape:
        target `[batch]`, raw `[batch, ..., raw_dim]`; returns `[batch, 1, ...]`.
    """
    return target.reshape(target.shape[0], *[1] * (raw.ndim - 2))


def member_mean(values: Tensor) -> Tensor:
    """Mean over every axis but the first, in the unit of the values.

    Shape:
        values `[batch, ...]`; returns `[batch]`.
    """
    return values if values.ndim == 1 else values.mean(dim=tuple(range(1, values.ndim)))


def side_by_side(values: Tensor) -> Tensor:
    """The values of all members of a row in one axis.

    Shape:
        values `[batch, ...]`; returns `[batch, n_members]`.
    """
    return values[:, None] if values.ndim == 1 else values.flatten(start_dim=1)

"""Quantile levels: how they are checked, kept in order and scored."""

from collections.abc import Iterable, Mapping, Sequence
from numbers import Real

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from heads.base import Floats

LEVELS = (0.1, 0.5, 0.9)
"""A median and an interval of 80 %."""
LEAST_GAP = 0.01
"""Distance between two quantiles at the start: 0 could not be learned away from."""


def checked_levels(levels: Sequence[float]) -> list[float]:
    """Levels in ascending order.

    Raises:
        ValueError: If there are none, two are the same or one is not in (0, 1).
    """
    is_list = isinstance(levels, Iterable) and not isinstance(levels, str | Mapping)
    given = list(levels) if is_list else None
    numbers = given and all(isinstance(one, Real) and 0.0 < one < 1.0 for one in given)
    ordered = sorted(float(level) for level in given or ()) if numbers else []
    if not ordered or len({percent(level) for level in ordered}) < len(ordered):
        raise ValueError(
            "levels must be a list of one or more different numbers in (0, 1), got "
            f"{levels if given is None else given}. "
            "Give [0.1, 0.5, 0.9] for a median and an interval of 80 %."
        )
    return ordered


def percent(level: float) -> str:
    """A level as the names of columns tell it.

    Example:
        >>> percent(0.1), percent(0.025)
        ('p10', 'p2.5')
    """
    return f"p{100 * level:g}"


def spaced_quantiles(free: Tensor, middle: int) -> Tensor:
    """Quantiles `[..., n_levels]` that never cross, of free numbers of the same shape.

    *Source:* Schmidt and Zhu (2016), quantile spacings; *differs:* softplus in place of the
    exponential.

    Args:
        free: The quantile at the place `middle`, and gaps before softplus at the others.
        middle: Place of the level that the others are counted from.
    """
    anchor, gaps = free[..., [middle]], F.softplus(free)
    below = gaps[..., :middle].flip(-1).cumsum(dim=-1).flip(-1)
    above = gaps[..., middle + 1 :].cumsum(dim=-1)
    return torch.cat([anchor - below, anchor, anchor + above], dim=-1)


def free_quantiles(quantiles: Tensor, middle: int) -> Tensor:
    """What `spaced_quantiles` makes ascending quantiles of, gaps of 0.01 or more; float64."""
    ordered = quantiles.double()
    before = ordered.diff(dim=-1).clamp(min=LEAST_GAP).expm1().log()  # softplus gives gaps again
    return torch.cat([before[..., :middle], ordered[..., [middle]], before[..., middle:]], dim=-1)


def pinball_losses(missed: Tensor, levels: Sequence[float]) -> Tensor:
    """Pinball losses of `target - quantile`, with the levels along the last axis.

    *Source:* Koenker and Bassett (1978).
    """
    tau = torch.tensor(levels, dtype=torch.float64).to(missed)
    return torch.maximum(tau * missed, (tau - 1.0) * missed)


def best_quantiles(values: Floats, levels: Sequence[float]) -> Floats:
    """Those of the values `[n]`, `[n_levels]`, that have the least pinball loss."""
    return np.asarray(np.quantile(values, levels, method="inverted_cdf"))

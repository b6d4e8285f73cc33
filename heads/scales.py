"""Scales on which a regression is learned, and the way back to the unit of the target."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from heads.base import LIMIT, Floats

Scale = Literal["identity", "log", "log1p", "rank"]
SKEWED = 1.0
"""Skewness above which a logarithm is tried where no row is held out to choose a scale by."""
N_KNOTS = 101
RANKED_ROWS = 100
"""Rows below which ranks say too little of a distribution."""


def check_scale(scale: str) -> None:
    """Stops at a scale that does not exist.

    Raises:
        ValueError: With the scales that do.
    """
    if scale not in get_args(Scale):
        raise ValueError(
            f"scale must be one of {', '.join(get_args(Scale))}, got {scale!r}. "
            "Use fitted() with transform='auto'."
        )


def holds(target: Floats, scale: Scale) -> bool:
    """Whether a scale has a place for every target."""
    lowest_allowed = {"log": target > 0, "log1p": target >= 0}
    return bool(lowest_allowed.get(scale, target >= -LIMIT).all())


def suited_scales(target: Floats) -> tuple[Scale, ...]:
    """Scales worth trying, that of `likely_scale` first; `identity` alone for equal targets."""
    if not len(target) or np.ptp(target) == 0:
        return ("identity",)
    scales: list[Scale] = ["identity", *(("rank",) if len(target) >= RANKED_ROWS else ())]
    scales += [scale for scale in ("log", "log1p") if holds(target, scale)]
    first = likely_scale(target)
    return (first, *(scale for scale in scales if scale != first))


def likely_scale(target: Floats) -> Scale:
    """A logarithm where it at least halves a skewness above 1, else `identity`."""
    scale: Scale = "log" if (target > 0).all() else "log1p"
    if (target < 0).any() or _skewness(target) <= SKEWED:
        return "identity"
    after = _skewness(encode(target, scale, lowest=-math.inf))
    return scale if abs(after) <= _skewness(target) / 2 else "identity"


def rank_knots(target: Floats) -> list[float]:
    """Quantiles of targets at evenly spaced levels, in order: what the scale `rank` is made of."""
    n_knots = min(N_KNOTS, len(target))
    levels = (np.arange(n_knots) + 0.5) / n_knots
    levels[0], levels[-1] = 0.0, 1.0
    return [float(value) for value in np.quantile(target, levels)]


def encode(target: Floats, scale: Scale, *, lowest: float, knots: Sequence[float] = ()) -> Floats:
    """Targets on a scale; `lowest` stands for what a logarithm cannot hold."""
    if scale == "identity":
        return target
    if scale == "rank":
        values, scores = _rank_table(knots)
        return np.interp(target, values, scores)
    held = target > (0 if scale == "log" else -1)
    output = np.full(target.shape, lowest)
    (np.log if scale == "log" else np.log1p)(target, out=output, where=held)
    return output


def decode(scaled: Tensor, scale: Scale, *, knots: Sequence[float] = ()) -> Tensor:
    """Back from a scale, within +-1e100; within the knots on the scale `rank`."""
    if scale == "identity":
        return scaled.clamp(-LIMIT, LIMIT)
    if scale == "rank":
        values, scores = _rank_table(knots)
        return torch.from_numpy(np.interp(scaled.detach().cpu().numpy(), scores, values)).to(scaled)
    scaled = scaled.clamp(max=math.log(LIMIT))
    return scaled.exp() if scale == "log" else scaled.expm1().clamp(min=0.0)


def _rank_table(knots: Sequence[float]) -> tuple[Floats, Floats]:
    """Distinct values and their normal scores; a value that fills several knots gets their mean."""
    levels = (np.arange(len(knots)) + 0.5) / len(knots)
    values, places = np.unique(np.asarray(knots, dtype=np.float64), return_inverse=True)
    return values, np.bincount(places, weights=ndtri(levels)) / np.bincount(places)


def _skewness(values: Floats) -> float:
    spread = values.std()
    if spread <= 1e-12 * abs(values.mean()):
        return 0.0
    return float((((values - values.mean()) / spread) ** 3).mean())

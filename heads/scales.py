"""Scales on which a regression is learned, and the way back to the unit of the target."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from torch import Tensor

from heads.base import LIMIT, Floats

Scale = Literal["identity", "sqrt", "log", "log1p", "rank"]
SKEWED = 1.0
"""Skewness above which a logarithm is tried where no row is held out to choose a scale by."""
GROWING: tuple[Scale, ...] = ("sqrt", "log", "log1p")
"""Scales of targets that are never negative."""
N_KNOTS = 101
RANKED_ROWS = 100
"""Rows below which ranks say too little of a distribution."""
REACH = 8.0
"""Targets and answers are clipped this many standard deviations from the mean."""


@dataclass(frozen=True)
class StandardScale:
    """A scale and the targets' standard deviations on it: where raw outputs of a head lie.

    Args:
        scale: `"identity"`, `"sqrt"` (square root, targets >= 0), `"log"` (targets > 0), `"log1p"`
            (targets >= 0) or `"rank"` (normal scores of the ranks).
        mean: Mean of the training targets on that scale.
        std: Standard deviation on that scale, >= 0; 0 makes every answer the mean.
        knots: With `"rank"` alone: training targets at evenly spaced levels, ascending.

    Raises:
        ValueError: If the scale is unknown, the std negative, or knots are missing or left over.

    Example:
        >>> StandardScale.fitted(np.array([1.0, 10, 100, 1e3, 1e4])).scale
        'log'
    """

    scale: Scale = "identity"
    mean: float = 0.0
    std: float = 1.0
    knots: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_scale(self.scale)
        if not self.std >= 0.0:
            raise ValueError(f"std must be 0 or more, got {self.std}. Use fitted().")
        if (self.scale == "rank") != (len(self.knots) > 0):
            raise ValueError(
                f"knots must be given with the scale rank alone, got {len(self.knots)} with "
                f"{self.scale!r}. Use fitted(), which takes them from the training rows."
            )

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild it, JSON-serialisable."""
        return {**vars(self), "knots": list(self.knots)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The scale that a configuration tells of."""
        return cls(**{**config, "knots": tuple(config.get("knots", ()))})

    @property
    def is_never_negative(self) -> bool:
        """True where no answer can lie below 0, whatever rows happen to show."""
        return self.scale in GROWING or (self.scale == "rank" and self.knots[0] >= 0)

    def encode(self, target: Floats) -> Floats:
        """Standard deviations from the mean, clipped to [-8, 8], of the same shape.

        So a test row that the log scale cannot hold (0 or less) lies at -8, and metrics, which
        see the target itself, still count it in full.
        """
        lowest = self.mean - REACH * (self.std or 1.0)
        scaled = encode(target, self.scale, lowest=lowest, knots=self.knots)
        distance = (scaled - self.mean) / (self.std or 1.0)
        clipped: Floats = distance.clip(-REACH, REACH)
        return clipped

    def decode(self, deviations: Tensor) -> Tensor:
        """Values in the unit of the target, float64, of the same shape.

        Standard deviations from the mean are clipped to [-8, 8] and values to +-1e100, so that
        they are finite; on the log scales and that of the square root values are >= 0. A larger
        deviation is never a smaller value.
        """
        scaled = self.mean + self.std * deviations.double().clamp(-REACH, REACH)
        return decode(scaled, self.scale, knots=self.knots)

    @classmethod
    def fitted(cls, target: Floats, transform: Scale | Literal["auto"] = "auto") -> Self:
        """The scale of training targets.

        Args:
            target: Training targets, of any shape.
            transform: A scale; or `"auto"`: a logarithm (`log` if every target is > 0, `log1p` if
                every one is >= 0) where the skewness exceeds 1 and the logarithm at least halves
                its absolute value; else `identity`.

        Raises:
            ValueError: If the named scale cannot hold the targets.
        """
        scale = likely_scale(target) if transform == "auto" else transform
        check_scale(scale)
        if not holds(target, scale):
            raise ValueError(
                f"target must suit the scale {scale!r}, got {target.min()}. Use transform='auto'."
            )
        knots = rank_knots(target) if scale == "rank" else []
        scaled = encode(target, scale, lowest=-math.inf, knots=knots)
        mean, std = float(scaled.mean()), float(scaled.std())
        constant = std <= 1e-12 * abs(mean)  # what rounding leaves of equal targets
        return cls(scale, mean, 0.0 if constant else std, tuple(knots))


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
    lowest_allowed = {"log": target > 0, "log1p": target >= 0, "sqrt": target >= 0}
    return bool(lowest_allowed.get(scale, target >= -LIMIT).all())


def suited_scales(target: Floats) -> tuple[Scale, ...]:
    """Scales worth trying, that of `likely_scale` first; `identity` alone for equal targets."""
    if not len(target) or np.ptp(target) == 0:
        return ("identity",)
    scales: list[Scale] = ["identity", *(("rank",) if len(target) >= RANKED_ROWS else ())]
    scales += [scale for scale in GROWING if holds(target, scale)]
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
    """Targets on a scale; `lowest` stands for what a logarithm or a square root cannot hold."""
    if scale == "identity":
        return target
    if scale == "rank":
        values, scores = _rank_table(knots)
        return np.interp(target, values, scores)
    held = {"sqrt": target >= 0, "log": target > 0, "log1p": target > -1}[scale]
    output = np.full(target.shape, lowest)
    {"sqrt": np.sqrt, "log": np.log, "log1p": np.log1p}[scale](target, out=output, where=held)
    return output


def decode(scaled: Tensor, scale: Scale, *, knots: Sequence[float] = ()) -> Tensor:
    """Back from a scale, within +-1e100; within the knots on the scale `rank`."""
    if scale == "identity":
        return scaled.clamp(-LIMIT, LIMIT)
    if scale == "rank":
        values, scores = _rank_table(knots)
        return torch.from_numpy(np.interp(scaled.detach().cpu().numpy(), scores, values)).to(scaled)
    if scale == "sqrt":
        return scaled.clamp(0.0, math.sqrt(LIMIT)).square()
    scaled = scaled.clamp(max=math.log(LIMIT))
    return scaled.exp() if scale == "log" else scaled.expm1().clamp(min=0.0)


def normal_scores(levels: Sequence[float] | Floats) -> Floats:
    """Where the standard normal distribution has levels in (0, 1), float64, of the same length."""
    scores: Floats = torch.special.ndtri(torch.as_tensor(levels, dtype=torch.float64)).numpy()
    return scores


def _rank_table(knots: Sequence[float]) -> tuple[Floats, Floats]:
    """Distinct values and their normal scores; a value that fills several knots gets their mean."""
    levels = (np.arange(len(knots)) + 0.5) / len(knots)
    values, places = np.unique(np.asarray(knots, dtype=np.float64), return_inverse=True)
    return values, np.bincount(places, weights=normal_scores(levels)) / np.bincount(places)


def _skewness(values: Floats) -> float:
    std = values.std()
    if std <= 1e-12 * abs(values.mean()):
        return 0.0
    return float((((values - values.mean()) / std) ** 3).mean())

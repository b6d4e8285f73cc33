"""Regression: any real number of a product, such as its price."""

import math
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor, nn
from torch.nn import functional as F

from heads import metrics
from heads.base import LEAST_LOSS, LIMIT, Floats, Head
from heads.members import beside, member_mean

Scale = Literal["identity", "log", "log1p"]
REACH = 8.0
"""Targets and answers are clipped this many spreads away from the centre."""
SKEWED = 1.0
"""Skewness above which a logarithm is tried."""


class RegressionHead(Head):
    """A real number in the unit of the target, learned by Huber loss on a standardised scale.

    Why: Huber loss (1964; delta 1 spread) is squared error near the answer and absolute error far
    away, so outliers do not rule. On the log scales errors are relative, and the decoded answer is
    the conditional median (not the mean) where errors are symmetric in logs.

    Shape:
        raw `[batch, ..., 1]`: spreads away from the centre.

    Args:
        in_dim: Length of a fused vector.
        scale: `"identity"`, `"log"` (targets > 0) or `"log1p"` (targets >= 0).
        centre: Mean of the training targets on that scale.
        spread: Standard deviation on that scale, >= 0; 0 makes every answer the centre.

    Raises:
        ValueError: If the scale is unknown or the spread negative.

    Example:
        >>> RegressionHead.fitted(np.array([1.0, 10, 100, 1e3, 1e4]), in_dim=2).scale
        'log'
    """

    task: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "r2"
    higher_is_better: ClassVar[bool] = True

    def __init__(
        self, in_dim: int, *, scale: Scale = "identity", centre: float = 0.0, spread: float = 1.0
    ) -> None:
        super().__init__()
        _check_scale(scale)
        if not spread >= 0.0:
            raise ValueError(f"spread must be 0 or more, got {spread}. Use fitted().")
        self.in_dim, self.scale, self.centre, self.spread = in_dim, scale, centre, spread
        self.linear = nn.Linear(in_dim, 1)

    @property
    def columns(self) -> tuple[str, ...]:
        """The answer in the unit of the target."""
        return ("prediction",)

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        return {name: getattr(self, name) for name in ("in_dim", "scale", "centre", "spread")}

    def forward(self, fused: Tensor) -> Tensor:
        """Raw `[batch, ..., 1]`: spreads away from the centre."""
        raw: Tensor = self.linear(fused)
        return raw

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Mean Huber loss (delta 1) in squared spreads, >= 0."""
        answer = raw[..., 0]
        return F.huber_loss(answer, beside(target, raw).expand_as(answer))

    def predict(self, raw: Tensor) -> dict[str, Tensor]:
        """The answer in the unit of the target, float64; members are averaged after decoding.

        It stays within 8 spreads of the centre and within +-1e100, so it is finite; on the log
        scales it is >= 0.
        """
        scaled = self.centre + self.spread * raw[..., 0].double().clamp(-REACH, REACH)
        return {"prediction": member_mean(_decode(scaled, self.scale))}

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """Spreads away from the centre, clipped to [-8, 8], the reach of `predict`.

        So a test row that the log scale cannot hold (0 or less) lies at -8, and metrics, which
        see the target itself, still count it in full.
        """
        lowest = self.centre - REACH * (self.spread or 1.0)
        distance = (_encode(target, self.scale, lowest) - self.centre) / (self.spread or 1.0)
        clipped: NDArray[np.float32] = distance.clip(-REACH, REACH).astype(np.float32)
        return clipped

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """R2, mean absolute and root mean squared error, WAPE and rank correlation."""
        names = ("r2", "mae", "rmse", "wape", "spearman")
        return {name: getattr(metrics, name)(target, prediction["prediction"]) for name in names}

    def constant_loss(self, target: Tensor) -> float:
        """Huber loss of the best constant, at least 0.001 (a constant target has none)."""
        values = target.double().cpu()

        def huber(constant: float) -> float:
            return float(F.huber_loss(torch.full_like(values, constant), values))

        bounds = (float(values.min()), float(values.max()) + 1e-9)
        found = optimize.minimize_scalar(huber, bounds=bounds, method="bounded")
        return max(huber(float(found.x)), LEAST_LOSS)

    @classmethod
    def fitted(  # type: ignore[override]  # names its options, so that a typo fails
        cls, target: Floats, *, in_dim: int, transform: Scale | Literal["auto"] = "auto"
    ) -> Self:
        """A head standardised by mean and standard deviation of the training targets.

        Args:
            target: Training targets.
            in_dim: Length of a fused vector.
            transform: A scale, or `"auto"`: a logarithm (`log` if every target is > 0, `log1p` if
                every one is >= 0) where the skewness exceeds 1 and the logarithm at least halves
                its absolute value; else `identity`.

        Raises:
            ValueError: If the named scale cannot hold the targets.
        """
        scale = _best_scale(target) if transform == "auto" else transform
        _check_scale(scale)
        if not _holds(target, scale):
            raise ValueError(
                f"target must suit the scale {scale!r}, got {target.min()}. Use transform='auto'."
            )
        scaled = _encode(target, scale, -math.inf)
        centre, spread = float(scaled.mean()), float(scaled.std())
        constant = spread <= 1e-12 * abs(centre)  # what rounding leaves of equal targets
        return cls(in_dim, scale=scale, centre=centre, spread=0.0 if constant else spread)

    @classmethod
    def tiny(cls) -> Self:
        """Four inputs, answers around 20."""
        return cls(4, scale="log", centre=3.0, spread=0.5)

    def statement(self) -> str:
        """One sentence that states what the answer means."""
        if self.scale == "identity":
            return "prediction = expected target, between its mean and its median (Huber loss)"
        return f"prediction = median target (Huber loss on the {self.scale} scale)"


def _check_scale(scale: str) -> None:
    if scale not in get_args(Scale):
        raise ValueError(
            f"scale must be one of {', '.join(get_args(Scale))}, got {scale!r}. "
            "Use fitted() with transform='auto'."
        )


def _holds(target: Floats, scale: Scale) -> bool:
    lowest_allowed = {"identity": target >= -LIMIT, "log": target > 0, "log1p": target >= 0}
    return bool(lowest_allowed[scale].all())


def _encode(target: Floats, scale: Scale, lowest: float) -> Floats:
    """Targets on a scale; `lowest` stands for what the scale cannot hold."""
    if scale == "identity":
        return target
    held = target > (0 if scale == "log" else -1)
    output = np.full(target.shape, lowest)
    (np.log if scale == "log" else np.log1p)(target, out=output, where=held)
    return output


def _decode(scaled: Tensor, scale: Scale) -> Tensor:
    if scale == "identity":
        return scaled.clamp(-LIMIT, LIMIT)
    scaled = scaled.clamp(max=math.log(LIMIT))
    return scaled.exp() if scale == "log" else scaled.expm1().clamp(min=0.0)


def _best_scale(target: Floats) -> Scale:
    scale: Scale = "log" if (target > 0).all() else "log1p"
    if (target < 0).any() or _skewness(target) <= SKEWED:
        return "identity"
    after = _skewness(_encode(target, scale, -math.inf))
    return scale if abs(after) <= _skewness(target) / 2 else "identity"


def _skewness(values: Floats) -> float:
    spread = values.std()
    if spread <= 1e-12 * abs(values.mean()):
        return 0.0
    return float((((values - values.mean()) / spread) ** 3).mean())

"""Regression: any real number of a product, such as its price."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from heads.answer_maps import AnswerMap, fit_mean_map, fit_median_map
from heads.base import LEAST_LOSS, Column, Floats, Head
from heads.members import beside, member_mean, side_by_side
from heads.scales import (
    Scale,
    check_scale,
    decode,
    encode,
    holds,
    likely_scale,
    rank_knots,
    suited_scales,
)

REACH = 8.0
"""Targets and answers are clipped this many spreads away from the centre."""
OFFSET = 0.1
"""Share of the mean target that is added to answers which may be 0, before they are mapped."""


class RegressionHead(Head):
    """A real number in the unit of the target: its conditional mean, and about its median.

    Why: Huber loss (1964; delta 1 spread) on a standardised scale is squared error near the answer
    and absolute error far away, so outliers do not rule; what it learns lies near the median. On
    a skewed target the mean lies elsewhere, so `calibrate` finds a map to it on rows held out.

    Shape:
        raw `[batch, ..., 1]`: spreads away from the centre.

    Args:
        in_dim: Length of a fused vector.
        scale: `"identity"`, `"log"` (targets > 0), `"log1p"` (targets >= 0) or `"rank"` (normal
            scores of the ranks).
        centre: Mean of the training targets on that scale.
        spread: Standard deviation on that scale, >= 0; 0 makes every answer the centre.
        knots: With `"rank"` alone: training targets at evenly spaced levels, ascending.
        mean_map: Configuration of the `AnswerMap` from what is learned to the mean; None where
            they are the same.
        median_map: The same to the median.

    Raises:
        ValueError: If the scale is unknown, the spread negative, or knots are missing or left over.

    Example:
        >>> RegressionHead.fitted(np.array([1.0, 10, 100, 1e3, 1e4]), in_dim=2).scale
        'log'
    """

    task: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "r2"
    higher_is_better: ClassVar[bool] = True

    def __init__(
        self,
        in_dim: int,
        *,
        scale: Scale = "identity",
        centre: float = 0.0,
        spread: float = 1.0,
        knots: Sequence[float] = (),
        mean_map: Mapping[str, Any] | None = None,
        median_map: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_scale(scale)
        if not spread >= 0.0:
            raise ValueError(f"spread must be 0 or more, got {spread}. Use fitted().")
        if (scale == "rank") != (len(knots) > 0):
            raise ValueError(
                f"knots must be given with the scale rank alone, got {len(knots)} with {scale!r}. "
                "Use fitted(), which takes them from the training rows."
            )
        self.in_dim, self.scale, self.centre, self.spread = in_dim, scale, centre, spread
        self.knots = list(knots)
        self.mean_map = AnswerMap.from_config(mean_map)
        self.median_map = AnswerMap.from_config(median_map)
        self.linear = nn.Linear(in_dim, 1)

    @property
    def columns(self) -> tuple[str, ...]:
        """Conditional mean and about the median, in the unit of the target."""
        return ("prediction", "prediction_p50")

    @property
    def described_columns(self) -> tuple[Column, ...]:
        """The same with their meaning."""
        mean, median = self.columns
        return (Column(mean, "mean"), Column(median, "quantile", level=0.5))

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        names = ("in_dim", "scale", "centre", "spread", "knots")
        maps = {"mean_map": self.mean_map, "median_map": self.median_map}
        return {
            **{name: getattr(self, name) for name in names},
            **{name: None if found is None else found.config for name, found in maps.items()},
        }

    def forward(self, fused: Tensor) -> Tensor:
        """Raw `[batch, ..., 1]`: spreads away from the centre."""
        raw: Tensor = self.linear(fused)
        return raw

    def loss(self, raw: Tensor, target: Tensor) -> Tensor:
        """Mean Huber loss (delta 1) in squared spreads, >= 0."""
        answer = raw[..., 0]
        return F.huber_loss(answer, beside(target, raw).expand_as(answer))

    def predict(self, raw: Tensor) -> dict[str, Tensor]:
        """Mean and median in the unit of the target, float64; members averaged after decoding.

        What is learned stays within 8 spreads of the centre and within +-1e100, so that it is
        finite; on the log scales both columns are >= 0. Each member's answer is mapped on its own.
        """
        answers = self._answers(raw)
        mean = answers if self.mean_map is None else self.mean_map(answers)
        median = answers if self.median_map is None else self.median_map(answers)
        return {"prediction": member_mean(mean), "prediction_p50": member_mean(median)}

    def calibrate(self, raw: Tensor, target: Floats, *, parts: NDArray[np.int64]) -> None:
        """Finds the maps to mean and median, see `heads.answer_maps`."""
        if self.spread == 0.0:
            return
        answers = side_by_side(self._answers(raw.detach())).cpu().numpy()
        by_factors = self._is_never_negative and bool((target >= 0).all())
        self.mean_map = fit_mean_map(
            answers,
            target,
            link="log" if by_factors else "identity",
            parts=parts,
            offset=0.0 if self.scale == "log" else OFFSET * float(np.abs(target).mean()),
        )
        self.median_map = fit_median_map(answers, target, parts=parts)

    @property
    def _is_never_negative(self) -> bool:
        """True where no answer can lie below 0, whatever the rows held out happen to show."""
        return self.scale in ("log", "log1p") or (self.scale == "rank" and self.knots[0] >= 0)

    def _answers(self, raw: Tensor) -> Tensor:
        """What each member answers, `[batch, ...]`, in the unit of the target."""
        scaled = self.centre + self.spread * raw[..., 0].double().clamp(-REACH, REACH)
        return decode(scaled, self.scale, knots=self.knots)

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """Spreads away from the centre, clipped to [-8, 8], the reach of `predict`.

        So a test row that the log scale cannot hold (0 or less) lies at -8, and metrics, which
        see the target itself, still count it in full.
        """
        lowest = self.centre - REACH * (self.spread or 1.0)
        scaled = encode(target, self.scale, lowest=lowest, knots=self.knots)
        distance = (scaled - self.centre) / (self.spread or 1.0)
        clipped: NDArray[np.float32] = distance.clip(-REACH, REACH).astype(np.float32)
        return clipped

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """R2, RMSE, bias and rank correlation of the mean; MAE and WAPE of the median.

        Why: the mean minimises squared error and adds up to the right total, the median minimises
        absolute error.
        """
        from heads import metrics  # scikit-learn takes seconds to import

        mean, median = prediction["prediction"], prediction["prediction_p50"]
        of_mean = {name: getattr(metrics, name)(target, mean) for name in ("r2", "rmse", "bias")}
        of_median = {name: getattr(metrics, name)(target, median) for name in ("mae", "wape")}
        return {**of_mean, **of_median, "spearman": metrics.spearman(target, mean)}

    def constant_loss(self, target: Tensor) -> float:
        """Huber loss of the best constant, at least 0.001 (a constant target has none)."""
        from scipy import optimize  # takes half a second to import

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
            transform: A scale, or `"auto"`: one of those of `open_options`, chosen on rows held
                out where a model is trained; here, where there are none, a logarithm (`log` if
                every target is > 0, `log1p` if every one is >= 0) where the skewness exceeds 1 and
                the logarithm at least halves its absolute value; else `identity`.

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
        centre, spread = float(scaled.mean()), float(scaled.std())
        constant = spread <= 1e-12 * abs(centre)  # what rounding leaves of equal targets
        return cls(
            in_dim, scale=scale, centre=centre, spread=0.0 if constant else spread, knots=knots
        )

    @classmethod
    def open_options(cls, target: Floats, **options: Any) -> tuple[dict[str, Any], ...]:
        """Every scale that holds the targets, where none is asked for."""
        if options.get("transform", "auto") != "auto":
            return (options,)
        return tuple({**options, "transform": scale} for scale in suited_scales(target))

    @classmethod
    def tiny(cls) -> Self:
        """Four inputs, answers around 20."""
        return cls(4, scale="log", centre=3.0, spread=0.5)

    def statement(self) -> str:
        """One sentence that states what the answer means."""
        loss = "Huber loss" + ("" if self.scale == "identity" else f" on the {self.scale} scale")
        mapped = ", mapped on rows held out"
        mean = "between mean and median" if self.mean_map is None else f"mean{mapped}"
        median = "about the median" if self.median_map is None else f"median{mapped}"
        return f"prediction = {mean}; prediction_p50 = {median}; learned with {loss}"

"""Regression: any real number of a product, such as its price."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from heads.answer_maps import AnswerMap, fit_mean_map, fit_median_map
from heads.base import LEAST_LOSS, Column, Floats, Head, Parts
from heads.conformal import NORMAL, Interval, fit_interval
from heads.scales import REACH, Scale, StandardScale, suited_scales

OFFSET = 0.1
"""Share of the mean target that is added to answers which may be 0, before they are mapped."""


class RegressionHead(Head):
    """A real number in the unit of the target: its conditional mean, median, and an interval.

    Why: Huber loss (1964; delta 1 deviation) on a standardised scale is squared error near the
    answer and absolute error far away, so outliers do not rule; what it learns lies near the
    median. On a skewed target the mean lies elsewhere, so `calibrate` finds a map to it on rows
    held out.

    Shape:
        raw `[batch, n_networks, 1]`: standard deviations from the mean.

    Args:
        scale: See `heads.scales.StandardScale`, as the next three.
        mean: Mean of the training targets on that scale.
        std: Standard deviation on that scale, >= 0; 0 makes every answer the mean.
        knots: With `"rank"` alone: training targets at evenly spaced levels, ascending.
        mean_map: Configuration of the `AnswerMap` from what is learned to the mean; None where
            they are the same.
        median_map: The same to the median.
        interval: Configuration of the `heads.conformal.Interval` around what is learned, on its
            scale; where None it is as wide as the training targets scatter.

    Raises:
        ValueError: If the scale is unknown, the std negative, or knots are missing or left over.

    Example:
        >>> RegressionHead.fitted(np.array([1.0, 10, 100, 1e3, 1e4])).describe()
        'prediction = between mean and median; prediction_p50 = about the median; prediction_p10 \
to prediction_p90 = 80 % of targets, as wide as targets scatter; learned on the log scale'
    """

    task: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "r2"
    higher_is_better: ClassVar[bool] = True
    raw_is_additive: ClassVar[bool] = True

    def __init__(
        self,
        *,
        scale: Scale = "identity",
        mean: float = 0.0,
        std: float = 1.0,
        knots: Sequence[float] = (),
        mean_map: Mapping[str, Any] | None = None,
        median_map: Mapping[str, Any] | None = None,
        interval: Mapping[str, Any] | None = None,
    ) -> None:
        self.standard = StandardScale(scale, mean, std, tuple(knots))
        self.mean_map = AnswerMap.from_config(mean_map)
        self.median_map = AnswerMap.from_config(median_map)
        self.interval = Interval.from_config(interval)

    @property
    def raw_dim(self) -> int:
        """One: the answer."""
        return 1

    @property
    def columns(self) -> tuple[Column, ...]:
        """Conditional mean, about the median, and an interval of 80 %, in the target's unit."""
        return (
            Column("prediction", "mean"),
            Column("prediction_p10", "quantile", level=0.1),
            Column("prediction_p50", "quantile", level=0.5),
            Column("prediction_p90", "quantile", level=0.9),
        )

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        names = ("mean_map", "median_map", "interval")
        maps = {name: getattr(self, name) for name in names}
        return {
            **self.standard.config,
            **{name: None if found is None else found.config for name, found in maps.items()},
        }

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Huber losses (delta 1) in squared standard deviations, >= 0, `[batch, n_networks]`."""
        answer = raw[..., 0]
        return F.huber_loss(answer, target[:, None].expand_as(answer), reduction="none")

    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """Mean and median in the unit of the target, float64; networks averaged after decoding.

        What is learned stays within 8 standard deviations of the mean and within +-1e100, so that
        it is finite; on the log scales both columns are >= 0. Each network's answer is mapped on
        its own.
        """
        answers = self.standard.decode(raw[..., 0])  # [batch, n_networks]
        mean = answers if self.mean_map is None else self.mean_map(answers)
        median = answers if self.median_map is None else self.median_map(answers)
        middle = median.mean(dim=1)
        low, high = self._ends(raw[..., 0])
        return {
            "prediction": mean.mean(dim=1),
            "prediction_p10": torch.minimum(low, middle),
            "prediction_p50": middle,
            "prediction_p90": torch.maximum(high, middle),
        }

    def _ends(self, answers: Tensor) -> tuple[Tensor, Tensor]:
        """Ends `[batch]` of the interval around the mean of the networks' answers."""
        center = answers.detach().double().mean(dim=1).clamp(-REACH, REACH)
        away = (self.interval or NORMAL)(center.cpu().numpy())
        low, high = (
            self.standard.decode(center + torch.from_numpy(end).to(center)) for end in away
        )
        return low, high

    def calibrate(
        self, raw: Tensor, target: Floats, *, parts: Parts, weight: Floats | None = None
    ) -> None:
        """Finds the maps to mean and median, and the interval.

        See `heads.answer_maps` and `heads.conformal`: the interval is found from errors on the
        scale that was learned.
        """
        if self.standard.std == 0.0:
            return
        answers = self.standard.decode(raw[..., 0].detach()).cpu().numpy()
        by_factors = self.standard.is_never_negative and bool((target >= 0).all())
        self.mean_map = fit_mean_map(
            answers,
            target,
            link="log" if by_factors else "identity",
            parts=parts,
            offset=0.0 if self.standard.scale == "log" else OFFSET * float(np.abs(target).mean()),
            weight=weight,
        )
        self.median_map = fit_median_map(answers, target, parts=parts, weight=weight)
        middle = raw[..., 0].detach().double().mean(dim=1).cpu().numpy().clip(-REACH, REACH)
        misses = self.standard.encode(target) - middle
        self.interval = fit_interval(middle, misses, parts=parts, weight=weight)

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """Standard deviations from the mean, clipped to [-8, 8], the reach of `decode`."""
        return self.standard.encode(target).astype(np.float32)

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """Errors of mean and median, rank correlation, and how honest the interval is.

        `r2`, `rmse`, `bias` and `spearman` are of the mean, which minimises squared error and adds
        up to the right total; `mae` and `wape` of the median, which minimises absolute error.
        `coverage_p10_p90` should be 0.8, `width_p10_p90` is in the unit of the target; both are nan
        where the two quantiles are the same in every row: such a method gives no range.
        """
        from heads import metrics  # scikit-learn takes seconds to import

        mean, median = prediction["prediction"], prediction["prediction_p50"]
        of_mean = {name: getattr(metrics, name)(target, mean) for name in ("r2", "rmse", "bias")}
        of_median = {name: getattr(metrics, name)(target, median) for name in ("mae", "wape")}
        low, high = prediction["prediction_p10"], prediction["prediction_p90"]
        width = float(np.mean(high - low))
        has_range = width > 0
        return {
            **of_mean,
            **of_median,
            "spearman": metrics.spearman(target, mean),
            "coverage_p10_p90": metrics.coverage(target, low, high) if has_range else math.nan,
            "width_p10_p90": width if has_range else math.nan,
        }

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
        cls, target: Floats, *, transform: Scale | Literal["auto"] = "auto"
    ) -> Self:
        """A head standardised by mean and standard deviation of the training targets.

        Args:
            target: Training targets.
            transform: A scale, or `"auto"`: one of those of `open_options`, chosen on rows held
                out where a model is trained; here, where there are none, that of
                `heads.scales.StandardScale.fitted`.

        Raises:
            ValueError: If the named scale cannot hold the targets.
        """
        return cls(**StandardScale.fitted(target, transform).config)

    @classmethod
    def open_options(cls, target: Floats, **options: Any) -> tuple[dict[str, Any], ...]:
        """Every scale that holds the targets, where none is asked for."""
        if options.get("transform", "auto") != "auto":
            return (options,)
        return tuple({**options, "transform": scale} for scale in suited_scales(target))

    @classmethod
    def tiny(cls) -> Self:
        """Answers around 20."""
        return cls(scale="log", mean=3.0, std=0.5)

    def describe(self) -> str:
        """One sentence that states what the answer means."""
        scale = self.standard.scale
        learned = "" if scale == "identity" else f"; learned on the {scale} scale"
        mapped = ", mapped on rows held out"
        mean = "between mean and median" if self.mean_map is None else f"mean{mapped}"
        median = "about the median" if self.median_map is None else f"median{mapped}"
        ends = "as wide as targets scatter" if self.interval is None else "from rows held out"
        return (
            f"prediction = {mean}; prediction_p50 = {median}; prediction_p10 to prediction_p90 = "
            f"80 % of targets, {ends}{learned}"
        )

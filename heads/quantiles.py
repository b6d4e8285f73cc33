"""Quantiles: below which numbers a product's target stays with given probabilities."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heads.base import LEAST_LOSS, Column, Floats, Head, Parts
from heads.conformal import conformal_quantile
from heads.levels import (
    LEVELS,
    best_quantiles,
    checked_levels,
    free_quantiles,
    percent,
    pinball_losses,
    spaced_quantiles,
)
from heads.scales import Scale, StandardScale, normal_scores
from heads.tree_objective import TreeObjective

MIN_ROWS = 20
"""Rows below which quantiles stay as they are."""


class QuantilesHead(Head):
    """Quantiles of any real target at any levels, in its unit; they never cross.

    Why: an interval for targets that follow no known distribution. Source: Koenker and Bassett
    (1978) for the loss; Schmidt and Zhu (2016), quantile spacings: the quantile nearest to the
    median is a number, each further one lies a positive gap away from the one before; *differs:*
    softplus in place of the exponential, and all levels are learned together.

    Shape:
        raw `[batch, n_networks, n_levels]`, by ascending level: standard deviations from the mean
        for the level nearest to 0.5, gaps before softplus for the others.

    Args:
        levels: Levels in (0, 1), in any order.
        standard: Configuration of the `heads.scales.StandardScale` of the training targets
            (default: the numbers themselves).
        starts: Quantiles of the training targets at the ascending levels, in standard deviations
            from the mean (default: those of a normal distribution).
        shifts: What is added to each quantile, in standard deviations (default: nothing);
            `calibrate` sets it.

    Raises:
        ValueError: If levels are not different and inside (0, 1), or a number does not suit.

    Example:
        >>> head = QuantilesHead.fitted(np.arange(1001.0), levels=(0.05, 0.5, 0.95))
        >>> answer = head.decode(head.start[None, None])
        >>> {name: round(value.item()) for name, value in answer.items()}
        {'prediction_p50': 500, 'prediction_p5': 50, 'prediction_p95': 950}
    """

    task: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "pinball"
    higher_is_better: ClassVar[bool] = False

    def __init__(
        self,
        *,
        levels: Sequence[float] = LEVELS,
        standard: Mapping[str, Any] | None = None,
        starts: Sequence[float] | None = None,
        shifts: Sequence[float] | None = None,
    ) -> None:
        self.levels = checked_levels(levels)
        n_levels = len(self.levels)
        self.standard = StandardScale.from_config(standard or {})
        self.starts = normal_scores(self.levels).tolist() if starts is None else list(starts)
        self.shifts = [0.0] * n_levels if shifts is None else list(shifts)
        if (len(self.starts), len(self.shifts)) != (n_levels, n_levels):
            raise ValueError(
                f"starts and shifts must be one number for each of {n_levels} levels, got "
                f"{len(self.starts)} and {len(self.shifts)}. Use fitted()."
            )

    @property
    def raw_dim(self) -> int:
        """One raw output a level."""
        return len(self.levels)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The quantile nearest to the median, then the others by ascending level."""
        first = self.levels[self._middle]
        ordered = [first, *(level for level in self.levels if level != first)]
        return tuple(Column(_name(level), "quantile", level=level) for level in ordered)

    @property
    def _middle(self) -> int:
        """Place of the level nearest to 0.5."""
        return int(np.abs(np.subtract(self.levels, 0.5)).argmin())

    @property
    def start(self) -> Tensor:
        """Raw outputs `[n_levels]` of the quantiles of the training targets."""
        starts = torch.tensor(self.starts, dtype=torch.float64)
        return free_quantiles(starts, self._middle).float()

    @property
    def n_scores(self) -> int:
        """One: the encoded target."""
        return 1

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        names = ("levels", "starts", "shifts")
        own = {name: getattr(self, name) for name in names}
        return {**own, "standard": self.standard.config}

    def encode_target(self, target: Floats) -> NDArray[np.float32]:
        """Standard deviations from the mean, clipped to [-8, 8], the reach of `decode`."""
        return self.standard.encode(target).astype(np.float32)

    @property
    def tree_objective(self) -> TreeObjective:
        """Pinball loss of the level nearest to the median, on the scale that is learned."""
        level = self.levels[self._middle]
        return TreeObjective("quantile", self.additive_scale, parameters={"alpha": level})

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Pinball losses in standard deviations, >= 0, `[batch, n_networks, n_levels]`."""
        quantiles = self._scaled_quantiles(raw)
        return pinball_losses(target[:, None, None] - quantiles, self.levels)

    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """Quantiles in the unit of the target, float64, ordered by level.

        Networks are averaged on the scale, level by level. What is learned stays within 8
        standard deviations of the mean and within +-1e100; on the log scales all columns are >= 0.
        Where shifts turn the order of two levels, their values are exchanged: Chernozhukov et al.
        (2010), quantile curves without crossing.
        """
        quantiles = self._scaled_quantiles(raw.double()).mean(dim=1)  # [batch, n_levels]
        shifted = quantiles + torch.tensor(self.shifts, dtype=torch.float64).to(quantiles)
        values = self.standard.decode(shifted.sort(dim=1).values).unbind(dim=1)
        by_level = dict(zip(self.levels, values, strict=True))
        return {column.name: by_level[column.level or 0.0] for column in self.columns}

    def calibrate(
        self, raw: Tensor, target: Floats, *, parts: Parts, weight: Floats | None = None
    ) -> None:
        """Sets the shifts, so that the asked share of rows held out lies below each quantile.

        Source: Romano et al. (2019), conformalized quantile regression, theorem 2 (each side on
        its own), on the scale that was learned; *differs:* every level has a side.
        """
        del parts  # each shift is one number, and no choice
        if len(target) < MIN_ROWS or self.standard.std == 0.0:
            return
        quantiles = self._scaled_quantiles(raw.detach().double()).mean(dim=1).cpu().numpy()
        missed = self.standard.encode(target)[:, None] - quantiles
        self.shifts = [
            conformal_quantile(missed[:, place], level, weight)
            for place, level in enumerate(self.levels)
        ]

    def _scaled_quantiles(self, raw: Tensor) -> Tensor:
        """Quantiles in standard deviations from the mean, of the same shape, ascending."""
        return spaced_quantiles(raw, self._middle)

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """Mean pinball loss of all levels; errors of the median; how honest the outermost pair is.

        `wape` and `mae` are there where the level 0.5 was asked for. The share of targets inside
        the outermost two quantiles, and their distance in the unit of the target, are nan where
        the two are the same in every row: a method that answers with one number gives no range.
        """
        from heads import metrics  # scikit-learn takes seconds to import

        values = {level: prediction[_name(level)] for level in self.levels}
        losses = [metrics.pinball(target, each, level=level) for level, each in values.items()]
        found = {"pinball": float(np.mean(losses))}
        if 0.5 in values:
            found["wape"] = metrics.wape(target, values[0.5])
            found["mae"] = metrics.mae(target, values[0.5])
        if len(values) > 1:
            low, high = values[self.levels[0]], values[self.levels[-1]]
            pair = f"{percent(self.levels[0])}_{percent(self.levels[-1])}"
            width = float(np.mean(high - low))
            covered = metrics.coverage(target, low, high)
            found[f"coverage_{pair}"] = covered if width > 0 else math.nan
            found[f"width_{pair}"] = width if width > 0 else math.nan
        return found

    def constant_loss(self, target: Tensor) -> float:
        """Loss of the targets' own quantiles, at least 0.001 (a constant target has none)."""
        values = target.double().cpu()
        best = torch.from_numpy(best_quantiles(values.numpy(), self.levels))
        return max(float(pinball_losses(values[:, None] - best, self.levels).mean()), LEAST_LOSS)

    @classmethod
    def fitted(  # type: ignore[override]  # names its options, so that a typo fails
        cls,
        target: Floats,
        *,
        levels: Sequence[float] = LEVELS,
        transform: Scale | Literal["auto"] = "auto",
    ) -> Self:
        """A head that starts at the quantiles of the training targets.

        Args:
            target: Training targets.
            levels: Levels in (0, 1), in any order.
            transform: A scale, or `"auto"`, see `heads.scales.StandardScale.fitted`.

        Raises:
            ValueError: If the named scale cannot hold the targets, or levels do not suit.
        """
        levels = checked_levels(levels)
        standard = StandardScale.fitted(target, transform)
        starts = best_quantiles(standard.encode(target), levels).tolist()
        return cls(levels=levels, standard=standard.config, starts=starts)

    @classmethod
    def tiny(cls) -> Self:
        """An interval of 80 % around 20."""
        return cls(standard=StandardScale("log", 3.0, 0.5).config)

    def describe(self) -> str:
        """The levels, and how they are learned."""
        levels = ", ".join(f"{level:g}" for level in self.levels)
        scale = self.standard.scale
        loss = "pinball loss" + ("" if scale == "identity" else f" on the {scale} scale")
        held_out = ", shifted on rows held out" if any(self.shifts) else ""
        return f"quantiles of the levels {levels}; learned with {loss}{held_out}"


def _name(level: float) -> str:
    return f"prediction_{percent(level)}"

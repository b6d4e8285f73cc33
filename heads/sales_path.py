"""Sales path: how much is sold in each of the coming periods, and in all of them together."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from heads.base import LEAST_LOSS, LIMIT, Column, Floats, Head, Parts
from heads.levels import (
    LEVELS,
    checked_levels,
    free_quantiles,
    percent,
    pinball_losses,
    spaced_quantiles,
)
from heads.path_losses import LEAST_MEAN, best_constants, poisson_deviance
from heads.path_metrics import path_metrics
from heads.sales_distribution import SalesDistribution
from heads.sales_units import SalesUnits, Stages, answers_in_units, choose_units, path_in_units
from heads.tree_objective import TreeObjective

GRID = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
"""Levels that are always learned: between them lies the distribution of what is sold."""


class SalesPathHead(Head):
    """Sales of each coming period and of all together: median, mean and quantiles.

    Targets and answers are relative: units divided by the recent level of the item, as
    `fusion.forecasting` does it, so that items which sell thousands and items which sell two are
    alike. The last number of a path is the whole window, as units a period. It is an entry of its
    own: no quantile of a sum is the sum of quantiles.

    Why: with rows weighted by their level, the pinball loss of the median is the WAPE in units.
    *Source:* Koenker and Bassett (1978) for the quantiles; Wen et al. (2017), multi-horizon
    quantile forecaster, for all steps at once; *differs:* the mean is learned beside them, by
    Poisson deviance.

    Shape:
        raw `[batch, n_networks, horizon + 1, 1 + n_grid]`: the mean, then quantiles by the
        ascending levels of `grid`; values themselves, so the mean of several raws is an answer.
        target `[batch, horizon + 1]`, NaN where it is not known: it is left out of losses.

    Args:
        horizon: Steps, >= 1.
        levels: Levels of the quantile columns, in (0, 1), in any order.
        starts: Best constant raw outputs `[horizon + 1][1 + n_grid]` (default: all 1).
        units: Configuration of the `heads.sales_units.SalesUnits` that turns answers into units
            (default: learned quantiles, not rounded); `fit_units` finds it.

    Raises:
        ValueError: If the horizon is below 1, levels do not suit, or starts have another shape.

    Example:
        >>> head = SalesPathHead.fitted(np.array([[0.5, 1.5, 1.0], [1.5, 0.5, 1.0]]))
        >>> head.horizon, head.raw_dim, head.columns[0].name, head.columns[-1].name
        (2, 12, 'sales_units_step_1_p50', 'sales_units_window_p90')
    """

    task: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "pinball"
    higher_is_better: ClassVar[bool] = False
    reads_relative: ClassVar[bool] = True
    stem: ClassVar[str] = "sales_units"
    """What names of columns begin with."""
    unit: ClassVar[str] = "units"
    says: ClassVar[str] = "units of each of {n} periods and of all together"
    beside: ClassVar[str] = "the recent level"

    def __init__(
        self,
        *,
        horizon: int,
        levels: Sequence[float] = LEVELS,
        starts: Sequence[Sequence[float]] | None = None,
        units: Mapping[str, Any] | None = None,
    ) -> None:
        if horizon < 1:
            raise ValueError(f"horizon must be 1 or more, got {horizon}. Give the steps to answer.")
        self.horizon, self.levels = horizon, checked_levels(levels)
        both = dict(zip(map(percent, (*GRID, *self.levels)), (*GRID, *self.levels), strict=True))
        self.grid = sorted(both.values())
        shape = (horizon + 1, self.raw_dim)
        self.starts = np.ones(shape).tolist() if starts is None else [list(one) for one in starts]
        alike = [len(one) for one in self.starts] == [shape[1]] * shape[0]
        if not alike or not np.isfinite(self.starts).all():
            raise ValueError(
                f"starts must be {shape[0]} times {shape[1]} finite numbers, got others. Use "
                "fitted()."
            )
        self.units = SalesUnits(**(units or {}))
        self.check_units()

    def check_units(self) -> None:
        """Refuses units, such as those of a file, that do not suit the head.

        Raises:
            ValueError: With what they must be.
        """
        self.units.check(n_entries=self.horizon + 1, n_levels=len(self.grid))

    @property
    def target_shape(self) -> tuple[int, ...]:
        """The steps, and the window."""
        return (self.horizon + 1,)

    @property
    def raw_dim(self) -> int:
        """The mean and the quantiles of `grid`."""
        return 1 + len(self.grid)

    @property
    def middle(self) -> int:
        """Place of the median in `grid`."""
        return self.grid.index(0.5)

    @property
    def columns(self) -> tuple[Column, ...]:
        """Of each step and then of the window: the median, the mean, the other quantiles.

        The median comes whether or not it was asked for. `window` is empty for steps.
        """
        entries = [(f"step_{step}", "") for step in range(1, self.horizon + 1)]
        entries += [("window", f"{self.horizon} periods")]
        found: list[Column] = []
        for step, (name, window) in enumerate(entries, start=1):
            stem = f"{self.stem}_{name}"
            about: dict[str, Any] = {"step": step, "window": window, "unit": self.unit}
            found += [
                Column(f"{stem}_p50", "quantile", level=0.5, **about),
                Column(stem, "mean", **about),
                *(
                    Column(f"{stem}_{percent(level)}", "quantile", level=level, **about)
                    for level in self.levels
                    if level != 0.5
                ),
            ]
        return tuple(found)

    @property
    def start(self) -> Tensor:
        """Means and quantiles `[horizon + 1, raw_dim]` of the training targets."""
        return torch.tensor(self.starts, dtype=torch.float32)

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        own = {name: getattr(self, name) for name in ("horizon", "levels", "starts")}
        return {**own, "units": self.units.config}

    @property
    def tree_objective(self) -> TreeObjective:
        """Absolute errors of the relative path: with rows weighted by level, the WAPE."""
        return TreeObjective("regression_l1", self.additive_scale, n_fits=self.n_scores)

    def ordered(self, outputs: Tensor) -> Tensor:
        """Raw outputs of free numbers of the same shape: means > 0, quantiles that never cross.

        Numbers that are `start` give `start` again, gaps of at least 0.01 between its quantiles.
        The mean of the window is that of the steps, whatever its own number is.

        Shape:
            `[..., horizon + 1, raw_dim]`, given and returned.
        """
        free = outputs + self._moved.to(outputs)
        means = F.softplus(free[..., :-1, :1])  # of the steps
        means = torch.cat([means, means.mean(dim=-2, keepdim=True)], dim=-2)
        return torch.cat([means, spaced_quantiles(free[..., 1:], self.middle)], dim=-1)

    @property
    def _moved(self) -> Tensor:
        """How far `start` lies from the free numbers that give it."""
        start = torch.tensor(self.starts, dtype=torch.float64)
        mean = start[:, :1].clamp(min=LEAST_MEAN).expm1().log()  # softplus gives it again
        return torch.cat([mean, free_quantiles(start[:, 1:], self.middle)], dim=-1) - start

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Deviances of the mean and pinball losses of the quantiles, >= 0; 0 of unknown targets.

        Quantiles are put in order before. The deviance is that of Poisson counts, of the mean
        alone: `m - r log m`, less its least value.

        Shape:
            `[batch, n_networks, horizon + 1, raw_dim]`.
        """
        known = target.isfinite()[:, None, :, None]
        sold = torch.where(known, target[:, None, :, None], 0.0).to(raw)
        deviance = poisson_deviance(raw[..., :1], sold.clamp(min=0.0))
        quantiles = raw[..., 1:].sort(dim=-1).values
        pinballs = pinball_losses(sold - quantiles, self.grid)
        return torch.where(known, torch.cat([deviance, pinballs], dim=-1), 0.0)

    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """Units a period, >= 0, float64, of an item whose level is one unit a period.

        Networks are averaged level by level. For items of other levels, the total of the window
        and whole numbers see `distribution`.
        """
        inside = raw.double().clamp(0.0, LIMIT)
        quantiles = inside[..., 1:].sort(dim=-1).values
        values = torch.cat([inside[..., :1], quantiles], dim=-1).mean(dim=1)
        by_name = {}
        for column in self.columns:
            place = 0 if column.level is None else 1 + self.grid.index(column.level)
            by_name[column.name] = values[:, (column.step or 1) - 1, place]
        return by_name

    def distribution(self, raw: Floats, level: Floats, *, stages: Stages) -> SalesDistribution:
        """What is sold in each step and in the whole window, in units.

        Args:
            raw: `[n, horizon + 1, raw_dim]`.
            level: Units a period that each row is measured by, `[n]`, > 0.
            stages: Life stage of each row, 0 (new) to 2 (known), `[n]`.
        """
        values = answers_in_units(raw, level)
        return self.units.distribution(values, levels=self.grid, stages=stages)

    def actual(self, path: Floats, level: Floats) -> Floats:
        """What was sold in the steps and in the window, in units, of relative paths.

        Args:
            path: `[n, horizon + 1]`, NaN where unknown.
            level: Units a period that each row is measured by, `[n]`, > 0.
        """
        return np.round(path_in_units(path, level), 6)

    def fit_units(
        self, raw: Floats, path: Floats, *, level: Floats, stages: Stages, parts: Parts
    ) -> None:
        """Finds the distribution and rounding of units on answers out of fold.

        Args:
            raw: `[n, horizon + 1, raw_dim]` of models that did not learn from the rows.
            path: Relative paths `[n, horizon + 1]`, NaN where unknown.
            level: Units a period that each row is measured by, `[n]`, > 0.
            stages: Life stage of each row, 0 (new) to 2 (known), `[n]`.
            parts: Label of the part of each row, such as its date, `[n]`.
        """
        values, sold = answers_in_units(raw, level), path_in_units(path, level)
        self.units = choose_units(values, sold, levels=self.grid, stages=stages, parts=parts)

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """Pinball loss, errors of the medians and means, and how honest the outermost pair is.

        `pinball` is over all quantile columns; `wape`, `mae`, `bias_mean` and `coverage_..` are
        over the steps; `wape_window` is of the window, by its own median. Unknown targets are
        left out.
        """
        said = {
            (column.step or 1, column.level): prediction[column.name] for column in self.columns
        }
        return path_metrics(target, said, levels=self.levels)

    def constant_loss(self, target: Tensor) -> float:
        """Loss of the targets' own means and quantiles, at least 0.001."""
        best = torch.tensor(best_constants(target.double().cpu().numpy(), self.grid))
        raw = best.expand(len(target), 1, *best.shape)
        return max(float(self.losses(raw, target.cpu()).mean()), LEAST_LOSS)

    @classmethod
    def fitted(  # type: ignore[override]  # names its options, so that a typo fails
        cls, target: Floats, *, levels: Sequence[float] = LEVELS
    ) -> Self:
        """A head that starts at the means and quantiles of the training paths.

        Args:
            target: Relative training paths `[n, horizon + 1]`, NaN where a step is not known.
            levels: Levels in (0, 1), in any order.

        Raises:
            ValueError: If paths are not of two numbers or more, or levels do not suit.
        """
        if target.ndim != 2 or target.shape[1] < 2:
            raise ValueError(
                "target must be a list of two columns or more, each step and then their mean, got "
                f"{list(target.shape)} numbers. Take sales_volume for one number."
            )
        head = cls(horizon=target.shape[1] - 1, levels=levels)
        head.starts = best_constants(target, head.grid).tolist()
        return head

    @classmethod
    def tiny(cls) -> Self:
        """Two steps."""
        return cls(horizon=2)

    def describe(self) -> str:
        """Steps, levels, and what they are learned with."""
        levels = ", ".join(f"{level:g}" for level in self.levels)
        return (
            f"{self.says.format(n=self.horizon)}: mean, and quantiles of the levels {levels}; "
            f"learned relative to {self.beside} with pinball loss"
        )

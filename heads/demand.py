"""Demand path: what would be sold in full stock in each of the coming periods, and in all."""

from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from heads.path_losses import poisson_deviance
from heads.sales_path import SalesPathHead

MOST_BELOW = 0.95
"""Probability below a bound counts as this one at most: beyond it nothing was learned."""


@runtime_checkable
class LearnsBounds(Protocol):
    """A head that learns from targets of which only a lower bound is known too."""

    def bound_losses(self, raw: Tensor, at_least: Tensor) -> Tensor:
        """Losses `[batch, n_networks, *target_shape, raw_dim]`; 0 where a bound is NaN."""

    def mean_above(self, raw: Tensor, at_least: Tensor) -> Tensor:
        """Mean of each entry, given that it is a bound or more, `[n, *target_shape]`."""


class DemandHead(SalesPathHead):
    """Demand of each coming period and of all together, learned from sales that stock cut short.

    What was sold in a period that was not in full stock is a lower bound of what was wanted. Such a
    target is NaN, and its bound is learned from by itself: each quantile takes the target as drawn
    from the answer's own distribution above the bound.

    Why: periods that sold out are those of high demand, so that answers without them are too low;
    with their sales as they are, answers are lower still. *Source:* Tobin (1958), censored
    regression; Efron (1967), mass of a censored value moved to the right of it, and Portnoy (2003)
    for quantiles; *differs:* the share of the mass is that of the answer at each training step.

    Shape:
        As `SalesPathHead`; `target` is NaN where a bound alone is known.
    """

    def bound_losses(self, raw: Tensor, at_least: Tensor) -> Tensor:
        """Deviances of the mean and pinball losses of the quantiles against lower bounds, >= 0.

        No answer is pulled down to a bound: the loss of a bound far below all answers is level.

        Args:
            raw: Answers `[batch, n_networks, horizon + 1, raw_dim]`.
            at_least: Relative bounds `[batch, horizon + 1]`, NaN where there is none.

        Returns:
            `[batch, n_networks, horizon + 1, raw_dim]`, 0 where there is no bound.
        """
        known = at_least.isfinite()[:, None, :, None]
        bound = torch.where(known, at_least[:, None, :, None], 0.0).to(raw).clamp(min=0.0)
        quantiles = raw[..., 1:].sort(dim=-1).values
        with torch.no_grad():
            below = self._below(quantiles, bound)
            expected = self._mean_above(quantiles, bound, below)
        levels = torch.tensor(self.grid).to(raw)
        at_bound = ((levels - below) / (1.0 - below)).clamp(min=0.0)  # share of the mass, of 1
        far = 1.0 + quantiles.detach()  # above each quantile, as the rest of the mass is
        losses = at_bound * (1.0 - levels) * (quantiles - bound).clamp(min=0.0)
        losses = losses + (1.0 - at_bound) * levels * (far - quantiles)
        both = torch.cat([poisson_deviance(raw[..., :1], expected), losses], dim=-1)
        return torch.where(known, both, 0.0)

    def mean_above(self, raw: Tensor, at_least: Tensor) -> Tensor:
        """Mean of each entry, given that it is a bound or more.

        Args:
            raw: Answers `[n, horizon + 1, raw_dim]`.
            at_least: Bounds `[n, horizon + 1]`, >= 0, in the units of the answers.

        Returns:
            `[n, horizon + 1]`, at least the bound.
        """
        quantiles, bound = raw[..., 1:].sort(dim=-1).values, at_least[..., None]
        below = self._below(quantiles, bound)
        return self._mean_above(quantiles, bound, below)[..., 0]

    def _below(self, quantiles: Tensor, bound: Tensor) -> Tensor:
        """Probability `[..., 1]` of less than a bound, on lines between the quantiles."""
        levels = torch.tensor([0.0, *self.grid]).to(quantiles)
        points = torch.cat([torch.zeros_like(quantiles[..., :1]), quantiles], dim=-1)
        place = (points < bound).sum(dim=-1, keepdim=True).clamp(1, len(self.grid))
        low, high = points.gather(-1, place - 1), points.gather(-1, place)
        share = ((bound - low) / (high - low).clamp(min=1e-9)).clamp(0.0, 1.0)
        return (levels[place - 1] + share * (levels[place] - levels[place - 1])).clamp(
            max=MOST_BELOW
        )

    def _mean_above(self, quantiles: Tensor, bound: Tensor, below: Tensor) -> Tensor:
        """Mean `[..., 1]` of the quantiles above a bound; the bound where none is."""
        levels = torch.tensor(self.grid).to(quantiles)
        edges = torch.cat([levels.new_zeros(1), (levels[1:] + levels[:-1]) / 2, levels.new_ones(1)])
        beyond = ((quantiles - bound).clamp(min=0.0) * edges.diff()).sum(dim=-1, keepdim=True)
        return bound + beyond / (1.0 - below)

    def describe(self) -> str:
        """Steps, levels, and what they are learned with."""
        return super().describe().replace("units of", "units wanted of", 1) + (
            "; of periods without full stock as lower bounds"
        )

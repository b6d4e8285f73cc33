"""From answers of sales paths to units: which distribution holds, found on answers out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from heads.answer_maps import splits
from heads.base import Floats, Parts
from heads.count_distributions import Tweedie, ZeroInflated
from heads.counts import CountDistribution
from heads.sales_distribution import CountSales, LearnedSales, SalesDistribution, whole_rounding
from heads.sales_volume import LOG_DISPERSION_RANGE, negative_binomial_nll

Family = Literal["learned", "poisson", "negative_binomial", "zero_inflated", "tweedie"]
FAMILIES: tuple[Family, ...] = get_args(Family)
Stages = NDArray[np.int64]
N_STAGES = 3
MIN_ROWS = 50
"""Answers from which a life stage has a dispersion of its own, and rounding is found."""
MOST_ROWS = 2000
"""Answers, evenly spaced, on which distributions of counts are fitted and compared."""
MOST_PARTS = 4
LEAST_MEAN = 1e-4
"""Units: a distribution of counts needs a mean above 0."""
ZEROS = (0.0, 0.1, 0.2, 0.35, 0.5)
SURPRISE = 0.01
"""Chance of anything else, of units `u` divided by `1 + u`: one sale of an item that is thought to
sell nothing must not make all others wide."""
DISPERSIONS = np.geomspace(0.05, 50.0, 19)
POWER = 1.5
FINE = (0.01, 0.025, *np.linspace(0.05, 0.95, 19).tolist(), 0.975, 0.99)
"""Levels between which a Tweedie distribution is told."""


@dataclass(frozen=True)
class SalesUnits:
    """How an answer becomes a distribution of units.

    Args:
        family: `learned`: between the quantiles that were learned; or the distribution of counts
            around the mean: `poisson`, `negative_binomial`, `zero_inflated` (negative binomial,
            and 0 besides), `tweedie` (power 1.5, rounded).
        dispersion: Of counts in each life stage and entry, `[3][horizon + 1]`; `negative_binomial`
            has the variance `mean + dispersion * mean ** 2`, Poisson counts have none.
        zeros: Probability of 0 besides, likewise.
        rounding: What is added to learned quantiles of a step and of the window before their
            fraction is cut off, `[2][n_levels]`; None where units need not be whole.

    Raises:
        ValueError: If the family is unknown.
    """

    family: Family = "learned"
    dispersion: Sequence[Sequence[float]] | None = None
    zeros: Sequence[Sequence[float]] | None = None
    rounding: Sequence[Sequence[float]] | None = None

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise ValueError(
                f"family must be one of {', '.join(FAMILIES)}, got {self.family!r}. Use learned."
            )

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild it."""
        named = {name: getattr(self, name) for name in ("dispersion", "zeros", "rounding")}
        lists = {name: value and [list(row) for row in value] for name, value in named.items()}
        return {"family": self.family, **lists}

    def distribution(
        self, values: Floats, *, levels: Sequence[float], stages: Stages
    ) -> SalesDistribution:
        """The distribution of units.

        Args:
            values: Mean and ascending quantiles in units, `[n, horizon + 1, 1 + n_levels]`.
            levels: Of the quantiles.
            stages: Life stage of each row, 0 to 2, `[n]`.
        """
        steps, points = values[:, :-1, 0], values[..., 1:]
        if self.family == "learned":
            rounding = None if self.rounding is None else self._rounding(values.shape[1])
            return LearnedSales(steps, points, levels, rounding)
        mean = np.maximum(np.append(steps, steps.sum(axis=1, keepdims=True), axis=1), LEAST_MEAN)
        if self.family == "poisson":
            return CountSales(steps, CountDistribution(mean, None))
        dispersion = np.asarray(self.dispersion)[stages]
        if self.family == "tweedie":
            sold = Tweedie(mean, dispersion, POWER)
            fine = np.stack([sold.quantile(level) for level in FINE], axis=-1)
            return LearnedSales(steps, fine, FINE, np.full(fine.shape[1:], 0.5))
        if self.family == "negative_binomial":
            return CountSales(steps, CountDistribution(mean, 1.0 / dispersion))
        zeros = np.asarray(self.zeros)[stages]
        counts = CountDistribution(mean / (1.0 - zeros), 1.0 / dispersion)
        return CountSales(steps, ZeroInflated(zeros, counts))

    def _rounding(self, n_entries: int) -> Floats:
        """`[n_entries, n_levels]`: all steps alike, the window for itself."""
        step, window = np.asarray(self.rounding)
        return np.concatenate([np.tile(step, (n_entries - 1, 1)), window[None]])

    @classmethod
    def fitted(
        cls,
        family: Family,
        values: Floats,
        units: Floats,
        *,
        levels: Sequence[float],
        stages: Stages,
    ) -> Self:
        """Dispersions or rounding from answers out of fold.

        Args:
            family: What is fitted.
            values: Mean and ascending quantiles in units, `[n, horizon + 1, 1 + n_levels]`.
            units: What was sold in the steps and in all, `[n, horizon + 1]`; NaN where unknown.
            levels: Of the quantiles.
            stages: Life stage of each row, `[n]`.
        """
        if family == "learned":
            return cls("learned", rounding=_rounding(values, units, levels))
        if family == "poisson":
            return cls(family)
        n_entries = values.shape[1]
        steps = values[:, :-1, 0]
        mean = np.maximum(np.append(steps, steps.sum(axis=1, keepdims=True), axis=1), LEAST_MEAN)
        found = np.zeros((2, N_STAGES, n_entries))
        for entry in range(n_entries):
            known = np.isfinite(units[:, entry])
            for stage in range(N_STAGES):
                own = known & (stages == stage)
                rows = _spaced(np.flatnonzero(own if own.sum() >= MIN_ROWS else known))
                cell = mean[rows, entry], np.maximum(units[rows, entry], 0.0)
                found[:, stage, entry] = _dispersion(family, *cell, levels)
        return cls(family, dispersion=found[0].tolist(), zeros=found[1].tolist())


def answers_in_units(raw: Floats, level: Floats) -> Floats:
    """Means and ascending quantiles in units, >= 0, of relative answers.

    Args:
        raw: `[n, horizon + 1, 1 + n_levels]`.
        level: Units a period that each row is measured by, `[n]`.

    Returns:
        Of the same shape; the last entry is the total of the window.
    """
    inside = np.maximum(raw, 0.0)
    inside[..., 1:].sort(axis=-1)
    return path_in_units(inside, level[:, None])


def path_in_units(path: Floats, level: Floats) -> Floats:
    """Units of the steps and their total, of relative steps and their mean.

    Args:
        path: `[n, horizon + 1, ...]`, NaN where unknown.
        level: Units a period that each row is measured by, `[n, ...]`.

    Returns:
        Of the same shape; what lies by rounding beside a whole number is that number.
    """
    units = path * level[:, None]
    units[:, -1] *= path.shape[1] - 1
    whole = np.round(units)
    return np.where(np.abs(units - whole) <= 1e-9 * np.maximum(1.0, np.abs(whole)), whole, units)


def choose_units(
    values: Floats, units: Floats, *, levels: Sequence[float], stages: Stages, parts: Parts
) -> SalesUnits:
    """The distribution with the least pinball loss on parts that it was not fitted on.

    Where a sale is not whole, or fewer than 200 answers are there, it is the learned one.

    Args:
        values: Mean and ascending quantiles in units, `[n, horizon + 1, 1 + n_levels]`, of models
            that did not learn from the rows.
        units: What was sold in the steps and in all, `[n, horizon + 1]`; NaN where unknown.
        levels: Of the quantiles.
        stages: Life stage of each row, 0 to 2, `[n]`.
        parts: Label of the part of each row, such as its date, `[n]`; neighbours are joined to 4.
    """
    known = np.isfinite(units)
    if not known.any() or (units[known] != np.floor(units[known])).any():
        return SalesUnits()
    few = _spaced(np.arange(len(units)))
    families = FAMILIES if known.any(axis=1).sum() >= 4 * MIN_ROWS else ()
    errors: dict[Family, float] = dict.fromkeys(families, 0.0)
    labels = np.unique(parts, return_inverse=True)[1]
    blocks = (labels * MOST_PARTS // (labels.max() + 1))[few]
    for learned, asked in splits(blocks):
        fit, judge = few[learned], few[asked]
        for family in errors:
            found = SalesUnits.fitted(
                family, values[fit], units[fit], levels=levels, stages=stages[fit]
            )
            sold = found.distribution(values[judge], levels=levels, stages=stages[judge])
            errors[family] += _pinball(sold, units[judge])
    best: Family = min(errors, key=lambda family: errors[family], default="learned")
    return SalesUnits.fitted(best, values, units, levels=levels, stages=stages)


def _pinball(
    sold: SalesDistribution, units: Floats, levels: Sequence[float] = (0.1, 0.5, 0.9)
) -> float:
    """Pinball loss summed over what is known; the window counts as the mean of its steps."""
    missed = units[..., None] - sold.quantile(levels)
    losses = np.maximum(np.multiply(levels, missed), np.subtract(levels, 1.0) * missed)
    losses[:, -1] /= sold.horizon
    return float(np.nansum(losses))


def _rounding(values: Floats, units: Floats, levels: Sequence[float]) -> list[list[float]] | None:
    """Of steps and of the window; None where a sale is not whole or too little is known."""
    known = np.isfinite(units)
    whole = units[known]
    if known[:, :-1].sum() < MIN_ROWS or (whole != np.floor(whole)).any():
        return None
    pairs = [(values[:, :-1, 1:], units[:, :-1]), (values[:, -1:, 1:], units[:, -1:])]
    return [
        whole_rounding(
            points.reshape(-1, len(levels)), sold.ravel(), levels, known=np.isfinite(sold).ravel()
        ).tolist()
        for points, sold in pairs
    ]


def _dispersion(
    family: Family, mean: Floats, units: Floats, levels: Sequence[float]
) -> tuple[float, float]:
    """Dispersion and share of further zeros: the likeliest, or of the least pinball loss."""
    if not len(mean):
        return 1.0, 0.0
    if family == "tweedie":
        asked = np.array([level for level in levels if level in (0.1, 0.5, 0.9)] or [0.5])
        losses = []
        for dispersion in DISPERSIONS:
            sold = Tweedie(mean, np.full_like(mean, dispersion), POWER)
            missed = units[:, None] - np.stack([sold.quantile(level) for level in asked], axis=1)
            losses.append(np.maximum(asked * missed, (asked - 1.0) * missed).sum())
        return float(DISPERSIONS[int(np.argmin(losses))]), 0.0
    zeros = ZEROS if family == "zero_inflated" else (0.0,)
    return min((_likeliest(mean, units, share) for share in zeros), key=lambda each: each[0])[1:]


def _likeliest(mean: Floats, units: Floats, zeros: float) -> tuple[float, float, float]:
    """Loss, the dispersion that is likeliest beside a share of zeros, and that share."""
    from scipy import optimize  # takes half a second to import

    log_mean = torch.from_numpy(np.log(mean / (1.0 - zeros)))
    surprise = SURPRISE / (1.0 + torch.from_numpy(units))
    sold, is_zero = torch.from_numpy(units), torch.from_numpy(units == 0)

    def loss(log_dispersion: float) -> float:
        at = torch.full_like(log_mean, log_dispersion)
        chance = (-negative_binomial_nll(log_mean, at, sold)).exp() * (1.0 - zeros)
        return float(-(chance + zeros * is_zero + surprise).log().mean())

    found = optimize.minimize_scalar(
        loss, bounds=LOG_DISPERSION_RANGE, method="bounded", options={"maxiter": 20}
    )
    return float(found.fun), float(np.exp(found.x)), zeros


def _spaced(rows: Stages) -> Stages:
    """At most 2000 of the rows, evenly spaced."""
    if len(rows) <= MOST_ROWS:
        return rows
    return rows[np.linspace(0, len(rows) - 1, MOST_ROWS).astype(np.int64)]

"""From answers of sales paths to units: which distribution holds, found on answers out of fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from heads.answer_maps import splits
from heads.base import Floats, Parts
from heads.count_distributions import POWER, Tweedie, ZeroInflated
from heads.count_fits import likeliest_dispersion
from heads.counts import CountDistribution
from heads.sales_distribution import CountSales, LearnedSales, SalesDistribution, whole_rounding

Family = Literal["learned", "poisson", "negative_binomial", "zero_inflated", "tweedie"]
FAMILIES: tuple[Family, ...] = get_args(Family)
Stages = NDArray[np.int64]
N_STAGES = 3
MIN_ROWS = 50
"""Answers from which a life stage has a dispersion of its own, and rounding is found."""
MOST_ROWS = 2000
"""Answers, evenly spaced, on which distributions of counts are fitted and compared."""
MOST_ROUNDED = 20_000
"""Answers, evenly spaced, on which rounding is found."""
MOST_PARTS = 4
"""Parts that each family is judged on in turn."""
LEAST_MEAN = 1e-4
"""Units: a distribution of counts needs a mean above 0."""
FINE = (0.01, 0.025, *np.linspace(0.05, 0.95, 19).tolist(), 0.975, 0.99)
"""Levels between which a Tweedie distribution is told."""
CLEARLY = 0.98
"""Share of the loss of learned quantiles that the loss of a count distribution must not exceed."""


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
        ValueError: If the family is unknown, or lacks its numbers.
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

        needed = {"learned": (), "poisson": ()}.get(self.family, ("dispersion", "zeros"))
        if missing := [name for name in needed if getattr(self, name) is None]:
            raise ValueError(f"{' and '.join(missing)} must be given for {self.family}, got none.")

    def check(self, *, n_entries: int, n_levels: int) -> None:
        """Refuses numbers, such as those of a file, that do not suit a head.

        Raises:
            ValueError: With the shape and range that they must have.
        """
        rules = {
            "dispersion": ((N_STAGES, n_entries), 1e-6, 1e6),
            "zeros": ((N_STAGES, n_entries), 0.0, 0.999),
            "rounding": ((2, n_levels), 0.0, 1.0),
        }
        for name, (shape, least, most) in rules.items():
            given = getattr(self, name)
            if given is None:
                continue
            values = np.array(given if len({len(row) for row in given}) == 1 else [], dtype=float)
            if values.shape != shape or not ((values >= least) & (values <= most)).all():
                raise ValueError(
                    f"{name} must be {shape[0]} times {shape[1]} numbers from {least:g} to "
                    f"{most:g}, got others. Use fit_units()."
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
                found[:, stage, entry] = likeliest_dispersion(family, *cell, levels)
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

    A count distribution is taken where its loss is 2 % less than that of the learned one: it also
    moves medians, and those were learned. Where a sale is not whole, or fewer than 200 answers are
    there, it is the learned one.

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
    if errors and errors[best] > CLEARLY * errors["learned"]:
        best = "learned"
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
    some = _spaced(np.arange(len(units)), MOST_ROUNDED)
    values, units = values[some], units[some]
    pairs = [(values[:, :-1, 1:], units[:, :-1]), (values[:, -1:, 1:], units[:, -1:])]
    return [
        whole_rounding(
            points.reshape(-1, len(levels)), sold.ravel(), levels, known=np.isfinite(sold).ravel()
        ).tolist()
        for points, sold in pairs
    ]


def _spaced(rows: Stages, most: int = MOST_ROWS) -> Stages:
    """At most so many of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]

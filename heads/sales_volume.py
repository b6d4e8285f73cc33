"""Sales volume: how many units of a product will sell, with an interval."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from heads.answer_maps import AnswerMap, fit_mean_map
from heads.base import Column, Floats, Head, Parts, broken_rules
from heads.conformal import weighted_quantile
from heads.counts import CountDistribution
from heads.tree_objective import TreeObjective

Distribution = Literal["negative_binomial", "poisson"]
LOG_MEAN_RANGE = (-8.0, 20.0)
"""Means from 0.0003 to 4.9e8 units; beyond that a mean is clamped."""
LOG_DISPERSION_RANGE = (-8.0, 4.0)
"""Dispersions from 0.0003 (nearly Poisson) to 55 (nearly all zeros, a few huge sellers)."""
LEVELS: Mapping[str, float] = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
LEAST_SHARE = 1e-6
"""Share of the mean that 0 units count as in trees: where all rows are 0, there is no logarithm."""
OUTERMOST = (0.005, 0.995)
"""Levels of the distribution beyond which no quantile is read."""


class SalesVolumeHead(Head):
    """Units sold over the horizon: mean, median and an 80 % interval of a count distribution.

    Why: the log link and the dispersion of each row keep a few best sellers from ruling the loss,
    as squared error on raw units lets them. Source: Salinas et al. (2020), DeepAR, section 3.2:
    mean mu and dispersion alpha with variance mu + alpha mu^2; *differs:* log link, not softplus.
    Counts are >= 0; fractions (a weekly mean) are allowed: the gamma function extends the
    likelihood, which stays <= 1, so the loss stays >= 0.

    Shape:
        raw `[batch, n_networks, 2]`: log mean, log dispersion; the first alone for `"poisson"`.

    Args:
        distribution: `"negative_binomial"`, or `"poisson"` where variance equals the mean.
        log_mean: Start of the log mean, natural log of units.
        log_dispersion: Start of the log dispersion; unused by `"poisson"`.
        levels: Level of the distribution at which each quantile column is read; `calibrate` sets
            them, so that a tenth of what sells lies below the 10 % quantile though real sales
            follow no textbook distribution.
        mean_map: Configuration of the `AnswerMap` from the mean of the distribution to the mean
            units; None where they are the same.

    Raises:
        ValueError: If the distribution is unknown.

    Example:
        >>> head = SalesVolumeHead.fitted(np.array([0.0, 4.0, 8.0]))
        >>> round(math.exp(head.log_mean), 6)
        4.0
    """

    task: ClassVar[str] = "regression"
    primary_metric: ClassVar[str] = "wape"
    higher_is_better: ClassVar[bool] = False

    def __init__(
        self,
        *,
        distribution: Distribution = "negative_binomial",
        log_mean: float = 0.0,
        log_dispersion: float = 0.0,
        levels: Mapping[str, float] = LEVELS,
        mean_map: Mapping[str, Any] | None = None,
    ) -> None:
        if distribution not in get_args(Distribution):
            raise ValueError(
                f"distribution must be one of {', '.join(get_args(Distribution))}, "
                f"got {distribution!r}. Take negative_binomial unless variance equals the mean."
            )
        self.distribution = distribution
        self.log_mean, self.log_dispersion = log_mean, log_dispersion
        self.levels = dict(levels)
        self.mean_map = AnswerMap.from_config(mean_map)

    @property
    def raw_dim(self) -> int:
        """Parameters of the distribution: 2, or 1 for `"poisson"`."""
        return 1 if self.distribution == "poisson" else 2

    @property
    def columns(self) -> tuple[Column, ...]:
        """Mean, 10 % quantile, median and 90 % quantile of units."""
        return (
            Column("sales_units", "mean", unit="units"),
            *(
                Column(f"sales_units_{name}", "quantile", level=level, unit="units")
                for name, level in LEVELS.items()
            ),
        )

    @property
    def start(self) -> Tensor:
        """Log mean and log dispersion of the likeliest constant, `[raw_dim]`."""
        return torch.tensor([self.log_mean, self.log_dispersion][: self.raw_dim])

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this head."""
        names = ("distribution", "log_mean", "log_dispersion", "levels")
        mean_map = None if self.mean_map is None else self.mean_map.config
        return {**{name: getattr(self, name) for name in names}, "mean_map": mean_map}

    def additive_scale(self, target: Floats) -> Floats:
        """log(1 + units), `[n, 1]`: what raises sales acts by factors."""
        return np.asarray(np.log1p(target), dtype=np.float64).reshape(len(target), 1)

    @property
    def tree_objective(self) -> TreeObjective:
        """Tweedie deviance (power 1.5) of units, in shares of their mean.

        Why: between Poisson, whose best sellers rule, and gamma, which knows no zeros. Scores are
        log(1 + units), as those of `additive_scale`. Source: Jørgensen (1987).
        """
        mean = math.exp(self.log_mean)
        return TreeObjective(
            "tweedie",
            lambda target: np.maximum(target.reshape(len(target), 1) / mean, LEAST_SHARE),
            parameters={"tweedie_variance_power": 1.5},
            to_scores=lambda answers: np.logaddexp(0.0, answers + self.log_mean),
        )

    def losses(self, raw: Tensor, target: Tensor) -> Tensor:
        """Full negative log-likelihoods in nats, >= 0, gamma terms included, float64.

        Shape:
            `[batch, n_networks]`.
        """
        units = target.double()[:, None]
        if self.distribution == "poisson":
            return poisson_nll(clamped_mean(raw), units)
        return negative_binomial_nll(clamped_mean(raw), clamped_dispersion(raw), units)

    def decode(self, raw: Tensor) -> dict[str, Tensor]:
        """Units >= 0, float64.

        Networks: `sales_units` is the mean of their means, each mapped on its own; the quantiles,
        whole numbers, are those of the distribution whose log mean and log dispersion are the
        networks' averages.
        """
        means = clamped_mean(raw.detach()).exp()  # [batch, n_networks]
        mean = (means if self.mean_map is None else self.mean_map(means)).mean(dim=1)
        sold = self._distribution(raw)
        quantiles = {
            f"sales_units_{name}": torch.as_tensor(sold.quantile(level)).to(mean)
            for name, level in self.levels.items()
        }
        return {"sales_units": mean, **quantiles}

    def calibrate(
        self, raw: Tensor, target: Floats, *, parts: Parts, weight: Floats | None = None
    ) -> None:
        """Sets the levels of the quantile columns, each within 0.005 and 0.995, and the mean.

        Real sales follow no textbook distribution, so its mean is not theirs: see
        `heads.answer_maps.fit_mean_map`.

        Source: Kuleshov et al. (2018), calibrated regression, section 3; *differs:* only the
        levels that are read, and the middle of the probability of a count (Smith 1985).
        """
        sold = self._distribution(raw)
        places = (sold.cumulative(np.ceil(target) - 1.0) + sold.cumulative(target)) / 2.0
        self.levels = {
            name: float(np.clip(weighted_quantile(places, level, weight), *OUTERMOST))
            for name, level in LEVELS.items()
        }
        means = clamped_mean(raw.detach()).exp().cpu().numpy()
        self.mean_map = fit_mean_map(means, target, link="log", parts=parts, weight=weight)

    def _distribution(self, raw: Tensor) -> CountDistribution:
        """The networks' common distribution of each row."""
        mean = clamped_mean(raw.detach()).mean(dim=1).exp().cpu().numpy()
        if self.distribution == "poisson":
            return CountDistribution(mean, None)
        size = clamped_dispersion(raw.detach()).mean(dim=1).neg().exp().cpu().numpy()
        return CountDistribution(mean, size)

    def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
        """Errors of mean and median, rank correlation, and how honest the interval is.

        `wape`, `mae` and `pinball_p50` are of the median, since it minimises absolute error;
        `wape_mean`, `bias`, `rmse` and `spearman` are of the mean. `coverage_p10_p90` should be
        0.8 or, as counts are whole, a little more; `width_p10_p90` is in units. Both are nan where
        the two quantiles are the same in every row: a method that answers with one number gives no
        range.
        """
        from heads import metrics  # scikit-learn takes seconds to import

        mean = prediction["sales_units"]
        low, median, high = (prediction[f"sales_units_{name}"] for name in LEVELS)
        width = float(np.mean(high - low))
        has_range = width > 0
        return {
            "wape": metrics.wape(target, median),
            "wape_mean": metrics.wape(target, mean),
            "mae": metrics.mae(target, median),
            "bias": metrics.bias(target, mean),
            "rmse": metrics.rmse(target, mean),
            "spearman": metrics.spearman(target, mean),
            "pinball_p50": metrics.pinball(target, median, level=0.5),
            "coverage_p10_p90": metrics.coverage(target, low, high) if has_range else math.nan,
            "width_p10_p90": width if has_range else math.nan,
        }

    def constant_loss(self, target: Tensor) -> float:
        """Loss (> 0) of the training mean with the one dispersion that fits best."""
        log_mean, log_dispersion = best_constant(target.double().cpu().numpy())
        raw = torch.tensor([log_mean, log_dispersion]).expand(len(target), 1, 2)
        return float(self.loss(raw.to(target.device), target))

    @classmethod
    def fitted(  # type: ignore[override]  # names its options, so that a typo fails
        cls, target: Floats, *, distribution: Distribution = "negative_binomial"
    ) -> Self:
        """A head that starts at the best constant answer for the training targets.

        Args:
            target: Training targets, units.
            distribution: As the head itself takes it.

        Raises:
            ValueError: If the distribution is unknown.
        """
        log_mean, log_dispersion = best_constant(target)
        return cls(distribution=distribution, log_mean=log_mean, log_dispersion=log_dispersion)

    @classmethod
    def tiny(cls) -> Self:
        """About twenty units."""
        return cls(log_mean=3.0)

    @classmethod
    def target_faults(cls, target: Floats) -> dict[str, NDArray[np.bool_]]:
        """Masks of missing, negative and absurdly large targets."""
        most = math.exp(LOG_MEAN_RANGE[1])
        known = np.isfinite(target)
        rules = {
            "finite": ~known,
            "0 or more units": known & (target < 0),
            f"at most {most:.1e} units": known & (target > most),
        }
        return broken_rules(rules)


def clamped_mean(raw: Tensor) -> Tensor:
    """Log mean `[batch, n_networks]` of raw outputs, float64, inside `LOG_MEAN_RANGE`."""
    return raw[..., 0].double().clamp(*LOG_MEAN_RANGE)


def clamped_dispersion(raw: Tensor) -> Tensor:
    """Log dispersion `[batch, n_networks]` of raw outputs, float64, clamped like the mean."""
    return raw[..., 1].double().clamp(*LOG_DISPERSION_RANGE)


def poisson_nll(log_mean: Tensor, units: Tensor) -> Tensor:
    """Negative log-likelihood of units in nats, elementwise, >= 0."""
    return log_mean.exp() - units * log_mean + torch.lgamma(units + 1)


def negative_binomial_nll(log_mean: Tensor, log_dispersion: Tensor, units: Tensor) -> Tensor:
    """Negative log-likelihood of units in nats, elementwise, >= 0.

    With r = 1/alpha and log-odds z = log(mu alpha), the two powers of the mass function become
    r softplus(z) and units softplus(-z), which neither overflow nor cancel. Give float64: the
    gamma terms of a million units leave nothing of float32.
    """
    r = (-log_dispersion).exp()
    z = log_mean + log_dispersion
    gammas = torch.lgamma(r) + torch.lgamma(units + 1) - torch.lgamma(units + r)
    return gammas + r * F.softplus(z) + units * F.softplus(-z)


def best_constant(target: Floats) -> tuple[float, float]:
    """Log mean and log dispersion of the likeliest constant; the mean is the sample's."""
    mean = math.log(max(float(np.mean(target)), math.exp(LOG_MEAN_RANGE[0])))
    log_mean, units = torch.tensor(mean).double(), torch.as_tensor(target).double()

    def nll(log_dispersion: float) -> float:
        at = torch.tensor(log_dispersion).double()
        return float(negative_binomial_nll(log_mean, at, units).mean())

    from scipy import optimize  # takes half a second to import

    found = optimize.minimize_scalar(nll, bounds=LOG_DISPERSION_RANGE, method="bounded")
    return mean, float(found.x)

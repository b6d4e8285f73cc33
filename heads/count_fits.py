"""How far counts scatter around means that were told before: the dispersion of a distribution."""

from collections.abc import Sequence

import numpy as np
import torch

from heads.base import Floats
from heads.count_distributions import POWER, Tweedie
from heads.sales_volume import LOG_DISPERSION_RANGE, negative_binomial_nll

ZEROS = (0.0, 0.1, 0.2, 0.35, 0.5)
"""Shares of further zeros that are tried."""
SURPRISE = 0.01
"""Chance of anything else, of units `u` divided by `1 + u`: one sale of an item that is thought to
sell nothing must not make all others wide."""
DISPERSIONS = np.geomspace(0.05, 50.0, 19)
"""Of the Tweedie distribution, that are tried."""


def likeliest_dispersion(
    family: str, mean: Floats, units: Floats, levels: Sequence[float]
) -> tuple[float, float]:
    """Dispersion of counts around their means, and the share of zeros besides.

    *Source:* maximum likelihood; *differs:* each count may be a surprise with a chance of 1 %, and
    `tweedie`, whose density is a series, takes the dispersion of the least pinball loss.

    Args:
        family: `negative_binomial`, `zero_inflated` or `tweedie`.
        mean: > 0, `[n]`.
        units: What was sold, >= 0, `[n]`.
        levels: Of the quantiles that count for `tweedie`, of 0.1, 0.5 and 0.9.

    Returns:
        The dispersion, > 0, and a share in [0, 0.5], 0 but for `zero_inflated`; 1 and 0 where
        there are no rows.
    """
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
        at = torch.tensor(log_dispersion, dtype=torch.float64)
        chance = (-negative_binomial_nll(log_mean, at, sold)).exp() * (1.0 - zeros)
        return float(-(chance + zeros * is_zero + surprise).log().mean())

    found = optimize.minimize_scalar(
        loss, bounds=LOG_DISPERSION_RANGE, method="bounded", options={"maxiter": 20}
    )
    return float(found.fun), float(np.exp(found.x)), zeros

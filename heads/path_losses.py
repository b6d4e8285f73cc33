"""What a sales path loses by its mean, and the constants that lose least."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from heads.base import Floats
from heads.levels import best_quantiles

LEAST_MEAN = 1e-3
"""Relative means below count as this one: the deviance of a mean of 0 is infinite."""


def poisson_deviance(mean: Tensor, sold: Tensor) -> Tensor:
    """Half the Poisson deviance of means from what was sold, elementwise, >= 0.

    Means below 0.001 count as 0.001, with a slope that leads back up.
    """
    inside = mean.clamp(min=LEAST_MEAN)
    least = sold - torch.special.xlogy(sold, sold)
    slope = (sold / LEAST_MEAN - 1.0).abs()
    below = slope * (LEAST_MEAN - mean).clamp(min=0.0)
    deviance: Tensor = inside - sold * inside.log() - least + below
    return deviance


def best_constants(target: Floats, grid: Sequence[float]) -> Floats:
    """Mean and quantiles `[n_entries, 1 + n_grid]` of what is known; 1 where nothing is."""
    found = np.ones((target.shape[1], 1 + len(grid)))
    for place, column in enumerate(target.T):
        known = column[np.isfinite(column)].astype(np.float64)
        if len(known):
            mean = max(float(known.clip(min=0.0).mean()), LEAST_MEAN)
            found[place] = [mean, *best_quantiles(known, grid)]
    return found

"""What boosted trees minimise for a head, and how what they answer becomes its scores."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
CERTAIN = 12.0
"""Log-odds beyond which a class is as good as certain, though it may be one that no row had."""


def _as_it_is(answers: Floats) -> Floats:
    return answers


def within_reach(log_odds: Floats) -> Floats:
    """Log-odds and logarithms of probabilities, kept within 12 of 0."""
    return log_odds.clip(-CERTAIN, CERTAIN)


@dataclass(frozen=True)
class TreeObjective:
    """An objective of LightGBM for a question.

    Args:
        name: LightGBM's name of the objective, such as `"regression"` or `"tweedie"`.
        encode: From known targets `[n, *target_shape]` in business units to what trees are fitted
            on, `[n, n_fits]`: one model for each column.
        n_fits: Number of these columns, >= 1.
        parameters: Further parameters of the objective, such as `alpha`.
        n_outputs: Answers of one model: 1, or the number of classes of `"multiclass"`, whose single
            column holds positions of classes.
        to_scores: From the answers `[n, n_fits * n_outputs]` before any link (log means, log-odds)
            to scores `[n, n_scores]`, by default as they are.

    Example:
        >>> from heads import SalesVolumeHead
        >>> objective = SalesVolumeHead(log_mean=np.log(20.0)).tree_objective
        >>> objective.name, objective.encode(np.array([10.0, 40.0])).round(6).tolist()
        ('tweedie', [[0.5], [2.0]])
    """

    name: str
    encode: Callable[[Floats], Floats]
    n_fits: int = 1
    parameters: Mapping[str, float] = field(default_factory=dict)
    n_outputs: int = 1
    to_scores: Callable[[Floats], Floats] = _as_it_is

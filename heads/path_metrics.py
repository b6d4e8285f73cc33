"""How good answers of paths are: errors of medians and means, quantiles, and ranges."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from heads.base import Floats
from heads.levels import percent


def path_metrics(
    target: Floats, said: Mapping[tuple[int, float | None], Floats], *, levels: Sequence[float]
) -> dict[str, float]:
    """Metrics of the steps of paths and of their window, the last entry.

    Args:
        target: `[n, horizon + 1]`, NaN where unknown: that is left out.
        said: By step (from 1; the window is behind the last) and level, None for the mean: `[n]`.
        levels: Levels that were asked for, ascending.

    Returns:
        `pinball` over all levels; `wape`, `mae`, `bias_mean` and `coverage_..` over the steps;
        `wape_window` of the window, by its own median.
    """
    from heads import metrics  # scikit-learn takes seconds to import

    horizon = target.shape[1] - 1
    known = np.isfinite(target)
    sold = target[:, :-1][known[:, :-1]]

    def steps(level: float | None) -> Floats:
        every = [said[step, level] for step in range(1, horizon + 1)]
        return np.stack(every, axis=1)[known[:, :-1]]

    pinballs = [
        metrics.pinball(target[rows, step - 1], values[rows], level=level)
        for (step, level), values in said.items()
        if level is not None and (rows := known[:, step - 1]).any()
    ]
    whole = known[:, -1]
    window = target[whole, -1], said[horizon + 1, 0.5][whole]
    found = {
        "pinball": float(np.mean(pinballs)),
        "wape": metrics.wape(sold, steps(0.5)),
        "wape_window": metrics.wape(*window) if whole.any() else math.nan,
        "mae": metrics.mae(sold, steps(0.5)),
        "bias_mean": metrics.bias(sold, steps(None)),
    }
    low, high = levels[0], levels[-1]
    if low < high:
        pair = f"{percent(low)}_{percent(high)}"
        found[f"coverage_{pair}"] = metrics.coverage(sold, steps(low), steps(high))
    return found

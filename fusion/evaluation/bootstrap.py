"""How sure a gain is: an interval from test rows that are drawn again and again, in pairs."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heads import Floats

Columns = Mapping[str, Floats]
Metric = Callable[[Floats, Columns], float]
"""One number from targets `[n, ...]` and prediction columns `[n]`; nan: undefined."""

MOST_DRAWS = 20
"""Draws for each wanted resample before an interval counts as undefined."""


def paired_bootstrap(
    metric: Metric,
    target: Floats,
    first: Columns,
    second: Columns,
    *,
    higher_is_better: bool,
    groups: ArrayLike | None = None,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """By how much the first prediction is better, with a 95 % percentile interval.

    Why: both are scored on the same drawn rows, so what is hard for both cancels out. Rows that
    are alike (near-duplicates, items of one brand) are no new evidence: whole groups are drawn.
    Source: Efron and Tibshirani (1993), An Introduction to the Bootstrap, section 13.3; groups:
    Field and Welsh (2007), Bootstrapping clustered data, the cluster bootstrap.
    *Differs:* a draw in which the metric is nan for one of them (rows of one class, say) is drawn
    anew, so the interval is that of draws with a metric.

    Args:
        metric: Scores one prediction.
        target: `[n, *target_shape]`, in business units.
        first: Prediction columns `[n]`.
        second: Prediction columns `[n]` of the same rows.
        higher_is_better: Direction of the metric.
        groups: Labels `[n]`; rows of one group are drawn together or not at all. None: each row
            is a group of its own.
        n_resamples: Number of draws that make the interval.
        seed: The same seed gives the same interval.

    Returns:
        Gain (positive: the first is better) and the ends of its interval, in the unit of the
        metric. All three are nan where the metric is; the ends
        alone are nan where there is one group, or fewer than one draw in 20 has a metric. With
        few groups (below about 20) such an interval is too narrow.

    Raises:
        ValueError: If there is not one group label for each row.
    """
    sign = 1.0 if higher_is_better else -1.0
    gain = sign * (metric(target, first) - metric(target, second))
    if np.isnan(gain):
        return gain, np.nan, np.nan
    units = _Groups(np.arange(len(target)) if groups is None else groups, n_rows=len(target))
    generator = np.random.default_rng(seed)
    gains: list[float] = []
    for _ in range(MOST_DRAWS * n_resamples if len(units) > 1 else 0):
        rows = units.drawn(generator)
        drawn = target[rows]
        difference = metric(drawn, _taken(first, rows)) - metric(drawn, _taken(second, rows))
        if not np.isnan(difference):
            gains.append(sign * difference)
        if len(gains) == n_resamples:
            low, high = np.percentile(gains, [2.5, 97.5])
            return gain, float(low), float(high)
    return gain, np.nan, np.nan


class _Groups:
    """Rows by group, ready to be drawn a thousand times."""

    def __init__(self, labels: ArrayLike, *, n_rows: int) -> None:
        _, codes = np.unique(np.asarray(labels), return_inverse=True)
        if codes.shape != (n_rows,):
            raise ValueError(f"groups must have {n_rows} labels, one a row, got {codes.size}.")
        self.sizes = np.bincount(codes)
        self.starts = np.cumsum(self.sizes) - self.sizes
        self.order = np.argsort(codes, kind="stable")  # rows, those of one group side by side

    def __len__(self) -> int:
        return len(self.sizes)

    def drawn(self, generator: np.random.Generator) -> NDArray[np.int64]:
        """Rows of as many groups as there are, drawn with replacement."""
        groups = generator.integers(len(self), size=len(self))
        sizes = self.sizes[groups]
        first = np.repeat(self.starts[groups] - (np.cumsum(sizes) - sizes), sizes)
        return np.asarray(self.order[first + np.arange(len(first))], dtype=np.int64)


def _taken(columns: Columns, rows: np.ndarray) -> dict[str, Floats]:
    return {name: values[rows] for name, values in columns.items()}

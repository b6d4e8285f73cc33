"""How sure a gain is: an interval from test rows that are drawn again and again, in pairs."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from heads import Floats

Columns = Mapping[str, Floats]
Metric = Callable[[Floats, Columns], float]
"""One number from targets `[n, ...]` and prediction columns `[n]`; nan: undefined."""

MOST_DRAWS = 20
"""Draws for each wanted resample before an interval counts as undefined."""
MOST_VALUES = 1_000_000
"""Rows that sums are drawn of at once."""


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

    def draw() -> Floats:
        rows = units.drawn(generator)
        drawn = target[rows]
        values = metric(drawn, _taken(first, rows)), metric(drawn, _taken(second, rows))
        return np.array([sign * (values[0] - values[1])])

    n_draws = MOST_DRAWS * n_resamples if len(units) > 1 else 0
    return gain, *_interval((draw() for _ in range(n_draws)), n_resamples)


def bootstrap_of_sums(
    value: Callable[[Floats], Floats],
    first: Floats,
    second: Floats,
    *,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[float, float, float]:
    """As `paired_bootstrap`, for a metric of sums over rows: many draws are added up at once.

    Args:
        value: From sums `[..., n_terms]` to a metric `[...]` of which less is better; nan:
            undefined.
        first: What each row adds to the sums of the first prediction, `[n, n_terms]`.
        second: To those of the second.
        n_resamples: Number of draws that make the interval.
        seed: The same seed gives the same interval.

    Returns:
        Gain and the ends of its interval, see `paired_bootstrap`.

    Example:
        >>> share = lambda sums: sums[..., 0] / sums[..., 1]
        >>> errors = np.array([[1.0, 10.0], [3.0, 10.0]])
        >>> bootstrap_of_sums(share, errors, errors * [2.0, 1.0])
        (0.2, 0.1, 0.3)
    """
    n, n_terms = first.shape
    both = np.concatenate([first, second], axis=1)

    def gains(sums: Floats) -> Floats:
        return np.asarray(value(sums[..., n_terms:]) - value(sums[..., :n_terms]))

    generator = np.random.default_rng(seed)
    at_once = max(1, min(n_resamples, MOST_VALUES // max(n, 1)))
    n_turns = -(-MOST_DRAWS * n_resamples // at_once) if n > 1 else 0
    turns = (both[generator.integers(n, size=(at_once, n))].sum(axis=1) for _ in range(n_turns))
    gain = float(gains(both.sum(axis=0)))
    if np.isnan(gain):
        return gain, np.nan, np.nan
    return gain, *_interval(map(gains, turns), n_resamples)


def _interval(draws: Iterator[Floats], n_resamples: int) -> tuple[float, float]:
    """Ends of the interval of the first draws that are defined; nan where these are too few."""
    found: list[float] = []
    for some in draws:
        found += some[~np.isnan(some)].tolist()
        if len(found) >= n_resamples:
            low, high = np.percentile(found[:n_resamples], [2.5, 97.5])
            return float(low), float(high)
    return np.nan, np.nan


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

"""Intervals that hold: split-conformal quantiles of errors on rows held out."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any, Self

import numpy as np

from heads.answer_maps import splits
from heads.base import Floats, Parts

LEVELS = (0.1, 0.9)
"""Levels of the ends of an interval of 80 %."""
MIN_ROWS = 20
"""Rows below which an interval stays as it is."""
BINS = (1, 2, 4, 8)
"""Numbers of bins of the answer that are tried."""
MIN_ROWS_OF_BIN = 50


def conformal_quantile(misses: Floats, level: float, weight: Floats | None = None) -> float:
    """The number that the miss of a new row exceeds with a chance of at most `1 - level`.

    For levels below 0.5 it is the number that a miss stays below with a chance of at most `level`.

    *Source:* Vovk et al. (2005), split conformal prediction: of n misses that of rank
    `(n + 1) level`; Tibshirani et al. (2019) for weights, where a new row weighs as the mean.

    Args:
        misses: `[n]`, one or more, of rows that were not learned from.
        level: In (0, 1).
        weight: `[n]`, >= 0, how much each row counts; all alike where None.

    Returns:
        One of the misses; the outermost where rows are too few for the level.

    Example:
        >>> conformal_quantile(np.arange(1.0, 20.0), 0.9), conformal_quantile(np.ones(3), 0.5)
        (18.0, 1.0)
    """
    if level < 0.5:
        return -conformal_quantile(-misses, 1.0 - level, weight)
    weight = np.ones(len(misses)) if weight is None else weight
    return _reaching(misses, weight, level * (1.0 - 1e-12), besides=float(weight.mean()))


def weighted_quantile(values: Floats, level: float, weight: Floats | None = None) -> float:
    """The quantile of values `[n]`; interpolated between two of them where all count alike."""
    if weight is None or np.ptp(weight) == 0.0:
        return float(np.quantile(values, level))
    return _reaching(values, weight, level)


def _reaching(values: Floats, weight: Floats, level: float, *, besides: float = 0.0) -> float:
    """The value up to which ascending ones weigh a share of all and `besides`; else the largest."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order])
    place = int(np.searchsorted(reached, (reached[-1] + besides) * level))
    return float(values[order[min(place, len(order) - 1)]])


@dataclass(frozen=True)
class Interval:
    """How far the ends of an interval of 80 % lie from an answer, by the size of the answer.

    Between places ends are interpolated, beyond the outermost they stay.

    Args:
        places: Answers, ascending.
        low: What is added at each place for the lower end.
        high: The same for the upper end.

    Raises:
        ValueError: If these are not as many finite numbers, one or more, or places not ascending.

    Example:
        >>> Interval((0.0, 1.0), (-1.0, -3.0), (1.0, 2.0))(np.array([0.5, 9.0]))[0].tolist()
        [-2.0, -3.0]
    """

    places: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]

    def __post_init__(self) -> None:
        """Checks the numbers, which may come from a stranger."""
        table = [self.places, self.low, self.high]
        alike = len({len(one) for one in table}) == 1 and len(self.places) > 0
        if not alike or not np.isfinite(table).all() or (np.diff(self.places) < 0).any():
            raise ValueError(
                "places, low and high must be as many finite numbers, places ascending, got "
                f"{len(self.places)}, {len(self.low)} and {len(self.high)}."
            )

    def __call__(self, answer: Floats) -> tuple[Floats, Floats]:
        """What is added to answers `[n]` for the lower and the upper end."""
        low, high = (np.interp(answer, self.places, end) for end in (self.low, self.high))
        return low, high

    @property
    def config(self) -> dict[str, Any]:
        """What `from_config` rebuilds it from, JSON-serialisable."""
        return {name: list(values) for name, values in asdict(self).items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Self | None:
        """The interval that a configuration tells of; None for none."""
        return None if config is None else cls(**config)


NORMAL = Interval((0.0,), *([NormalDist().inv_cdf(level)] for level in LEVELS))
"""As wide as standardised targets scatter: what can be said where no row was held out."""


def fit_interval(
    answers: Floats, misses: Floats, *, parts: Parts, weight: Floats | None = None
) -> Interval | None:
    """The interval that errs least on parts of the rows that it was not fitted on.

    Tried are one pair of ends for all answers, and pairs by size of the answer, in up to 8 bins of
    50 rows or more: what sells much is often known less well. A last shift of all ends gives the
    share of rows between them that is asked.

    Args:
        answers: `[n]`, of rows that were not learned from.
        misses: `[n]`, targets minus answers.
        parts: Label `[n]` of the part of each row; rows that belong together share one.
        weight: `[n]`, how much each row counts; all alike where None.

    Returns:
        None where there are fewer than 20 rows.
    """
    if len(misses) < MIN_ROWS:
        return None
    weight = np.ones(len(misses)) if weight is None else weight
    tried = [n for n in BINS if n == 1 or len(misses) >= n * MIN_ROWS_OF_BIN * 4 / 3]
    errors = [
        sum(
            _pinball(
                _in_bins(n, answers[known], misses[known], weight[known]),
                answers[asked],
                misses[asked],
                weight[asked],
            )
            for known, asked in splits(parts)
        )
        for n in tried
    ]
    return _in_bins(tried[int(np.argmin(errors))], answers, misses, weight)


def _in_bins(n_bins: int, answers: Floats, misses: Floats, weight: Floats) -> Interval:
    """Ends in bins of as many rows each, shifted together to the asked share."""
    order = np.argsort(answers, kind="stable")
    bins = [rows for rows in np.array_split(order, n_bins) if len(rows)]
    places = np.array([answers[rows].mean() for rows in bins])
    ends = []
    for level in LEVELS:
        own = np.array([conformal_quantile(misses[rows], level, weight[rows]) for rows in bins])
        left = misses - np.interp(answers, places, own)
        ends.append(own + conformal_quantile(left, level, weight))
    return Interval(places.tolist(), ends[0].tolist(), ends[1].tolist())


def _pinball(found: Interval, answers: Floats, misses: Floats, weight: Floats) -> float:
    """Pinball loss of both ends, summed over rows."""
    total = 0.0
    for level, end in zip(LEVELS, found(answers), strict=True):
        away = misses - end
        total += float((weight * np.maximum(level * away, (level - 1.0) * away)).sum())
    return total

"""Monotone maps from answers to conditional mean and median, chosen on rows held out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from heads.base import LIMIT, Floats

Link = Literal["log", "identity"]
Parts = NDArray[np.int64]
Error = Callable[[Floats, Floats], Floats]
SLOPES = (0.2, 3.0)
"""Bounds of a slope: it is above 0, so that the order of the answers stays as it is."""
MIN_ROWS = 20
"""Rows below which answers stay as they are."""
MIN_ROWS_OF_SLOPES = 100
"""Rows below which a map has one parameter."""
N_PARTS = 4
TINY = 1e-300


@dataclass(frozen=True)
class AnswerMap:
    """What rises with an answer: `link(mapped) = intercept + slope * place`.

    Why: an answer that was learned by absolute errors, or by any loss on a logarithm, lies near the
    median. On skewed targets the mean lies far above, and the mean is what squared error, totals
    and R2 ask for. *Source:* Duan (1983), smearing, for the factor; Miller (1984) for the power.
    *differs:* both are fitted on rows held out, so they correct shrunken answers as well.

    The place of an answer is `log(answer + offset)` with the link `log`, the answer itself with
    the link `identity`. Beyond the places seen in fitting the slope is 1: few rows lie at the ends,
    so there the ratio (or the difference) of mapped and answer stays as it is at the last one.

    Args:
        link: `log` for answers and targets >= 0 (a factor and a power), `identity` for any others.
        intercept: Logarithm of the factor; or what is added.
        slope: The power; or what answers are multiplied by.
        offset: Added to answers before their logarithm, >= 0, in the unit of the target.
        low: Lowest place that was seen.
        high: Highest place that was seen.
        floor: Nothing is mapped below it.
    """

    link: Link
    intercept: float = 0.0
    slope: float = 1.0
    offset: float = 0.0
    low: float = 0.0
    high: float = 0.0
    floor: float = -LIMIT

    def __call__(self, answer: Tensor) -> Tensor:
        """Mapped answers, float64, of the same shape, in [floor, 1e100]; >= 0 with link `log`."""
        place = answer.double()
        if self.link == "log":
            place = (place + self.offset).clamp(min=0.0).log()
        inside = place.clamp(self.low, self.high)
        mapped = self.intercept + self.slope * inside + (place - inside)
        if self.link == "log":
            mapped = mapped.clamp(max=float(np.log(LIMIT))).exp()
        return mapped.clamp(self.floor, LIMIT)

    @property
    def config(self) -> dict[str, Any]:
        """What `from_config` rebuilds it from, JSON-serialisable."""
        return asdict(self)

    @classmethod
    def from_config(cls, config: Mapping[str, Any] | None) -> Self | None:
        """The map that a configuration tells of; None for none: the mean is the answer."""
        return None if config is None else cls(**config)


Way = Callable[[Floats, Floats, Floats], AnswerMap | None]
"""Fits a map, or None, from answers `[n, k]` to targets `[n]` with the weights of rows `[n]`."""


def fit_mean_map(
    answers: Floats,
    target: Floats,
    *,
    link: Link,
    parts: Parts,
    offset: float = 0.0,
    weight: Floats | None = None,
) -> AnswerMap | None:
    """The map that errs least on parts of the rows that it was not fitted on.

    Tried are no map, one parameter (a factor or a shift), and two (a power or a line) from 100 rows
    on. Each is fitted so that the means add up to the targets; where answers as they are miss the
    total by more than its standard error, leaving them is no choice. Several answers to one row are
    mapped each on its own and then averaged, as `decode` does with those of an ensemble: a mean of
    four networks scatters less than the one network that a row was held out from, and a map fitted
    to the one would be too low for a logarithm of the other. Mapped one by one, both have the same
    expectation.

    Args:
        answers: `[n, k]` by k networks that have not seen the row; >= 0 with the link `log`.
        target: `[n]`, in the unit of the answers; >= 0 with the link `log`.
        link: How answers and means are related.
        parts: Label of the part `[n]` of each row; rows that belong together share one.
        offset: See `AnswerMap`; taken where a power is fitted.
        weight: `[n]`, >= 0, how much each row counts; all alike where None.

    Returns:
        None where answers as they are err least, or there are fewer than 20 rows.
    """
    if len(target) < MIN_ROWS or np.ptp(target) == 0:
        return None
    weight = np.ones(len(target)) if weight is None else weight
    error = _squared_error if link == "identity" else _deviance
    missed = target - answers.mean(axis=1)
    mean = _mean(missed, weight)
    n_alike = weight.sum() ** 2 / np.square(weight).sum()  # rows of equal weight that say as much
    misses = abs(mean) > np.sqrt(_mean(np.square(missed - mean), weight) / n_alike)
    ways: list[Way] = [] if misses else [_as_they_are]
    if link == "log":
        ways.append(_fit_factor)
        if len(target) >= MIN_ROWS_OF_SLOPES:
            ways.append(lambda x, y, w: _fit_power(x, y, w, offset=offset))
    else:
        ways.append(_fit_shift)
        if len(target) >= MIN_ROWS_OF_SLOPES:
            ways.append(_fit_line)
    return _best_way(ways, answers, target, weight, parts=parts, error=error)


def fit_median_map(
    answers: Floats, target: Floats, *, parts: Parts, weight: Floats | None = None
) -> AnswerMap | None:
    """The line through answers that errs least in absolute terms, on parts it was not fitted on.

    Why: answers on the scale of the target lie between median and mean. The line ends at 0 where
    no target is below it, as the median of what is mostly 0 does.

    Args:
        answers: `[n, k]`, see `fit_mean_map`.
        target: `[n]`, in the unit of the answers.
        parts: Label of the part `[n]` of each row.
        weight: `[n]`, >= 0, how much each row counts; all alike where None.

    Returns:
        None where answers as they are err least, or there are fewer than 100 rows.
    """
    if len(target) < MIN_ROWS_OF_SLOPES or np.ptp(target) == 0:
        return None
    floor = 0.0 if (target >= 0).all() else -LIMIT
    weight = np.ones(len(target)) if weight is None else weight
    ways: list[Way] = [_as_they_are, lambda x, y, w: _fit_median_line(x, y, w, floor=floor)]
    return _best_way(ways, answers, target, weight, parts=parts, error=_absolute_error)


def _best_way(
    ways: Sequence[Way],
    answers: Floats,
    target: Floats,
    weight: Floats,
    *,
    parts: Parts,
    error: Error,
) -> AnswerMap | None:
    errors = np.zeros(len(ways))
    for known, asked in splits(parts):
        for place, way in enumerate(ways):
            found = way(answers[known], target[known], weight[known])
            errors[place] += weight[asked] @ error(_mapped(found, answers[asked]), target[asked])
    return ways[int(np.argmin(errors))](answers, target, weight)


def _as_they_are(answers: Floats, target: Floats, weight: Floats) -> None:
    del answers, target, weight


def _mean(values: Floats, weight: Floats) -> float:
    """Weighted mean of `[n]`."""
    return float(np.average(values, weights=weight))


def splits(parts: Parts) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Masks of the rows to fit on and of the rows to judge by, part by part.

    Rows of a single part are cut into four in their order.
    """
    if len(np.unique(parts)) < 2:
        parts = np.arange(len(parts)) * N_PARTS // len(parts)
    for part in np.unique(parts):
        yield parts != part, parts == part


def _mapped(found: AnswerMap | None, answers: Floats) -> Floats:
    mapped = answers if found is None else found(torch.from_numpy(answers)).numpy()
    return np.asarray(mapped.mean(axis=1))


def _squared_error(mean: Floats, target: Floats) -> Floats:
    return np.square(mean - target)


def _absolute_error(median: Floats, target: Floats) -> Floats:
    return np.abs(median - target)


def _deviance(mean: Floats, target: Floats) -> Floats:
    """Poisson deviance up to a constant: least at the mean, and not ruled by a few huge rows."""
    return mean - target * np.log(np.maximum(mean, TINY))


def _fit_shift(answers: Floats, target: Floats, weight: Floats) -> AnswerMap:
    return AnswerMap("identity", intercept=_mean(target - answers.mean(axis=1), weight))


def _fit_line(answers: Floats, target: Floats, weight: Floats) -> AnswerMap:
    answer = answers.mean(axis=1)
    middle, mean = _mean(answer, weight), _mean(target, weight)
    away = answer - middle
    variance = _mean(np.square(away), weight)
    slope = _mean(away * target, weight) / variance if variance > 0 else 1.0
    slope = float(np.clip(slope, *SLOPES))
    return AnswerMap(
        "identity",
        intercept=mean - slope * middle,
        slope=slope,
        low=float(answers.min()),
        high=float(answers.max()),
    )


def _fit_factor(answers: Floats, target: Floats, weight: Floats) -> AnswerMap | None:
    total, mean = _mean(answers.mean(axis=1), weight), _mean(target, weight)
    if not total > 0 or not mean > 0:
        return None
    return AnswerMap("log", intercept=float(np.log(mean) - np.log(total)))


def _fit_power(
    answers: Floats, target: Floats, weight: Floats, *, offset: float
) -> AnswerMap | None:
    """Poisson likelihood; the factor that makes the totals equal follows from the power."""
    mean = _mean(target, weight)
    if not mean > 0:
        return None
    places = np.log(np.maximum(answers + offset, TINY))
    top = float(places.max())

    def powers(slope: float) -> Floats:
        return np.asarray(np.exp(slope * (places - top)).mean(axis=1))

    def loss(slope: float) -> float:
        found = powers(slope)
        logs = np.log(np.maximum(found, TINY))
        return float(np.log(_mean(found, weight)) - _mean(target * logs, weight) / mean)

    from scipy import optimize  # takes half a second to import

    slope = float(optimize.minimize_scalar(loss, bounds=SLOPES, method="bounded").x)
    intercept = np.log(mean) - np.log(_mean(powers(slope), weight)) - slope * top
    return AnswerMap(
        "log", float(intercept), slope, offset=offset, low=float(places.min()), high=top
    )


def _fit_median_line(
    answers: Floats, target: Floats, weight: Floats, *, floor: float
) -> AnswerMap | None:
    """Least absolute error; searched from the answers themselves, in mean absolute deviations."""
    unit = _mean(np.abs(target - np.median(target)), weight)
    if not unit > 0:
        return None

    def mapped(line: Floats) -> Floats:
        return np.asarray(np.maximum(line[0] * unit + line[1] * answers, floor).mean(axis=1))

    def loss(line: Floats) -> float:
        return _mean(np.abs(mapped(line) - target), weight) / unit

    from scipy import optimize

    found = optimize.minimize(
        loss, [0.0, 1.0], method="Nelder-Mead", bounds=[(-100.0, 100.0), SLOPES]
    ).x
    return AnswerMap(
        "identity",
        intercept=float(found[0] * unit),
        slope=float(found[1]),
        low=float(answers.min()),
        high=float(answers.max()),
        floor=floor,
    )

"""From points of paths to mean and quantiles: what a member says besides the point it finds."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fusion.forecasting.examples import STAGES, Floats, Ints
from fusion.forecasting.members.base import Paths, PathTraining
from fusion.members.base import State
from fusion.members.taken import Taken
from heads.conformal import weighted_quantile

MOST_ROWS = 20_000
"""Examples of a group that answers are learned from, evenly over those that are given."""
N_GROUPS = len(STAGES)
MANY_ROWS = 100
"""Examples of a group from which on it has answers of its own."""
KNOTS = (1 / 3, 2 / 3)
"""Shares of the weight below the points where the slope of an answer may change."""
PARTS = 2 + len(KNOTS)
"""Weights of an answer: what it begins with, and a slope for each part of the points."""
ROUNDS, FAR, SETTLING, NEAR = 25, 0.3, 0.75, 2e-3
"""Rounds of reweighting; errors below FAR count as equal at first, below NEAR in the end."""
MEAN_ROUNDS = 100
PULL = 1e-4
"""Share of an example's weight with which slopes are drawn to 1: fewest rows have an answer."""


class PathAnswers:
    """Mean and quantiles of each step and of the window, by small rising functions of a point.

    Why: trees, a ridge or a smoothing give one number. How wide the truth lies around it is learned
    from points of examples that they did not learn from. Each quantile is a piecewise linear
    function of the point with two knots that never falls, so that a wide spread goes with a large
    point; it begins where the asked share of the examples lies below it. Groups (life stages) of
    100 examples have functions of their own, the others share those of all examples.

    *Source:* Koenker and Bassett (1978), pinball loss, by reweighted least squares (Schlossmacher
    1973); the mean by the Poisson likelihood, whose weights stay >= 0 (Richardson 1972).

    Args:
        horizon: Steps, >= 1.
        levels: Quantile levels in (0, 1), ascending.

    Example:
        >>> answers = PathAnswers(horizon=2, levels=(0.1, 0.5, 0.9))
        >>> answers.raw(np.ones((5, 3)), np.full(5, 2)).shape
        (5, 3, 4)
    """

    def __init__(self, *, horizon: int, levels: Sequence[float]) -> None:
        self.levels = np.asarray(levels, dtype=np.float64)
        n_entries = horizon + 1
        self.knots = np.ones((N_GROUPS, n_entries, len(KNOTS)))
        self.weights = np.zeros((N_GROUPS, n_entries, 1 + len(self.levels), PARTS))
        self.weights[..., 1:] = 1.0  # the point itself, until something is learned

    def fit(self, points: Floats, training: PathTraining, groups: Ints) -> None:
        """Learns from points of examples that the member did not learn from.

        Args:
            points: Relative points `[n, horizon + 1]`, NaN where the member has none.
            training: Targets and weights of these examples.
            groups: Group of each example, `[n]`, 0 to 2, such as its life stage.
        """
        places = [evenly(np.flatnonzero(groups == one), MOST_ROWS) for one in range(N_GROUPS)]
        some = np.concatenate(places)
        points, training, groups = points[some].clip(min=0.0), training.take(some), groups[some]
        for entry in range(points.shape[1]):
            point, target = points[:, entry], training.targets[:, entry]
            there = ~np.isnan(point) & ~np.isnan(target) & (training.weight > 0)
            if not there.any():
                continue
            rows = [there & (groups == one) for one in range(N_GROUPS)]
            is_large = [int(own.sum()) >= MANY_ROWS for own in rows]
            learned = [own for own, large in zip(rows, is_large, strict=True) if large]
            learned += [] if all(is_large) else [there]  # the last is for all small ones
            found = [
                _functions(point[own], target[own], training.weight[own], self.levels)
                for own in learned
            ]
            places_of = np.where(is_large, np.cumsum(is_large) - 1, len(found) - 1)
            for group, place in enumerate(places_of):
                self.knots[group, entry], self.weights[group, entry] = found[place]

    def centre(self) -> None:
        """Makes the median the point itself, and moves mean and quantiles with it.

        When: for points that are learned as medians. What held them out learned from less, and from
        older sales; how far they then lay beside the truth says nothing of those learned from all.
        """
        middle = 1 + int(np.abs(self.levels - 0.5).argmin())
        point = np.array([0.0, *[1.0] * (PARTS - 1)])
        self.weights += point - self.weights[..., [middle], :]

    def raw(self, points: Floats, groups: Ints) -> Paths:
        """Relative answers `[n, horizon + 1, 1 + n_levels]`, >= 0, quantiles ascending.

        Args:
            points: Relative points `[n, horizon + 1]`; below 0, or NaN, is answered as 0.
            groups: Group of each example, `[n]`, 0 to 2, such as its life stage.
        """
        parts = _parts(np.nan_to_num(points).clip(min=0.0), self.knots[groups])
        raw = np.empty((*points.shape, 1 + len(self.levels)))
        for group in range(N_GROUPS):
            own = groups == group
            raw[own] = np.einsum("nep,eqp->neq", parts[own], self.weights[group], optimize=True)
        raw[..., 1:].sort(axis=-1)
        return np.maximum(raw, 0.0)

    def state(self) -> dict[str, torch.Tensor]:
        """Knots and weights."""
        return {
            "answers.knots": torch.from_numpy(self.knots.copy()),
            "answers.weights": torch.from_numpy(self.weights.copy()),
        }

    def load_state(self, state: State) -> State:
        """Takes back what `state` gave, out of the state of a member; gives what is left of it.

        Raises:
            ValueError: If a tensor is missing, not finite or of another shape.
        """
        taken = Taken(state)
        self.knots = taken.floats("answers.knots", *self.knots.shape)
        self.weights = taken.floats("answers.weights", *self.weights.shape)
        return taken.left


def _functions(
    point: Floats, target: Floats, weight: Floats, levels: Floats
) -> tuple[Floats, Floats]:
    """Knots `[n_knots]`, and weights `[1 + n_levels, PARTS]` of the mean and of each quantile."""
    order = np.argsort(point, kind="stable")
    below = np.cumsum(weight[order]) / weight.sum()
    knots = point[order][np.searchsorted(below, KNOTS).clip(max=len(order) - 1)]
    parts = _parts(point, knots)
    quantiles = _quantile_weights(parts, target, weight, levels)
    return knots, np.vstack([_mean_weights(parts, target, weight), quantiles])


def _parts(points: Floats, knots: Floats) -> Floats:
    """1, and how much of each point lies in each part between the knots: `[..., PARTS]`."""
    inner = np.diff(knots, axis=-1)
    above = points[..., None] - knots
    middle = np.clip(above[..., :-1], 0.0, inner)
    first = np.minimum(points, knots[..., 0])[..., None]
    last = np.maximum(above[..., -1:], 0.0)
    return np.concatenate([np.ones_like(first), first, middle, last], axis=-1)


def _quantile_weights(parts: Floats, target: Floats, weight: Floats, levels: Floats) -> Floats:
    """Weights `[n_levels, PARTS]` of least pinball loss; slopes are >= 0."""
    pairs = (parts[:, :, None] * parts[:, None, :]).reshape(len(parts), -1)
    pull = PULL * weight.mean() * np.diag([0.0, *[1.0] * (PARTS - 1)])
    pulled = pull @ np.ones(PARTS)
    counts = np.repeat(weight[None], len(levels), axis=0)  # [n_levels, n]
    solved = np.zeros((len(levels), PARTS))
    for nth in range(ROUNDS):
        system = (counts @ pairs).reshape(-1, PARTS, PARTS) + pull
        system += 1e-9 * np.trace(system, axis1=1, axis2=2)[:, None, None] * np.eye(PARTS)
        solved = np.linalg.solve(system, ((counts * target) @ parts + pulled)[..., None])[..., 0]
        missed = target - solved @ parts.T
        near = max(NEAR, FAR * SETTLING**nth)
        tilt = np.where(missed > 0, levels[:, None], 1.0 - levels[:, None])
        counts = weight * tilt / np.maximum(np.abs(missed), near)
    solved[:, 1:] = np.maximum(solved[:, 1:], 0.0)
    rest = target - solved[:, 1:] @ parts[:, 1:].T
    solved[:, 0] = [weighted_quantile(r, q, weight) for r, q in zip(rest, levels, strict=True)]
    return solved


def _mean_weights(parts: Floats, target: Floats, weight: Floats) -> Floats:
    """Weights `[PARTS]`, >= 0, of the mean that is likeliest of counts of that mean."""
    wanted, size = weight * np.maximum(target, 0.0), np.maximum(weight @ parts, 1e-300)
    solved = np.ones(PARTS)
    for _ in range(MEAN_ROUNDS):
        mean = np.maximum(parts @ solved, 1e-9)
        solved = solved * ((wanted / mean) @ parts) / size
    return solved


def evenly(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of some rows, evenly over all of them.

    Example:
        >>> evenly(np.arange(9), 3).tolist(), evenly(np.arange(2), 3).tolist()
        ([0, 4, 8], [0, 1])
    """
    places = np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(np.int64)
    return rows[places]

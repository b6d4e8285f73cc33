"""Penalised linear scores by Newton steps and conjugate gradients, on dense and sparse columns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fusion.members.base import Floats
from fusion.members.ridge_features import Features
from fusion.members.view import Mask

Link = Literal["identity", "logistic", "softmax"]
NEWTON_STEPS = 12
CG_STEPS = 200
EXACT = 5e-3
"""Relative residual at which least squares are solved."""
LOOSE = 0.3
"""The same within a Newton step, of which several follow each other."""
SETTLED = 1e-3
"""Relative change of the loss below which Newton steps end."""
MOST_CROSSED = 1_500
"""Columns whose products with each other are used to converge faster."""
CROSSED_ROWS = 4_000
"""Rows in which they are formed."""
ROUNDING = 1e-6
"""What rounding may take from products of columns with each other, of the sum of their squares."""
SURER = 0.5
"""About what learned probabilities leave of the curvature that their mean would have."""


@dataclass(frozen=True)
class Likelihood:
    """How scores `[n, s, k]` of some systems are held against the same targets `[n, k]`.

    Args:
        link: `"identity"`: squared error; `"logistic"`: each score the log-odds of a target in
            [0, 1]; `"softmax"`: scores are logits of classes, targets add up to 1.
        target: `[n, k]`.
    """

    link: Link
    target: Floats

    def losses(self, scores: Floats) -> Floats:
        """Loss `[n, s]` of each row."""
        target = self.target[:, None]
        if self.link == "identity":
            return np.asarray(np.square(scores - target).sum(axis=-1) / 2)
        right = (scores * target).sum(axis=-1)
        if self.link == "logistic":
            return np.asarray(np.logaddexp(0.0, scores).sum(axis=-1) - right)
        return np.asarray(np.logaddexp.reduce(scores, axis=-1) - right)

    def means(self, scores: Floats) -> Floats:
        """What scores expect of the targets, `[n, s, k]`."""
        if self.link == "identity":
            return scores
        if self.link == "logistic":
            return 0.5 + 0.5 * np.tanh(scores / 2)
        chances = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=-1, keepdims=True))

    def curved(self, means: Floats, along: Floats) -> Floats:
        """Second derivative of the losses times a direction, `[n, s, k]`."""
        if self.link == "identity":
            return along
        if self.link == "logistic":
            return means * (1.0 - means) * along
        return np.asarray(means * (along - (means * along).sum(axis=-1, keepdims=True)))


class Curvature:
    """About the second derivative of the losses, for solving near: made once for all systems.

    Args:
        features: Columns of all rows.
        counts: `[n]`, how much each row counts.
        variances: Prior variance of the weights of each source, `[n_sources]`. Columns that may add
            most to scores are held against each other, in some rows; others alone.
    """

    def __init__(self, features: Features, counts: Floats, variances: Floats) -> None:
        self.counts, self.total = counts, max(float(counts.sum()), 1e-12)
        self.stds = np.sqrt(variances)[features.group]
        self.squares = np.zeros(len(features.group))
        for place, part in enumerate(features.parts):
            columns = features.places[place]
            if isinstance(part, np.ndarray):
                self.squares[columns] = np.einsum("n,nd,nd->d", counts, part, part, optimize=True)
                continue
            mean, scale = features.mean[columns], features.scale[columns]
            squares = part.multiply(part).T @ counts
            squares -= mean * mean * float(counts @ features.there[place])
            self.squares[columns] = squares.clip(min=0.0) * scale * scale
        rows = np.flatnonzero(counts > 0)
        rows = rows[:: 1 + (len(rows) - 1) // CROSSED_ROWS]
        most = min(MOST_CROSSED, len(rows))
        order = np.argsort(-self.squares * self.stds**2, kind="stable")
        self.columns = np.sort(order[:most])
        whole = features.dense(rows, self.columns)
        whole *= np.sqrt(counts[rows] * (self.total / counts[rows].sum()))[:, None]
        self.gram = (whole.T @ whole).astype(np.float64)

    def solve_near(self, strengths: Floats, curve: float) -> Callable[[Floats], Floats]:
        """About the inverses `[n_columns + 1, s, k]` of some systems, by one curvature of all rows.

        Args:
            strengths: What prior variances are multiplied by in each system, `[s]`.
            curve: Second derivative of a row's loss.
        """
        from scipy import linalg

        diagonal = np.empty((len(self.stds) + 1, len(strengths), 1))
        diagonal[:-1, :, 0] = 1.0 + curve * np.outer(self.squares * self.stds**2, strengths)
        diagonal[-1] = curve * self.total
        if not len(self.gram):
            return lambda slopes: slopes / diagonal
        own = self.stds[self.columns]
        crossed = curve * self.gram * np.outer(own, own)
        solvers = []
        for strength in np.unique(strengths):
            system = strength * crossed
            system[np.diag_indices(len(system))] += 1.0 + ROUNDING * np.trace(system)
            places = np.ix_(self.columns, np.flatnonzero(strengths == strength))
            solvers.append((places, linalg.cho_factor(system, overwrite_a=True)))

        def solved(slopes: Floats) -> Floats:
            found = slopes / diagonal
            for places, factor in solvers:
                own = slopes[places]
                some = linalg.cho_solve(factor, own.reshape(len(own), -1))
                found[places] = some.reshape(own.shape)
            return found

        return solved


class RidgeSolver:
    """Weights that minimise losses plus half the squares of weights over their prior variances.

    Solves several systems at once, each with its own weights of rows and its own strength of
    priors: products with sparse columns, which take nearly all the time, cost hardly more for four
    vectors than for one. No system moves another.

    *Source:* Lin, Weng and Keerthi (2008), trust region Newton method for logistic regression;
    *differs:* a step is halved where it does not help; preconditioned as `Curvature` says.

    Args:
        features: Columns of all rows.
        likelihood: Of the targets of all rows.
        strengths: What prior variances are multiplied by in each system, `[s]`.
        curvature: Of these features; has the prior variances.
    """

    def __init__(
        self,
        features: Features,
        likelihood: Likelihood,
        strengths: Floats,
        curvature: Curvature,
    ) -> None:
        self.features, self.likelihood = features, likelihood
        self.stds = np.outer(curvature.stds, np.sqrt(strengths))[:, :, None]
        means = curvature.counts @ likelihood.target / curvature.total
        learned = SURER * float((means * (1.0 - means)).mean())
        curve = 1.0 if likelihood.link == "identity" else max(learned, 1e-4)
        self.solve_near = curvature.solve_near(strengths, curve)
        self.penalty = np.concatenate([np.ones(len(features.group)), [1e-9]])[:, None, None]

    def solve(self, weight: Floats, start: Floats | None = None) -> Floats:
        """Weights `[n_columns + 1, s, k]` in units of prior deviations; the last: intercepts.

        Args:
            weight: `[n, s]`, how much each row counts; 0 of rows that are not to be seen.
            start: Where the search begins; it has seen no row that is not to be seen.
        """
        shape = (len(self.penalty), weight.shape[1], self.likelihood.target.shape[1])
        theta = np.zeros(shape) if start is None else start
        scores = self.scores(theta)
        loss = self._losses(theta, scores, weight)
        settled = np.zeros(weight.shape[1], dtype=bool)
        exact = self.likelihood.link == "identity"
        for _ in range(1 if exact else NEWTON_STEPS):
            means = self.likelihood.means(scores)
            slopes = self._back(weight[:, :, None] * (means - self.likelihood.target[:, None]))
            slopes += self.penalty * theta
            slopes[:, settled] = 0.0

            def curved(along: Floats, means: Floats = means) -> Floats:
                rows = self.likelihood.curved(means, self.scores(along))
                return self._back(weight[:, :, None] * rows) + self.penalty * along

            step = _conjugate(curved, -slopes, self.solve_near, tolerance=EXACT if exact else LOOSE)
            theta, scores, new = self._stepped(theta, step, scores, loss, weight)
            settled |= loss - new <= SETTLED * np.abs(new)
            loss = new
            if settled.all():
                break
        return theta

    def scores(self, theta: Floats) -> Floats:
        """Scores `[n, s, k]` of all rows."""
        weights = (theta[:-1] * self.stds).reshape(len(self.stds), -1)
        return np.asarray(self.features.times(weights).reshape(-1, *theta.shape[1:]) + theta[-1])

    def _back(self, rows: Floats) -> Floats:
        found = self.features.transposed(rows.reshape(len(rows), -1))
        return np.vstack([found.reshape(-1, *rows.shape[1:]) * self.stds, rows.sum(0)[None]])

    def _losses(self, theta: Floats, scores: Floats, weight: Floats) -> Floats:
        away = _inner(self.penalty * theta, theta) / 2
        return np.asarray((weight * self.likelihood.losses(scores)).sum(axis=0) + away)

    def _stepped(
        self, theta: Floats, step: Floats, scores: Floats, loss: Floats, weight: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Where steps lead, at most six times halved, with scores and losses `[s]` there."""
        moved, share = self.scores(step), np.ones((len(loss), 1))
        for _ in range(7):
            new = self._losses(theta + share * step, scores + share * moved, weight)
            helps = new <= loss
            if helps.all():
                break
            share[~helps] /= 2
        share[~helps] = 0.0
        return theta + share * step, scores + share * moved, np.where(helps, new, loss)


def _conjugate(
    curved: Callable[[Floats], Floats],
    right: Floats,
    solve_near: Callable[[Floats], Floats],
    *,
    tolerance: float,
) -> Floats:
    """Solves systems `curved(x) = right` `[columns, s, k]` by conjugate gradients, each for itself.

    Source: Hestenes and Stiefel (1952).
    """
    found, rest = np.zeros_like(right), right.copy()
    near = solve_near(rest)
    along, size = near.copy(), _inner(rest, near)
    wanted = tolerance**2 * _inner(right, right)
    for _ in range(CG_STEPS):
        unsolved = (size > 0) & (_inner(rest, rest) > wanted)
        if not unsolved.any():
            break
        bent = curved(along)
        step = _ratio(size, _inner(along, bent), unsolved)
        found += step * along
        rest -= step * bent
        near = solve_near(rest)
        size, before = _inner(rest, near), size
        along = near + _ratio(size, before, unsolved) * along
    return found


def _inner(one: Floats, other: Floats) -> Floats:
    """Inner products `[s]` of `[columns, s, k]`."""
    return np.asarray(np.einsum("csk,csk->s", one, other))


def _ratio(above: Floats, below: Floats, where: Mask) -> Floats:
    """Ratios `[s, 1]`; 0 elsewhere."""
    return np.divide(above, below, out=np.zeros_like(above), where=where)[:, None]

"""Penalised linear scores by Newton steps and conjugate gradients, on dense and sparse columns."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fusion.members.ridge_features import Features

Floats = NDArray[np.float64]
Link = Literal["identity", "logistic", "softmax"]
NEWTON_STEPS = 12
CG_STEPS = 200
EXACT = 1e-5
"""Relative residual at which least squares are solved."""
LOOSE = 0.05
"""The same within a Newton step, of which several follow each other."""
SETTLED = 1e-6
"""Relative change of the loss below which Newton steps end."""
MOST_DENSE = 3_000
"""Dense columns whose products with each other are used to converge faster."""
LOG_VARIANCES = (-12.0, 5.0)
LOG_NOISES = (-7.0, 5.0)


@dataclass(frozen=True)
class Likelihood:
    """How scores `[n, k]` are held against targets `[n, k]`.

    Args:
        link: `"identity"`: squared error; `"logistic"`: each score the log-odds of a target in
            [0, 1]; `"softmax"`: scores are logits of classes, targets add up to 1.
        target: `[n, k]`.
    """

    link: Link
    target: Floats

    def losses(self, scores: Floats) -> Floats:
        """Loss `[n]` of each row."""
        if self.link == "identity":
            return np.square(scores - self.target).sum(axis=1) / 2
        right = (scores * self.target).sum(axis=1)
        if self.link == "logistic":
            return np.asarray(np.logaddexp(0.0, scores).sum(axis=1) - right)
        return np.asarray(np.logaddexp.reduce(scores, axis=1) - right)

    def means(self, scores: Floats) -> Floats:
        """What scores expect of the targets, `[n, k]`."""
        if self.link == "identity":
            return scores
        if self.link == "logistic":
            return 0.5 + 0.5 * np.tanh(scores / 2)
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        return np.asarray(chances / chances.sum(axis=1, keepdims=True))

    def curved(self, means: Floats, along: Floats) -> Floats:
        """Second derivative of the losses times a direction, `[n, k]`."""
        if self.link == "identity":
            return along
        if self.link == "logistic":
            return means * (1.0 - means) * along
        return means * (along - (means * along).sum(axis=1, keepdims=True))


class RidgeSolver:
    """Weights that minimise losses plus half the squares of weights over their prior variances.

    *Source:* Lin, Weng and Keerthi (2008), trust region Newton method for logistic regression;
    *differs:* a step is halved where it does not help. Dense columns are preconditioned by their
    products with each other, sparse ones by their squares.

    Args:
        features: Columns of all rows.
        likelihood: Of the targets of all rows.
        stds: Prior standard deviation of the weights of each source, `[n_sources]`.
    """

    def __init__(self, features: Features, likelihood: Likelihood, stds: Floats) -> None:
        self.features, self.likelihood = features, likelihood
        self.stds = stds[features.group][:, None]
        self.penalty = np.concatenate([np.ones(len(features.group)), [1e-9]])[:, None]

    def solve(self, weight: Floats, start: Floats | None = None) -> Floats:
        """Weights `[n_columns + 1, k]` in units of their prior deviations; the last: intercepts.

        Args:
            weight: `[n]`, how much each row counts; 0 of rows that are not to be seen.
            start: Where the search begins; it has seen no row that is not to be seen.
        """
        n_scores = self.likelihood.target.shape[1]
        theta = np.zeros((len(self.penalty), n_scores)) if start is None else start.copy()
        scores = self.scores(theta)
        loss = self._loss(theta, scores, weight)
        exact = self.likelihood.link == "identity"
        solve_near = self._preconditioner(weight)
        for _ in range(1 if exact else NEWTON_STEPS):
            means = self.likelihood.means(scores)
            slopes = self._back(weight[:, None] * (means - self.likelihood.target))
            slopes += self.penalty * theta

            def curved(along: Floats, means: Floats = means) -> Floats:
                rows = self.likelihood.curved(means, self.scores(along))
                return self._back(weight[:, None] * rows) + self.penalty * along

            step = _conjugate(curved, -slopes, solve_near, tolerance=EXACT if exact else LOOSE)
            theta, scores, new = self._stepped(theta, step, scores, loss, weight)
            settled = loss - new <= SETTLED * abs(new)
            loss = new
            if settled:
                break
        return theta

    def scores(self, theta: Floats) -> Floats:
        """Scores `[n, k]` of all rows."""
        return self.features.times(theta[:-1] * self.stds) + theta[-1]

    def _back(self, rows: Floats) -> Floats:
        found = self.features.transposed(rows) * self.stds
        return np.vstack([found, rows.sum(axis=0)])

    def _loss(self, theta: Floats, scores: Floats, weight: Floats) -> float:
        away = float((self.penalty * theta * theta).sum()) / 2
        return float(weight @ self.likelihood.losses(scores)) + away

    def _stepped(
        self, theta: Floats, step: Floats, scores: Floats, loss: float, weight: Floats
    ) -> tuple[Floats, Floats, float]:
        """Where a step leads, at most six times halved, with scores and loss there."""
        moved = self.scores(step)
        for _ in range(7):
            new = self._loss(theta + step, scores + moved, weight)
            if new <= loss:
                return theta + step, scores + moved, new
            step, moved = step / 2, moved / 2
        return theta, scores, loss

    def _preconditioner(self, weight: Floats) -> Callable[[Floats], Floats]:
        """About the inverse of the second derivative, by one curvature for all rows."""
        from scipy import linalg

        means = self.likelihood.means(np.zeros_like(self.likelihood.target))
        curve = 1.0 if self.likelihood.link == "identity" else float((means * (1 - means)).mean())
        counts = curve * weight
        diagonal = np.empty((len(self.penalty), 1))
        diagonal[-1] = max(counts.sum(), 1e-12)
        dense = []
        for place, part in enumerate(self.features.parts):
            columns = self.features.places[place]
            if isinstance(part, np.ndarray):
                dense.append(place)
            else:
                squares = part.multiply(part).T @ counts
                scale = self.features.scale[columns] ** 2
                mean = self.features.mean[columns]
                squares -= mean * mean * float(counts @ self.features.there[place])
                diagonal[columns, 0] = (
                    squares.clip(min=0.0) * scale * self.stds[columns, 0] ** 2 + 1
                )
        columns = np.concatenate([self.features.places[p] for p in dense] or [np.empty(0, int)])
        if not 0 < len(columns) <= MOST_DENSE:
            diagonal[columns] = counts.sum() * self.stds[columns] ** 2 / max(len(columns), 1) + 1.0
            return lambda slopes: slopes / diagonal
        part = np.hstack([self.features.parts[place] for place in dense])
        part = part * np.sqrt(counts)[:, None].astype(np.float32)
        gram = (part.T @ part).astype(np.float64) * self.stds[columns] * self.stds[columns].T
        factor = linalg.cho_factor(gram + np.eye(len(columns)) * (1.0 + 1e-6 * np.trace(gram)))
        diagonal[columns] = 1.0

        def solve_near(slopes: Floats) -> Floats:
            found = slopes / diagonal
            found[columns] = linalg.cho_solve(factor, slopes[columns])
            return found

        return solve_near


def _conjugate(
    curved: Callable[[Floats], Floats],
    right: Floats,
    solve_near: Callable[[Floats], Floats],
    *,
    tolerance: float,
) -> Floats:
    """Solves `curved(x) = right` by conjugate gradients; Hestenes and Stiefel (1952)."""
    found, rest = np.zeros_like(right), right.copy()
    near = solve_near(rest)
    along, size = near.copy(), float((rest * near).sum())
    wanted = tolerance * float(np.linalg.norm(right))
    for _ in range(CG_STEPS):
        if size <= 0 or float(np.linalg.norm(rest)) <= wanted:
            break
        bent = curved(along)
        step = size / float((along * bent).sum())
        found += step * along
        rest -= step * bent
        near = solve_near(rest)
        size, before = float((rest * near).sum()), size
        along = near + size / before * along
    return found


def likeliest_variances(kernels: Floats, target: Floats, noise_of: Floats) -> Floats:
    """Variances of additive effects, and of noise, that make a target likeliest.

    Source: Rasmussen and Williams (2006), equations 5.8 and 5.9.

    Shape:
        kernels `[n_effects, n, n]`, target `[n]` of mean 0 and variance 1 ->
        `[n_effects + 1]`, > 0.

    Args:
        kernels: Covariance of each effect at variance 1.
        target: What they add up to.
        noise_of: Variance `[n]` of the noise of each row at variance 1.
    """
    from scipy import linalg, optimize

    noise = np.diag(noise_of)

    def loss_and_slope(logs: Floats) -> tuple[float, Floats]:
        variances = np.exp(logs)
        covariance = np.tensordot(variances[:-1], kernels, axes=1) + variances[-1] * noise
        factor = linalg.cholesky(covariance, lower=True)
        inverse, _ = linalg.lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        alpha = inverse @ target
        slopes = [
            variance * (float((inverse * kernel).sum()) - float(alpha @ kernel @ alpha))
            for variance, kernel in zip(variances, [*kernels, noise], strict=True)
        ]
        loss = float(target @ alpha) + 2.0 * float(np.log(np.diag(factor)).sum())
        return loss / 2, np.asarray(slopes) / 2

    found = optimize.minimize(
        loss_and_slope,
        np.full(len(kernels) + 1, -1.5),
        jac=True,
        method="L-BFGS-B",
        bounds=[LOG_VARIANCES] * len(kernels) + [LOG_NOISES],
        options={"maxiter": 30, "ftol": 1e-5},
    )
    variances: Floats = np.exp(found.x)
    return variances

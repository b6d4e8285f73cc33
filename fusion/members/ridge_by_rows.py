"""Linear scores by an equation a row: the covariance of rows, its inverse and its likelihood."""

from collections.abc import Sequence

import numpy as np

from fusion.members.base import Floats
from fusion.members.ridge_features import Features
from fusion.members.ridge_solver import Likelihood
from fusion.members.view import Rows

INTERCEPT = 1e4
"""Prior variance of an intercept where an equation stands for a row."""
LEAST_COUNT = 1e-9
"""Of the largest weight of a row; a row of less counts as that, so that a system can be solved."""
LOG_VARIANCES = (-12.0, 5.0)
LOG_NOISES = (-7.0, 5.0)


def solve_by_rows(
    features: Features,
    likelihood: Likelihood,
    stds: Floats,
    counts: Floats,
    folds: Sequence[Rows],
) -> list[Floats]:
    """Least squares by one system with an equation a row: weights without each fold, then of all.

    The inverse of the whole system gives what is left of it without some rows, so that it is
    factorised once.
    *Source:* Saunders, Gammerman and Vovk (1998), ridge regression in dual variables; Rasmussen and
    Williams (2006), section 5.4.2, for what is left out.

    Returns:
        `[n_columns + 1, k]` as `RidgeSolver.solve` has, one more than folds.
    """
    from scipy import linalg

    rows = np.flatnonzero(counts > 0)
    system = features.kernel(rows, stds**2)
    system += INTERCEPT
    counts = counts.clip(min=LEAST_COUNT * counts.max(initial=0.0))
    system[np.diag_indices(len(rows))] += 1.0 / counts[rows]
    factor = linalg.cholesky(system, lower=True, overwrite_a=True)
    inverse = _mirrored(linalg.lapack.dpotri(factor, lower=1, overwrite_c=1)[0])
    alpha = inverse @ likelihood.target[rows]
    found = []
    for fold in [*folds, np.empty(0, dtype=np.int64)]:
        left = np.flatnonzero(np.isin(rows, fold))
        rest = alpha.copy()
        if len(left):
            block = inverse[np.ix_(left, left)]
            rest -= inverse[:, left] @ linalg.solve(block, alpha[left], assume_a="pos")
            rest[left] = 0.0
        by_row = np.zeros((features.n, alpha.shape[1]))
        by_row[rows] = rest
        theta = features.transposed(by_row) * stds[features.group][:, None]
        found.append(np.vstack([theta, INTERCEPT * rest.sum(axis=0)]))
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
        inverse = _mirrored(linalg.lapack.dpotri(factor, lower=1)[0])
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
        options={"maxiter": 25, "ftol": 1e-4},
    )
    variances: Floats = np.exp(found.x)
    return variances


def _mirrored(lower: Floats) -> Floats:
    """A symmetric matrix from its lower triangle."""
    upper = np.triu_indices(len(lower), 1)
    lower[upper] = lower.T[upper]
    return lower

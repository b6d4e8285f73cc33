"""Kernel ridge regression with an intercept: exactly, or by landmarks where rows are many."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusion.data.known import is_known
from fusion.members.base import Floats
from fusion.members.view import Rows

DOUBLE_ROWS = 3000
"""Rows up to which kernels are of float64; above, of float32, and solutions refined once."""
CHUNK_ROWS = 2048
JITTER = 1e-5
PointsOf = Callable[[Rows], Tensor]
"""Points `[n, dim]` (float32) of some rows, each block multiplied by the root of its scale."""


class Solution(NamedTuple):
    """A kernel's answers: `intercept + kernel(rows, points) @ alphas`.

    Args:
        points: Rows whose points it is made of, `[n_points]`.
        alphas: `[n_points, n_scores]`.
        intercept: `[n_scores]`.
        out_of_fold: `[n, n_scores]`, of a fold by a solution that did not learn from it; 0 in rows
            of no fold.
    """

    points: Rows
    alphas: Floats
    intercept: Floats
    out_of_fold: Floats


def kernel(left: Tensor, right: Tensor, *, lengths: Tensor | None = None) -> Tensor:
    """`exp(-squared distance)` `[n_left, n_right]` of points `[n, dim]`, in [0, 1].

    Args:
        left: Points.
        right: Points.
        lengths: Squared lengths `[n_right]` of the right ones, where they are known.
    """
    return squared_distances(left, right, lengths=lengths).neg_().exp_()


def squared_distances(left: Tensor, right: Tensor, *, lengths: Tensor | None = None) -> Tensor:
    """`[n_left, n_right]`, >= 0, of points `[n, dim]`; arguments as of `kernel`."""
    products = left @ right.T
    lengths = right.square().sum(dim=1) if lengths is None else lengths
    products.mul_(-2.0).add_(left.square().sum(dim=1)[:, None]).add_(lengths)
    return products.clamp_(min=0.0)


@torch.no_grad()
def solve_exactly(
    points_of: PointsOf,
    target: Floats,
    *,
    weight: Floats,
    penalty: float,
    folds: Sequence[Rows],
) -> Solution:
    """Solves on all rows, and for each fold on the other rows.

    Memory grows with the square of the rows, time with the cube.

    Args:
        points_of: Points of rows.
        target: Scores `[n, n_scores]`, NaN in rows that are not learned from.
        weight: `[n]`, how much each row counts: a row of weight 2 is the row twice.
        penalty: Variance of the noise, in units of the variance of what is smooth; > 0.
        folds: Positions of the rows of each fold.
    """
    n, learned = len(target), is_known(target) & (weight > 0)
    dtype = torch.float64 if n <= DOUBLE_ROWS else torch.float32
    points = points_of(np.arange(n)).to(dtype)
    similar = kernel(points, points)
    out_of_fold = np.zeros(target.shape)
    for fold in folds:
        rows = np.setdiff1d(np.flatnonzero(learned), fold)
        if len(rows):
            alphas, intercept = _solved(_part(similar, rows, rows), target, weight, rows, penalty)
            answers = _part(similar, fold, rows).double() @ alphas + intercept
            out_of_fold[fold] = answers.numpy()
    rows = np.flatnonzero(learned)
    if not len(rows):
        nothing = np.zeros((0, target.shape[1]))
        return Solution(rows, nothing, np.zeros(target.shape[1]), out_of_fold)
    own = similar if len(rows) == n else _part(similar, rows, rows)
    alphas, intercept = _solved(own, target, weight, rows, penalty)
    return Solution(rows, alphas.numpy(), intercept.numpy(), out_of_fold)


@torch.no_grad()
def solve_by_landmarks(
    points_of: PointsOf,
    target: Floats,
    *,
    weight: Floats,
    penalty: float,
    folds: Sequence[Rows],
    landmarks: Rows,
) -> Solution:
    """As `solve_exactly`, by the part of each row that lies among the landmarks' points.

    Memory does not grow with the rows: products of features are summed over rows, chunk by chunk.
    Source: Williams and Seeger (2001), the Nystroem method.
    """
    learned = is_known(target) & (weight > 0)
    marks = points_of(landmarks)
    own = kernel(marks.double(), marks.double())
    own.diagonal().add_(JITTER)
    factor = torch.linalg.cholesky(own)
    to_features = torch.linalg.inv(factor).T.float().contiguous()

    def features(rows: Rows) -> Tensor:
        """`[n, n_landmarks + 1]`; the last column is 1, the intercept."""
        made = kernel(points_of(rows), marks) @ to_features
        return torch.cat([made, torch.ones(len(rows), 1)], dim=1)

    fold_of = np.full(len(target), len(folds))
    for place, fold in enumerate(folds):
        fold_of[fold] = place
    size = len(landmarks) + 1
    grams = torch.zeros(len(folds) + 1, size, size, dtype=torch.float64)
    products = torch.zeros(len(folds) + 1, size, target.shape[1], dtype=torch.float64)
    for place in range(len(folds) + 1):
        for rows in _chunks(np.flatnonzero(learned & (fold_of == place))):
            root = torch.from_numpy(np.sqrt(weight[rows])).float()[:, None]
            weighed = features(rows) * root
            grams[place] += (weighed.T @ weighed).double()
            products[place] += weighed.double().T @ (root * torch.from_numpy(target[rows]))
    total, right = grams.sum(dim=0), products.sum(dim=0)
    out_of_fold = np.zeros(target.shape)
    for place, fold in enumerate(folds):
        weights = _ridge(total - grams[place], right - products[place], penalty)
        for rows in _chunks(fold):
            out_of_fold[rows] = (features(rows).double() @ weights).numpy()
    weights = _ridge(total, right, penalty)
    alphas = torch.linalg.solve_triangular(factor.T, weights[:-1], upper=True)
    return Solution(landmarks, alphas.numpy(), weights[-1].numpy(), out_of_fold)


def _solved(
    system: Tensor, target: Floats, weight: Floats, rows: Rows, penalty: float
) -> tuple[Tensor, Tensor]:
    """Alphas `[n_rows, n_scores]` and intercepts `[n_scores]`, float64; the system is used up."""
    noise = torch.from_numpy(penalty / weight[rows])
    system.diagonal().add_(noise.to(system.dtype))
    right = torch.from_numpy(np.column_stack([target[rows], np.ones(len(rows))]))
    solved = _positive_solved(system, right)
    intercept = solved[:, :-1].sum(dim=0) / solved[:, -1].sum()
    return solved[:, :-1] - solved[:, -1:] * intercept, intercept


def _positive_solved(system: Tensor, right: Tensor) -> Tensor:
    """`system^-1 @ right`, float64; a system of float32 is refined, or solved in float64."""
    factor, failed = torch.linalg.cholesky_ex(system)
    if failed:  # rounding left it without a root
        system = system.double()
        factor = torch.linalg.cholesky(system)
    solved = torch.cholesky_solve(right.to(system.dtype), factor).double()
    if system.dtype == torch.float32:
        missed = right - torch.cat([part.double() @ solved for part in system.split(CHUNK_ROWS)])
        solved += torch.cholesky_solve(missed.float(), factor).double()
    return solved


def _ridge(gram: Tensor, right: Tensor, penalty: float) -> Tensor:
    """Weights of features whose last column, the intercept, has next to no penalty."""
    noise = torch.full((len(gram),), penalty, dtype=torch.float64)
    noise[-1] = JITTER
    return torch.cholesky_solve(right, torch.linalg.cholesky(gram + torch.diag(noise)))


def _part(matrix: Tensor, rows: Rows, columns: Rows) -> Tensor:
    return matrix[torch.from_numpy(rows)[:, None], torch.from_numpy(columns)]


def _chunks(rows: Rows) -> list[Rows]:
    return [rows[start : start + CHUNK_ROWS] for start in range(0, len(rows), CHUNK_ROWS)]

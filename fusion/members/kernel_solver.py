"""Kernel ridge regression with an intercept: exactly, or by landmarks where rows are many."""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusion.data.batch import chunks
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
    learned = np.flatnonzero(is_known(target) & (weight > 0))
    features = _Features(points_of, landmarks)
    in_none = np.setdiff1d(learned, np.concatenate([*folds, np.empty(0, dtype=np.int64)]))
    parts = [np.intersect1d(learned, fold) for fold in folds] + [in_none]
    sums = [features.sums(rows, target, weight) for rows in parts]
    gram, right = (reduce(torch.add, some) for some in zip(*sums, strict=True))
    out_of_fold = np.zeros(target.shape)
    for fold, (own_gram, own_right) in zip(folds, sums, strict=False):
        weights = _ridge(gram - own_gram, right - own_right, penalty)
        for part in chunks(len(fold), CHUNK_ROWS):
            rows = fold[part]
            out_of_fold[rows] = (features(rows).double() @ weights).numpy()
    weights = _ridge(gram, right, penalty)
    return Solution(landmarks, features.alphas(weights[:-1]), weights[-1].numpy(), out_of_fold)


class _Features:
    """The parts of rows that lie among the points of landmarks, as numbers for a linear model."""

    def __init__(self, points_of: PointsOf, landmarks: Rows) -> None:
        self.points_of, self.marks = points_of, points_of(landmarks)
        own = kernel(self.marks.double(), self.marks.double())
        own.diagonal().add_(JITTER)
        self.factor = torch.linalg.cholesky(own)
        self.to_features = torch.linalg.inv(self.factor).T.float().contiguous()

    def __call__(self, rows: Rows) -> Tensor:
        """`[n, n_landmarks + 1]`; the last column is 1, the intercept."""
        made = kernel(self.points_of(rows), self.marks) @ self.to_features
        return torch.cat([made, torch.ones(len(rows), 1)], dim=1)

    def sums(self, rows: Rows, target: Floats, weight: Floats) -> tuple[Tensor, Tensor]:
        """Products of features with each other and with targets, summed over rows, float64."""
        size = len(self.marks) + 1
        gram = torch.zeros(size, size, dtype=torch.float64)
        right = torch.zeros(size, target.shape[1], dtype=torch.float64)
        for part in chunks(len(rows), CHUNK_ROWS):
            some = rows[part]
            root = torch.from_numpy(np.sqrt(weight[some])).float()[:, None]
            weighed = self(some) * root
            gram += (weighed.T @ weighed).double()
            right += weighed.double().T @ (root * torch.from_numpy(target[some]))
        return gram, right

    def alphas(self, weights: Tensor) -> Floats:
        """Weights `[n_landmarks, n_scores]` of the kernel, from those of the features."""
        solved: Floats = torch.linalg.solve_triangular(self.factor.T, weights, upper=True).numpy()
        return solved


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

"""Scales of the blocks and penalty of a kernel, found by errors on rows held out of it."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy import optimize
from torch import Tensor

from fusion.members.base import Floats
from fusion.members.kernel_blocks import Points
from fusion.members.kernel_solver import squared_distances
from fusion.members.view import Rows

LOG_SCALES = (-14.0, 4.0)
LOG_PENALTIES = (np.log(1e-3), np.log(10.0))
DISTANCE = 1.0
"""Mean squared distance of two rows where the search begins."""
PENALTY = 0.1
SPREAD = 3.0
"""Standard deviation of a prior of the logarithm of a scale, around that of all blocks."""
MAX_STEPS = 25
MAX_NUMBERS = 64_000_000
"""Numbers in the distances of all blocks, 4 bytes each: with many blocks fewer rows are drawn."""


class Kernel(NamedTuple):
    """How far the blocks reach, and how noisy the target is.

    Args:
        scales: `[n_blocks]`, > 0, what the squared distance in each block counts.
        penalty: Variance of the noise, in units of the variance of what is smooth; > 0.
    """

    scales: Floats
    penalty: float


class Trial:
    """Kernels tried on a few rows: how far they err on rows held out, exactly and with slopes.

    What a fold is answered by the other rows follows from the inverse of the system of all rows:
    the errors of the fold are `inverse[fold, fold]^-1 @ alphas[fold]`. So one inverse gives the
    errors of all folds, and their slopes by the inverse are of the rank of the folds. *Source:* An,
    Liu and Venkatesh (2007), section 4; the slopes are ours.

    Args:
        points: Of each block, `[n, dim]`.
        target: Scores `[n, n_scores]`.
        weight: `[n]`, > 0, how much each row counts.
        folds: Positions of the rows of each fold; none holds all rows.
    """

    def __init__(
        self,
        points: Sequence[Points],
        target: Floats,
        *,
        weight: Floats,
        folds: Sequence[Rows],
    ) -> None:
        self.n, self.n_blocks = len(target), len(points)
        self.distances = torch.stack([_distances(block) for block in points])
        self.target = torch.from_numpy(_standardised(target, weight))
        self.weight = torch.from_numpy(weight)
        self.folds = [torch.from_numpy(fold) for fold in folds]
        held_out = np.concatenate(folds)
        self.unit = float((self.weight[:, None] * self.target.square())[held_out].sum()) or 1.0

    def errors(self, found: Kernel) -> Floats:
        """Errors `[n, n_scores]` of standardised scores on the folds; 0 in rows of no fold."""
        return self._held_out(found)[0].numpy()

    def shared(self) -> Kernel:
        """The best kernel in which all blocks count alike."""
        start = np.log([DISTANCE / (2.0 * self.n_blocks), PENALTY])

        def loss_and_slope(logs: Floats) -> tuple[float, Floats]:
            loss, slopes = self._loss_and_slopes(np.full(self.n_blocks, logs[0]), logs[1])
            return loss, np.array([slopes[:-1].sum(), slopes[-1]])

        found = _minimum(loss_and_slope, start)
        return Kernel(np.exp(np.full(self.n_blocks, found[0])), float(np.exp(found[1])))

    def by_block(self, start: Kernel) -> Kernel:
        """The best kernel with a scale for each block (automatic relevance determination).

        Each logarithm of a scale is drawn towards their mean, as by a normal prior.
        """
        pull = 0.5 * self.loss(start) / (self.n * SPREAD**2)

        def loss_and_slope(logs: Floats) -> tuple[float, Floats]:
            loss, slopes = self._loss_and_slopes(logs[:-1], logs[-1])
            away = logs[:-1] - logs[:-1].mean()
            slopes[:-1] += 2.0 * pull * away
            return loss + pull * float(away @ away), slopes

        found = _minimum(loss_and_slope, np.log([*start.scales, start.penalty]))
        return Kernel(np.exp(found[:-1]), float(np.exp(found[-1])))

    def loss(self, found: Kernel) -> float:
        """Mean squared error on the folds, as a share of the variance."""
        errors = torch.from_numpy(self.errors(found))
        return float((self.weight[:, None] * errors.square()).sum()) / self.unit

    def _loss_and_slopes(self, log_scales: Floats, log_penalty: float) -> tuple[float, Floats]:
        """Loss, and its slopes `[n_blocks + 1]` by the logarithms of scales and penalty."""
        found = Kernel(np.exp(log_scales), float(np.exp(log_penalty)))
        errors, inverse, alphas, similar = self._held_out(found)
        weighed = 2.0 * self.weight[:, None] * errors
        solved = torch.zeros_like(errors)
        left, right = [], [alphas]
        for fold in self.folds:
            own = torch.linalg.cholesky(inverse[fold[:, None], fold])
            solved[fold] = torch.cholesky_solve(weighed[fold], own)
            left.append(inverse[:, fold] @ solved[fold])
            right.append(inverse[:, fold] @ errors[fold])
        left = [-(inverse @ solved), *left]
        by_system = torch.cat(left, dim=1) @ torch.cat(right, dim=1).T / self.unit
        by_distance = (by_system * similar).float().reshape(-1)
        slopes = -(self.distances.reshape(self.n_blocks, -1) @ by_distance).double().numpy()
        by_noise = float((by_system.diagonal() / self.weight).sum()) * found.penalty
        loss = float((self.weight[:, None] * errors.square()).sum()) / self.unit
        return loss, np.append(slopes * found.scales, by_noise)

    def _held_out(self, found: Kernel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Errors, the inverse of the system, alphas, and the kernel."""
        scales = torch.from_numpy(found.scales).float()
        away = (scales @ self.distances.reshape(self.n_blocks, -1)).reshape(self.n, self.n)
        similar = away.double().neg_().exp_()
        system = similar + torch.diag(found.penalty / self.weight)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(system))
        sums = inverse.sum(dim=1)  # an intercept without penalty borders the system
        inverse -= torch.outer(sums, sums) / sums.sum()
        alphas = inverse @ self.target
        errors = torch.zeros_like(self.target)
        for fold in self.folds:
            own = torch.linalg.cholesky(inverse[fold[:, None], fold])
            errors[fold] = torch.cholesky_solve(alphas[fold], own)
        return errors, inverse, alphas, similar


def drawn_rows(rows: Rows, *, n_blocks: int, most: int, seed: int) -> Rows:
    """At most so many of some rows, drawn by a seed, ascending; fewer with many blocks."""
    most = min(most, int((MAX_NUMBERS / max(n_blocks, 1)) ** 0.5))
    return rows[np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])]


def _minimum(loss_and_slope: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Floats:
    bounds = [LOG_SCALES] * (len(start) - 1) + [LOG_PENALTIES]
    options = {"maxiter": MAX_STEPS, "ftol": 1e-4}
    return np.asarray(
        optimize.minimize(
            loss_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options
        ).x
    )


def _standardised(target: Floats, weight: Floats) -> Floats:
    """Columns of weighted mean 0 and variance 1; zeros where all are alike."""
    away = target - np.average(target, axis=0, weights=weight)
    std = np.sqrt(np.average(np.square(away), axis=0, weights=weight))
    return np.where(std > 1e-12, away / np.maximum(std, 1e-12), 0.0)


def _distances(points: Points) -> Tensor:
    own = torch.from_numpy(points)
    return squared_distances(own, own)

"""Scales of the blocks and penalty of a kernel, found by errors on rows held out of it."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fusion.data.folds import drawn_beside_folds
from fusion.members.base import Floats
from fusion.members.kernel_blocks import Points
from fusion.members.kernel_solver import squared_distances
from fusion.members.view import Rows

LEAST_DISTANCE = 0.02
"""Mean squared distance of two rows at the least: closer, a kernel is a line that float32 blurs."""
LOG_SCALES = (-14.0, 4.0)
LOG_PENALTIES = (math.log(3e-3), math.log(10.0))
DISTANCE = 1.0
"""Mean squared distance of two rows where the search begins."""
PENALTY = 0.1
SPREAD = 3.0
"""Standard deviation of a prior of the logarithm of a scale, around that of all blocks."""
MAX_STEPS = 25
PER_CENT = 100.0
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
    errors of all folds, and its slopes are of the rank of the folds. *Source:* An, Liu and
    Venkatesh (2007), section 4; the slopes are ours.

    Args:
        points: Of each block, `[n, dim]`; one or more.
        weight: `[n]`, > 0, how much each row counts.
        folds: Positions of the rows of each fold; none holds all rows.
    """

    def __init__(self, points: Sequence[Points], *, weight: Floats, folds: Sequence[Rows]) -> None:
        self.n, self.n_blocks = len(weight), len(points)
        self.distances = torch.stack([_distances(block) for block in points]).flatten(start_dim=1)
        self.weight = torch.from_numpy(weight)
        self.folds = [torch.from_numpy(fold) for fold in folds]

    def shared(self, target: Floats) -> Kernel:
        """The best kernel for scores `[n, n_scores]` in which all blocks count alike."""
        columns = self._standardised(target)

        def loss_and_slopes(logs: Floats) -> tuple[float, Floats]:
            found = Kernel(np.exp(np.full(self.n_blocks, logs[0])), float(np.exp(logs[1])))
            loss, slopes = self._loss_and_slopes(columns, found)
            return loss, np.array([slopes[:-1].sum(), slopes[-1]])

        start = np.log([DISTANCE / (2.0 * self.n_blocks), PENALTY])
        least = math.log(LEAST_DISTANCE / (2.0 * self.n_blocks))
        best = _minimum(loss_and_slopes, start, least=least)
        return Kernel(np.exp(np.full(self.n_blocks, best[0])), float(np.exp(best[1])))

    def by_block(self, target: Floats, *, start: Kernel) -> Kernel:
        """The best kernel with a scale for each block (automatic relevance determination).

        Each logarithm of a scale is drawn towards their mean, as by a normal prior. Where the
        errors do not pay for as many numbers, `start` is given back.

        Args:
            target: Scores `[n, n_scores]`.
            start: Where the search begins.
        """
        columns = self._standardised(target)
        before = self._loss(columns, self._held_out(columns, start)[0])
        pull = 0.5 * before / (self.n * SPREAD**2)

        def loss_and_slopes(logs: Floats) -> tuple[float, Floats]:
            found = Kernel(np.exp(logs[:-1]), float(np.exp(logs[-1])))
            loss, slopes = self._loss_and_slopes(columns, found)
            away = logs[:-1] - logs[:-1].mean()
            slopes[:-1] += 2.0 * pull * away
            return loss + pull * float(away @ away), slopes

        best = _minimum(loss_and_slopes, np.log([*start.scales, start.penalty]))
        found = Kernel(np.exp(best[:-1]), float(np.exp(best[-1])))
        after = self._loss(columns, self._held_out(columns, found)[0])
        return found if after * (1.0 + 2.0 * self.n_blocks / self.n) < before else start

    def answers(self, target: Floats, found: Kernel) -> Floats:
        """What the folds are answered `[n, n_scores]` by the other rows; 0 in rows of no fold."""
        errors = self._held_out(torch.from_numpy(target), found)[0].numpy()
        answers = np.zeros_like(target)
        for fold in self.folds:
            answers[fold] = target[fold] - errors[fold]
        return answers

    def _standardised(self, target: Floats) -> Tensor:
        """Columns of mean 0 and variance 1; zeros where all are alike."""
        weight = self.weight.numpy()
        away = target - np.average(target, axis=0, weights=weight)
        std = np.sqrt(np.average(np.square(away), axis=0, weights=weight))
        return torch.from_numpy(np.where(std > 1e-12, away / np.maximum(std, 1e-12), 0.0))

    def _loss(self, columns: Tensor, errors: Tensor) -> float:
        """Squared error on the folds, as a share of what their mean leaves."""
        return float((self.weight[:, None] * errors.square()).sum()) / self._unit(columns)

    def _unit(self, columns: Tensor) -> float:
        held_out = torch.cat(self.folds)
        squares = self.weight[held_out, None] * columns[held_out].square()
        return float(squares.sum()) or 1.0

    def _loss_and_slopes(self, columns: Tensor, found: Kernel) -> tuple[float, Floats]:
        """Loss, and its slopes `[n_blocks + 1]` by the logarithms of scales and penalty."""
        errors, inverse, alphas, similar = self._held_out(columns, found)
        weighed = 2.0 * self.weight[:, None] * errors
        solved = torch.zeros_like(errors)
        left, right = [], [alphas]
        for fold in self.folds:
            own = torch.linalg.cholesky(inverse[fold[:, None], fold])
            solved[fold] = torch.cholesky_solve(weighed[fold], own)
            left.append(inverse[:, fold] @ solved[fold])
            right.append(inverse[:, fold] @ errors[fold])
        left = [-(inverse @ solved), *left]
        by_system = torch.cat(left, dim=1) @ torch.cat(right, dim=1).T / self._unit(columns)
        by_noise = float((by_system.diagonal() / self.weight).sum()) * found.penalty
        by_distance = by_system.mul_(similar).float().flatten()
        by_scale = -(self.distances @ by_distance).double().numpy() * found.scales
        return self._loss(columns, errors), np.append(by_scale, by_noise)

    def _held_out(self, columns: Tensor, found: Kernel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Errors of the folds, the inverse of the system, alphas, and the kernel."""
        away = torch.from_numpy(found.scales).float() @ self.distances
        similar = away.reshape(self.n, self.n).double().neg_().exp_()
        system = similar + torch.diag(found.penalty / self.weight)
        inverse = torch.cholesky_inverse(torch.linalg.cholesky(system))
        sums = inverse.sum(dim=1)  # an intercept without penalty borders the system
        inverse -= torch.outer(sums, sums) / sums.sum()
        alphas = inverse @ columns
        errors = torch.zeros_like(columns)
        for fold in self.folds:
            own = torch.linalg.cholesky(inverse[fold[:, None], fold])
            errors[fold] = torch.cholesky_solve(alphas[fold], own)
        return errors, inverse, alphas, similar


def drawn_rows(rows: Rows, *, n_blocks: int, most: int, seed: int) -> Rows:
    """At most so many of some rows, drawn at random, ascending; fewer with many blocks."""
    most = min(most, int((MAX_NUMBERS / max(n_blocks, 1)) ** 0.5))
    return drawn_beside_folds(rows, most, seed=seed)


def _minimum(
    loss_and_slopes: Callable[[Floats], tuple[float, Floats]],
    start: Floats,
    *,
    least: float = LOG_SCALES[0],
) -> Floats:
    from scipy import optimize  # takes half a second to import

    def scaled(logs: Floats) -> tuple[float, Floats]:
        loss, slopes = loss_and_slopes(logs)
        return PER_CENT * loss, PER_CENT * slopes  # so that the first step is long enough

    found = optimize.minimize(
        scaled,
        start,
        jac=True,
        method="L-BFGS-B",
        bounds=[(least, LOG_SCALES[1])] * (len(start) - 1) + [LOG_PENALTIES],
        options={"maxiter": MAX_STEPS, "ftol": 3e-4},
    )
    return np.asarray(found.x)


def _distances(points: Points) -> Tensor:
    own = torch.from_numpy(points)
    return squared_distances(own, own)

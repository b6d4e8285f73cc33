"""What a kernel learns of one head: its kernel and its target by rows held out, then its alphas."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from fusion.data.known import folds_within, is_known, on_known_rows
from fusion.members.base import Floats
from fusion.members.judging import can_be_judged, held_out_error, held_out_loss
from fusion.members.kernel_blocks import KernelBlock, Points, joined, points_of
from fusion.members.kernel_choice import DISTANCE, PENALTY, Kernel, Trial, drawn_rows
from fusion.members.kernel_solver import Solution, solve_by_landmarks, solve_exactly
from fusion.members.kernel_targets import KernelTarget, kernel_targets
from fusion.members.view import Rows, View
from heads.base import Head

LEAST_SCALE = 1e-3
"""Share of the largest scale below which a block has no say."""
BETTER = 0.99
"""Share of the error of the head's own scale that another scale must stay below."""


class Question(NamedTuple):
    """A head with its targets `[n, *target_shape]`, what rows weigh `[n]`, and their folds."""

    head: Head
    target: Floats
    weight: Floats
    folds: Sequence[Rows]

    @property
    def rows(self) -> Rows:
        """Rows to learn from: those of a known target and a weight above 0."""
        return np.flatnonzero(is_known(self.target) & (self.weight > 0))


class Choice(NamedTuple):
    """A kernel with a scale for each block, and what it learns of the head."""

    kernel: Kernel
    target: KernelTarget

    def of_blocks(self, kept: Sequence[int]) -> "Choice":
        """The choice without the other blocks."""
        return Choice(Kernel(self.kernel.scales[kept], self.kernel.penalty), self.target)


def choose(
    view: View, blocks: Sequence[KernelBlock], asked: Question, *, most: int, seed: int
) -> Choice:
    """The kernel and the target that err least on rows held out, on at most so many rows.

    The scale of the target is chosen by the best kernel in which all blocks count alike, on the
    head's own scale; then each block gets its scale where that pays.
    """
    head, rows = asked.head, asked.rows
    drawn = drawn_rows(rows, n_blocks=len(blocks), most=most, seed=seed)
    folds = folds_within(asked.folds, drawn)
    if not blocks or not folds or not can_be_judged(folds, n_rows=len(drawn)):
        n_blocks = len(blocks)
        alike = np.full(n_blocks, DISTANCE / (2.0 * max(n_blocks, 1)))
        return Choice(Kernel(alike, PENALTY), KernelTarget())
    weight, target = asked.weight[drawn], asked.target[drawn]
    trial = Trial(points_of(blocks, view, drawn), weight=weight, folds=folds)
    options = kernel_targets(head, asked.target[rows])
    learned = [option.learned(head, target) for option in options]
    start = trial.shared(learned[0])
    best = 0
    if len(options) > 1:
        error = held_out_error if head.raw_is_additive else held_out_loss
        errors = np.array(
            [
                error(
                    head,
                    option.scores(head, trial.answers(values, start)),
                    target,
                    folds=folds,
                    weight=weight,
                )
                for option, values in zip(options, learned, strict=True)
            ]
        )
        errors[1:] /= BETTER
        best = int(errors.argmin())
    return Choice(trial.by_block(learned[best], start=start), options[best])


def relevant(choices: Sequence[Choice]) -> list[int]:
    """Positions of the blocks that have a say in any head."""
    if not choices:
        return []
    shares = [
        one.kernel.scales / max(one.kernel.scales.max(initial=0.0), 1e-300) for one in choices
    ]
    return np.flatnonzero(np.max(shares, axis=0) >= LEAST_SCALE).tolist()


def solve(
    view: View,
    blocks: Sequence[KernelBlock],
    asked: Question,
    choice: Choice,
    *,
    landmarks: Rows | None,
) -> Solution:
    """Alphas of all rows (of landmarks where these are given), and answers to the folds."""
    root = scales_of_columns(blocks, choice.kernel.scales)

    def points(rows: Rows) -> torch.Tensor:
        return torch.from_numpy(joined(points_of(blocks, view, rows), len(rows)) * root)

    learned = on_known_rows(lambda known: choice.target.learned(asked.head, known), asked.target)
    if landmarks is None:
        method = solve_exactly
    else:
        method = partial(solve_by_landmarks, landmarks=landmarks)
    return method(
        points,
        learned,
        weight=asked.weight,
        penalty=choice.kernel.penalty,
        folds=asked.folds,
    )


def scales_of_columns(blocks: Sequence[KernelBlock], scales: Floats) -> Points:
    """What each coordinate is multiplied by `[dim]`: the roots of the scales of the blocks."""
    return np.repeat(np.sqrt(scales), [block.dim for block in blocks]).astype(np.float32)

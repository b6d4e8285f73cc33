"""In which order rows are tuned on: the same for any number of processes and after any kill."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

N_RANGES = 10
WINDOW_STEPS = 32
"""Steps whose rows are sorted by length together: little padding, and still random steps."""


class RowOrder(Sampler[int]):
    """Positions of one epoch's rows: random, but rows of one step have like lengths.

    Why: a batch is padded to its longest text. The order follows from the seed and the epoch alone,
    so a run that goes on, or that has more processes with smaller batches, sees the same steps.

    Args:
        lengths: Length `[n]` of each row; all alike where it does not matter.
        step_rows: Rows of one optimiser step, over all processes.
        seed: Seed.
        chances: Chance `[n]` of each row to be drawn, with repetition; None takes each row once.
        whole_steps: True leaves out the last rows of an epoch that do not fill a step, as several
            processes must have equal shares; other rows are left out in the next epoch.
    """

    def __init__(
        self,
        lengths: NDArray[np.int64],
        *,
        step_rows: int,
        seed: int,
        chances: NDArray[np.float64] | None = None,
        whole_steps: bool = False,
    ) -> None:
        self.lengths = lengths
        self.step_rows = step_rows
        self.seed = seed
        self.chances = chances
        n_rows = len(lengths)
        self.n_rows = n_rows - n_rows % step_rows if whole_steps else n_rows
        self.epoch = 0

    def __len__(self) -> int:
        """Rows of an epoch."""
        return self.n_rows

    @property
    def n_steps(self) -> int:
        """Optimiser steps of an epoch."""
        return -(-len(self) // self.step_rows)

    def begin(self, epoch: int) -> None:
        """The epoch that is iterated next, from 0.

        Why not `set_epoch`: accelerate would call it, with 0 in an epoch that several processes go
        on with.
        """
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        """Positions, step after step; an unfilled step comes last."""
        random = np.random.default_rng([self.seed, self.epoch])
        order = random.permutation(len(self.lengths))
        if self.chances is not None:
            order = random.choice(len(order), size=len(order), p=self.chances)
        order = order[: self.n_rows]
        window = self.step_rows * WINDOW_STEPS
        steps: list[NDArray[np.int64]] = []
        for start in range(0, len(order), window):
            near = order[start : start + window]
            near = near[np.argsort(self.lengths[near], kind="stable")]
            steps += np.split(near, range(self.step_rows, len(near), self.step_rows))
        filled = [step for step in steps if len(step) == self.step_rows]
        rest = [step for step in steps if len(step) < self.step_rows]
        for place in random.permutation(len(filled)):
            yield from filled[place].tolist()
        for step in rest:
            yield from step.tolist()


def balanced_chances(
    target: NDArray[np.float64], *, n_ranges: int = N_RANGES
) -> NDArray[np.float64]:
    """Chances `[n]` that draw each class, or each equal range of a number, equally often.

    Args:
        target: Encoded targets `[n, *target_shape]`, of several steps their mean; whole numbers
            from 0 to below `n_ranges` are classes. Rows without one (NaN) are drawn as often as if
            nothing were balanced.
        n_ranges: Ranges of equal width; those that hold no row do not count.
    """
    if target.ndim > 1:
        target = target.mean(axis=tuple(range(1, target.ndim)))
    known = ~np.isnan(target)
    if not known.all():
        chances = np.full(len(target), 1.0 / len(target))
        if known.any():
            chances[known] = known.mean() * balanced_chances(target[known], n_ranges=n_ranges)
        return chances
    edges = np.linspace(target.min(), target.max(), n_ranges + 1)[1:-1]
    ranges = np.digitize(target, edges)
    counts = np.bincount(ranges, minlength=n_ranges)
    chances = 1.0 / counts[ranges]
    return np.asarray(chances / chances.sum(), dtype=np.float64)

"""Mini-batches by their number: order and chance follow from the seed and the number alone."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from fusion.pretraining.objective import Batch, Objective

Rows = NDArray[np.int64]
WINDOW_BATCHES = 32
"""Batches that are sorted by length together: little padding, and still enough mixing."""


def seed_of(*numbers: int) -> int:
    """One seed of 64 bits from several numbers (>= 0)."""
    whole = np.random.SeedSequence((len(numbers), *numbers))  # it takes no account of last zeros
    return int(whole.generate_state(1, np.uint64)[0])


class Batches(Dataset[Batch]):
    """All mini-batches of a run, epoch after epoch.

    Why by number: whoever goes on at step 700 gets what would have come there, without drawing the
    700 before, and a batch that is made ahead of time is the same one.

    Args:
        objective: What makes a batch of rows.
        rows: Positions of the rows.
        batch_size: Rows in a batch, at most; batches of an epoch differ by one row at most.
        epochs: Passes over the rows, each in another order.
        seed: Seed of order and chance.
    """

    def __init__(
        self, objective: Objective, rows: Rows, *, batch_size: int, epochs: int, seed: int
    ) -> None:
        self.objective = objective
        self.rows = rows
        self.seed = seed
        self.epochs = epochs
        self.per_epoch = -(-len(rows) // batch_size)
        self._order: tuple[int, list[Rows]] = (-1, [])

    @property
    def smallest(self) -> int:
        """Rows in the smallest batch."""
        return len(self.rows) // self.per_epoch

    def __len__(self) -> int:
        """Number of batches."""
        return self.epochs * self.per_epoch

    def __getitem__(self, number: int) -> Batch:
        """The batch of a number."""
        epoch, place = divmod(number, self.per_epoch)
        rows = self.rows_of(epoch)[place]
        seed = seed_of(self.seed, epoch, *rows.tolist())
        return self.objective.batch(rows, torch.Generator().manual_seed(seed))

    def rows_of(self, epoch: int) -> list[Rows]:
        """Rows of each batch of an epoch: shuffled, sorted by length in windows, cut, shuffled."""
        if self._order[0] != epoch:
            random = np.random.default_rng(seed_of(self.seed, epoch))
            shuffled = random.permutation(self.rows)
            lengths = self.objective.rows.lengths
            windows = np.array_split(shuffled, -(-self.per_epoch // WINDOW_BATCHES))
            ordered = [rows[np.argsort(lengths[rows], kind="stable")] for rows in windows]
            batches = np.array_split(np.concatenate(ordered), self.per_epoch)
            self._order = epoch, [batches[place] for place in random.permutation(self.per_epoch)]
        return self._order[1]

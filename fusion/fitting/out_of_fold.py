"""Answers on rows that the answering members did not learn from, and how good they are."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusion.data.known import known_rows
from heads.base import Head

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class OutOfFold:
    """Answers on rows held out.

    Args:
        folds: Positions of the rows of each fold; no row stands in two.
        raw: `[n, n_networks, *target_shape, raw_dim]` for each head, on all rows, of members that
            did not see the row; only rows of the folds count.
    """

    folds: Sequence[Rows]
    raw: Mapping[str, Tensor]

    @property
    def rows(self) -> Rows:
        """The rows of all folds, fold by fold."""
        return np.concatenate(self.folds)


def out_of_fold_loss(
    heads: Mapping[str, Head],
    targets: Mapping[str, Floats],
    out_of_fold: OutOfFold,
    rows: Rows,
) -> float:
    """Mean loss of the heads on rows held out; 1.0 is as good as the best constant answers.

    Each head is judged by the rows that have its target; nan where no head has any.

    Args:
        heads: By name.
        targets: Targets `[n, *target_shape]` in business units for each head.
        out_of_fold: Answers on these rows by what was not trained on them.
        rows: Rows that are judged, all of them held out.
    """
    losses = []
    for name, head in heads.items():
        own = rows[known_rows(targets[name][rows])]
        if len(own):
            target = torch.from_numpy(head.encode_target(targets[name][own]))
            raw = out_of_fold.raw[name][own]
            loss = head.loss(raw.mean(dim=1, keepdim=True), target)
            losses.append(float(loss) / head.constant_loss(target))
    return float(np.mean(losses)) if losses else math.nan

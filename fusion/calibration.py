"""What heads read off raw outputs is corrected on rows that no member learned from."""

from collections.abc import Mapping

import numpy as np

from fusion.data.known import is_known
from fusion.data.training_rows import TrainingRows
from fusion.members.base import Floats
from fusion.members.view import Mask
from fusion.network import Raw
from heads.base import Head

MIN_HELD_OUT = 20
"""Rows held out below which nothing can be said: heads stay as they are."""


def calibrate(
    heads: Mapping[str, Head],
    training: TrainingRows,
    raw: Raw,
) -> None:
    """Calibrates each head in place on what was answered out of fold.

    Args:
        heads: By name.
        training: Targets, folds and weights of the rows.
        raw: Answers of each head `[n, n_networks, *target_shape, raw_dim]`; rows of folds count.
    """
    targets, folds, sample_weight = training.targets, training.folds, training.sample_weight
    rows = np.concatenate(folds)
    parts = np.repeat(np.arange(len(folds)), [len(fold) for fold in folds])
    for name, head in heads.items():
        counts = is_known(targets[name][rows]) & (sample_weight[rows] > 0.0)
        own = rows[counts]
        if len(own) >= MIN_HELD_OUT:
            weight = sample_weight[own] / sample_weight[own].mean()
            given = (raw[name][own], targets[name][own])
            head.calibrate(*given, parts=parts[counts], weight=weight)


def weight_as_asked(sample_weight: Floats, is_new: Mask, *, share: float) -> Floats:
    """Weights of rows, such that those with a category never seen count as much as they will.

    Why: to find weights of members for such rows, more levels are hidden from the folds than new
    rows will bring. What is said of errors (a mean, the ends of an interval) would hold for a
    harder question than the one that is asked.

    Args:
        sample_weight: `[n]`, how much each row counts.
        is_new: Mask `[n]` of the rows that hold a category that the other folds do not.
        share: Share of such rows where no level is hidden on purpose, in [0, 1].

    Returns:
        `[n]`; the same where there are none of them, or no others, or fewer than their share.
    """
    new = float(sample_weight[is_new].sum() / sample_weight.sum())
    if not share < new < 1.0:
        return sample_weight
    return sample_weight * np.where(is_new, share / new, (1.0 - share) / (1.0 - new))

"""What heads read off raw outputs is corrected on rows that no member learned from."""

from collections.abc import Mapping, Sequence

import numpy as np

from fusion.data.known import is_known
from fusion.members.base import Floats, Raw
from fusion.members.view import Rows
from heads.base import Head

MIN_HELD_OUT = 20
"""Rows held out below which nothing can be said: heads stay as they are."""


def calibrate(
    heads: Mapping[str, Head],
    targets: Mapping[str, Floats],
    folds: Sequence[Rows],
    raw: Raw,
    *,
    sample_weight: Floats,
) -> None:
    """Calibrates each head in place on what was answered out of fold.

    Args:
        heads: By name.
        targets: Targets `[n, *target_shape]` in business units, NaN where there is none.
        folds: Positions of the rows of each fold.
        raw: Answers of each head `[n, n_networks, *target_shape, raw_dim]`; rows of folds count.
        sample_weight: `[n]`, how much each row counts.
    """
    rows = np.concatenate(folds)
    parts = np.repeat(np.arange(len(folds)), [len(fold) for fold in folds])
    for name, head in heads.items():
        known = is_known(targets[name][rows])
        own = rows[known]
        if len(own) >= MIN_HELD_OUT:
            head.calibrate(raw[name][own], targets[name][own], parts=parts[known])

"""Rows that hold a level of a category that training never saw."""

from collections.abc import Sequence

import numpy as np

from fusion.members.view import Mask, Rows, View

UNSEEN = 1
"""Code of a level that training never saw, or too seldom; codes from 2 on are known levels."""


def new_rows(view: View) -> Mask:
    """Mask `[n]` of the rows that hold a level of a category that training never saw."""
    unseen = np.zeros(len(view), dtype=bool)
    for name in view.of_kinds("category"):
        unseen |= view.filled(name) == UNSEEN
    return unseen


def new_out_of_fold(view: View, folds: Sequence[Rows]) -> Mask:
    """Mask `[n]` of the rows that hold a level of a category that no row outside their fold holds.

    Rows of no fold are learned from by all: they count as `new_rows` has them.
    """
    unseen = new_rows(view)
    for name, block in view.of_kinds("category").items():
        codes = view.filled(name)
        counts = np.bincount(codes, minlength=block.n_levels)
        for fold in folds:
            own = codes[fold]
            elsewhere = counts - np.bincount(own, minlength=len(counts))
            unseen[fold] |= (own > UNSEEN) & (elsewhere[own] == 0)
    return unseen

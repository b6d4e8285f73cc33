"""Which rows early stopping looks at: given ones, whole groups, or rows drawn at random."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Rows = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Validation:
    """Where the rows of early stopping come from.

    Args:
        rows: Positions of these rows; where None, folds are drawn.
        groups: Labels `[n]`; rows of one group stay in one fold.
    """

    rows: Rows | None = None
    groups: NDArray[Any] | None = None

    def of_rows(self, kept: Rows) -> "Validation":
        """The same for some rows of the table, counted anew."""
        return Validation(
            rows=None if self.rows is None else np.flatnonzero(np.isin(kept, self.rows)),
            groups=None if self.groups is None else self.groups[kept],
        )


DRAWN = Validation()
"""Rows drawn at random."""


def row_positions(rows: ArrayLike, *, n_rows: int) -> Rows:
    """Positions of the rows that early stopping looks at, given as positions or as a mask.

    Raises:
        ValueError: If they are neither, leave the table, are repeated, none, or all rows.
    """
    given = np.asarray(rows)
    if given.dtype == object:  # a column of truth values that could hold missing ones
        given = np.array(given.tolist())
    mask = given.dtype == bool
    if mask and given.shape == (n_rows,):
        given = np.flatnonzero(given)
    whole = np.issubdtype(given.dtype, np.integer) and given.ndim == 1
    inside = whole and bool(((given >= 0) & (given < n_rows)).all())
    if inside and len(set(given.tolist())) == len(given) and 0 < len(given) < n_rows:
        return given.astype(np.int64)
    got = f"{given.dtype} of shape {given.shape}"
    got += f" in {given.min()}..{given.max()}" if whole and len(given) else ""
    raise ValueError(
        f"validation_rows must be different positions in 0..{n_rows - 1} or a mask of {n_rows} "
        f"truth values, of one row at least and not all of X, got {got}. Correct them."
    )


def validation_folds(
    validation: Validation, *, n_rows: int, n_folds: int, share: float, seed: int
) -> list[Rows]:
    """Positions of the rows that each network is stopped by.

    Args:
        validation: Given rows are the fold of every network; else folds are disjoint and hold
            every row once.
        n_rows: Number of rows.
        n_folds: Number of networks; fewer where there are fewer groups.
        share: Share of the rows in the fold of a single network, in (0, 1); of whole groups, as
            near to it as they allow.
        seed: The same seed gives the same folds.
    """
    given = validation.rows
    if given is not None and 0 < len(given) < n_rows:
        return [given] * n_folds
    groups = np.arange(n_rows) if validation.groups is None else validation.groups
    n_groups = len(np.unique(groups))
    n_folds = min(n_folds, n_groups)
    if n_folds < 2:
        parted = groups if n_groups > 1 else np.arange(n_rows)  # a single group must be cut
        return [_drawn_share(parted, share=share, seed=seed)]
    from sklearn.model_selection import GroupKFold, KFold  # takes a second to import

    options = {"n_splits": n_folds, "shuffle": True, "random_state": seed}
    if validation.groups is None:
        return [fold for _, fold in KFold(**options).split(groups)]
    return [fold for _, fold in GroupKFold(**options).split(groups, groups=groups)]


def _drawn_share(groups: NDArray[Any], *, share: float, seed: int) -> Rows:
    """Rows of whole groups, drawn at random, about as many as a share; never all of several."""
    _, codes = np.unique(groups, return_inverse=True)
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    reached = np.cumsum(sizes[order])[: max(1, len(sizes) - 1)]
    n_drawn = int(np.argmin(np.abs(reached - share * len(codes)))) + 1
    return np.flatnonzero(np.isin(codes, order[:n_drawn]))

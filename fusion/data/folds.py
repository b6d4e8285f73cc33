"""Which rows are held out: given ones, whole groups, or rows drawn at random."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Rows = NDArray[np.int64]
MANY_LEVELS = 10
"""Levels from which a new one is likely to come: of a column with fewer none is hidden."""
HIDING_ROWS = 1_000
"""Rows from which levels are hidden: of fewer, too much is lost with them."""
HIDDEN_LEVELS = 1 / 3
"""Share of the levels of a column that are hidden, at most."""
HIDDEN_ROWS = 1 / 6
"""Share of the rows that hold a hidden level, about and at most."""


@dataclass(frozen=True, eq=False)
class RowOptions:
    """What is asked for rows of a training: which are held out, and how much each counts.

    Args:
        validation: Positions of the rows held out of the members; where None, folds are drawn.
        groups: Labels `[n]`; rows of one group stay in one fold.
        weight: `[n]`, how much each row counts, >= 0; all alike where None.
    """

    validation: Rows | None = None
    groups: NDArray[Any] | None = None
    weight: NDArray[np.float64] | None = None

    def of_rows(self, kept: Rows) -> "RowOptions":
        """The same for some rows of the table, counted anew."""
        held_out = self.validation
        return RowOptions(
            validation=None if held_out is None else np.flatnonzero(np.isin(kept, held_out)),
            groups=None if self.groups is None else self.groups[kept],
            weight=None if self.weight is None else self.weight[kept],
        )


DRAWN = RowOptions()
"""Folds drawn at random, of rows that all count alike."""


def row_groups(groups: ArrayLike, *, n_rows: int) -> NDArray[np.int64]:
    """A number for each row's group, of labels of any kind; missing ones are one group.

    Raises:
        ValueError: If they are not one label for each row, or one label for all of them.
    """
    given = np.asarray(groups)
    if given.shape != (n_rows,):
        raise ValueError(
            f"groups must hold one label for each of the {n_rows} rows, got shape {given.shape}. "
            "Give a column, such as frame['brand']."
        )
    numbers, labels = pd.factorize(pd.Series(given), use_na_sentinel=False)
    if len(labels) == 1 < n_rows:
        raise ValueError(
            f"groups must hold 2 or more labels, got {labels[0]!r} in all {n_rows} rows. "
            "Give a column that tells rows apart, or leave groups out."
        )
    return np.asarray(numbers, dtype=np.int64)


def row_positions(rows: ArrayLike, *, n_rows: int) -> Rows:
    """Positions of the rows held out of the members, given as positions or as a mask.

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
    options: RowOptions, *, n_rows: int, n_folds: int, share: float, seed: int
) -> list[Rows]:
    """Positions of the rows of each fold: members answer it by what did not learn from it.

    Args:
        options: Rows that are given are every fold; else folds are disjoint and hold every row
            once.
        n_rows: Number of rows.
        n_folds: Number of folds; fewer where there are fewer groups.
        share: Share of the rows in a single fold, in (0, 1); of whole groups, as near to it as they
            allow.
        seed: The same seed gives the same folds.
    """
    given = options.validation
    if given is not None and 0 < len(given) < n_rows:
        return [given] * n_folds
    groups = np.arange(n_rows) if options.groups is None else options.groups
    n_groups = len(np.unique(groups))
    n_folds = min(n_folds, n_groups)
    if n_folds < 2:
        parted = groups if n_groups > 1 else np.arange(n_rows)  # a single group must be cut
        return [_drawn_share(parted, share=share, seed=seed)]
    if options.groups is not None:
        return _grouped_folds(groups, n_folds=n_folds, seed=seed)
    from sklearn.model_selection import KFold  # takes a second to import

    drawn = KFold(n_splits=n_folds, shuffle=True, random_state=seed)
    return [fold for _, fold in drawn.split(groups)]


def drawn_beside_folds(rows: Rows, most: int, *, seed: int) -> Rows:
    """At most so many of some rows, drawn at random, ascending.

    Why not by the seed alone: folds are drawn by it, and the first rows of the same stream are
    those of one fold.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(rows))
    return rows[np.sort(order[:most])]


def hide_levels(
    options: RowOptions, levels: Sequence[NDArray[np.int64]], *, n_folds: int, seed: int
) -> RowOptions:
    """The same options, whose folds hold some levels of categories whole.

    Why: a model that is asked of a brand that it never saw errs otherwise than where it knows the
    brand, and it is found out only where brands are held out whole. Of each column with many levels
    up to a third are hidden, until a sixth of all rows hold one; below 1,000 rows none is, as it
    costs more on known levels than it gains on new ones: docs/members.md has figures. No group of
    rows that must stay together grows beyond half a fold.

    Args:
        options: Where rows of a group stay together as well; given rows stay as they are.
        levels: Codes `[n]` of the levels of each category column; those below 2 stand for no level.
        n_folds: Number of folds; of fewer than 2 none is hidden.
        seed: The same seed hides the same levels.
    """
    chosen = _levels_to_hide(levels, seed=seed)
    if options.validation is not None or n_folds < 2 or not chosen:
        return options
    n_rows = len(levels[0])
    if n_rows < HIDING_ROWS:
        return options
    given = np.arange(n_rows) if options.groups is None else options.groups
    _, labels = np.unique(given, return_inverse=True)
    together = _rows_by(labels)
    hidden = np.zeros(n_rows, dtype=bool)
    for column, level in chosen:
        rows = np.flatnonzero(levels[column] == level)
        parts = np.unique(labels[rows])
        joined = np.concatenate([together[part] for part in parts])
        hides = int((~hidden[rows]).sum()) + int(hidden.sum())
        if len(joined) <= n_rows / n_folds / 2 and hides <= HIDDEN_ROWS * n_rows:
            labels[joined], together[parts[0]] = parts[0], joined
            hidden[rows] = True
    return replace(options, groups=labels)


def _levels_to_hide(levels: Sequence[NDArray[np.int64]], *, seed: int) -> list[tuple[int, int]]:
    """Columns and their levels that may be hidden, in random order."""
    rng = np.random.default_rng(seed)
    chosen: list[tuple[int, int]] = []
    for column, codes in enumerate(levels):
        known = np.unique(codes[codes > 1])
        if len(known) >= MANY_LEVELS:
            drawn = rng.permutation(known)[: int(len(known) * HIDDEN_LEVELS)]
            chosen += [(column, int(level)) for level in drawn]
    return [chosen[place] for place in rng.permutation(len(chosen))]


def _rows_by(labels: Rows) -> list[Rows]:
    """Rows of each label 0, 1, ..."""
    order = np.argsort(labels, kind="stable")
    return np.split(order, np.cumsum(np.bincount(labels))[:-1])


def _grouped_folds(groups: NDArray[Any], *, n_folds: int, seed: int) -> list[Rows]:
    """Folds of whole groups, of sizes as even as they allow; drawn at random beyond that."""
    _, labels = np.unique(groups, return_inverse=True)
    sizes = np.bincount(labels)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    fold_of = np.empty(len(sizes), dtype=np.int64)
    filled = [(0, fold) for fold in range(n_folds)]
    for group in drawn[np.argsort(-sizes[drawn], kind="stable")]:
        size, fold = heapq.heappop(filled)
        fold_of[group] = fold
        heapq.heappush(filled, (size + int(sizes[group]), fold))
    return [np.flatnonzero(fold_of[labels] == fold) for fold in range(n_folds)]


def _drawn_share(groups: NDArray[Any], *, share: float, seed: int) -> Rows:
    """Rows of whole groups, drawn at random, about as many as a share; never all of several."""
    _, codes = np.unique(groups, return_inverse=True)
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    reached = np.cumsum(sizes[order])[: max(1, len(sizes) - 1)]
    n_drawn = int(np.argmin(np.abs(reached - share * len(codes)))) + 1
    return np.flatnonzero(np.isin(codes, order[:n_drawn]))

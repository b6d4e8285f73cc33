"""Which rows know a target: NaN says "not known", and nothing else is ever read into it.

A row without one of several targets is left out for the heads of that target alone. So whatever
learns from targets, or is judged by them, asks here for its head's own rows. A target of several
numbers a row (the steps of a forecast) is known where all of them are.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]


def is_known(target: Floats) -> Mask:
    """Mask `[n]` of the rows whose target `[n, *target_shape]` is known.

    Example:
        >>> is_known(np.array([[1.0, 2.0], [3.0, np.nan]])).tolist()
        [True, False]
    """
    return ~any_of_row(np.isnan(target))


def is_finite(target: Floats) -> Mask:
    """Mask `[n]` of the rows whose target is known and finite."""
    return ~any_of_row(~np.isfinite(target))


def any_of_row(mask: Mask) -> Mask:
    """Mask `[n]` of the rows in which anything of `[n, *target_shape]` is true."""
    rows: Mask = np.asarray(mask.any(axis=tuple(range(1, mask.ndim))))
    return rows


def known_rows(target: Floats) -> Rows:
    """Positions of the rows whose target `[n, *target_shape]` is known, ascending."""
    return np.flatnonzero(is_known(target))


def heads_by_rows(targets: Mapping[str, Floats]) -> list[tuple[list[str], Rows]]:
    """Heads whose targets are known of the same rows together, with these rows.

    Example:
        >>> price = np.array([9.0, np.nan])
        >>> heads_by_rows({"units": np.ones(2), "price": price, "hot": np.zeros(2)})
        [(['units', 'hot'], array([0, 1])), (['price'], array([0]))]
    """
    groups: dict[bytes, tuple[list[str], Rows]] = {}
    for name, target in targets.items():
        rows = known_rows(target)
        groups.setdefault(rows.tobytes(), ([], rows))[0].append(name)
    return list(groups.values())


def folds_within(folds: Sequence[Rows], rows: Rows) -> list[Rows]:
    """Folds as positions among some rows, ascending; those without any are left out.

    Example:
        >>> folds_within([np.array([0, 3]), np.array([1])], np.array([0, 2, 3]))
        [array([0, 2])]
    """
    within = [np.flatnonzero(np.isin(rows, fold)) for fold in folds]
    return [fold for fold in within if len(fold)]


def on_known_rows(encode: Callable[[Floats], NDArray[np.floating]], target: Floats) -> Floats:
    """An encoding `[n, ...]` of the known targets; NaN where there is none: it is never encoded."""
    rows = known_rows(target)
    values = encode(target[rows])
    encoded = np.full((len(target), *values.shape[1:]), np.nan)
    encoded[rows] = values
    return encoded


def missing_target_notes(targets: Mapping[str, Floats]) -> list[str]:
    """A sentence for each target that some rows lack, and so do not count for.

    Args:
        targets: Targets `[n, *target_shape]` of the rows to learn from, by what they are called.

    Example:
        >>> missing_target_notes({"units": np.ones(3), "price": np.array([1, np.nan, 3])})
        ['price: 1 of 3 training rows has no target and is left out for this target alone.']
    """
    notes = []
    for name, target in targets.items():
        n_missing = len(target) - len(known_rows(target))
        if n_missing:
            are = "has no target and is" if n_missing == 1 else "have no target and are"
            notes.append(
                f"{name}: {n_missing:,} of {len(target):,} training rows {are} left out for this "
                "target alone."
            )
    return notes

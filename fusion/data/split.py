"""Splits into training, validation and test rows: at random, by date, by group."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fusion.data.dates import read_date_column
from fusion.data.problems import report_problems

Rows = NDArray[np.int64]
Fractions = tuple[float, float, float]
PARTS = ("train", "validation", "test")
MIN_ROWS = 10


def _no_rows() -> Rows:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of each part, sorted; together with `left_out` they are all rows, each once.

    Args:
        train: Rows to learn from.
        validation: Rows to stop training and to choose by.
        test: Rows to report on, seen once.
        left_out: Rows in none of the parts, such as those in a gap between dates.
    """

    train: Rows
    validation: Rows
    test: Rows
    left_out: Rows = field(default_factory=_no_rows)

    def __post_init__(self) -> None:
        rows = np.sort(np.concatenate([self.train, self.validation, self.test, self.left_out]))
        if not np.array_equal(rows, np.arange(len(rows))):
            raise ValueError(
                f"a split must hold every row once, got {len(rows)} entries of which "
                f"{len(np.unique(rows))} differ. Make it with one of the split functions."
            )


def random_split(
    n: int, *, fractions: Fractions, seed: int, stratify: ArrayLike | None = None
) -> Split:
    """Rows at random.

    Args:
        n: Number of rows.
        fractions: Shares of train, validation and test, which sum to 1.
        seed: The same seed gives the same split.
        stratify: `[n]` labels or numbers that should be spread alike over the parts.

    Raises:
        ValueError: If there are fewer than 10 rows or too few for the fractions.
    """
    wanted = _checked(fractions, n=n)
    order = np.random.default_rng(seed).permutation(n)
    if stratify is not None:
        codes, _ = pd.factorize(np.asarray(stratify), sort=True)
        if len(codes) != n:
            raise ValueError(f"stratify must have {n} entries, got {len(codes)}. Give one per row.")
        order = order[np.argsort(codes[order], kind="stable")]
        return _from_parts(_dealt(n, wanted)[np.argsort(order)], wanted)
    ends = np.round(np.cumsum(wanted) * n).astype(int)
    parts = np.searchsorted(ends[:2], np.arange(n), side="right")
    return _from_parts(parts[np.argsort(order)], wanted)


def _dealt(n: int, wanted: NDArray[np.float64]) -> Rows:
    """Parts dealt out so that any run of rows holds close to the wanted shares."""
    credit = np.zeros(3)
    parts = np.empty(n, dtype=np.int64)
    for place in range(n):
        credit += wanted
        parts[place] = np.argmax(credit)
        credit[parts[place]] -= 1
    return parts


def date_split(
    dates: ArrayLike,
    *,
    fractions: Fractions | None = None,
    cuts: Sequence[Any] | None = None,
    gap_days: int = 0,
) -> Split:
    """Earlier rows to learn from, later rows to test on; a date never stands on two sides.

    Args:
        dates: `[n]` dates, none missing, as `fusion.data.dates` reads them.
        fractions: Shares of train, validation and test; or give `cuts`.
        cuts: First date of validation and first date of test; or give `fractions`.
        gap_days: Rows in so many days before each cut are left out: the horizon of the target, so
            that no training target looks into the validation time.

    Raises:
        ValueError: If a date is missing or cannot be read, or a part would be empty.
    """
    days = _read_dates(dates, name="dates")
    unknown = np.flatnonzero(np.isnat(days))
    if len(unknown):
        first = ", ".join(str(row + 1) for row in unknown[:5])
        raise ValueError(
            f"dates must be known in every row, got {len(unknown)} missing (rows {first}). "
            "Write them in or leave these rows out."
        )
    if (fractions is None) == (cuts is None) or gap_days < 0:
        raise ValueError(
            f"date_split must have either fractions or cuts, and gap_days >= 0, got {fractions}, "
            f"{cuts} and {gap_days}. Give one of the two."
        )
    wanted = _checked(fractions or (0.4, 0.3, 0.3), n=len(days))
    starts = _starts(days, wanted) if cuts is None else _cut_dates(cuts)
    return _from_parts(_dated_parts(days, starts, gap=np.timedelta64(gap_days, "D")), wanted)


def _read_dates(dates: ArrayLike, *, name: str) -> NDArray[np.datetime64]:
    days, problems = read_date_column(pd.Series(dates).rename(name))
    if problems:
        raise ValueError(report_problems(problems, source=name))
    return days


def _starts(
    days: NDArray[np.datetime64], wanted: NDArray[np.float64]
) -> list[np.datetime64 | None]:
    """First date of validation and of test; None where the part is not wanted."""
    ordered = np.sort(days)
    places = np.round(np.cumsum(wanted)[:2] * len(days)).astype(int)
    return [ordered[place] if place < len(days) else None for place in places]


def _cut_dates(cuts: Sequence[Any]) -> list[np.datetime64 | None]:
    dates = _read_dates(list(cuts), name="cuts")
    if len(dates) != 2 or not dates[0] < dates[1]:
        raise ValueError(
            f"cuts must be two dates in order, got {cuts}. Give the earlier one first."
        )
    return list(dates)


def _dated_parts(
    days: NDArray[np.datetime64], starts: Sequence[np.datetime64 | None], *, gap: np.timedelta64
) -> Rows:
    parts = np.zeros(len(days), dtype=np.int64)
    for part, start in enumerate(starts, start=1):
        if start is not None:
            parts[(days < start) & (days >= start - gap)] = -1
            parts[days >= start] = part
    return parts


def group_split(groups: ArrayLike, *, fractions: Fractions, seed: int) -> Split:
    """Whole groups at random: rows of one group never stand on two sides.

    Args:
        groups: `[n]` labels.
        fractions: Shares of train, validation and test; met as closely as the groups allow.
        seed: The same seed gives the same split.

    Raises:
        ValueError: If there are fewer groups than parts or fewer than 10 rows.
    """
    codes, _ = pd.factorize(np.asarray(groups), use_na_sentinel=False)
    wanted = _checked(fractions, n=len(codes))
    sizes = np.bincount(codes)
    order = np.random.default_rng(seed).permutation(len(sizes))
    # A group larger than the smallest part goes first, while the large part still has room.
    quota = wanted[wanted > 0].min() * len(codes)
    order = order[np.argsort(np.where(sizes[order] > quota, -sizes[order], 0), kind="stable")]
    room = wanted * len(codes)
    empty = wanted > 0
    part_of = np.empty(len(sizes), dtype=np.int64)
    for place, group in enumerate(order):
        last_chance = len(order) - place <= empty.sum()
        part = int(np.argmax(np.where(empty, room, -np.inf) if last_chance else room))
        part_of[group] = part
        room[part] -= sizes[group]
        empty[part] = False
    return _from_parts(part_of[codes], wanted)


def _checked(fractions: Fractions, *, n: int) -> NDArray[np.float64]:
    wanted = np.asarray(fractions, dtype=np.float64)
    if wanted.shape != (3,) or not (wanted >= 0).all() or wanted[0] == 0:
        raise ValueError(
            f"fractions must be three shares >= 0 and train > 0, got {fractions}. "
            "Give train, validation and test, such as (0.7, 0.15, 0.15)."
        )
    if not np.isclose(wanted.sum(), 1.0):
        raise ValueError(
            f"fractions must sum to 1, got {fractions}, which sum to {wanted.sum():g}. Scale them."
        )
    if n < MIN_ROWS:
        raise ValueError(
            f"a table must have at least {MIN_ROWS} rows to be split into "
            f"{', '.join(PARTS)}, got {n}. Add rows."
        )
    return wanted


def _from_parts(parts: Rows, wanted: NDArray[np.float64]) -> Split:
    """A split from the part number of each row (-1: left out); wanted parts must not be empty."""
    counts = [int((parts == part).sum()) for part in range(3)]
    if any(share > 0 and count == 0 for share, count in zip(wanted, counts, strict=True)):
        got = ", ".join(f"{name} {count}" for name, count in zip(PARTS, counts, strict=True))
        raise ValueError(
            f"each wanted part must hold at least one row, got {got} of {len(parts)} rows. "
            "Add rows, choose other cuts or a shorter gap, or change the fractions."
        )
    train, validation, test, left_out = (np.flatnonzero(parts == part) for part in (0, 1, 2, -1))
    return Split(train, validation, test, left_out)

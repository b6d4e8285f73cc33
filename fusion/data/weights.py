"""How much each row counts in training: weights as they are handed over, and of a table."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fusion.data.numbers import number_cells
from fusion.data.problems import SHOWN_ROWS, Problem, shown

Rows = NDArray[np.int64]
RULE = "sample_weight must hold one finite number of 0 or more for each row, not all zero"
LARGEST = 1e100
"""Of all weights: sums of them are finite."""


def checked_weights(values: ArrayLike, *, n_rows: int) -> NDArray[np.float64]:
    """Weights `[n]` of rows.

    Raises:
        ValueError: If they are not one number >= 0 a row, or all 0; with the first rows.

    Example:
        >>> checked_weights([1, 2.5], n_rows=2).tolist()
        [1.0, 2.5]
    """
    given = np.asarray(values)
    if given.shape != (n_rows,):
        raise ValueError(
            f"{RULE}, got shape {given.shape} for {n_rows} rows. Give an array of {n_rows} weights."
        )
    weights, _ = number_cells(pd.Series(given))
    _refuse(weights, [shown(value) for value in given.tolist()])
    return weights


def counted(rows: Rows, weight: NDArray[np.float64] | None) -> Rows:
    """The rows that count at all: what has weight 0 is not learned from.

    Example:
        >>> counted(np.array([0, 2]), np.array([1.0, 1.0, 0.0])).tolist()
        [0]
    """
    return rows if weight is None else rows[weight[rows] > 0.0]


def weight_values(
    column: "pd.Series[Any]", *, number_format: str = ""
) -> tuple[NDArray[np.float64], list[Problem]]:
    """Weights `[n]` of a column of a table, and which cells are none; these count as 0.

    Args:
        column: The column; a cell for each row.
        number_format: How it is written where that is not plain, see `Schema.formats`.
    """
    weights, found = number_cells(column, number_format)
    problems = [replace(problem, code="weight_not_number") for problem in found]
    told = {problem.row for problem in problems}
    for row in np.flatnonzero(~_are_weights(weights)).tolist():
        if row not in told:
            got = "none" if np.isnan(weights[row]) else f"{weights[row]:g}"
            message = f"must be a number of 0 or more, got {got}"
            problems.append(Problem("weight_range", message, row, column=str(column.name)))
    return np.where(_are_weights(weights), weights, 0.0), problems


def _are_weights(weights: NDArray[np.float64]) -> NDArray[np.bool_]:
    return (weights >= 0.0) & (weights <= LARGEST)


def _refuse(weights: NDArray[np.float64], told: list[str]) -> None:
    rows = np.flatnonzero(~_are_weights(weights))
    if len(rows):
        first = ", ".join(f"row {row + 1}: {told[row]}" for row in rows[:SHOWN_ROWS])
        more = f" and {len(rows) - SHOWN_ROWS} more" if len(rows) > SHOWN_ROWS else ""
        raise ValueError(f"{RULE}, got {first}{more}. Correct them, or leave these rows out.")
    if not weights.any():
        raise ValueError(f"{RULE}, got zero in all {len(weights)} rows. Weigh some rows.")

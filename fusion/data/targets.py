"""Targets as they are handed to an estimator: their names and values."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from fusion.data.frames import arrow_table, as_frame, column_name
from fusion.data.numbers import number_cells
from fusion.data.problems import SHOWN_ROWS, Problem, raise_for
from fusion.data.schema import missing_columns

TARGET = "target"  # name of a target that comes without one


def target_frame(y: Any) -> pd.DataFrame | None:
    """Targets as a frame; None where they are no table."""
    table = y if isinstance(y, pd.DataFrame) else arrow_table(y)
    if table is None:
        return None
    return as_frame(table.reset_index(drop=True) if isinstance(table, pd.DataFrame) else table)


def named_targets(y: Any, names: Sequence[str]) -> dict[str, Any]:
    """Values of several targets by their name.

    Raises:
        ValueError: If y is no frame, or lacks some of them.
    """
    table = target_frame(y)
    wanted = ", ".join(names)
    if table is None:
        raise ValueError(
            f"y must be a frame with a column for each target ({wanted}), got {type(y).__name__}. "
            f"Give frame[{list(names)}]."
        )
    missing = missing_columns(names, table.columns)
    if missing:
        raise ValueError("\n".join(f"y: {problem}" for problem in missing))
    return {name: table[name] for name in names}


def named_target(y: Any) -> tuple[str, Any]:
    """Name and values of a single target; `target` where it has no name.

    Raises:
        ValueError: If it is a table of several columns, or a name.
    """
    if isinstance(y, str):
        raise ValueError(
            f"y must hold one target for each row, got the name {y!r}. Give the column itself, "
            "frame[name], and X without it."
        )
    table = target_frame(y)
    if table is None:
        name = getattr(y, "name", None)
        foreign = hasattr(y, "__arrow_c_stream__") and not isinstance(y, pd.Series)
        values = np.asarray(y) if foreign else y
        return TARGET if name is None or name == "" else column_name(name), values
    if table.shape[1] != 1:
        raise ValueError(
            f"y must be one column, got {', '.join(table.columns)}. For several targets give head "
            "a mapping such as {'units': 'sales_volume'}."
        )
    return str(table.columns[0]), table.iloc[:, 0]


def target_arrays(targets: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Targets as numbers `[n]`: truth values as 1 and 0, time spans as days, missing ones as NaN.

    Raises:
        CatalogueError: With every cell that is no number, such as a date or `12,90`.
    """
    arrays: dict[str, NDArray[np.float64]] = {}
    problems: list[Problem] = []
    for name, values in targets.items():
        arrays[name], found = number_cells(target_series(name, values))
        for problem in found:
            if problem.code == "number_infinite" and problem.row is not None:
                arrays[name][problem.row] = np.inf  # its head tells its range
            else:
                problems.append(replace(problem, code="target_not_number"))
    raise_for(problems, source="y")
    return arrays


def target_series(name: str, values: Any) -> "pd.Series[Any]":
    """Targets as a column of this name, counted from 0."""
    column = values if isinstance(values, pd.Series) else pd.Series(np.asarray(values))
    return column.rename(name).reset_index(drop=True)


def refuse_missing(y: ArrayLike) -> None:
    """Refuses targets of which some are missing.

    Raises:
        ValueError: With the first rows.
    """
    rows = np.flatnonzero(pd.isna(np.asarray(y, dtype=object)))
    if len(rows):
        first = ", ".join(str(row + 1) for row in rows[:SHOWN_ROWS])
        more = ", ..." if len(rows) > SHOWN_ROWS else ""
        raise ValueError(
            f"Input y contains NaN, in {len(rows)} of {len(np.asarray(y))} rows ({first}{more}). "
            "Leave these rows out of X and y."
        )


def check_target_names(frame: pd.DataFrame, targets: Mapping[str, NDArray[np.float64]]) -> None:
    """Refuses a column of X that is called like a target: it is the target, or would be lost.

    Raises:
        ValueError: With every such column.
    """
    faults = []
    for name, values in targets.items():
        if name in frame.columns:
            same = _says_the_same(frame[name], values)
            what = "the very values of y" if same else "other values"
            faults.append(
                f"X must have no column with the name of y, got {name!r} with {what}. "
                + ("Drop it from X." if same else "Rename y or the column.")
            )
    if faults:
        raise ValueError("\n".join(faults))


def _says_the_same(column: "pd.Series[Any]", values: NDArray[np.float64]) -> bool:
    """True if a column holds the numbers of a target, or other words for its two classes."""
    if np.array_equal(number_cells(column)[0], values, equal_nan=True):
        return True
    words, classes = pd.factorize(column)[0], pd.factorize(values)[0]
    return len(set(classes.tolist())) <= 2 and np.array_equal(words, classes)

"""Targets that are labels: cells of a column as positions among its labels.

A label has the one form of a category (see `fusion.data.cells.read_category`): 1, 1.0 and "1" are
one label. An empty cell is no label, so that its row has no target.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.cells import PLAIN_NUMBER, CellFault, is_missing, read_category, read_cells
from fusion.data.problems import Problem, printable, shown

Texts = Sequence[str | None]

LEAST_ROWS = 2
"""Rows that each label must have: one to learn from and one to measure on."""
SHOWN_LABELS = 10


def read_labels(column: "pd.Series[Any]") -> tuple[list[str | None], list[Problem]]:
    """Labels of a column, None where missing or faulty, and a problem for each faulty cell."""
    texts, problems = read_cells(column, read_category)
    codes = [problem.code.replace("category", "target_label", 1) for problem in problems]
    return texts, [replace(one, code=code) for one, code in zip(problems, codes, strict=True)]


def sorted_labels(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The different labels, numbers in the order of their values, others by their letters.

    Example:
        >>> sorted_labels(["10", "9", None, "9"]), sorted_labels(["up", "9", "10"])
        (('9', '10'), ('10', '9', 'up'))
    """
    labels = sorted({text for text in texts if text is not None})
    if all(PLAIN_NUMBER.fullmatch(label) for label in labels):
        labels.sort(key=float)
    return tuple(labels)


def canonical_labels(given: Any) -> tuple[str, ...] | None:
    """Labels that somebody listed, in their one form and their order.

    Returns:
        None where they are no list of two or more different ones.
    """
    given = given.tolist() if hasattr(given, "tolist") else given  # of NumPy and pandas
    if isinstance(given, str) or not isinstance(given, Sequence):
        return None
    try:
        labels = tuple(read_category(label) for label in given if not is_missing(label))
    except (CellFault, TypeError, ValueError):  # lists in the list among them
        return None
    return labels if 2 <= len(labels) == len(set(labels)) == len(given) else None


def label_positions(
    texts: Texts, labels: Sequence[str], *, column: str
) -> tuple[NDArray[np.float64], list[Problem]]:
    """Positions `[n]` of labels among `labels`, NaN where there is none, and the unknown ones.

    Example:
        >>> label_positions(["up", None, "down"], ["down", "up"], column="trend")
        (array([ 1., nan,  0.]), [])
    """
    places = {label: float(place) for place, label in enumerate(labels)}
    positions = np.array([places.get(text, np.nan) for text in texts], dtype=np.float64)  # type: ignore[arg-type]
    problems = [
        Problem(
            "target_label_unknown",
            f"must be one of {listed(labels)}, got {shown(text)}",
            row=row,
            column=column,
        )
        for row, text in enumerate(texts)
        if text is not None and text not in places
    ]
    return positions, problems


def label_mistakes(positions: NDArray[np.float64], labels: Sequence[str], *, what: str) -> str:
    """Why labels cannot be learned from: fewer than two of them, or one of a single row.

    Args:
        positions: Positions of the labels, any shape; NaN where there is none.
        labels: What they are positions of.
        what: Name of the target.

    Returns:
        One sentence; empty where there is nothing to say.
    """
    counts = Counter(positions[~np.isnan(positions)].astype(int).tolist())
    if len(labels) < 2:
        got = f"{len(labels)} ({listed(labels)})" if labels else "none"
        return (
            f"{what} must hold at least two labels, got {got}. Give rows of another label, or "
            "another target."
        )
    few = [label for place, label in enumerate(labels) if counts[place] < LEAST_ROWS]
    if not few:
        return ""
    return (
        f"{what} must have {LEAST_ROWS} or more rows of each label, got fewer of {listed(few)}. "
        "Join these labels to others, or leave their rows out."
    )


def label_texts(positions: NDArray[np.float64], labels: Sequence[str]) -> NDArray[np.object_]:
    """Labels at positions of any shape; None where a position is NaN."""
    names = np.array([*labels, None], dtype=object)
    places = np.where(np.isnan(positions), len(labels), positions).astype(np.int64)
    return np.asarray(names[places], dtype=object)


def listed(labels: Sequence[str]) -> str:
    """Labels for a message: the first ten of them."""
    more = f" and {len(labels) - SHOWN_LABELS} more" if len(labels) > SHOWN_LABELS else ""
    return ", ".join(printable(label) for label in labels[:SHOWN_LABELS]) + more

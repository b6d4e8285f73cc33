"""Numbers that stand in the texts of a table: which ones it has, and their columns."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusion.data.cells import cells, read_cells, read_text
from fusion.data.problems import Problem, raise_for
from fusion.data.text_numbers import numbers_in
from fusion.data.units import PLAIN, PRODUCT
from fusion.modalities import MODALITIES

if TYPE_CHECKING:
    from fusion.data.readers import Read, Table

SAMPLE = 5_000
"""Cells of a column that are looked at; drawn evenly, so the answer never varies."""
LEAST_ROWS, LEAST_SHARE = 20, 0.005
"""Rows, and share of the rows, that a number must stand in to be a column."""
BEFORE, SHOWN_CHARACTERS = 20, 60
MOST_COLUMNS = 64
"""Columns of numbers of one table: those in most rows."""


def column_name(column: str, label: str) -> str:
    """Name of a column of numbers, such as `title: length cm`."""
    return f"{column}: {label}"


def first_number_in(text: str) -> str:
    """What stands around the first digit of a text, some 60 characters, to show it.

    Example:
        >>> first_number_in(f"Machine wash at 40 degrees, line dry. {'Soft. ' * 20}")
        'Machine wash at 40 degrees, line dry. Soft. Soft. Soft. Soft …'
    """
    found = re.search(r"[0-9]", text)
    start = max(0, found.start() - BEFORE) if found else 0
    end = start + SHOWN_CHARACTERS
    shown = " ".join(text[start:end].split())
    return f"{'… ' if start else ''}{shown}{' …' if end < len(text) else ''}"


def find_text_numbers(
    frame: pd.DataFrame,
    *,
    texts: Sequence[str],
    labels: Sequence[str],
    listed: Sequence[str] | None,
    source: str = "the table",
) -> dict[str, tuple[str, ...]]:
    """Column -> labels of the numbers that stand in enough of its rows, and differ.

    Args:
        frame: The table.
        texts: Its columns of texts.
        labels: Its columns of categories; there a number without a unit is a name.
        listed: Columns that the user named, which then need a number in two rows; None: find them.
        source: Name of the table in messages.

    Raises:
        CatalogueError: If a column that the user named holds none.
    """
    columns = [*texts, *labels] if listed is None else listed
    n_seen = len(_sample(frame.index))
    least = 2 if listed is not None else max(LEAST_ROWS, LEAST_SHARE * n_seen)
    counts: dict[tuple[str, str], int] = {}
    for name in dict.fromkeys(columns):
        for label, n_rows in _counts(frame[name], is_text=name not in labels).items():
            if n_rows >= least:
                counts[name, label] = n_rows
    kept = set(sorted(counts, key=lambda each: -counts[each])[:MOST_COLUMNS])
    found: dict[str, tuple[str, ...]] = {}
    for name, label in counts:
        if (name, label) in kept:
            found[name] = (*found.get(name, ()), label)
    message = "must hold texts with numbers that differ, if it is named in text_numbers, got none"
    lacking = [name for name in listed or () if name not in found]
    raise_for([Problem("column_numbers", message, column=name) for name in lacking], source=source)
    return found


def _sample(sequence: Any) -> Any:
    return sequence[:: max(1, len(sequence) // SAMPLE)]


def _counts(column: "pd.Series[Any]", *, is_text: bool) -> dict[str, int]:
    """Label -> rows of a sample that have such a number; of labels whose numbers differ."""
    found: dict[str, list[tuple[int, float]]] = {}
    times = Counter(cell for cell in _sample(cells(column)) if isinstance(cell, str))
    for place, text in enumerate(times):
        for label, value in numbers_in(text).items():
            if is_text or label not in (PRODUCT, *PLAIN):
                found.setdefault(label, []).append((place, value))
    if _are_running_numbers(found.get(PLAIN[0], [])):
        found = {label: values for label, values in found.items() if label not in (PRODUCT, *PLAIN)}
    rows = list(times.values())
    counts: dict[str, int] = {}
    told: set[tuple[tuple[int, float], ...]] = set()
    for label, values in found.items():
        if len({value for _, value in values}) > 1 and tuple(values) not in told:
            told.add(tuple(values))  # where texts have one number, the largest is the first
            counts[label] = sum(rows[place] for place, _ in values)
    return counts


def _are_running_numbers(values: Sequence[tuple[int, float]]) -> bool:
    """Whether numbers without a unit mostly differ, as those of models and versions do."""
    return len({value for _, value in values}) > len(values) / 2


def read_text_numbers(table: "Table") -> "Read":
    """Numbers of the columns, as the schema names them; NaN where a text does not have one.

    Problems are those of columns that play no other role; the others are told there.
    """
    wanted = table.schema.text_numbers
    read = table.values.get(table.modality.name)
    if isinstance(read, pd.DataFrame):  # fewer of the columns are read
        names = [column_name(name, label) for name in wanted for label in wanted[name]]
        return read[names], []
    told_there = _columns_of_others(table)
    problems: list[Problem] = []
    columns: dict[str, Any] = {}
    for name, labels in wanted.items():
        texts, found = read_cells(
            table.frame[name], lambda cell: read_text(cell, kind=table.modality.fault_code)
        )
        problems += [] if name in told_there else found
        columns |= _number_columns(name, labels, texts)
    return pd.DataFrame(columns, index=table.frame.index), problems


def _number_columns(
    name: str, labels: Sequence[str], texts: Sequence[str | None]
) -> Mapping[str, Any]:
    values = {label: np.full(len(texts), np.nan) for label in labels}
    known: dict[str, dict[str, float]] = {}
    for row, text in enumerate(texts):
        if text is None:
            continue
        if text not in known:
            known[text] = numbers_in(text)
        for label, value in known[text].items():
            if label in values:
                values[label][row] = value
    return {column_name(name, label): column for label, column in values.items()}


def _columns_of_others(table: "Table") -> set[str]:
    """Columns that a modality reads which repeats no other."""
    schema = table.schema
    own = [name for name in schema.modalities if not MODALITIES[name].repeats]
    return {column for name in own for column in schema.columns_read_by(name)}

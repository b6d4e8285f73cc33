"""What a modality reads of a table: one value a row, and what is wrong with single rows.

`MODALITIES` says which reader is whose. A faulty value is None (in a frame: the cell is missing),
and its problem is told; nothing is put in its place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fusion.data.cells import (
    canonical_text,
    cells,
    plain_text,
    read_category,
    read_cells,
    read_text,
)
from fusion.data.dates import date_cells
from fusion.data.numbers import number_cells
from fusion.data.photos import read_photo_cell
from fusion.data.problems import Problem
from fusion.data.schema import Schema
from fusion.modalities import Modality

Values = list[Any] | pd.DataFrame
"""Values of one modality: one a row, None where absent; for tables a frame."""
Read = tuple[Values, list[Problem]]
"""Values of one modality, and what is wrong with single rows of the table."""


@dataclass(frozen=True, eq=False)
class Table:
    """A table, and which modality is read of it.

    Args:
        frame: All columns, rows counted from 0.
        schema: Roles of the columns.
        modality: The modality that is read.
        photos: Folder of the photos; None where there is none.
        values: Values of the modalities that were read before.
    """

    frame: pd.DataFrame
    schema: Schema
    modality: Modality
    photos: Path | None
    values: Mapping[str, Values]

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that the modality reads, at least one."""
        return self.schema.columns_read_by(self.modality.name)


def read_texts(table: Table) -> Read:
    """One text per row: the cell of a single column, else `name: text` lines of those not empty."""
    columns, fault = table.columns, table.modality.fault_code
    found = [read_cells(table.frame[n], lambda cell: read_text(cell, kind=fault)) for n in columns]
    problems = [problem for _, faults in found for problem in faults]
    faulty = {problem.row for problem in problems}
    texts: list[str | None] = []
    for row, parts in enumerate(zip(*(values for values, _ in found), strict=True)):
        lines = [
            part if len(columns) == 1 else f"{name}: {part}"
            for name, part in zip(columns, parts, strict=True)
            if part is not None
        ]
        texts.append("\n".join(lines) if lines and row not in faulty else None)
    return texts, problems


def read_photos(table: Table) -> Read:
    """The photos of each row; None where there is none or where one of them is faulty."""
    found = [
        read_cells(table.frame[name], lambda cell: read_photo_cell(table.photos, cell))
        for name in table.columns
    ]
    problems = [problem for _, faults in found for problem in faults]
    faulty = {problem.row for problem in problems}
    rows = zip(*(values for values, _ in found), strict=True)
    paths = [[path for path in row if path is not None] for row in rows]
    whole = [None if row in faulty else found or None for row, found in enumerate(paths)]
    return whole, problems


def read_frame(table: Table) -> Read:
    """A frame of numbers, dates and categories, by the roles of its columns."""
    frame, schema = table.frame, table.schema
    output: dict[str, Any] = {}
    problems: list[Problem] = []
    for role in table.modality.roles:
        for name in schema.columns_of(role):
            if role == "categorical":
                values, found = read_cells(frame[name], read_category)
                output[name] = pd.Series(values, dtype=object, index=frame.index)
            elif role == "dates":
                output[name], found = date_cells(frame[name], schema.format_of(name, "dates"))
            else:
                output[name], found = number_cells(frame[name], schema.format_of(name, "numeric"))
            problems += found
    return pd.DataFrame(output, index=frame.index), problems


def read_row_texts(table: Table) -> Read:
    """Each row as `name: value` lines; a faulty cell is left out as a missing one is.

    Problems are those of columns that play no other role; the others are told there.
    """
    schema, names, fault = table.schema, table.columns, table.modality.fault_code
    problems: list[Problem] = []
    columns: list[list[str | None]] = []
    told_there = _other_text_columns(table)
    tables = schema.modality_of_cells
    for name in names:
        if name in tables:
            read: Any = table.values[tables[name]]
            formatted = schema.format_of(name, "numeric") != ""
            columns.append(_written_values(table.frame[name], read[name], formatted=formatted))
        else:
            texts, found = read_cells(table.frame[name], lambda cell: read_text(cell, kind=fault))
            columns.append(texts)
            problems += [] if name in told_there else found
    lines = (
        [f"{name}: {part}" for name, part in zip(names, parts, strict=True) if part is not None]
        for parts in zip(*columns, strict=True)
    )
    return ["\n".join(parts) if parts else None for parts in lines], problems


def _other_text_columns(table: Table) -> set[str]:
    """Columns that another modality reads as texts."""
    kind, own = table.modality.kind, table.modality.name
    others = [n for n, other in table.schema.modalities.items() if other == kind and n != own]
    return {column for name in others for column in table.schema.columns_read_by(name)}


def _written_values(
    column: "pd.Series[Any]", values: "pd.Series[Any]", *, formatted: bool
) -> list[str | None]:
    """Values in their one text; plain numbers from their cells, so that no digit is lost."""
    known = (~pd.isna(values.to_numpy())).tolist()
    if formatted or values.dtype != np.float64:
        read = zip(cells(values), known, strict=True)
        return [plain_text(value) if there else None for value, there in read]
    texts, _ = read_cells(column, lambda cell: canonical_text(read_text(cell).strip()))
    return [text if there else None for text, there in zip(texts, known, strict=True)]

"""The catalogue: a table that was read by its schema, with everything that is wrong with it.

A faulty value is absent in `values` and named in `problems`; nothing is put in its place. Whether
a faulty row stops the work, leaves or stays without that value is `apply_policy`'s question.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.cells import is_missing, read_cells, read_id
from fusion.data.frames import as_frame
from fusion.data.numbers import number_cells
from fusion.data.problems import Problem, raise_for, shown
from fusion.data.readers import Table, Values
from fusion.data.schema import Schema, missing_columns
from fusion.modalities import MODALITIES


@dataclass(frozen=True, eq=False)
class Catalogue:
    """Items: one row each, with the values of every modality.

    Args:
        frame: The table as it was read, rows counted from 0.
        schema: Roles of its columns.
        ids: Id of each row as the table writes it; empty text where it is missing.
        values: Per modality one value per row: text or None; list of photos (path, or bytes of a
            file) or None; for tables a frame of float64, datetime64[us] (the date on the wall) and
            object columns of text or None.
        present: Per modality `[n]`, True where the row has a value.
        problems: Everything that is wrong with single rows.
        source: Name of the table in messages.
    """

    frame: pd.DataFrame
    schema: Schema
    ids: list[str]
    values: dict[str, Values]
    present: dict[str, NDArray[np.bool_]]
    problems: list[Problem]
    source: str = "items"

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def titles(self) -> list[str]:
        """What people call each row: its first text column as written, empty where missing."""
        texts = self.schema.columns_of("text")
        if not texts:
            return [""] * len(self)
        return ["" if is_missing(cell) else str(cell) for cell in self.frame[texts[0]]]

    @property
    def photos(self) -> list[Any]:
        """The first photo of each row, a path or the bytes of a file; None where it has none."""
        found: list[Any] = [None] * len(self)
        for modality, kind in self.schema.modalities.items():
            if kind == "image":
                own: Any = self.values[modality]
                found = [
                    before or (each[0] if each else None)
                    for before, each in zip(found, own, strict=True)
                ]
        return found

    def take(self, rows: Sequence[int] | NDArray[np.integer[Any]]) -> "Catalogue":
        """The catalogue of these rows, in this order; problems follow their rows."""
        places = np.asarray(rows, dtype=np.int64)
        found: dict[int, list[Problem]] = {}
        for problem in self.problems:
            if problem.row is not None:
                found.setdefault(problem.row, []).append(problem)
        return replace(
            self,
            frame=self.frame.iloc[places].reset_index(drop=True),
            ids=[self.ids[row] for row in places],
            values={name: _taken(values, places) for name, values in self.values.items()},
            present={name: mask[places] for name, mask in self.present.items()},
            problems=[
                replace(problem, row=new)
                for new, old in enumerate(places.tolist())
                for problem in found.get(old, [])
            ],
        )

    def faulty_rows(self) -> dict[int, str]:
        """Each row with a problem and its problems as `code: message`, joined."""
        return reasons(self.problems)


def reasons(problems: Sequence[Problem]) -> dict[int, str]:
    """Row -> its problems as `column x: code: message`, joined by semicolons, in row order."""
    found: dict[int, list[str]] = {}
    for problem in problems:
        if problem.row is not None:
            column = "" if problem.column is None else f" (column {problem.column})"
            found.setdefault(problem.row, []).append(f"{problem.code}: {problem.message}{column}")
    return {row: "; ".join(found[row]) for row in sorted(found)}


def _taken(values: Values, places: NDArray[np.int64]) -> Values:
    if isinstance(values, pd.DataFrame):
        return values.iloc[places].reset_index(drop=True)
    return [values[place] for place in places]


def build_catalogue(
    frame: Any, schema: Schema, *, photos: Path | None, source: str = "items"
) -> Catalogue:
    """Read a table by its schema; rows never stop it, their problems are collected.

    Args:
        frame: The table; see `as_frame` for columns without names.
        schema: Roles of its columns.
        photos: Folder of the photos; needed where the schema has image columns.
        source: Name of the table in messages.

    Raises:
        CatalogueError: If columns or the photo folder are missing; all of it in one message.
        ValueError: If the reader of a modality gives another number of values than rows.
    """
    frame = as_frame(frame)
    problems = missing_columns(schema.all_columns, frame.columns) + _folder_problems(
        frame, schema, photos
    )
    raise_for(problems, source=source)
    ids, problems = _read_ids(frame, schema.id)
    values: dict[str, Values] = {}
    for name in schema.modalities:
        modality = MODALITIES[name]
        values[name], found = modality.read(Table(frame, schema, modality, photos, values))
        if len(values[name]) != len(frame):
            got = f"got {len(values[name])} for {len(frame)} rows"
            raise ValueError(f"read of modality {name} must give one value a row, {got}.")
        problems += [replace(problem, modality=name) for problem in found]
    present = {name: present_rows(value) for name, value in values.items()}
    return Catalogue(
        frame, schema, ids, values, present, with_ids(problems, ids=ids), source=source
    )


def narrowed_catalogue(catalogue: Catalogue, schema: Schema) -> Catalogue:
    """The same rows, of which fewer modalities are read; only what repeats others is read anew.

    Args:
        catalogue: Rows whose problems were settled.
        schema: Modalities of the catalogue's own with all their columns; one that repeats others
            may have fewer.

    Raises:
        ValueError: If a modality is another one than that of the catalogue.
    """
    values: dict[str, Values] = {}
    for name in schema.modalities:
        modality = MODALITIES[name]
        if schema.columns_read_by(name) == catalogue.schema.columns_read_by(name):
            values[name] = catalogue.values[name]
        elif modality.repeats:  # it writes values as they were read, so faulty ones stay out
            table = Table(catalogue.frame, schema, modality, None, catalogue.values)
            values[name], _ = modality.read(table)
        else:
            raise ValueError(
                f"columns of {name} must be those of the catalogue or none. Read it again."
            )
    present = {
        name: catalogue.present[name]
        if value is catalogue.values.get(name)
        else present_rows(value)
        for name, value in values.items()
    }
    return replace(catalogue, schema=schema, values=values, present=present)


def with_ids(problems: Sequence[Problem], *, ids: Sequence[str]) -> list[Problem]:
    """Problems with the ids of their rows, in the order of the rows."""
    named = [
        replace(problem, id=ids[problem.row] or None)
        if problem.row is not None and problem.id is None
        else problem
        for problem in problems
    ]
    return sorted(named, key=lambda problem: -1 if problem.row is None else problem.row)


def present_rows(values: Values) -> NDArray[np.bool_]:
    """`[n]`, True where a row has at least one value."""
    if isinstance(values, pd.DataFrame):
        return np.asarray(values.notna().to_numpy(dtype=bool).any(axis=1))
    return np.array([value is not None for value in values], dtype=bool)


def _folder_problems(frame: pd.DataFrame, schema: Schema, photos: Path | None) -> list[Problem]:
    kinds = schema.modalities
    columns = [n for m in kinds if kinds[m] == "image" for n in schema.columns_read_by(m)]
    if not columns or (photos is not None and Path(photos).is_dir()):
        return []
    got = "none" if photos is None else repr(str(photos))
    named = [
        name
        for name in columns
        if name in frame.columns
        and any(isinstance(cell, str) and not is_missing(cell) for cell in frame[name])
    ]
    return [
        Problem("photo_folder", f"must have a photo folder, got {got}", column=name)
        for name in named
    ]


def _read_ids(frame: pd.DataFrame, column: str | None) -> tuple[list[str], list[Problem]]:
    if column is None:
        return [str(row) for row in range(len(frame))], []
    found, problems = read_cells(frame[column], read_id)
    faulty = {problem.row for problem in problems}
    first: dict[str, int] = {}
    for row, value in enumerate(found):
        if value is None and row not in faulty:
            problems.append(Problem("id_missing", "must be given, got none", row, column=column))
        elif value is not None:
            # White space around an id tells no two items apart, but is given back as it came.
            before = first.setdefault(value.strip(), row)
            if before != row:
                message = f"must be unique, got {shown(value)} of row {before + 1} again"
                problems.append(Problem("id_duplicate", message, row, column=column))
    return [value or "" for value in found], problems


def target_values(
    frame: Any, column: str, *, number_format: str = "", source: str = "items"
) -> tuple[NDArray[np.float64], list[Problem]]:
    """Targets as numbers, NaN where there is none, and what is wrong with the others.

    Shape:
        Returns `[n]`, float64, in the unit of the column.

    Args:
        frame: The table.
        column: The column of targets.
        number_format: How it is written where that is not plain, see `Schema.formats`.
        source: Name of the table in messages.

    Raises:
        CatalogueError: If the column is missing.
    """
    frame = as_frame(frame)
    raise_for(missing_columns([column], frame.columns), source=source)
    values, found = number_cells(frame[column], number_format)
    codes = {"number_not_read": "target_not_number", "number_infinite": "target_infinite"}
    problems = [replace(problem, code=codes[problem.code]) for problem in found]
    return values, with_ids(problems, ids=[""] * len(frame))

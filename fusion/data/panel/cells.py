"""Cells of parts of a sales table: each different one is read once a part."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from fusion.data.cells import cells, is_missing, read_cells, read_id
from fusion.data.dates import date_cells, find_date_format
from fusion.data.frames import as_frame
from fusion.data.panel.columns import missing_named
from fusion.data.panel.frequency import Days
from fusion.data.problems import Problem, raise_for, shown
from fusion.errors import CatalogueError

PART_ROWS = 65_536
MOST_PROBLEMS = 10_000
"""Faulty cells that are held; a table with more is told with the first of them."""
COUNT = "__summed_rows__"
"""Column of a part that was summed before: rows that each row stands for, equal but for units."""
FLOAT_ID = re.compile(r"^(-?(?:0|[1-9]\d*))\.0$", re.ASCII)
"""A whole number that passed through a float on its way to a CSV file: `7.0` is the item `7`."""
OFFSET = re.compile(r"\d\d:\d\d\S*?(Z|[+-]\d\d:?\d\d)$", re.ASCII)
DAY = len("2024-01-31")
STAMP = r"^\d{4}-\d\d-\d\d[T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$"
"""A day and a time of day without an offset."""
SUMMER = timedelta(hours=1)
Parts = Callable[[], Iterable[pd.DataFrame]]
"""Gives the parts of a table in order, again each time it is called."""
Read = Callable[["pd.Series[Any]"], tuple[Any, list[Problem]]]


class Distinct(NamedTuple):
    """The different cells of a column: `values[codes]` are those of its rows."""

    values: NDArray[Any]
    codes: NDArray[np.intp]
    problems: list[Problem]

    @property
    def rows(self) -> NDArray[Any]:
        """The value of each row."""
        return self.values[self.codes]


def frame_parts(sales: Any, *, name: str = "sales") -> Parts:
    """A table in memory in parts: a frame of pandas, polars or Arrow, or what else is a table.

    Args:
        sales: One row an item and period.
        name: What messages call it.

    Raises:
        TypeError: If it is no table.
    """
    frame = as_frame(sales, name=name, row="an item and period")
    begins = range(0, len(frame), PART_ROWS) or [0]
    return lambda: (frame.iloc[begin : begin + PART_ROWS] for begin in begins)


def read_distinct(column: "pd.Series[Any]", read: Read) -> Distinct:
    """Reads a column by its different cells, where equal ones are sure to mean the same."""
    column = column.reset_index(drop=True)
    found = _codes(column)
    if found is None:
        values, problems = read(column)
        return Distinct(np.asarray(values), np.arange(len(column)), problems)
    codes, firsts = found
    values, problems = read(column.iloc[firsts].reset_index(drop=True))
    return Distinct(np.asarray(values), codes, _at_rows(problems, codes))


def _codes(column: "pd.Series[Any]") -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Numbers of the different cells `[n]`, and the row of each one's first; None where unsure."""
    whole = pd.api.types.is_integer_dtype(column.dtype)
    if not whole and pd.api.types.infer_dtype(column, skipna=True) != "string":
        return None
    codes, _ = pd.factorize(column, use_na_sentinel=False)
    return codes, np.unique(codes, return_index=True)[1]


def _at_rows(found: list[Problem], codes: NDArray[np.intp]) -> list[Problem]:
    """Problems of different cells at each of the rows that hold them."""
    by_code = {problem.row: problem for problem in found if problem.row is not None}
    rows = np.flatnonzero(np.isin(codes, list(by_code))).tolist() if by_code else []
    at_rows = [replace(by_code[int(codes[row])], row=row) for row in rows]
    return [*(problem for problem in found if problem.row is None), *at_rows]


def read_item_ids(frame: pd.DataFrame, column: str) -> tuple[list[str | None], list[Problem]]:
    """Ids `[n]` of items as both tables have them, None where missing, and what is wrong.

    White space around them, and the `.0` of a whole number that passed through a float, go.
    """
    missing = missing_named({column: "item"}, frame.columns)
    return ([], missing) if missing else _id_cells(frame[column])


def _id_cells(column: "pd.Series[Any]") -> tuple[list[str | None], list[Problem]]:
    return read_cells(column, lambda cell: FLOAT_ID.sub(r"\1", read_id(cell).strip()))


def id_cells(column: "pd.Series[Any]", known: dict[str, str]) -> Distinct:
    """Ids of a part, None where missing or faulty.

    Args:
        column: The cells.
        known: Texts of parts before and the ids that they are; gets new ones.
    """

    def read(given: "pd.Series[Any]") -> tuple[NDArray[np.object_], list[Problem]]:
        texts = cells(given)
        found = np.empty(len(texts), dtype=object)
        found[:] = [known.get(text) if isinstance(text, str) else None for text in texts]
        new = np.flatnonzero([value is None for value in found])
        found[new], problems = _id_cells(given.iloc[new].reset_index(drop=True))
        read_now = ((texts[place], found[place]) for place in new.tolist())
        known.update((text, value) for text, value in read_now if isinstance(text, str) and value)
        return found, _at_rows(problems, _places(new, len(texts)))

    return read_distinct(column, read)


def _places(rows: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """For each of n rows its place among some of them, -1 for the others."""
    places = np.full(n, -1, dtype=np.intp)
    places[rows] = np.arange(len(rows))
    return places


@dataclass(frozen=True)
class DateReader:
    """Reads the dates of all parts in one form."""

    form: str

    def days(self, column: "pd.Series[Any]") -> tuple[Days, list[Problem]]:
        """Days on the wall `[n]`, NaT where missing or faulty."""
        found = read_distinct(_without_time(column), lambda given: date_cells(given, self.form))
        return found.rows.astype("datetime64[D]"), found.problems


def date_reader(parts: Parts, column: str) -> DateReader:
    """How the dates of a table are written: one form for all parts.

    Raises:
        CatalogueError: If it is in doubt, or dates are of several time zones.
    """
    texts: dict[str, None] = {}
    zones = _Zones(column)
    first = 0
    for part in parts():
        given = _without_time(part[column])
        if not pd.api.types.is_datetime64_any_dtype(given.dtype):
            for row, cell in _different(given):
                if isinstance(cell, str) and not is_missing(cell):
                    texts[cell] = None
                zones.see(cell, first + row)
        first += len(part)
    form, doubt = find_date_format(list(texts))
    if doubt:
        raise_for([Problem("date_doubt", doubt, column=column)], source="sales")
    return DateReader(form)


def _without_time(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Texts of days alone where all have a time of day: few of them differ, and each is read."""
    if not len(column) or not isinstance(column.iloc[0], str) or len(column.iloc[0]) <= DAY:
        return column
    try:
        texts = pa.array(column, type=pa.string(), from_pandas=True)
    except (pa.ArrowException, UnicodeEncodeError):
        return column
    if not pc.all(pc.match_substring_regex(texts, STAMP)).as_py():
        return column
    days = pc.utf8_slice_codeunits(texts, 0, DAY).to_pandas()
    return pd.Series(days.to_numpy(dtype=object), name=column.name)


def _different(column: "pd.Series[Any]") -> Iterator[tuple[int, Any]]:
    """Different texts and dates of a column with the rows that they stand in first."""
    column = column.reset_index(drop=True)
    found = _codes(column)
    firsts = np.arange(len(column)) if found is None else found[1]
    seen: dict[Any, int] = {}
    for row, cell in zip(firsts.tolist(), cells(column.iloc[firsts]), strict=True):
        if isinstance(cell, str | datetime):
            seen.setdefault(cell, row)
    return ((row, cell) for cell, row in seen.items())


class _Zones:
    """The offsets of dates; those of winter and summer in one place differ by an hour."""

    def __init__(self, column: str) -> None:
        self._column = column
        self._seen: dict[timedelta, tuple[int, Any]] = {}

    def see(self, cell: Any, row: int) -> None:
        """Takes note of a cell's offset.

        Raises:
            CatalogueError: If it is that of another zone than those before.
        """
        offset = _offset(cell)
        if offset is None or offset in self._seen:
            return
        self._seen[offset] = (row, cell)
        least, most = min(self._seen), max(self._seen)
        if most - least > SUMMER:
            other = least if offset == most else most
            (row_before, before) = self._seen[other]
            raise CatalogueError(
                f"{self._column} must hold dates of one time zone, got {shown(before)} (row "
                f"{row_before + 1}) and {shown(cell)} (row {row + 1}) in the sales table. Write "
                "the local date of each sale without an offset, such as 2024-01-31."
            )


def _offset(cell: Any) -> timedelta | None:
    if isinstance(cell, datetime):
        return cell.utcoffset()
    match = OFFSET.search(cell.strip()) if isinstance(cell, str) else None
    if match is None:
        return None
    try:
        return datetime.fromisoformat(f"2024-01-01T00:00{match[1]}").utcoffset()
    except ValueError:  # no offset, and no date either: told with the other faults
        return None


def missing_cells(
    column: str,
    is_missing_at: NDArray[np.bool_],
    problems: Collection[Problem],
    *,
    code: str = "sales_missing",
) -> list[Problem]:
    """One problem for each cell that must be given, is not, and is not told as faulty."""
    faulty = {problem.row for problem in problems}
    return [
        Problem(code, "must be given, got none", row, column=column)
        for row in np.flatnonzero(is_missing_at).tolist()
        if row not in faulty
    ]


def moved(problems: Iterable[Problem], first: int) -> list[Problem]:
    """Problems of a part at their rows in the whole table."""
    return [replace(p, row=None if p.row is None else p.row + first) for p in problems]

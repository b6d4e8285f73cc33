"""Single cells: numbers, categories, dates and texts out of whatever a table holds.

Each reader takes one cell that is not missing and gives its value, or raises `CellFault` with the
code of the problem. `read_cells` runs a reader over a column and collects the faults.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.problems import Problem, shown

MISSING_WORDS = frozenset({"na", "n/a", "nan", "nat", "none", "null"})
"""What stands for a missing number or date, in any case; in texts and categories it is a word."""
MAX_TEXT = 1_000_000
NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|infinity)", re.I | re.ASCII)
TRUTH = {"true": 1.0, "false": 0.0}


class CellFault(ValueError):
    """A cell that cannot be read; `code` names the kind of problem."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def is_missing(cell: object) -> bool:
    """True for None, NaN, NaT, NA and for text of nothing but white space."""
    if cell is None or cell is pd.NA or cell is pd.NaT:
        return True
    if isinstance(cell, str):
        return not cell or cell.isspace()
    if isinstance(cell, Decimal):
        return cell.is_nan()
    if isinstance(cell, np.datetime64 | np.timedelta64):
        return bool(np.isnat(cell))
    return isinstance(cell, float | np.floating) and cell != cell


def cells(column: "pd.Series[Any]") -> list[Any]:
    """The cells of a column as Python objects, in order."""
    return list(column.astype(object))


def read_cells(
    column: "pd.Series[Any]", read: Callable[[Any], Any]
) -> tuple[list[Any], list[Problem]]:
    """Values of a column, None where missing or faulty, and one problem for each faulty cell."""
    values: list[Any] = []
    problems = []
    for row, cell in enumerate(cells(column)):
        value = None
        if not is_missing(cell):
            try:
                value = read(cell)
            except CellFault as fault:
                name = str(column.name)
                problems.append(Problem(fault.code, str(fault), row=row, column=name))
        values.append(value)
    return values, problems


def read_number(cell: object) -> float:
    """A finite number from a number or from its plain text; NaN for a missing word.

    Raises:
        CellFault: `number_not_read` or `number_infinite`.
    """
    value = _to_float(cell)
    if np.isinf(value):
        raise CellFault("number_infinite", f"must be a finite number, got {shown(cell)}")
    return value


def _to_float(cell: object) -> float:
    if isinstance(cell, str):
        text = cell.strip().lower()
        if text in MISSING_WORDS:
            return float("nan")
        if text in TRUTH:
            return TRUTH[text]
        if NUMBER.fullmatch(text):
            return float(text)
    elif isinstance(cell, bool | np.bool_ | int | float | np.integer | np.floating | Decimal):
        try:
            return float(cell)
        except OverflowError:
            return float("inf")
    raise CellFault("number_not_read", f"must be a number, got {shown(cell)}")


def number_cells(column: "pd.Series[Any]") -> tuple[NDArray[np.float64], list[Problem]]:
    """A column as numbers: float64, NaN where missing or faulty, and its problems.

    Shape:
        Returns `[len(column)]`.
    """
    dtype = column.dtype
    plain = pd.api.types.is_numeric_dtype(dtype) and not pd.api.types.is_complex_dtype(dtype)
    if not plain:
        cells_read, problems = read_cells(column, read_number)
        filled = [np.nan if value is None else value for value in cells_read]
        return np.array(filled, dtype=np.float64), problems
    values = column.to_numpy(dtype=np.float64, na_value=np.nan).copy()
    infinite = np.flatnonzero(np.isinf(values))
    problems = [_infinite(int(row), values[row], str(column.name)) for row in infinite]
    values[infinite] = np.nan
    return values, problems


def _infinite(row: int, value: float, column: str) -> Problem:
    message = f"must be a finite number, got {shown(float(value))}"
    return Problem("number_infinite", message, row=row, column=column)


def plain_text(cell: object) -> str:
    """A cell as text; numbers in one form whatever their type, so 1, 1.0 and Decimal(1) agree.

    Raises:
        TypeError: If the cell is no text, number, truth value or date.

    Example:
        >>> plain_text(1.0), plain_text(2.5), plain_text("1.0")
        ('1', '2.5', '1.0')
    """
    value = cell.item() if isinstance(cell, np.generic) else cell
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float | Decimal):
        number = float(value)
        return str(int(number)) if abs(number) < 1e15 and number == int(number) else repr(number)
    if isinstance(value, date | datetime):
        return value.isoformat()
    raise TypeError(f"must be text, got {type(cell).__name__} {shown(cell)}")


def read_text(cell: object, *, kind: str = "text") -> str:
    """A text that can be encoded: no lone surrogate, no NUL, at most 1,000,000 characters.

    Raises:
        CellFault: `text_not_text`, `text_lone_surrogate`, `text_nul` or `text_too_long`; `kind`
            replaces the first word.
    """
    try:
        text = plain_text(cell)
        text.encode("utf-8")
    except TypeError as error:
        raise CellFault(f"{kind}_not_text", str(error)) from error
    except UnicodeEncodeError as error:
        message = f"must be valid Unicode, got a lone surrogate at character {error.start + 1}"
        raise CellFault(f"{kind}_lone_surrogate", message) from error
    if "\0" in text:
        place = text.index("\0") + 1
        raise CellFault(f"{kind}_nul", f"must hold no NUL, got one at character {place}")
    if len(text) > MAX_TEXT:
        message = f"must have at most {MAX_TEXT:,} characters, got {len(text):,}"
        raise CellFault(f"{kind}_too_long", message)
    return text


def read_category(cell: object) -> str:
    """A category without white space around it; faults as in `read_text`."""
    return read_text(cell, kind="category").strip()


def read_date(cell: object) -> np.datetime64:
    """A date, in UTC where the cell has a time zone; NaT for a missing word.

    Raises:
        CellFault: `date_not_read` for anything but dates and ISO 8601 text.
    """
    try:
        if isinstance(cell, str):
            if cell.strip().lower() in MISSING_WORDS:
                return np.datetime64("NaT", "us")
            cell = datetime.fromisoformat(cell.strip())
        if isinstance(cell, datetime) and cell.tzinfo is not None:
            cell = cell.astimezone(UTC).replace(tzinfo=None)
        if isinstance(cell, date | np.datetime64):
            exact: Any = cell.to_datetime64() if isinstance(cell, pd.Timestamp) else cell
            return np.datetime64(exact, "us")
    except (ValueError, OverflowError) as error:
        raise CellFault("date_not_read", _date_message(cell)) from error
    raise CellFault("date_not_read", _date_message(cell))


def _date_message(cell: object) -> str:
    return f"must be a date such as 2024-01-31, got {shown(cell)}"


def date_cells(column: "pd.Series[Any]") -> tuple[NDArray[np.datetime64], list[Problem]]:
    """A column as dates: datetime64[us] in naive UTC, NaT where missing or faulty.

    Shape:
        Returns `[len(column)]`.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        stamps = pd.DatetimeIndex(column)
        stamps = stamps.tz_convert(None) if stamps.tz is not None else stamps
        return stamps.to_numpy().astype("datetime64[us]"), []
    values, problems = read_cells(column, read_date)
    filled = [np.datetime64("NaT", "us") if value is None else value for value in values]
    return np.array(filled, dtype="datetime64[us]"), problems

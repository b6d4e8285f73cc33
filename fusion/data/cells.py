"""Single cells: what is missing, and one text for whatever a table holds.

A cell means the same alone, among others, as text of a CSV file and typed in a frame: nothing here
looks at its neighbours. Each reader takes one cell that is not missing and gives its value, or
raises `CellFault` with the code of the problem. `read_cells` runs a reader over a column and
collects the faults. Numbers are read in `fusion.data.numbers`, dates in `fusion.data.dates`.
"""

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd

from fusion.data.problems import Problem, shown

MISSING_WORDS = frozenset({"na", "n/a", "nan", "nat", "none", "null"})
"""What stands for a missing number or date, in any case; in texts and categories it is a word."""
MOSTLY = 0.95  # share of cells that decides what a column is; the others are reported one by one
MAX_TEXT = 1_000_000
EXACT_FLOATS = 2.0**53
"""From here on a float has lost digits of the integer that it was."""
LONGEST_NUMBER = 400  # digits; longer ones stay in the form with an exponent
PLAIN_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]\d{2,3})?", re.ASCII)
STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?", re.ASCII)
TRUTH = {"true": "True", "TRUE": "True", "false": "False", "FALSE": "False"}


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
    """The cells of a column as Python objects, in order; short floats by their shortest text."""
    dtype: Any = column.dtype
    if isinstance(dtype, np.dtype) and (dtype.kind in "Oiub" or dtype == np.float64):
        return column.tolist()  # quick, as wide tables need it; these are Python objects, too
    if pd.api.types.is_float_dtype(dtype) and dtype.itemsize < 8:
        short = np.float16 if dtype.itemsize == 2 else np.float32
        # Widened bit by bit, 0.1 would become 0.10000000149011612.
        return [float(str(cell)) for cell in column.to_numpy(dtype=short, na_value=np.nan)]
    return column.to_numpy(dtype=object).tolist()


def read_cells(
    column: "pd.Series[Any]", read: Callable[[Any], Any]
) -> tuple[list[Any], list[Problem]]:
    """Values of a column, None where missing or faulty, and one problem for each faulty cell.

    Equal texts are read once.
    """
    values: list[Any] = []
    problems = []
    known: dict[str, Any] = {}
    for row, cell in enumerate(cells(column)):
        if isinstance(cell, str) and cell in known:
            value = known[cell]
        else:
            value = _value_or_fault(cell, read)
            if isinstance(cell, str):
                known[cell] = value
        if isinstance(value, CellFault):
            problems.append(Problem(value.code, str(value), row=row, column=str(column.name)))
            value = None
        values.append(value)
    return values, problems


def _value_or_fault(cell: object, read: Callable[[Any], Any]) -> Any:
    try:
        return None if is_missing(cell) else read(cell)
    except CellFault as fault:
        return fault


def plain_text(cell: object) -> str:
    """A cell as text; equal values have one text whatever their type: 1, 1.0, Decimal(1).

    Text stays as it is. Numbers have all their digits and no exponent, dates at midnight no time,
    bands, periods and time spans the text that pandas writes.

    Raises:
        TypeError: If the cell has no text form: bytes, lists, sets, dicts, complex numbers.

    Example:
        >>> plain_text(1.0), plain_text(2.5), plain_text(Decimal("1.50")), plain_text("1.0")
        ('1', '2.5', '1.5', '1.0')
    """
    value = _python_value(cell)
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int):
        return str(value)
    if isinstance(value, float | Decimal):
        return _number_text(value)
    if isinstance(value, datetime):
        return _stamp_text(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, pd.Period | pd.Interval | UUID):
        return str(value)
    raise TypeError(f"must be text, got {type(cell).__name__} {shown(cell)}")


def _python_value(cell: object) -> object:
    if isinstance(cell, np.datetime64 | np.timedelta64 | timedelta):
        try:
            return pd.Timestamp(cell) if isinstance(cell, np.datetime64) else pd.Timedelta(cell)
        except (ValueError, OverflowError):  # beyond the years that pandas holds
            return cell if isinstance(cell, timedelta) else str(cell)
    if isinstance(cell, np.float16 | np.float32):
        return float(str(cell))
    return cell.item() if isinstance(cell, np.generic) else cell


def _number_text(value: float | Decimal) -> str:
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    if not number.is_finite() or abs(number.adjusted()) > LONGEST_NUMBER:
        return str(value)
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _stamp_text(value: datetime) -> str:
    text = value.isoformat()
    return text.removesuffix("T00:00:00") if value.tzinfo is None else text


def canonical_text(text: str) -> str:
    """The one form of a label: numbers, truth values and dates as `plain_text` writes typed ones.

    A frame with 1.5, True and a time stamp and a CSV file with `1.50`, `true` and
    `2024-01-31 00:00` hold the same labels. Only plain decimal numbers change their form; codes
    such as `007`, `+5` and `1E5` do not.

    Example:
        >>> [canonical_text(text) for text in ("1.50", "2.0", "007", "true", "XL", "1e+16")]
        ['1.5', '2', '007', 'True', 'XL', '10000000000000000']
    """
    if PLAIN_NUMBER.fullmatch(text):
        return text if text.isdigit() else _number_text(Decimal(text))
    if STAMP.fullmatch(text):
        try:
            return _stamp_text(datetime.fromisoformat(text))
        except ValueError:  # such as month 13: a label that only looks like a date
            return text
    return TRUTH.get(text, text)


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


def read_id(cell: object) -> str:
    """An id as it is written; integers with all their digits.

    Raises:
        CellFault: As `read_text`, and `id_rounded` for a float that is too large to be exact:
            different ids would have become one.
    """
    if isinstance(cell, float | np.floating) and abs(float(cell)) >= EXACT_FLOATS:
        message = f"must be an exact id, got the rounded number {shown(float(cell))}"
        raise CellFault("id_rounded", message)
    return read_text(cell, kind="id")


def read_category(cell: object) -> str:
    """A label in its one form (see `canonical_text`); faults as in `read_text`."""
    return canonical_text(read_text(cell, kind="category").strip())

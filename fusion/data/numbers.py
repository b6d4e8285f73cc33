"""Numbers out of cells: typed ones, plain text, and text in the style of a whole column.

Plain text is `1234.5`. A column may be written in another style, such as `1.234,50 EUR`; the style
is found once, in the training table, belongs to the schema (`Schema.formats`), and every later cell
is read by it. So `1.234` never depends on the other rows of its file.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.cells import MISSING_WORDS, MOSTLY, CellFault, read_cells
from fusion.data.formats import STYLES, is_unit, style_and_unit
from fusion.data.problems import Problem, shown

NUMBER = re.compile(r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|inf|infinity)", re.I | re.ASCII)
TIME_SPAN = re.compile(r"-?\d+ days?(?: [+-]?\d\d:\d\d:\d\d(?:\.\d{1,9})?)?", re.ASCII)
TRUTH = {"true": 1.0, "false": 0.0}
DAY = pd.Timedelta(days=1)

AMOUNT = re.compile(
    r"([+-]?)(?:([^\d\s.,'+-][^\d\s.,'+-]*\.?) ?)?"  # sign, unit
    r"([+-]?)(\d(?:[\d.,' ]*\d)?)"  # sign, digits and marks
    r"(?: ?([^\d\s.,'+-]\S*))?",  # unit
    re.ASCII,
)
LOOKALIKES = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'", "−": "-"})


class Amount(NamedTuple):
    """A number as it is written: the whole text, its digits and marks with the sign, its unit."""

    text: str
    body: str
    unit: str


def read_number(cell: object, number_format: str = "") -> float:
    """A finite number from a number or from its text; NaN for a missing word.

    Time spans are days, truth values 1 and 0, periods (such as years) what their text says.

    Args:
        cell: Any cell that is not missing.
        number_format: Style of text, and its unit, as `find_number_format` gives it; empty for
            plain text.

    Raises:
        CellFault: `number_not_read` or `number_infinite`.

    Example:
        >>> read_number("1.5"), read_number("1.234,50 €", "1.234,5 €"), read_number("2 days")
        (1.5, 1234.5, 2.0)
    """
    if isinstance(cell, pd.Period):
        cell = str(cell)
    value = _text_value(cell, number_format) if isinstance(cell, str) else _typed_value(cell)
    if np.isinf(value):
        raise CellFault("number_infinite", f"must be a finite number, got {shown(cell)}")
    return value


def _typed_value(cell: object) -> float:
    if isinstance(cell, np.timedelta64 | timedelta):
        return _days(cell)
    if isinstance(cell, bool | np.bool_ | int | float | np.integer | np.floating | Decimal):
        try:
            return float(cell)
        except OverflowError:
            return float("inf")
    raise CellFault("number_not_read", f"must be a number, got {shown(cell)}")


def _text_value(cell: str, number_format: str) -> float:
    text = cell.strip().lower()
    if text in MISSING_WORDS:
        return float("nan")
    if number_format:
        return _formatted_value(cell, number_format)
    if text in TRUTH:
        return TRUTH[text]
    if NUMBER.fullmatch(text):
        return float(text)
    if TIME_SPAN.fullmatch(text):
        return _days(text)
    raise CellFault("number_not_read", f"must be a number, got {shown(cell)}")


def _days(span: str | timedelta | np.timedelta64) -> float:
    try:
        return float(pd.Timedelta(span) / DAY)
    except (ValueError, OverflowError) as error:  # beyond the 292 years that pandas holds
        raise CellFault("number_not_read", f"must be a number, got {shown(span)}") from error


def _formatted_value(cell: str, number_format: str) -> float:
    style, unit = style_and_unit(number_format)
    amount = _amount(cell)
    if amount is not None and amount.unit.casefold() in ("", unit.casefold()):
        value = _in_style(amount.body, style)
        value = _grouped(amount.body, style) if value is None else value
        if value is not None:
            return value
    message = f"must be a number such as {number_format!r}, got {shown(cell)}"
    raise CellFault("number_not_read", message)


def number_cells(
    column: "pd.Series[Any]", number_format: str = ""
) -> tuple[NDArray[np.float64], list[Problem]]:
    """A column as numbers: float64, NaN where missing or faulty, and its problems.

    Shape:
        Returns `[len(column)]`.
    """
    dtype = column.dtype
    plain = pd.api.types.is_bool_dtype(dtype) or (
        pd.api.types.is_any_real_numeric_dtype(dtype)
        and not (isinstance(dtype, pd.ArrowDtype) and dtype.kind == "m")
    )
    if not plain:
        cells_read, problems = read_cells(column, lambda cell: read_number(cell, number_format))
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


def find_number_format(texts: Sequence[str]) -> tuple[str, str]:
    """The style and unit of a column's texts, or why there is none though they look like numbers.

    Args:
        texts: Texts of a column, none missing.

    Returns:
        Format and reason, at most one of them not empty. Both are empty where the texts are no
        numbers, or plain ones.

    Example:
        >>> find_number_format(["12,90", "5"]), find_number_format(["€ 1.234,50", "€ 7"])
        (('1234,5', ''), ('1.234,5 €', ''))
        >>> find_number_format(["1,234", "5,678"])[1]
        "holds numbers such as '1,234' that may be read in two ways; write them as 1234.5"
    """
    words = [text for text in texts if text.strip().lower() not in MISSING_WORDS]
    amounts = [amount for text in words if (amount := _amount(text)) and _in_styles(amount.body)]
    if not words or len(amounts) < MOSTLY * len(words):
        return "", ""
    units = list({a.unit.casefold(): a.unit for a in amounts if a.unit}.values())
    read = {style: [_in_style(amount.body, style) for amount in amounts] for style in STYLES}
    style = max(STYLES, key=lambda name: len(amounts) - read[name].count(None))
    n_plain = len(amounts) - read["1234.5"].count(None)
    is_plain = style == "1234.5" and n_plain >= MOSTLY * len(words)
    if not units and (is_plain or _is_pairs_of_numbers(amounts)):
        return "", ""
    if len(units) > 1:
        return "", f"holds amounts in several units ({', '.join(units)}); write them in one"
    doubt = _doubt(amounts, read, style)
    return ("", doubt) if doubt else (" ".join([style, *units]), "")


def _is_pairs_of_numbers(amounts: Sequence[Amount]) -> bool:
    """True where spaces may part numbers, such as a width and a length, and not thousands."""
    return any(" " in a.body for a in amounts) and not any(set(a.body) & set(".,") for a in amounts)


def _doubt(
    amounts: Sequence[Amount], read: Mapping[str, Sequence[float | None]], style: str
) -> str:
    """Why a style is not certain: a cell in another one, or another that reads a cell otherwise."""
    values = read[style]
    n_unread = values.count(None)
    rivals = [rival for rival in read.values() if rival.count(None) == n_unread]
    for place, (amount, value) in enumerate(zip(amounts, values, strict=True)):
        if value is None or any(rival[place] != value for rival in rivals):
            several = f" beside {style!r}" if value is None else ""
            return (
                f"holds numbers such as {amount.text!r}{several} that may be read in two ways; "
                "write them as 1234.5"
            )
    return ""


@cache
def _style_pattern(style: str) -> re.Pattern[str]:
    thousands, decimal = (re.escape(mark) for mark in STYLES[style])
    grouped = rf"|[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+" if thousands else ""
    return re.compile(rf"[+-]?(?:\d+{grouped})(?:{decimal}\d+)?", re.ASCII)


def _in_style(body: str, style: str) -> float | None:
    """The number that digits and marks mean in a style; None where they are not written so."""
    if not _style_pattern(style).fullmatch(body):
        return None
    thousands, decimal = STYLES[style]
    return float(body.replace(thousands, "").replace(decimal, "."))


def _grouped(body: str, style: str) -> float | None:
    """A number with thousands apart where the known cells were too small to show their mark.

    Why: prices below 1,000 tell the decimal mark alone; with both marks there is one reading.
    """
    thousands, decimal = STYLES[style]
    if thousands or decimal not in body:
        return None
    rivals = [name for name, marks in STYLES.items() if marks[0] and marks[1] == decimal]
    return next((v for name in rivals if (v := _in_style(body, name)) is not None), None)


def _in_styles(body: str) -> bool:
    return any(_style_pattern(style).fullmatch(body) for style in STYLES)


def _amount(text: str) -> Amount | None:
    """A number with at most one known unit before or behind it; None for any other text."""
    match = AMOUNT.fullmatch(text.strip().translate(LOOKALIKES))
    if match is None:
        return None
    first_sign, before, second_sign, digits, after = (group or "" for group in match.groups())
    unit = before or after
    if (before and after) or (first_sign and second_sign) or not is_unit(unit):
        return None
    return Amount(text, first_sign + second_sign + digits, unit)

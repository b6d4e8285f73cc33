"""Dates out of cells: the one reader of date columns, of the split's column, of weeks and `as_of`.

A date is the one on the wall: an offset or time zone is dropped, never taken to UTC, because that
can change the day and the week. Read are dates and time stamps, ISO 8601 text (`2024-01-31`,
`2024-01-31T10:00+02:00`, `20240131`, `2024-W05`, months `2024-01`, quarters `2024Q1`) and the same
eight digits as a number. A column may be written in one other form that can be read in one way
only, see `find_date_format`; the form belongs to the schema (`Schema.formats`).
"""

import re
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.cells import (
    MISSING_WORDS,
    MOSTLY,
    CellFault,
    cells,
    is_missing,
    plain_text,
    read_cells,
)
from fusion.data.formats import FORMATS
from fusion.data.problems import Problem, shown

PARTS = re.compile(
    r"(\d{1,4})([./-])(\d{1,2})\2(\d{1,4})(?:[ T](\d{1,2}:\d\d(?::\d\d(?:\.\d{1,6})?)?))?", re.ASCII
)
MONTH = re.compile(r"(\d{4})-(\d\d)", re.ASCII)
QUARTER = re.compile(r"(\d{4})-?Q([1-4])", re.ASCII)
DIGITS = re.compile(r"\d{8}", re.ASCII)
ISO_LIKE = re.compile(r"\d{4}-\d\d-\d\d|\d{4}-\d\d$|\d{4}-?Q[1-4]$|(?:19|20)\d{6}$", re.ASCII)
SHORT_YEAR = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d\d", re.ASCII)


def read_date(cell: object, date_format: str = "") -> np.datetime64:
    """A date as it stands on the wall, with its time of day; NaT for a missing word.

    Args:
        cell: Any cell that is not missing.
        date_format: Form of text that is not ISO 8601, as `find_date_format` gives it.

    Raises:
        CellFault: `date_not_read`.

    Example:
        >>> print(read_date("2024-07-01T00:30+02:00"), read_date("31.01.2024", "DD.MM.YYYY"))
        2024-07-01T00:30:00.000000 2024-01-31T00:00:00.000000
    """
    try:
        found = _date_or_none(cell, date_format)
    except (ValueError, OverflowError) as error:
        raise _not_read(cell, date_format) from error
    if found is None:
        raise _not_read(cell, date_format)
    return found


def date_advice(text: object) -> str:
    """What to write in place of a date in another form than ISO 8601; empty where it is none.

    Example:
        >>> date_advice("05.09.2011"), date_advice("05/09/2011")
        ('Did you mean 2011-09-05?', 'Did you mean 2011-05-09 or 2011-09-05?')
    """
    readings = set()
    for written in FORMATS:
        try:
            readings.add(str(read_date(text, written).astype("datetime64[D]")))
        except CellFault:
            continue
    return f"Did you mean {' or '.join(sorted(readings))}?" if readings else ""


def _date_or_none(cell: object, date_format: str) -> np.datetime64 | None:
    if isinstance(cell, str) and cell.strip().lower() in MISSING_WORDS:
        return np.datetime64("NaT", "us")
    if isinstance(cell, str):
        cell = _text_date(cell.strip(), date_format)
    elif isinstance(cell, pd.Period):
        cell = _text_date(plain_text(cell).partition("/")[0], "")  # a week is "first day/last day"
    elif isinstance(cell, int | float | np.integer | np.floating | Decimal):
        digits = plain_text(cell)
        cell = datetime.fromisoformat(digits) if DIGITS.fullmatch(digits) else None
    if isinstance(cell, datetime):
        cell = cell.replace(tzinfo=None)
    exact: Any = cell.to_datetime64() if isinstance(cell, pd.Timestamp) else cell
    if not isinstance(cell, date | np.datetime64):
        return None
    return np.datetime64(exact, "us")


def _text_date(text: str, date_format: str) -> date:
    if date_format:
        written = _written_date(text, date_format)
        if written is not None:
            return written
    if match := MONTH.fullmatch(text):
        return date(int(match[1]), int(match[2]), 1)
    if match := QUARTER.fullmatch(text):
        return date(int(match[1]), 3 * int(match[2]) - 2, 1)
    return datetime.fromisoformat(text)


def _written_date(text: str, date_format: str) -> datetime | None:
    """A date in a form of `FORMATS`; None where it is not written so."""
    match = PARTS.fullmatch(text)
    mark, order = FORMATS[date_format]
    if match is None or match[2] != mark:
        return None
    parts = dict(zip(order, (match[1], match[3], match[4]), strict=True))
    if len(parts["y"]) != 4 or len(parts["m"]) > 2 or len(parts["d"]) > 2:
        return None
    try:
        day = date(int(parts["y"]), int(parts["m"]), int(parts["d"]))
        clock = match[5] or "00:00"
        return datetime.combine(
            day, time.fromisoformat(clock.zfill(len(clock) + (clock[1] == ":")))
        )
    except ValueError:  # such as month 13
        return None


def _not_read(cell: object, date_format: str) -> CellFault:
    other = f" or {date_format}" if date_format else ""
    return CellFault(
        "date_not_read", f"must be a date such as 2024-01-31{other}, got {shown(cell)}"
    )


def date_cells(
    column: "pd.Series[Any]", date_format: str = ""
) -> tuple[NDArray[np.datetime64], list[Problem]]:
    """A column as dates on the wall: datetime64[us], NaT where missing or faulty.

    Shape:
        Returns `[len(column)]`.
    """
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        stamps = pd.DatetimeIndex(column)
        return stamps.tz_localize(None).to_numpy().astype("datetime64[us]"), []
    values, problems = read_cells(column, lambda cell: read_date(cell, date_format))
    filled = [np.datetime64("NaT", "us") if value is None else value for value in values]
    return np.array(filled, dtype="datetime64[us]"), problems


def read_date_column(
    column: "pd.Series[Any]", date_format: str = ""
) -> tuple[NDArray[np.datetime64], list[Problem]]:
    """A column as `date_cells` gives it, in the form that is known or else found in its own cells.

    Returns:
        Dates `[len(column)]` and problems; one that concerns no row where the form is in doubt.
    """
    if not date_format:
        texts = [cell for cell in cells(column) if isinstance(cell, str) and not is_missing(cell)]
        date_format, doubt = find_date_format(texts)
        if doubt:
            nothing = np.full(len(column), "NaT", dtype="datetime64[us]")
            return nothing, [Problem("date_doubt", doubt, column=str(column.name))]
    return date_cells(column, date_format)


def find_date_format(texts: Sequence[str]) -> tuple[str, str]:
    """The form of a column's dates, or why there is none though they look like dates.

    With slashes and dashes, day and month are told apart by a cell such as `31/01/2024`; no cell
    may speak against it. With points the day comes first.

    Args:
        texts: Texts of a column, none missing.

    Returns:
        Form and reason, at most one of them not empty; both are where the texts are ISO 8601 or no
        dates.

    Example:
        >>> find_date_format(["31.01.2024", "01.02.2024"]), find_date_format(["2024-01-31"])
        (('DD.MM.YYYY', ''), ('', ''))
        >>> find_date_format(["01/02/2024", "03/02/2024"])[0]
        ''
    """
    words = [t for t in texts if t.strip().lower() not in MISSING_WORDS and not is_iso_like(t)]
    if short := next((t for t in words if _has_short_year(t)), None):
        if sum(map(_has_short_year, words)) >= MOSTLY * len(words):
            return "", f"holds dates such as {short!r}; write years with four digits"
    read = {form: [_written_date(t.strip(), form) for t in words] for form in FORMATS}
    counts = {form: len(dates) - dates.count(None) for form, dates in read.items()}
    dated = {text for text, *dates in zip(words, *read.values(), strict=True) if any(dates)}
    if not words or sum(text in dated for text in words) < MOSTLY * len(words):
        return "", ""
    form = max(FORMATS, key=lambda name: counts[name])
    doubtful = [t for t, day in zip(words, read[form], strict=True) if day is None and t in dated]
    if not doubtful and list(counts.values()).count(counts[form]) == 1:
        return form, ""
    return "", (
        f"holds dates such as {(doubtful or words)[0]!r} whose day and month cannot be told apart; "
        "write them as 2024-01-31"
    )


def _has_short_year(text: str) -> bool:
    """True for text such as `31.12.24` or `1/31/24`: a day and a month, in any order."""
    if not SHORT_YEAR.fullmatch(text.strip()):
        return False
    first, second, _ = map(int, re.split(r"[./-]", text.strip()))
    return 1 <= min(first, second) <= 12 and max(first, second) <= 31


def is_iso_like(text: str) -> bool:
    """True for text that begins as ISO 8601 dates of usual years do."""
    return bool(ISO_LIKE.match(text.strip()))

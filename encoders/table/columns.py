"""Table columns to arrays, with every unreadable cell named by its column and row."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from encoders.spelling import did_you_mean

FIRST_LEVEL = 2  # codes 0 and 1 are a missing and an unseen or rare level
MAX_LEVELS = 1000
"""Known levels of one category column: the most frequent ones."""
DATE_NUMBERS = 2  # days since 1970 and the year
DATE_CYCLES = 6  # sine and cosine of month, week and weekday
FIRST_MONDAY = 4  # 5 January 1970, in days since its first


def read_numbers(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """A number column as `[rows]`, NaN where missing; text is not read here.

    Raises:
        ValueError: If the column is absent, or a cell is no number or infinite.
    """
    column = _column(frame, name)
    numbers = column.to_numpy() if column.dtype == np.float64 else _as_numbers(column)
    _refuse(column, np.isinf(numbers), rule="finite")
    return numbers


def _as_numbers(column: "pd.Series[Any]") -> NDArray[np.float64]:
    _refuse(column, _texts(column), rule="a number or missing")
    try:
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{column.name} must be numbers, got {column.dtype} ({error}).") from error
    _refuse(column, np.isnan(numbers) & column.notna().to_numpy(), rule="a number or missing")
    return numbers


def read_levels(frame: pd.DataFrame, name: str, *, min_count: int) -> list[str]:
    """Levels of a category column in at least `min_count` rows, the most frequent ones first."""
    counts = _level_names(_column(frame, name)).value_counts()
    frequent = counts[counts >= min_count]
    order = sorted(frequent.index, key=lambda level: (-frequent[level], level))
    return order[:MAX_LEVELS]


def codes_of(levels: Iterable[str]) -> dict[str, int]:
    """Code of each known level of a category column."""
    return {level: code for code, level in enumerate(levels, FIRST_LEVEL)}


def read_categories(frame: pd.DataFrame, name: str, codes: Mapping[str, int]) -> NDArray[np.int64]:
    """Codes `[rows]` of a category column: 0 missing, 1 unseen or rare, then those of `codes`."""
    places, levels = _factorized(_column(frame, name))
    found = [codes.get(_level_name(level), FIRST_LEVEL - 1) for level in levels]
    return np.array([*found, 0], dtype=np.int64)[places]  # the place of a missing level is -1


def read_dates(frame: pd.DataFrame, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A date column as numbers `[rows, 2]`, NaN where missing, and cycles `[rows, 6]`, there 0.

    The numbers are days since 1970 and the year; the cycles are sine and cosine of the month, the
    week of the year (ISO 8601) and the day of the week. Times of day are ignored; zones are taken
    to UTC. Text is not read here: there is one reader of cells, and it knows the formats of a
    column.

    Raises:
        ValueError: If the column is absent or a cell is no date.
    """
    column = _column(frame, name)
    is_plain = isinstance(column.dtype, np.dtype) and column.dtype.kind == "M"
    dates = column.to_numpy() if is_plain else _as_dates(column)
    missing = np.isnat(dates)
    known = np.where(missing, np.datetime64(0, "D"), dates.astype("datetime64[D]"))
    days, months = known.astype(np.int64), known.astype("datetime64[M]").astype(np.int64)
    weekday = (days - FIRST_MONDAY) % 7
    thursday = known + (3 - weekday)  # its year is that of the week
    week = (thursday - thursday.astype("datetime64[Y]")).astype(np.int64) // 7
    numbers = np.stack([days, months // 12 + 1970], axis=1).astype(np.float64)
    angles = 2 * np.pi * np.stack([months % 12 / 12, week / 52, weekday / 7], axis=1)
    cycles = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    numbers[missing], cycles[missing] = np.nan, 0.0
    return numbers, cycles


def _as_dates(column: "pd.Series[Any]") -> "NDArray[np.datetime64]":
    _refuse(column, _texts(column), rule="a date (pandas.to_datetime reads text) or missing")
    if pd.api.types.is_numeric_dtype(column) and column.notna().any():
        raise ValueError(
            f"{column.name} must be dates, got {column.dtype}. Convert them with "
            "pandas.to_datetime(..., unit=...)."
        )
    if pd.api.types.is_numeric_dtype(column):
        column = column.astype(object)  # a column without any date
    dates = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601").dt.tz_localize(None)
    _refuse(column, (dates.isna() & column.notna()).to_numpy(), rule="a date or missing")
    return dates.to_numpy()


def _column(frame: pd.DataFrame, name: str) -> "pd.Series[Any]":
    if name not in frame.columns:
        hint = did_you_mean(name, map(str, frame.columns))
        raise ValueError(f"column {name!r} must be in the table, got a table without it.{hint}")
    column = frame[name]
    if isinstance(column, pd.DataFrame):
        raise ValueError(f"column {name!r} must be in the table once, got {column.shape[1]}.")
    return column


def _texts(column: "pd.Series[Any]") -> NDArray[np.bool_]:
    """Mask `[rows]` of the cells that are text."""
    if not (pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)):
        return np.zeros(len(column), dtype=bool)
    return np.fromiter((isinstance(cell, str) for cell in column), dtype=bool, count=len(column))


def _level_names(column: "pd.Series[Any]") -> "pd.Series[Any]":
    """Levels as strings; 3 and 3.0 are one level, since a missing cell turns integers to floats."""
    codes, levels = _factorized(column)
    names = np.array([*(_level_name(level) for level in levels), None], dtype=object)
    return pd.Series(names[codes], index=column.index, dtype=object)


def _factorized(column: "pd.Series[Any]") -> tuple[NDArray[np.intp], Any]:
    """Place of each cell's level, -1 for none, and the levels; truth values are no numbers."""
    if column.dtype == object and pd.api.types.infer_dtype(column, skipna=True).startswith("mixed"):
        # else True is the level 1 where a 1 stands above it, and True alone
        column = column.map(lambda cell: str(cell) if isinstance(cell, bool | np.bool_) else cell)
    return pd.factorize(column)


def _level_name(level: object) -> str:
    if isinstance(level, float | np.floating) and float(level).is_integer():
        return str(int(level))
    return str(level)


def _refuse(column: "pd.Series[Any]", wrong: NDArray[np.bool_], *, rule: str) -> None:
    if not wrong.any():
        return
    position = int(np.flatnonzero(wrong)[0])
    more = f" and {int(wrong.sum()) - 1} more rows" if wrong.sum() > 1 else ""
    raise ValueError(
        f"{column.name} must be {rule}, got {column.iloc[position]!r} "
        f"(row {column.index[position]!r}{more}). Correct the cell or leave it empty."
    )

"""Frames in memory: any table of Python as a pandas frame with one text name a column."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from fusion.data.cells import is_missing, plain_text
from fusion.data.header import check_names
from fusion.data.problems import Problem, raise_for, shown
from fusion.data.records import check_is_table, frame_of_records, is_records


def as_frame(data: Any, *, name: str = "items", row: str = "an item") -> pd.DataFrame:
    """A table with unique text column names and rows counted from 0.

    Columns without names (an array, a frame made from one) become `x0`, `x1`, ... Names that are
    numbers or dates become their text, those of several levels are joined by `_`. Levels of the
    index that have a name are columns too, before the others; row numbers without a name are not.

    Args:
        data: A pandas frame, any frame that speaks Arrow (polars, pyarrow, DuckDB: all that has
            `__arrow_c_stream__`), one dict or a list of dicts (rows), or what `numpy.asarray`
            takes.
        name: What messages call the table.
        row: What a row stands for.

    Raises:
        TypeError: If it is no table: a path, a Series, None.
        CatalogueError: If two columns have the same name, or one has none.
    """
    check_is_table(data, name=name, row=row)
    if is_records(data):
        data = frame_of_records(data)
    elif not isinstance(data, pd.DataFrame):
        table = arrow_table(data)
        data = pd.DataFrame(np.asarray(data)) if table is None else frame_of_arrow(table)
    names = _names(data)
    levels = {
        name: values for name, values in _levels(data).items() if not _repeats(data, names, name)
    }
    frame: pd.DataFrame = _dense(data.reset_index(drop=True))
    if levels:
        frame = pd.concat([pd.DataFrame(levels), frame], axis=1)
    check_names([*levels, *names], source="the table")
    # Labels stay Python objects: a text index cannot hold every string.
    frame.columns = pd.Index([*levels, *names], dtype=object)
    return frame


def arrow_table(data: Any) -> pa.Table | None:
    """The Arrow table of a frame that speaks Arrow; None for anything else, a series too."""
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pd.Series) or not hasattr(data, "__arrow_c_stream__"):
        return None
    try:
        reader = pa.RecordBatchReader.from_stream(data)
    except pa.ArrowInvalid:  # one column without a name
        return None
    return reader.read_all()


def frame_of_arrow(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a pandas frame whose integers stay exact, also beside missing cells.

    Raises:
        CatalogueError: If two columns have the same name.
    """
    check_names(table.column_names, source="the table")
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
    kinds = {
        field.name: "Int64" if pa.types.is_signed_integer(field.type) else "UInt64"
        for field in table.schema
        if pa.types.is_integer(field.type)
    }
    gaps = {
        name: kinds[name]
        for name, dtype in zip(frame.columns, frame.dtypes, strict=True)
        if name in kinds and pd.api.types.is_object_dtype(dtype)
    }
    return frame.astype(gaps) if gaps else frame


def is_unnamed(columns: "pd.Index[Any]") -> bool:
    """True for columns that are just counted from 0, as pandas does for an array."""
    return not any(isinstance(name, str | bool) for name in columns) and list(columns) == list(
        range(len(columns))
    )


def column_name(label: object) -> str:
    """The text name of a column's label.

    Raises:
        TypeError: If it is no text, number, date or tuple of them.

    Example:
        >>> column_name(("units", 2024)), column_name(3)
        ('units_2024', '3')
    """
    if isinstance(label, str):
        return str(label)
    if isinstance(label, tuple):
        return "_".join(column_name(part) for part in label if part != "")
    if is_missing(label):
        raise TypeError(f"must be text, got {shown(label)}")
    return plain_text(label)


def _dense(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame without sparse columns, such as one-hot codes; readers of cells know none."""
    sparse = [isinstance(dtype, pd.SparseDtype) for dtype in frame.dtypes]
    if not any(sparse):
        return frame
    dense = [
        pd.Series(np.asarray(frame.iloc[:, place]), name=frame.columns[place], index=frame.index)
        if is_sparse
        else frame.iloc[:, place]
        for place, is_sparse in enumerate(sparse)
    ]
    return pd.concat(dense, axis=1)


def _names(frame: pd.DataFrame) -> list[str]:
    if is_unnamed(frame.columns):
        return [f"x{place}" for place in range(frame.shape[1])]
    names: list[str] = []
    problems = []
    for place, label in enumerate(frame.columns):
        try:
            names.append(column_name(label))
        except TypeError as fault:
            message = f"the name of column {place + 1} {fault}"
            problems.append(Problem("column_name", message))
    raise_for(problems, source="the table")
    return names


def _levels(frame: pd.DataFrame) -> dict[str, "pd.Index[Any]"]:
    """Values of the index levels that say something: those with a name, and all of several."""
    index = frame.index
    several = index.nlevels > 1
    return {
        f"level_{place}" if name is None else column_name(name): index.get_level_values(place)
        for place, name in enumerate(index.names)
        if several or name is not None
    }


def _repeats(frame: pd.DataFrame, names: list[str], level: str) -> bool:
    """True if a column has the name and the values of an index level."""
    places = [place for place, name in enumerate(names) if name == level]
    values = pd.Series(_levels(frame)[level]).astype(object)
    return any(
        values.equals(frame.iloc[:, place].astype(object).reset_index(drop=True))
        for place in places
    )

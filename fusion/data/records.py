"""Rows as Python dicts, as programs that serve a model have them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fusion.data.problems import shown


def is_records(data: Any) -> bool:
    """True for one dict, and for a list or tuple of dicts: each is a row."""
    if isinstance(data, Mapping):
        return not hasattr(data, "shape")  # a sparse matrix may be a dict of its entries
    is_list = isinstance(data, list | tuple) and len(data) > 0
    return is_list and all(isinstance(row, Mapping) for row in data)


def frame_of_records(data: Any) -> pd.DataFrame:
    """Rows as a frame of objects; where a row lacks a key that others have, the cell is missing.

    Raises:
        TypeError: If the value of a key is a list or an array, as in a dict of columns.

    Example:
        >>> frame_of_records([{"sku": "A", "price": 9}, {"sku": "B"}])["price"].tolist()
        [9, None]
    """
    rows = [data] if isinstance(data, Mapping) else list(data)
    for row in rows:
        for name, value in row.items():
            if isinstance(value, list | tuple) or getattr(value, "ndim", 0) > 0:
                raise TypeError(
                    f"a dict must be one row, with one value for each column, got a "
                    f"{type(value).__name__} for {name!r}. For columns give "
                    "pandas.DataFrame(columns), or a list of dicts."
                )
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(rows)))


def check_is_table(data: Any, *, name: str = "X", row: str = "an item") -> None:
    """Refuses what is often given in place of a table.

    Args:
        data: What was given.
        name: Its parameter.
        row: What a row stands for.

    Raises:
        TypeError: With what to give.
    """
    if isinstance(data, str | Path):
        kind, advice = f"the text {shown(str(data))}", "Read a file first: fusion.read_table(path)"
    elif isinstance(data, pd.Series):
        kind = "a Series"
        advice = "One row of a frame is frame.loc[[label]], one column is frame[[name]]"
    elif data is None:
        kind, advice = "None", "Give the table"
    else:
        return
    raise TypeError(
        f"{name} must be a table with one row {row} (a frame, an array [n_rows, n_columns], a list "
        f"of dicts), got {kind}. {advice}."
    )

"""Levels and numbers of baselines, from the values of a catalogue."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.catalogue import Catalogue
from heads import Floats

Levels = NDArray[np.object_]
CATEGORY, DATE = "O", "M"  # kinds of NumPy
EPOCH = pd.Timestamp(1970, 1, 1)
HUGE = 1e150  # beyond it, squares overflow


class Pair(NamedTuple):
    """Features of training and test rows, NaN where missing."""

    training: Floats
    test: Floats


def category_levels(training: Catalogue, test: Catalogue) -> list[tuple[Levels, Levels]]:
    """Levels of training and test rows in each category column, the empty text where missing."""
    known, asked = _table(training), _table(test)
    return [(_filled(known[name]), _filled(asked[name])) for name in _names(known, categories=True)]


def _filled(column: "pd.Series[Any]") -> Levels:
    return np.array(["" if pd.isna(level) else level for level in column], dtype=np.object_)


def scaled_numbers(training: Catalogue, test: Catalogue) -> Pair | None:
    """Numbers and dates as distances from the median in interquartile ranges, within +-3.

    Returns:
        0 where missing; None where there is no such column.
    """
    numbers = _numbers(training, test)
    if numbers.training.size == 0:
        return None
    known, asked = (part.clip(-HUGE, HUGE) for part in numbers)
    low, middle, high = np.nanpercentile(known, [25, 50, 75], axis=0)
    scale = np.where(high > low, high - low, np.nanstd(known, axis=0))
    scale = np.where(scale > 0, scale, 1.0)
    return Pair(*(np.nan_to_num(((x - middle) / scale).clip(-3.0, 3.0)) for x in (known, asked)))


def _table(catalogue: Catalogue) -> pd.DataFrame:
    """Numbers, dates, categories and history in one frame; a column may be in two modalities."""
    rows = pd.RangeIndex(len(catalogue))
    frames = [pd.DataFrame(index=rows)]
    for modality in catalogue.schema.tables:
        values = pd.DataFrame(catalogue.values[modality])
        frames.append(values.set_axis(rows).add_prefix(f"{modality}: "))
    return pd.concat(frames, axis=1)


def _names(table: pd.DataFrame, *, categories: bool) -> list[str]:
    """Category columns or all other columns, as far as they have a value."""
    return [
        str(name)
        for name in table
        if (table[name].dtype.kind == CATEGORY) == categories and table[name].notna().any()
    ]


def _numbers(training: Catalogue, test: Catalogue) -> Pair:
    names = _names(_table(training), categories=False)
    return Pair(*(_stacked(_table(part)[names], _as_number) for part in (training, test)))


def _as_number(column: "pd.Series[Any]") -> Floats:
    if column.dtype.kind != DATE:
        return column.to_numpy(dtype=np.float64)
    return np.asarray((column - EPOCH) / pd.Timedelta(days=1), dtype=np.float64)


def _stacked(table: pd.DataFrame, read: Callable[["pd.Series[Any]"], Floats]) -> Floats:
    columns = [read(table[name]) for name in table]
    return np.column_stack(columns) if columns else np.empty((len(table), 0))

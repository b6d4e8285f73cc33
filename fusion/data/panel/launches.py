"""From which day on items are on sale, as the items table tells."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.dates import read_date_column
from fusion.data.panel.panel import Panel
from fusion.data.problems import raise_for
from fusion.data.schema import missing_columns

NO_LAUNCH = int(np.iinfo(np.int64).min)
"""The period of a launch that is not known; -1 is the period before 1970."""


def launch_days(
    items: pd.DataFrame, keys: Sequence[str | None], column: str | None
) -> dict[str, date]:
    """First day of each item that tells one.

    Args:
        items: One row an item.
        keys: Their ids.
        column: The column that tells it; None: nothing does.

    Raises:
        CatalogueError: If the column is missing, or cells are no dates.
    """
    if column is None:
        return {}
    raise_for(missing_columns([column], items.columns), source="items")
    days, problems = read_date_column(items[column])
    raise_for(problems, source="items")
    known = ~np.isnat(days)
    dates = days.astype("datetime64[D]").astype(object)
    return {key: dates[row] for row, key in enumerate(keys) if key is not None and known[row]}


def launch_periods(panel: Panel, launches: Mapping[str, date]) -> NDArray[np.int64]:
    """Period that holds the first day of each series, `[n_series]`; `NO_LAUNCH` where unknown."""
    days = np.array([launches.get(name) for name in panel.ids], dtype="datetime64[D]")
    known = ~np.isnat(days)
    periods = panel.frequency.period(np.where(known, days, np.datetime64(0, "D")))
    return np.where(known, periods, NO_LAUNCH)

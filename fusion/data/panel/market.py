"""Numbers of the whole market by period: weather, searches, an index."""

import numpy as np
import pandas as pd

from fusion.data.dates import read_date_column
from fusion.data.numbers import number_cells
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.filling import Mean
from fusion.data.panel.layout import Layout
from fusion.data.panel.panel import Floats
from fusion.data.problems import Problem, raise_for
from fusion.data.schema import missing_columns


def read_market(market: pd.DataFrame, columns: SalesColumns, layout: Layout) -> dict[str, Floats]:
    """Means of each number by period, NaN where the table has no row.

    Args:
        market: Dates, in a column of the same name as in the sales table, and numbers.
        columns: Names of columns; each number is one of `past` or `known`.
        layout: Periods of the panel.

    Shape:
        `[n_periods]`; a number that is known ahead goes on to the last date of the table.

    Raises:
        CatalogueError: If cells are faulty, or a number is declared neither past nor known.
    """
    raise_for(missing_columns([columns.date], market.columns), source="market")
    days, problems = read_date_column(market[columns.date])
    names = [str(name) for name in market.columns if name != columns.date]
    values: dict[str, Floats] = {}
    periods = layout.frequency.period(days) - layout.start
    length = layout.end - layout.start
    longest = max(length, int(periods[~np.isnat(days)].max(initial=-1)) + 1)
    for name in names:
        numbers, found = number_cells(market[name])
        problems += found
        if name not in (*columns.past, *columns.known):
            message = "must be named in past or known, got neither"
            problems.append(Problem("column_undeclared", message, column=name))
        mean = Mean(longest)
        fits = ~np.isnat(days) & ~np.isnan(numbers) & (periods >= 0)
        mean.add(periods[fits], numbers[fits], np.ones(int(fits.sum())))
        ahead = longest if name in columns.known else length
        values[name] = mean.values()[:ahead].astype(np.float32)
    raise_for(problems, source="market")
    return values

"""Items joined with a sales table, as a configuration or a trained model names its columns."""

import pandas as pd

from fusion.data.sales import SalesColumns, add_history, add_target
from fusion.data.tables import read_table
from fusion.jobs.config import SalesSection


def join_sales(items: pd.DataFrame, section: SalesSection) -> pd.DataFrame:
    """Items with history before a date and the units of the horizon after it."""
    sales = read_table(section.table)
    columns = SalesColumns(section.item, section.week, section.units)
    items = add_history(items, sales, as_of=section.as_of, columns=columns)
    return add_target(
        items, sales, as_of=section.as_of, horizon_weeks=section.horizon_weeks, columns=columns
    )


def join_history(items: pd.DataFrame, section: SalesSection) -> pd.DataFrame:
    """Items with history before a date, as a model that was trained with a sales table needs it.

    Raises:
        CatalogueError: If the sales table cannot be read, lacks a column or is faulty.
    """
    columns = SalesColumns(section.item, section.week, section.units)
    return add_history(items, read_table(section.table), as_of=section.as_of, columns=columns)

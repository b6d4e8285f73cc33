"""Items joined with a sales table, as a configuration or a trained model names its columns."""

import pandas as pd

from fusion.data.sales import SalesColumns, add_history, add_target, sales_gap
from fusion.data.tables import read_table
from fusion.job_steps.config import SalesSection


def join_sales(items: pd.DataFrame, section: SalesSection) -> tuple[pd.DataFrame, str]:
    """Items with history before a date and the units of the horizon after it.

    Returns:
        The table, and what to say of sales that end before the date; empty where they do not.

    Raises:
        CatalogueError: If the sales table cannot be read, lacks a column, is faulty, ends too long
            before the date or does not reach the end of the horizon.
    """
    sales = read_table(section.table)
    columns = SalesColumns(section.item, section.week, section.units)
    items = add_history(items, sales, as_of=section.as_of, columns=columns)
    items = add_target(
        items, sales, as_of=section.as_of, horizon_weeks=section.horizon_weeks, columns=columns
    )
    return items, sales_gap(sales[section.week], section.as_of)


def sales_target(section: SalesSection) -> str:
    """Name of the column that holds the units of the horizon."""
    return f"units_next_{section.horizon_weeks}w"


def horizons(section: SalesSection | None) -> dict[str, int]:
    """Over how many weeks the units of a target were added up; nothing without a sales table."""
    return {} if section is None else {sales_target(section): section.horizon_weeks}


def not_launched(section: SalesSection) -> str:
    """Why an item has no units in the horizon: it was not sold before its end."""
    return f"not launched yet: no sale up to {section.horizon_weeks} week(s) after {section.as_of}"


def join_history(items: pd.DataFrame, section: SalesSection) -> pd.DataFrame:
    """Items with history before a date, as a model that was trained with a sales table needs it.

    Raises:
        CatalogueError: If the sales table cannot be read, lacks a column or is faulty.
    """
    columns = SalesColumns(section.item, section.week, section.units)
    return add_history(items, read_table(section.table), as_of=section.as_of, columns=columns)

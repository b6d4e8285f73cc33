"""Items joined with a sales table, as a configuration or a trained model names its columns."""

from typing import Any

import pandas as pd

from fusion.data.panel.asof import history_columns, target_column, target_name
from fusion.data.panel.columns import ROLES
from fusion.data.panel.frequency import Unit
from fusion.data.panel.panel import Panel, over_shops
from fusion.data.panel.reach import as_of_dates, sales_gap
from fusion.data.panel.tables import item_keys, tell_left_out, with_columns
from fusion.job_steps.config import SalesSection
from fusion.job_steps.panel import own_columns, panel_of
from fusion.system.words import number_of


def join_sales(items: pd.DataFrame, section: SalesSection) -> tuple[pd.DataFrame, str]:
    """Items with history before a date and the units of the horizon after it.

    Where the section names no frequency it gets the one that was found, as names of columns and a
    later question depend on it.

    Returns:
        The table, and what to say of sales that end before the date; empty where they do not.

    Raises:
        CatalogueError: If the sales table cannot be read, lacks a column, is faulty, ends too long
            before the date or does not reach the end of the horizon.
    """
    keys, panel = _panel(items, section)
    tell_left_out(panel)
    section.frequency = panel.frequency.unit
    dates = as_of_dates(section.as_of, n=len(keys))
    items = with_columns(items, history_columns(panel, keys, dates))
    units = target_column(panel, keys, dates, horizon=section.horizon)
    return with_columns(items, {sales_target(section): units}), sales_gap(panel, section.as_of)


def join_history(items: pd.DataFrame, section: SalesSection) -> pd.DataFrame:
    """Items with history before a date, as a model that was trained with a sales table needs it.

    Raises:
        CatalogueError: If the sales table cannot be read, lacks a column or is faulty.
    """
    keys, panel = _panel(items, section)
    dates = as_of_dates(section.as_of, n=len(keys))
    return with_columns(items, history_columns(panel, keys, dates))


def _panel(items: pd.DataFrame, section: SalesSection) -> tuple[list[str | None], Panel]:
    panel = panel_of(section, items)
    return item_keys(items, section.item), over_shops(panel)


def trained_section(section: SalesSection) -> dict[str, Any]:
    """What a later question to the model reads: the sales table alone, by the columns it has."""
    own = own_columns(section)
    kept = {name: getattr(own, name) for name in (*ROLES, "past", "known")}
    alone = section.model_copy(update=kept | dict.fromkeys(("market", "planned", "launch")))
    return alone.model_dump(mode="json")


def sales_unit(section: SalesSection) -> Unit:
    """What a period of the sales is; weeks as long as it is not found."""
    return section.frequency or "week"


def sales_target(section: SalesSection) -> str:
    """Name of the column that holds the units of the horizon."""
    return target_name(sales_unit(section), section.horizon)


def horizons(section: SalesSection | None) -> dict[str, str]:
    """Over which time the units of a target were added up: `8 weeks`; nothing without sales."""
    if section is None:
        return {}
    return {sales_target(section): number_of(section.horizon, sales_unit(section))}


def not_launched(section: SalesSection) -> str:
    """Why an item has no units in the horizon: it was not sold before its end."""
    return (
        f"not launched yet: no sale up to {section.horizon} {sales_unit(section)}(s) after "
        f"{section.as_of}"
    )

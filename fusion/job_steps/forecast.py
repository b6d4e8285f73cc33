"""What every job that trains forecasts does first: read tables, and check all before the work."""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from fusion.choices.encoders import EncoderChoices
from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import folder_mistakes, photo_folder_mistakes
from fusion.data.panel.columns import missing_named
from fusion.data.panel.panel import Panel
from fusion.data.problems import raise_for, shown
from fusion.data.schema import missing_columns
from fusion.data.tables import read_table
from fusion.errors import CatalogueError
from fusion.estimators.forecaster_choices import forecast_member_mistakes
from fusion.forecasting.asked import first_step, settle_plan_gaps
from fusion.forecasting.backtest.origins import backtest, origin_periods
from fusion.forecasting.backtest.result import BacktestResult, scored
from fusion.forecasting.content import CheckedItems, ContentSpec, check_items
from fusion.forecasting.examples import Ints
from fusion.forecasting.heads import check_sales, head_mistakes
from fusion.forecasting.history import (
    History,
    ItemSales,
    read_history,
    refuse_sums_of_sales,
    sales_of_items,
)
from fusion.forecasting.trained import ForecastSpec
from fusion.job_steps.forecast_config import ForecastConfig
from fusion.job_steps.panel import check_columns, names_of, read_sales, sales_spec
from fusion.job_steps.schema import given_columns
from fusion.progress import Stage, silent
from fusion.system.lock import check_free
from heads.levels import checked_levels

SHOWN_IDS = 3


@dataclass(frozen=True)
class ForecastInputs:
    """Tables of a forecast that were read, and what is to be done with them.

    Args:
        sales: Items and their sales.
        checked: The items, checked too.
        spec: How forecasts are made.
        until: The first period that is forecast; nothing from it on is known.
        origins: First steps of the backtest; empty where none is asked for.
    """

    sales: ItemSales
    checked: CheckedItems
    spec: ForecastSpec
    until: int
    origins: Ints


def checked_inputs(
    config: ForecastConfig,
    folder: Path,
    mistakes: Mistakes,
    *,
    is_measured: bool,
    is_asked: bool,
) -> ForecastInputs:
    """The tables of a forecast, once nothing that can be seen before the work is wrong.

    Args:
        config: What to do.
        folder: Output folder.
        mistakes: What has been found wrong before; it is told together with the rest.
        is_measured: Whether past dates are asked about.
        is_asked: Whether the periods to come are.

    Raises:
        CatalogueError, ConfigError, JobError: With every mistake.
    """
    mistakes.add(folder_mistakes("out", folder))
    mistakes.add(folder_mistakes("store", config.store))
    mistakes.add(photo_folder_mistakes(config.data.photos))
    mistakes.add(forecast_member_mistakes(config.forecast.members))
    mistakes.add(head_mistakes(config.forecast.head, config.sales.columns))
    with mistakes.gathered():
        check_free(folder)
    with mistakes.gathered():
        checked_levels(config.forecast.levels)
    spec = forecast_spec(config, store=config.store or folder / "store")
    items, checked, sales, until, origins = None, None, None, 0, np.arange(0)
    with mistakes.gathered():
        items = items_of(config, spec.content)
    if items is not None:
        with mistakes.gathered():
            checked = check_items(items, spec.content)
        with mistakes.gathered():
            sales = _sales(config, items)
    if sales is None:
        with mistakes.gathered():  # also where a mistake in the items comes before
            check_columns(config.sales)
    else:
        with mistakes.gathered():
            until = first_step(sales.panel, config.sales.as_of)
            check_sales(spec.kind, sales.panel, horizon=spec.horizon, until=until)
            if is_measured:
                origins = _origins(config, sales.panel, until)
            if is_asked:
                settle_plan_gaps(
                    sales, until, horizon=spec.horizon, on_bad_rows=config.data.on_bad_rows
                )
    mistakes.refuse()
    assert sales is not None and checked is not None
    return ForecastInputs(sales, checked, spec, until, origins)


def history_of(inputs: ForecastInputs, *, stage: Stage = silent) -> History:
    """The items with their sales, embedded."""
    content = inputs.spec.content
    return read_history(inputs.sales, inputs.checked, content, head=inputs.spec.kind, stage=stage)


def measured(
    config: ForecastConfig, inputs: ForecastInputs, history: History, *, stage: Stage = silent
) -> BacktestResult:
    """Forecasts of the past dates, scored beside simple methods."""
    origins = backtest(
        history, inputs.spec, inputs.origins.tolist(), gap=config.forecast.gap, stage=stage
    )
    return scored(history, origins, stage=stage)


def source_of(items: Path, sales: Path) -> str:
    """What reports call the tables: `items.csv and sales.csv`."""
    return f"{items.name} and {sales.name}"


def forecast_spec(config: ForecastConfig, *, store: Path) -> ForecastSpec:
    """How forecasts are made, as configured.

    Args:
        config: What to do.
        store: Folder of the embedding store.
    """
    data, asked = config.data, config.forecast
    content = ContentSpec(
        columns={"id": [config.sales.item], **given_columns(data)},
        exclude=tuple(data.exclude),
        encoders=EncoderChoices(config.encoders),
        photos=data.photos,
        store=store,
        on_bad_rows=data.on_bad_rows,
    )
    return ForecastSpec(asked.horizon, asked.levels, asked.members, content, asked.seed, asked.head)


def items_of(config: ForecastConfig, content: ContentSpec) -> pd.DataFrame:
    """The items, and behind them the new ones where a table of these is named.

    Args:
        config: Where they are.
        content: How they are read.

    Raises:
        CatalogueError: If a table cannot be read or holds no rows, items tell of sales, or new
            items lack columns or are not new.
    """
    data, item = config.data, config.sales.item
    items = _rows(data.items, delimiter=data.delimiter)
    mistakes = Mistakes()
    with mistakes.gathered():
        raise_for(missing_named({item: "item"}, items.columns), source=data.items.name)
    with mistakes.gathered():
        refuse_sums_of_sales(items.columns, content)
    mistakes.refuse()
    if data.new_items is None:
        return items
    new = _rows(data.new_items, delimiter=data.delimiter)
    wanted = [name for name in items.columns if name not in data.exclude]
    needed = [item] if data.on_bad_rows == "absent" else wanted
    raise_for(missing_columns(needed, new.columns), source=data.new_items.name)
    known = set(items[item].dropna())
    if twice := [name for name in new[item] if name in known]:
        names = ", ".join(shown(name) for name in twice[:SHOWN_IDS])
        raise CatalogueError(
            f"{data.new_items.name} must hold other items than {data.items.name}, got {len(twice)} "
            f"of the same, such as {names}. Take them out of one of the tables."
        )
    return pd.concat([items, new.reindex(columns=items.columns)], ignore_index=True)


def _rows(table: Path, *, delimiter: str | None) -> pd.DataFrame:
    frame = read_table(table, delimiter=delimiter)
    if not len(frame):
        raise CatalogueError(f"{table.name} must hold rows, got a header alone. Add items.")
    return frame


def _sales(config: ForecastConfig, items: pd.DataFrame) -> ItemSales:
    section = config.sales
    found = sales_of_items(items, partial(read_sales, section), sales_spec(section))
    return replace(found, source=names_of(section))


def _origins(config: ForecastConfig, panel: Panel, until: int) -> Ints:
    asked = config.forecast
    return origin_periods(
        panel,
        horizon=asked.horizon,
        n_origins=asked.origins,
        every=asked.every or asked.horizon,
        gap=asked.gap,
        until=until,
    )

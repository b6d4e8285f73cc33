"""From an items table and a sales table to items with their sales, aligned."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusion.data.panel.cells import Parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Unit
from fusion.data.panel.items import of_items
from fusion.data.panel.launches import launch_days, launch_periods
from fusion.data.panel.panel import Panel
from fusion.data.panel.reading import read_panel
from fusion.data.panel.tables import item_keys, no_shared_ids, tell_left_out
from fusion.forecasting.content import Asked, ContentSpec, ready_items
from fusion.forecasting.examples import Ints
from fusion.progress import Stage, say_once, silent
from fusion.ready import ReadyItems


@dataclass(frozen=True)
class SalesSpec:
    """How the sales of items are read.

    Args:
        columns: Names of the columns.
        frequency: What a period is; None: as the dates are.
        launch: Column of the items table with the first day of an item; None where none has it.
        market: Table of dates and numbers of the whole market.
    """

    columns: SalesColumns
    frequency: Unit | None = None
    launch: str | None = None
    market: pd.DataFrame | None = None


@dataclass(frozen=True)
class History:
    """Items with their sales, aligned.

    Args:
        ready: Items that were read and embedded.
        rows: Row of `ready` of each series of the panel, `[n_series]`.
        panel: The sales of these items, an empty series where there are none.
        launches: Period in which each series is new, `[n_series]`; -1 where that is not known.
    """

    ready: ReadyItems
    rows: Ints
    panel: Panel
    launches: Ints


def read_history(
    items: pd.DataFrame,
    sales: Parts,
    spec: SalesSpec,
    *,
    content: ContentSpec,
    asked_of: Asked | None = None,
    stage: Stage = silent,
) -> History:
    """Items with their sales; sales are read and checked before photos are opened.

    Args:
        items: One row an item.
        sales: The sales table, see `frame_parts`.
        spec: How sales are read.
        content: How items are read.
        asked_of: Schema and encoders of a trained forecast; None: they are found in the table.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If a table lacks a column or holds faulty cells, with rows and columns; if
            no item is in the sales table.
    """
    keys = item_keys(items, spec.columns.item)
    launches = launch_days(items, keys, spec.launch)
    panel = read_panel(
        sales,
        columns=spec.columns,
        items={key for key in keys if key is not None},
        launches=launches,
        frequency=spec.frequency,
        market=spec.market,
    )
    if not panel.n_series:
        raise no_shared_ids(spec.columns.item)
    tell_left_out(panel)
    tell_silent(panel)
    ready = ready_items(items, content, asked_of=asked_of, stage=stage)
    own = item_keys(ready.catalogue.frame, spec.columns.item)
    row_of = {key: row for row, key in enumerate(own) if key is not None}
    panel = of_items(panel, row_of.keys())
    rows = np.array([row_of[name] for name in panel.ids], dtype=np.int64)
    return History(ready, rows, panel, launch_periods(panel, launches))


def tell_silent(panel: Panel) -> None:
    """Says which periods have no row of any item, and that nothing is learned from them."""
    days = panel.frequency.first_day(panel.start + panel.silent)
    if len(days):
        shown = ", ".join(str(day) for day in days[:3])
        say_once(
            f"{len(days)} {panel.frequency.unit}(s) of the sales table have no row of any item, "
            f"such as that of {shown}. Their units count as unknown; give rows of 0 units where "
            "nothing was sold."
        )

"""Kept histories with the periods and items that came: what every update begins with."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from encoders.blocks import Block
from fusion.data.panel.appending import appended
from fusion.data.panel.cells import Parts
from fusion.data.panel.items import left_to, of_items
from fusion.data.panel.launches import NO_LAUNCH, launch_days, launch_periods
from fusion.data.panel.panel import Panel
from fusion.data.panel.plan import with_plan
from fusion.data.panel.tables import item_keys
from fusion.data.problems import first_shown, raise_for
from fusion.data.schema import missing_columns
from fusion.forecasting.content import ContentSpec, check_items, ready_items, with_encoders
from fusion.forecasting.history import ItemSales
from fusion.forecasting.kept import Kept, blocks_alone
from fusion.forecasting.pool import moved_answers
from fusion.forecasting.trained import TrainedForecast, kept_of
from fusion.forecasting.updating.new_periods import NewSales, read_new_periods
from fusion.members.view import View
from fusion.progress import Stage, say_once, silent
from fusion.system.words import number_of


@dataclass(frozen=True, eq=False)
class NewRows:
    """What came: the sales of new periods, and an items table that tells of new items.

    Args:
        sales: The rows of new periods.
        items: One row an item; those that are known are not read again. None: no item is new.
        content: Where photos and embeddings of new items lie, and what faulty rows do.
    """

    sales: NewSales
    items: pd.DataFrame | None
    content: ContentSpec


def grown_histories(trained: TrainedForecast, rows: NewRows, *, stage: Stage = silent) -> Kept:
    """The kept histories with new periods and items; nothing is learned from them.

    Args:
        trained: The forecast.
        rows: What came.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If it keeps no histories, or rows do not go on where they end.
    """
    kept = kept_of(trained)
    new = _new_items(rows.items, trained, kept)
    column = trained.sales.item
    ids = [] if new is None else [key for key in item_keys(new, column) if key is not None]
    days = {} if new is None else launch_days(new, item_keys(new, column), trained.launch)
    panel = read_new_periods(rows.sales, kept.panel, ids)
    view, row_of = kept.content, dict(zip(kept.panel.ids, kept.rows.tolist(), strict=True))
    if new is not None and len(new):
        checked = check_items(new, rows.content, asked_of=(trained.schema, trained.encoders))
        ready = ready_items(checked, rows.content, stage=stage)
        own = item_keys(ready.catalogue.frame, column)
        row_of |= {key: len(view) + row for row, key in enumerate(own) if key is not None}
        second = with_encoders(ready, trained.encoders).view
        view = joined_views(view, blocks_alone(second, len(own)))
        panel = left_to(panel, row_of.keys())
    launches = dict(zip(kept.panel.ids, kept.launches.tolist(), strict=True))
    for name, day in days.items():
        launches[name] = int(panel.frequency.period(np.array([day], dtype="datetime64[D]"))[0])
    for name in _back_again(kept, panel, row_of.keys()):
        launches.pop(name, None)
    grown = of_items(appended(kept.panel, panel, launches), row_of.keys())
    left_out = sorted({*kept.panel.left_out, *panel.left_out} - set(grown.ids))
    return replace(
        kept,
        panel=replace(grown, left_out=tuple(left_out)),
        launches=np.array([launches.get(name, NO_LAUNCH) for name in grown.ids], dtype=np.int64),
        content=view,
        rows=np.array([row_of[name] for name in grown.ids], dtype=np.int64),
        out_of_fold=moved_answers(kept.out_of_fold, kept.panel, grown),
    )


def _new_items(
    items: pd.DataFrame | None, trained: TrainedForecast, kept: Kept
) -> pd.DataFrame | None:
    """Rows of an items table that tell of items that are not known."""
    if items is None:
        return None
    column = trained.sales.item
    raise_for(missing_columns([column], items.columns), source="items")
    known = set(kept.panel.ids)
    is_new = [key is None or key not in known for key in item_keys(items, column)]
    return items[np.array(is_new, dtype=bool)].reset_index(drop=True)


def _back_again(kept: Kept, panel: Panel, ids: Collection[str]) -> list[str]:
    """Items with sales that were left out before: their histories begin with the new rows.

    Why: the earlier sales are not kept. From a launch on they would pass for periods of 0 units.
    """
    again = sorted(set(kept.panel.left_out).intersection(panel.ids, ids))
    if again:
        say_once(
            f"{number_of(len(again), 'item')} ({first_shown(again)}) had sales that were left out "
            "before and are not kept: what is known of them begins with the new rows. Train anew "
            "to use all."
        )
    return again


def joined_views(first: View, second: View) -> View:
    """Rows of two views of `blocks_alone`, of the same encoders, one behind the other."""
    blocks = {}
    for name, block in first.blocks.items():
        values: list[Any] = [block.values, second.blocks[name].values]
        is_sparse = block.kind == "terms"
        both = sparse.vstack(values, format="csr") if is_sparse else np.concatenate(values)
        blocks[name] = Block(block.name, block.kind, both, block.n_levels, block.labels)
    present = {
        name: np.concatenate([mask, second.present[name]]) for name, mask in first.present.items()
    }
    inputs = first.inputs.take(np.zeros(len(first) + len(second), dtype=np.int64))
    return View(blocks, present, inputs, {})


def kept_sales(
    trained: TrainedForecast, items: pd.DataFrame, *, planned: Parts | None = None
) -> ItemSales:
    """The kept sales of the items of a table; one that is not known has none.

    Args:
        trained: A forecast that keeps its histories.
        items: One row an item.
        planned: What is planned of them, in place of what is kept where both tell it.

    Raises:
        CatalogueError: If it keeps none, or ids, launches or the plan are faulty.
    """
    kept, column = kept_of(trained), trained.sales.item
    keys = item_keys(items, column)
    days = launch_days(items, keys, trained.launch)
    wanted = {key for key in keys if key is not None}
    panel = kept.panel
    if planned is not None:
        panel = with_plan(panel, planned, columns=trained.sales, items=wanted)
    panel = of_items(panel, wanted)
    return ItemSales(items, column, panel, launch_periods(panel, days))

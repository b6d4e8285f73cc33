"""Drift of a trained forecast: its reference is saved with it, and what came later is watched."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fusion.data.panel.launches import NO_LAUNCH
from fusion.errors import CatalogueError
from fusion.forecasting.asked import asked_history, check_periods
from fusion.forecasting.content import ContentSpec, with_encoders
from fusion.forecasting.drift.distances import Floats, Ints
from fusion.forecasting.drift.errors import forecast_errors
from fusion.forecasting.drift.items import UNSEEN, ItemContent, Levels, mixtures, modality_of
from fusion.forecasting.drift.notes import error_notes
from fusion.forecasting.drift.readings import DriftReport
from fusion.forecasting.drift.reference import Reference, make_reference
from fusion.forecasting.drift.signals import RECENT_PERIODS
from fusion.forecasting.drift.watch import watch
from fusion.forecasting.history import History, ItemSales
from fusion.forecasting.kept import Kept
from fusion.forecasting.pool import Pool, grown_pool, pool_of
from fusion.forecasting.trained import TrainedForecast
from fusion.members.view import View
from fusion.modalities import MODALITIES
from fusion.progress import Stage, silent
from fusion.saved_parts import described

DRIFT = "drift"
"""Key of the reference in `TrainedForecast.info`."""
OF_DATES = (": days", ": year")
"""How columns end that are made of dates."""


def with_reference(trained: TrainedForecast, kept: Kept) -> TrainedForecast:
    """The forecast with a reference of what it learned from, so that drift is seen later.

    Args:
        trained: The forecast.
        kept: What its members learned from, and answered out of fold.
    """
    model, pool = trained.model, None
    if kept.out_of_fold is not None and kept.panel.quantity != "price":
        horizon = model.head.horizon
        pool = pool_of(kept.out_of_fold, kept, new_level=model.new_level, horizon=horizon)
    reference = make_reference(
        kept.panel,
        item_content(kept),
        until=kept.learned_until,
        errors=forecast_errors(model, pool),
        seed=kept.seed,
    )
    return replace(trained, info={**trained.info, DRIFT: reference.config})


def watch_sales(
    trained: TrainedForecast, sales: ItemSales, content: ContentSpec, *, stage: Stage = silent
) -> DriftReport:
    """As `watch_forecast`, of sales up to now and items that are read by the forecast's encoders.

    Args:
        trained: The forecast, with the reference of its training.
        sales: Items and their sales.
        content: Where photos and embeddings lie, and what faulty rows do.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If periods do not suit or items are faulty, and as `watch_forecast`.
    """
    reference = reference_of(trained)  # before photos are opened
    check_periods(trained, sales.panel)
    if sales.panel.start > reference.until - RECENT_PERIODS:
        day = sales.panel.frequency.first_day(reference.until - RECENT_PERIODS)
        raise CatalogueError(
            f"sales must hold the past too, from {day} on at least, got those from "
            f"{sales.panel.frequency.first_day(sales.panel.start)} on. Give the history with what "
            "came since."
        )
    return watch_forecast(trained, asked_history(trained, sales, content, stage=stage))


def watch_forecast(trained: TrainedForecast, history: History) -> DriftReport:
    """Whether sales, items and errors are still as those of the training of a forecast.

    Members are asked about the latest dates, of which they have not learned; those of prices are
    not, as no errors of prices are watched.

    Args:
        trained: The forecast, with the reference of its training.
        history: Items and sales up to now.

    Raises:
        CatalogueError: If the forecast has no reference: it was trained by an older version.
    """
    reference = reference_of(trained)
    kept = Kept(
        history.panel,
        history.launches,
        with_encoders(history.ready, trained.encoders).view,
        history.rows,
        learned_until=reference.until,
        out_of_fold=None,
        seed=0,
    )
    is_asked = kept.panel.quantity != "price"
    return watch_kept(trained, kept, grown_pool(trained.model, kept) if is_asked else None)


def watch_kept(trained: TrainedForecast, kept: Kept, pool: Pool | None) -> DriftReport:
    """As `watch_forecast`, of histories whose latest dates the members were asked about already.

    Args:
        trained: The forecast as it was, with the reference of its training.
        kept: Sales and items up to now.
        pool: What its members answered out of fold.

    Raises:
        CatalogueError: If the forecast has no reference.
    """
    reference, errors = reference_of(trained), forecast_errors(trained.model, pool)
    report = watch(reference, kept.panel, item_content(kept), errors=errors)
    told = error_notes(reference, report, quantity=kept.panel.quantity)
    return replace(report, notes=(*report.notes, *told))


def reference_of(trained: TrainedForecast) -> Reference:
    """The reference that a forecast keeps.

    Raises:
        CatalogueError: If it has none.
        BundleError: If it is no reference.
    """
    if DRIFT not in trained.info:
        raise CatalogueError(
            "forecast must keep a reference of its training to be watched for drift, got one "
            "without, of an older version. Train it again."
        )
    with described("drift"):
        return Reference.of_config(trained.info[DRIFT])


def item_content(kept: Kept) -> ItemContent:
    """Items of a panel with what encoders made of them, one row each.

    Modalities that say once more what others do are left out, and dates, which always go on; and
    items whose launch lies ahead. One that was never sold and has no launch is taken for an old
    one: nobody knows since when.
    """
    panel, launches, rows, view = kept.panel, kept.launches, kept.rows, kept.content
    begins = np.minimum(panel.first, np.where(launches != NO_LAUNCH, launches, panel.first))
    begins = np.where((begins < panel.end) | (launches != NO_LAUNCH), begins, panel.start)
    own, series = np.unique(rows, return_index=True)
    periods = np.full(int(rows.max(initial=-1)) + 1, panel.end)
    np.minimum.at(periods, rows, begins)
    names = [name for name in view.blocks if _is_watched(name)]
    numbers: dict[str, Floats] = {}
    for name in names:
        numbers |= _numbers(view, name, own)
    return ItemContent(
        ids=np.array([panel.ids[place] for place in series.tolist()], dtype=object),
        periods=periods[own],
        numbers=numbers,
        categories={
            name.partition(".")[2]: _levels(view, name, own)
            for name in names
            if view.blocks[name].kind == "category"
        },
        vectors={
            name: _vectors(view, name, own)
            for name in names
            if view.blocks[name].kind in ("vectors", "terms")
        },
        present={modality_of(name): view.present[name][own] for name in names},
    ).take(periods[own] < panel.end)


def _is_watched(name: str) -> bool:
    modality = MODALITIES.get(modality_of(name))
    return modality is None or not modality.repeats


def _numbers(view: View, name: str, rows: Ints) -> Mapping[str, Floats]:
    """Numeric columns by name; NaN where a cell or the whole modality is missing."""
    block = view.blocks[name]
    if block.kind != "raw":
        return {}
    there = view.present[name][rows]
    values = np.where(there[:, None], np.asarray(block.values)[rows], np.nan).astype(np.float64)
    return {
        label: values[:, place]
        for place, label in enumerate(block.labels)
        if not label.endswith(OF_DATES)
    }


def _levels(view: View, name: str, rows: Ints) -> Levels:
    """Codes of a category as levels: 0 is a missing cell, 1 a level that was not or seldom seen."""
    codes = np.where(view.present[name], view.blocks[name].values, 0)[rows]
    names = {0: None, 1: UNSEEN}
    return np.array([names.get(code, str(code)) for code in codes.tolist()], dtype=object)


def _vectors(view: View, name: str, rows: Ints) -> Floats:
    """Embeddings, or the words of texts, as few numbers; what stands in absent rows is nothing."""
    block = view.blocks[name]
    mixed = mixtures(block.values[rows])
    dense = mixed.toarray() if block.kind == "terms" and hasattr(mixed, "toarray") else mixed
    return np.where(view.present[name][rows][:, None], dense, 0.0).astype(np.float64)

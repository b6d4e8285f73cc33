"""What a watch could not look at, and why."""

from collections.abc import Collection

from fusion.data.panel.panel import Quantity
from fusion.forecasting.drift.charts import LEAST_PERIODS
from fusion.forecasting.drift.checks import LEAST_NEW
from fusion.forecasting.drift.errors import ERROR
from fusion.forecasting.drift.items import LEAST_SAMPLE, ItemContent
from fusion.forecasting.drift.readings import DriftReport, Reading
from fusion.forecasting.drift.reference import RECENT, Reference


def watch_notes(
    reference: Reference, items: ItemContent | None, item_readings: Collection[Reading]
) -> tuple[str, ...]:
    """What is not known of sales and items, a sentence each.

    Args:
        reference: What was learned from.
        items: All items up to now; None where nothing is known of them.
        item_readings: What new items say.
    """
    told = []
    if not reference.charts:
        told.append("The sales of the training are too short to tell what is usual.")
    if items is None or reference.items is None:
        told.append("New items are not watched: nothing is known of those before them.")
        return tuple(told)
    if not reference.items.absent:
        told.append("New items are not watched: nothing but sales is known of items.")
    elif not item_readings:
        few = f"fewer than {LEAST_NEW} came in any {RECENT} {reference.unit}s"
        told.append(f"New items are not watched: {few}.")
    if names := reference.items.not_compared:
        why = f"fewer than {LEAST_SAMPLE} items of the training have them, or all have the same"
        told.append(f"Not compared: {', '.join(names)}, as {why}.")
    return tuple(told)


def error_notes(
    reference: Reference, report: DriftReport, *, quantity: Quantity
) -> tuple[str, ...]:
    """Why errors of a forecast are not among what was watched, a sentence or none.

    Args:
        reference: What was learned from.
        report: What a watch found.
        quantity: What is forecast.
    """
    if not report.n_periods or any(one.column == ERROR for one in report.readings):
        return ()
    if quantity == "price":
        return ("Errors of the forecast are not watched: it is one of prices.",)
    if all(one.column != ERROR for one in reference.charts):
        few = f"fewer than {LEAST_PERIODS} {reference.unit}s were held out in its training"
        return (f"Errors of the forecast are not watched: {few}.",)
    return ("Errors of the forecast are not watched: none is known since its training.",)

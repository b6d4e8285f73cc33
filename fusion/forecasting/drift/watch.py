"""What came since a reference, held against it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from fusion.data.panel.columns import UNITS
from fusion.data.panel.panel import Panel
from fusion.data.problems import shown
from fusion.forecasting.drift.charts import RUN, SLACK, Chart
from fusion.forecasting.drift.checks import checks, unseen
from fusion.forecasting.drift.distances import Floats, Mask, cusum
from fusion.forecasting.drift.errors import PeriodErrors
from fusion.forecasting.drift.items import ItemContent, absences, known_levels
from fusion.forecasting.drift.notes import watch_notes
from fusion.forecasting.drift.readings import SINGLE, SUM, DriftReport, Reading, advice
from fusion.forecasting.drift.reference import RECENT, Reference, names_of
from fusion.forecasting.drift.signals import (
    RECENT_PERIODS,
    Key,
    jumps,
    matrix_of,
    signals,
    watched_series,
)

TOLD = 3
"""Ids that a sentence names."""


def watch(
    reference: Reference,
    panel: Panel,
    items: ItemContent | None = None,
    *,
    errors: PeriodErrors | None = None,
) -> DriftReport:
    """Whether the latest periods are still as those of a reference.

    At most `RUN` periods are watched, the latest ones since the reference. A number of every period
    (of units, prices and other columns, and of errors) is charted: single periods find what is
    sudden, cumulative sums what is slow. New items of each `RECENT` periods are compared with those
    of the reference.

    Args:
        reference: What was learned from.
        panel: All sales up to now, those of at least 8 periods before the watched ones with them.
        items: All items up to now; None where nothing is known of them.
        errors: Of the forecast in the periods since the reference.

    Raises:
        ValueError: If the panel counts other periods than the reference.
    """
    if panel.frequency.unit != reference.unit:
        raise ValueError(
            f"panel must be of {reference.unit}s, got {panel.frequency.unit}s. Give sales of the "
            "same periods, or train again."
        )
    begin = max(reference.until, panel.end - RUN[reference.unit])
    if begin >= panel.end:
        return DriftReport(0, "", reference.unit, 0, ())
    of_sales = _of_sales(reference, panel, errors, begin)
    of_items = [] if items is None else [*_of_items(reference, panel, items, begin)]
    came = np.empty(0) if items is None else items.periods
    return DriftReport(
        n_periods=panel.end - begin,
        first=str(panel.frequency.first_day(begin)),
        unit=reference.unit,
        n_new=int(((came >= begin) & (came < panel.end)).sum()),
        readings=tuple(sorted([*of_sales, *of_items], key=lambda one: -one.ratio)),
        notes=watch_notes(reference, items, of_items),
    )


def _of_sales(
    reference: Reference, panel: Panel, errors: PeriodErrors | None, begin: int
) -> Iterator[Reading]:
    """The readings of every chart."""
    periods = np.arange(begin - 1, panel.end)
    found = signals(panel, reference.columns, begin - 1, panel.end)
    if errors is not None:
        found |= errors.signals(periods)
    for key, chart in names_of(reference.charts).items():
        if key in found:
            scores = chart.scores(found[key], periods, reference.unit)
            if not np.isnan(scores).all():
                yield _summed(key, chart, scores, panel)
                yield _single(key, chart, scores, panel)


def _summed(key: Key, chart: Chart, scores: Floats, panel: Panel) -> Reading:
    """What the cumulative sums of a number say; it began to move where its sum left 0."""
    up, down = cusum(scores, slack=SLACK)
    place = _first(np.maximum(up, down) > chart.sum_limit)
    at = len(up) - 1 if place is None else place
    way = up if up[at] >= down[at] else down
    reading = _unmoved(key, SUM, float(max(up.max(), down.max())), chart.sum_limit)
    if place is None:
        return reading
    begun = int(np.flatnonzero(np.append(0.0, way[:place]) == 0.0)[-1])
    return _moved(reading, panel, (begun - len(up), place - len(up)), is_up=way is up)


def _single(key: Key, chart: Chart, scores: Floats, panel: Panel) -> Reading:
    """What the single periods of a number say."""
    sizes = np.nan_to_num(np.abs(scores))
    place = _first(sizes > chart.limit)
    reading = _unmoved(key, SINGLE, float(sizes.max()), chart.limit)
    if place is None:
        return reading
    back = place - len(sizes)
    return _moved(reading, panel, (back, back), is_up=bool(scores[place] > 0))


def _of_items(
    reference: Reference, panel: Panel, items: ItemContent, begin: int
) -> Iterator[Reading]:
    """Every check of items, at its highest over the watched periods."""
    if reference.items is None:
        return
    slack = {(one.column, one.measure): one.factor for one in reference.slack}
    highest: dict[Key, Reading] = {}
    alarms: dict[Key, tuple[int, int, ItemContent]] = {}
    for last in range(begin, panel.end):
        since = max(last - RECENT + 1, reference.until)
        came = items.take((items.periods >= since) & (items.periods <= last))
        for key, check in checks(reference.items, came, share=reference.item_share):
            reading = _unmoved(key, "", check.value, check.limit * slack.get(key, 1.0))
            if key not in highest or reading.ratio > highest[key].ratio:
                highest[key] = reading
            if reading.value > reading.threshold and key not in alarms:
                alarms[key] = (since - panel.end, last - panel.end, came)
    for key, reading in highest.items():
        if key in alarms:
            since, last, came = alarms[key]
            shown = _shown(reference, key, came)
            yield _moved(reading, panel, (since, last), is_up=True, examples=shown)
        else:
            yield reading


def _unmoved(key: Key, chart: str, value: float, threshold: float) -> Reading:
    column, measure = key
    return Reading(measure, column, chart, value, threshold)


def _moved(
    reading: Reading, panel: Panel, back: tuple[int, int], *, is_up: bool, examples: str = ""
) -> Reading:
    """A reading that exceeded its threshold.

    Args:
        reading: The reading.
        panel: The sales.
        back: Where it began to move and where that was seen, counted from the end: -1 is the last.
        is_up: Whether it became more.
        examples: Ids of items that show it.
    """
    begun, seen = (panel.end + each for each in back)
    since = str(panel.frequency.first_day(begun))
    found = str(panel.frequency.last_day(seen))
    if reading.measure == "jumps":
        examples = _jumpers(panel, begun, seen)
    said = advice(reading.measure, reading.column, is_up=is_up, examples=examples)
    return replace(reading, since=since, found=found, advice=said)


def _jumpers(panel: Panel, begin: int, last: int) -> str:
    """Ids of items whose units jumped."""
    units = matrix_of(panel, UNITS, begin - RECENT_PERIODS, last + 1)
    jumped = np.nan_to_num(jumps(units)[:, RECENT_PERIODS:]).any(axis=1)
    rows = watched_series(panel)[jumped]
    return _listed(panel.ids[row] for row in rows.tolist())


def _shown(reference: Reference, key: Key, came: ItemContent) -> str:
    """Ids of items that show what was found of some."""
    column, measure = key
    if measure == "absent":
        return _listed(came.ids[absences(came)[column]])
    if measure == "unseen" and reference.items is not None:
        is_known = known_levels(came.categories[column])
        own = came.categories[column][is_known]
        return _listed(came.ids[is_known][unseen(reference.items.categories[column], own)])
    return ""


def _listed(names: Iterable[str]) -> str:
    """The first names, each once, as messages show them."""
    return ", ".join(shown(name) for name in list(dict.fromkeys(names))[:TOLD])


def _first(mask: Mask) -> int | None:
    """Place of the first True."""
    places = np.flatnonzero(mask)
    return int(places[0]) if len(places) else None

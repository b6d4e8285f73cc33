"""The reference: what was learned from, as a bounded sketch that is saved beside a forecast."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fusion.data.panel.frequency import Unit
from fusion.data.panel.panel import Panel
from fusion.forecasting.drift.charts import RUN, Chart, fit_charts
from fusion.forecasting.drift.checks import checks, count_checks
from fusion.forecasting.drift.errors import PeriodErrors
from fusion.forecasting.drift.items import ItemContent, ItemSketch
from fusion.forecasting.drift.signals import (
    MOST_PERIODS,
    RECENT_PERIODS,
    ColumnSketch,
    Key,
    signals,
    sketches_of,
)

FALSE_ALARMS = 0.04
"""Share of stable stretches of `RUN` periods in which anything alarms, as limits are set."""
OF_SALES = 2 / 3
"""Part of it that goes to sales; the rest goes to items."""
RECENT = 4
"""Periods, the latest, whose new items are held against the reference together."""


@dataclass(frozen=True)
class ColumnChart:
    """The chart of one number of one column, see `signals`."""

    column: str
    measure: str
    chart: Chart


@dataclass(frozen=True)
class ItemSlack:
    """By how much the reference itself exceeds a limit of items, >= 1, see `checks`."""

    column: str
    measure: str
    factor: float


@dataclass(frozen=True)
class Reference:
    """What was learned from, and from where on something has drifted.

    Args:
        unit: What a period is.
        until: Period after the last one of the reference.
        columns: How columns of sales and numbers of the market lay.
        charts: Of every number that is watched.
        items: What items were like; None where nothing is known of them.
        slack: Where the reference itself was less steady than chance.
    """

    unit: Unit
    until: int
    columns: dict[str, ColumnSketch]
    charts: list[ColumnChart]
    items: ItemSketch | None
    slack: list[ItemSlack]

    @property
    def config(self) -> dict[str, Any]:
        """JSON-serialisable; `Reference.of_config` takes it."""
        return asdict(self)

    @classmethod
    def of_config(cls, config: Any) -> "Reference":
        """The reference that was saved.

        Raises:
            pydantic.ValidationError: If it is none.
        """
        from pydantic import TypeAdapter  # a watch needs none of it

        return TypeAdapter(cls).validate_python(config)

    @property
    def item_share(self) -> float:
        """Probability with which one check of items exceeds its limit by chance."""
        if self.items is None:
            return 0.0
        return item_share(self.items, self.unit)


def make_reference(
    panel: Panel,
    items: ItemContent | None = None,
    *,
    until: int | None = None,
    errors: PeriodErrors | None = None,
    seed: int = 0,
) -> Reference:
    """What is held against later periods, out of what was known before one.

    Limits are set so that stable sales and items alarm in about 4 of 100 stretches of `RUN`
    periods, all measures together; seasons that the reference has seen are no drift.

    Args:
        panel: The sales.
        items: What is known of items beside them.
        until: Period after the reference (default: the end of the sales).
        errors: Of the forecast; None where it has none.
        seed: Of what is drawn.
    """
    until = panel.end if until is None else until
    unit = panel.frequency.unit
    begin = max(panel.start + RECENT_PERIODS, until - MOST_PERIODS[unit])
    sketches = sketches_of(panel, min(begin, until), until)
    periods = np.arange(min(begin, until), until)
    found = signals(panel, sketches, min(begin, until), until)
    if errors is not None:
        found |= errors.signals(periods)
    charts = fit_charts(found, periods, unit, share=FALSE_ALARMS * OF_SALES, seed=seed)
    sketch, slack = None, []
    if items is not None and (items.periods < until).any():
        known = items.take(items.periods < until)
        sketch = ItemSketch.of(known, seed=seed)
        slack = _slack(sketch, known, begin=panel.start + 1, end=until, unit=unit)
    return Reference(
        unit,
        until,
        columns=sketches,
        charts=[ColumnChart(*key, chart) for key, chart in charts.items()],
        items=sketch,
        slack=slack,
    )


def item_share(sketch: ItemSketch, unit: Unit) -> float:
    """Probability with which one check of items may exceed its limit: all of a stretch share it.

    It is made each period, of items of which most were there in the one before: half as many count.
    """
    return FALSE_ALARMS * (1 - OF_SALES) / (max(count_checks(sketch), 1) * RUN[unit] / 2)


def _slack(
    sketch: ItemSketch, items: ItemContent, *, begin: int, end: int, unit: Unit
) -> list[ItemSlack]:
    """Where items that came together differ more than chance: by season, or by who brings them."""
    most: dict[Key, float] = {}
    for last in range(end, begin + RECENT - 1, -RECENT):
        came = items.take((items.periods >= last - RECENT) & (items.periods < last))
        for key, check in checks(sketch, came, share=item_share(sketch, unit)):
            if check.value > check.limit:
                most[key] = max(most.get(key, 1.0), check.value / max(check.limit, 1e-9))
    return [ItemSlack(*key, factor) for key, factor in most.items()]


def names_of(charts: Iterable[ColumnChart]) -> dict[Key, Chart]:
    """Charts by column and measure."""
    return {(one.column, one.measure): one.chart for one in charts}

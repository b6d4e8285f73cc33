"""Fan charts: what was sold, and what is expected with its ranges."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from fusion.data.panel.frequency import Unit
from fusion.data.panel.panel import Quantity
from fusion.report.line_svg import Drawing, Floats, unknown_runs
from fusion.report.number_text import number
from fusion.report.period_words import day_text
from fusion.report.quantity_words import WORDS

SMALL, WIDE = (360.0, 200.0), (720.0, 300.0)
"""Width and height of one of two charts in a row, and of one alone."""


@dataclass(frozen=True, eq=False)
class Fan:
    """One item, period by period.

    Args:
        past: Units `[n_past]`, the last entry that of the period before the first step; NaN where
            they are not known.
        quantiles: Units of the steps by level, `[horizon, n_levels]`.
        levels: Ascending, 0.5 among them.
        actual: What was sold in the steps, `[horizon]`; NaN where it is not known.
        days: First day of each period, `[n_past + horizon]`.
        unit: What a period is.
        quantity: What is drawn.
        demand: What was wanted in the past, `[n_past]`, NaN where it is not known; None of sales.
        is_short: Periods of the past without full stock, `[n_past]`; None of sales.
    """

    past: Floats
    quantiles: Floats
    levels: tuple[float, ...]
    actual: Floats
    days: NDArray[np.datetime64]
    unit: Unit
    quantity: Quantity = "units"
    demand: Floats | None = None
    is_short: NDArray[np.bool_] | None = None

    @property
    def ranges(self) -> list[tuple[Floats, Floats]]:
        """Ends of the ranges `[horizon]`, the widest first."""
        below = [place for place, level in enumerate(self.levels) if level < 0.5]
        above = [place for place, level in enumerate(self.levels) if level > 0.5][::-1]
        pairs = zip(below, above, strict=False)
        return [(self.quantiles[:, low], self.quantiles[:, high]) for low, high in pairs]


def fan_svg(fan: Fan, *, label: str, size: tuple[float, float] = SMALL) -> Markup:
    """The chart: history dark and broken where nothing is known, the forecast with its ranges.

    Args:
        fan: What to draw.
        label: What a screen reader says.
        size: Width and height, in units of the drawing.
    """
    n_past, horizon = len(fan.past), len(fan.quantiles)
    middle = fan.quantiles[:, fan.levels.index(0.5)]
    known = np.concatenate([fan.past, fan.quantiles.ravel(), fan.actual])
    if fan.demand is not None:
        known = np.concatenate([known, fan.demand])
    drawing = Drawing(n_past + horizon, float(np.nanmax(known)), *size)
    parts = [drawing.grid()]
    parts += _gaps(fan, drawing)
    for low, high in fan.ranges:
        parts.append(drawing.band(low, high, "band", begin=n_past))
    if n_past:
        parts.append(drawing.upright(n_past - 0.5, "now"))
    parts.append(drawing.line(fan.past, "past"))
    if fan.demand is not None and fan.is_short is not None:
        beside = fan.is_short.copy()
        beside[:-1] |= fan.is_short[1:]
        beside[1:] |= fan.is_short[:-1]
        parts.append(drawing.line(np.where(beside, fan.demand, np.nan), "wanted"))
    parts.append(drawing.line(middle, "middle", begin=n_past))
    parts.append(drawing.dots(fan.actual, "came", begin=n_past))
    for step in range(horizon):
        place = n_past + step
        parts.append(drawing.column(place, place + 1, "hint", _hint(fan, step)))
    parts.append(drawing.labels(_labels(fan)))
    return drawing.svg(parts, label=label)


def _gaps(fan: Fan, drawing: Drawing) -> list[str]:
    """Columns of periods of which it is not known what was wanted, or estimated."""
    if fan.demand is None or fan.is_short is None:
        return [
            drawing.column(run.start, run.stop, "gap", WORDS[fan.quantity].gap)
            for run in unknown_runs(fan.past)
        ]
    told, amount = [], WORDS[fan.quantity].amount
    for place in np.flatnonzero(fan.is_short | np.isnan(fan.past)).tolist():
        day, wanted = day_text(fan.days[place], unit=fan.unit), float(fan.demand[place])
        sold = number(float(np.nan_to_num(fan.past[place])))
        says = "not known" if np.isnan(wanted) else f"sold {sold}, about {amount(wanted)} wanted"
        told.append(drawing.column(place, place + 1, "gap", f"{day}: {says}"))
    return told


def _labels(fan: Fan) -> list[tuple[int, str]]:
    """Days of the axis, the most telling first: the first step, the last, the first of all."""
    n_past, last = len(fan.past), len(fan.days) - 1
    places = {n_past: False, 0: True, last: False} if n_past else {0: True, last: False}
    return [
        (place, day_text(fan.days[place], unit=fan.unit, year=year))
        for place, year in places.items()
    ]


def _hint(fan: Fan, step: int) -> str:
    """What a pointer that rests on a step is told."""
    day = day_text(fan.days[len(fan.past) + step], unit=fan.unit)
    low, middle, high = (
        _told(fan, fan.quantiles[step, place]) for place in (0, fan.levels.index(0.5), -1)
    )
    came = fan.actual[step]
    said = "sold at" if fan.quantity == "price" else "sold"
    sold = "" if np.isnan(came) else f"; {said} {number(float(came))}"
    return f"{day}: about {middle}, likely {low} to {high}{sold}"


def _told(fan: Fan, value: float) -> str:
    return number(float(value) if fan.quantity == "price" else round(float(value)))

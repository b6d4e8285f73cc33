"""Windows of a panel: what was known of some series at some periods, and what is known ahead."""

import numpy as np

from encoders.series.levels import Measure
from encoders.series.windows import UNITS, Windows
from fusion.data.panel.layout import Numbers
from fusion.data.panel.panel import Floats, Panel, Quantity

MEASURES: dict[Quantity, Measure] = {"units": "mean", "demand": "mean", "price": "last"}
"""What each quantity is measured by, see `encoders.series.levels`."""


def windows_at(
    panel: Panel, series: Numbers, as_of: Numbers, *, horizon: int, until: int | None = None
) -> Windows:
    """Windows of some series that end before some periods.

    Args:
        panel: All sales.
        series: Position of the series of each window, `[n]`.
        as_of: First step of each, `[n]`; it may lie behind the end of the panel. A series without a
            row before it has no history, whenever its launch was.
        horizon: Steps, >= 1.
        until: Period from which on nothing is known of the market but what is known ahead
            (default: the end of the panel).
    """
    begin, stop = panel.offsets[series], panel.offsets[series + 1]
    end = np.clip(begin + as_of - panel.first[series], begin, stop)
    return Windows(
        columns={UNITS: panel.lag_units, **panel.columns},
        series=series,
        begin=begin,
        end=np.where(panel.first_row[series] < as_of, end, begin),
        stop=stop,
        is_cut=panel.first[series] <= panel.start,
        period=as_of,
        calendar=panel.frequency.calendar,
        n_steps=horizon,
        series_end=panel.end,
        planned=panel.planned,
        market=_market(panel, panel.end if until is None else until),
        market_start=panel.start,
        known=panel.known,
        measure=MEASURES[panel.quantity],
    )


def _market(panel: Panel, until: int) -> dict[str, Floats]:
    """Numbers of the market: those that are not known ahead are unknown from a period on."""
    numbers = {UNITS: panel.market_units, **panel.market}
    place = until - panel.start
    for name in numbers.keys() - panel.known:
        numbers[name] = np.where(
            np.arange(len(numbers[name])) < place, numbers[name], np.float32(np.nan)
        )
    return numbers

"""Where what is known ahead lacks: planned prices, promotions, holidays of a horizon."""

import numpy as np

from encoders.series.windows import Windows
from fusion.data.panel.layout import Numbers
from fusion.data.panel.panel import Panel
from fusion.data.panel.windows import windows_at
from fusion.data.problems import shown

SHOWN = 3
"""Series, and dates of each, that a message names."""


def planned_gaps(
    panel: Panel, horizon: int, *, begin: int | None = None, series: Numbers | None = None
) -> str:
    """What to say of columns that are known ahead but not for a whole horizon; else empty.

    Args:
        panel: The sales.
        horizon: Periods, >= 1.
        begin: First period of the horizon; None: the one after the sales.
        series: Positions of the series that are asked about; None: all.
    """
    first = panel.end if begin is None else begin
    asked = np.arange(panel.n_series) if series is None else series
    if not len(asked):
        return ""
    windows = windows_at(panel, asked, np.full(len(asked), first), horizon=horizon)
    told = [
        f"{name} of {line}"
        for name in sorted(panel.known)
        if (line := _lines(windows, panel, name))
    ]
    if not told:
        return ""
    ends = panel.frequency.first_day(np.array([first, first + horizon - 1]))
    return (
        f"columns that are known ahead must be known for the whole horizon, {ends[0]} to "
        f"{ends[1]}, got none for {'; '.join(told)}. Add rows without units that tell them, "
        "or take the columns out of known."
    )


def _lines(windows: Windows, panel: Panel, name: str) -> str:
    """Whose value of a column lacks, and when."""
    steps = windows.period[0] + np.arange(windows.n_steps)
    if name in windows.market:
        lacking = np.isnan(windows.future_market(name)[0])
        return f"the market ({_dates(panel, steps[lacking])})" if lacking.any() else ""
    lacking = np.isnan(windows.future(name))
    rows = np.flatnonzero(lacking.any(axis=1))
    parts = [
        f"{_named(panel, int(windows.series[row]))} ({_dates(panel, steps[lacking[row]])})"
        for row in rows[:SHOWN].tolist()
    ]
    more = f" and {len(rows) - SHOWN} more series" if len(rows) > SHOWN else ""
    return ", ".join(parts) + more


def _named(panel: Panel, series: int) -> str:
    """The item of a series, and its shop where there are shops."""
    shop = "" if panel.shops is None else f" in {shown(panel.shops[series])}"
    return f"{shown(panel.ids[series])}{shop}"


def _dates(panel: Panel, periods: Numbers) -> str:
    days = [str(panel.frequency.first_day(period)) for period in periods[:SHOWN].tolist()]
    more = f" and {len(periods) - SHOWN} more" if len(periods) > SHOWN else ""
    return ", ".join(days) + more

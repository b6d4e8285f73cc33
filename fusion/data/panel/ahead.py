"""What is known ahead of a date: planned prices, promotions, holidays, and where they lack."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from fusion.data.panel.layout import Numbers
from fusion.data.panel.panel import Floats, Panel
from fusion.data.problems import shown

SHOWN = 3
"""Series, and dates of each, that a message names."""


def known_values(panel: Panel, name: str, series: Numbers, periods: Numbers) -> Floats:
    """Values of a column that is known ahead, within the sales and after them.

    Args:
        panel: The sales.
        name: One of `panel.known`.
        series: Position of the series of each row `[n]`; of no account for a number of the market.
        periods: Periods asked for, by `panel.frequency`, `[n, k]`.

    Returns:
        float32 `[n, k]`, NaN where unknown.

    Raises:
        ValueError: If the column is not known ahead.
    """
    if name not in panel.known:
        known = ", ".join(sorted(panel.known)) or "none"
        raise ValueError(
            f"name must be a column that is known ahead ({known}), got {name!r}. Name its column "
            "in known, or ask for its past."
        )
    found = np.full(periods.shape, np.nan, dtype=np.float32)
    if name in panel.market:
        values = panel.market[name]
        there = (periods >= panel.start) & (periods < panel.start + len(values))
        found[there] = values[periods[there] - panel.start]
        return found
    rows = np.broadcast_to(series[:, None], periods.shape)
    past = (periods >= panel.first[rows]) & (periods < panel.end)
    places = panel.offsets[rows] + periods - panel.first[rows]
    found[past] = panel.columns[name][places[past]]
    if name in panel.planned:
        ahead = (periods >= panel.end) & (periods < panel.end + panel.n_ahead)
        found[ahead] = panel.planned[name][rows[ahead], periods[ahead] - panel.end]
    return found


def planned_gaps(
    panel: Panel, horizon: int, *, begin: int | None = None, series: Numbers | None = None
) -> str:
    """What to say of columns that are known ahead but not for a whole horizon; else empty.

    Args:
        panel: The sales.
        horizon: Periods.
        begin: First period of the horizon; None: the one after the sales.
        series: Positions of the series that are asked about; None: all.
    """
    first = panel.end if begin is None else begin
    asked = np.arange(panel.n_series) if series is None else series
    steps = first + np.arange(horizon)
    told = [
        f"{name} of {line}"
        for name in sorted(panel.known)
        for line in [_lines(panel, name, asked, steps)]
        if line
    ]
    if not told:
        return ""
    day = panel.frequency.first_day
    return (
        f"columns that are known ahead must be known for the whole horizon, {day(steps[0])} to "
        f"{day(steps[-1])}, got none for {'; '.join(told)}. Add rows without units that tell them, "
        "or take the columns out of known."
    )


def _lines(panel: Panel, name: str, series: Numbers, steps: Numbers) -> str:
    """Whose value of a column lacks, and when."""
    if name in panel.market:
        lacking = np.isnan(known_values(panel, name, series[:1] * 0, steps[None]))
        return f"the market ({_dates(panel, steps[lacking[0]])})" if lacking.any() else ""
    values = known_values(panel, name, series, np.broadcast_to(steps, (len(series), len(steps))))
    lacking = np.isnan(values)
    rows = np.flatnonzero(lacking.any(axis=1))
    parts = list(_series(panel, series, lacking, rows[:SHOWN], steps))
    more = f" and {len(rows) - SHOWN} more series" if len(rows) > SHOWN else ""
    return ", ".join(parts) + more


def _series(
    panel: Panel, series: Numbers, lacking: NDArray[np.bool_], rows: Numbers, steps: Numbers
) -> Iterator[str]:
    for row in rows.tolist():
        at = int(series[row])
        shop = "" if panel.shops is None else f" in {shown(panel.shops[at])}"
        yield f"{shown(panel.ids[at])}{shop} ({_dates(panel, steps[lacking[row]])})"


def _dates(panel: Panel, periods: Numbers) -> str:
    days = [str(panel.frequency.first_day(period)) for period in periods[:SHOWN].tolist()]
    more = f" and {len(periods) - SHOWN} more" if len(periods) > SHOWN else ""
    return ", ".join(days) + more

"""The sales that came, read in the columns of the last entry that is over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel
from fusion.errors import CatalogueError
from fusion.forecasting.ledger.entries import ForecastRun, SealedEntry

OF_UNITS = ("sales_path", "demand")
"""Heads whose answers are units; demand is compared where sales say that an item was in stock."""
Kind = tuple[SalesColumns, Frequency]
"""How sales are read: their columns, and what a period is."""


@dataclass(frozen=True, eq=False)
class Sold:
    """Sales in the ways of entries, as far as they had to be read.

    Args:
        run: The last forecast of units that is over; where none is, the last one of units.
        panels: The sales by kind, or why they cannot be read so.
    """

    run: ForecastRun
    panels: Mapping[Kind, Panel | CatalogueError]

    @property
    def panel(self) -> Panel | CatalogueError:
        """The sales as `run` reads them."""
        return self.panels[kind_of(self.run)]


def kind_of(run: ForecastRun) -> Kind:
    """How a forecast reads sales."""
    return run.sales.columns, run.periods


def read_sold(chosen: Sequence[SealedEntry], read: Callable[[ForecastRun], Panel]) -> Sold:
    """The sales in the columns of the last entry that is over.

    Why not of the last entry of all: it may wait, and read columns that no entry read before.

    Args:
        chosen: Entries, the oldest first, at least one of units.
        read: Reads the sales in the columns of a forecast.
    """
    panels: dict[Kind, Panel | CatalogueError] = {}
    of_units = [one.entry.run for one in reversed(chosen) if one.entry.run.head in OF_UNITS]
    for run in of_units:
        panel = panels.get(kind_of(run))
        if panel is None:
            panel = panels[kind_of(run)] = _read(run, read)
        if isinstance(panel, Panel) and panel.start <= run.period and is_over(run, panel):
            return Sold(run, panels)
    return Sold(of_units[0], panels)


def is_over(run: ForecastRun, panel: Panel) -> bool:
    """Whether sales reach the end of a forecast."""
    return run.period + run.horizon <= panel.end


def last_day(run: ForecastRun) -> str:
    """Last day of a forecast, ISO 8601."""
    return str(run.periods.last_day(run.period + run.horizon - 1))


def _read(run: ForecastRun, read: Callable[[ForecastRun], Panel]) -> Panel | CatalogueError:
    try:
        return read(run)
    except CatalogueError as error:
        return error

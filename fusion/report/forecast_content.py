"""What reports of a forecast, a backtest, a score and an update are made of: plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fusion.forecasting.backtest.result import BacktestResult
from fusion.forecasting.examples import Examples
from fusion.forecasting.history import History
from fusion.forecasting.ledger.entries import SealedEntry
from fusion.forecasting.ledger.score import LedgerScore
from fusion.forecasting.past_demand import PastDemand
from fusion.forecasting.updating.update import Updated
from heads.sales_distribution import SalesDistribution


@dataclass(frozen=True)
class ForecastReport:
    """A forecast, as its page shows it.

    Args:
        title: Heading of the page.
        source: What the tables are called.
        history: Items with their sales.
        asked: What was asked, with the content of items; `n` rows.
        answers: What was answered to it.
        levels: Quantile levels that are told, ascending, 0.5 among them; without one on either side
            of it, 0.1, 0.5 and 0.9 are.
        weights: Life stage -> member -> how much it counts, in [0, 1].
        backtest: How good such forecasts were at past dates; None where that was not measured.
        demand: What was wanted in past periods; None of a forecast of sales.
        pages: Ids of the items that have a page each.
        table: Name of the file beside the page that holds all answers; empty where there is none.
        sealed: The entry of the ledger that holds the forecast; None where it is in none.
        made_with: Versions by name, and whatever else helps to make the run again.
    """

    title: str
    source: str
    history: History
    asked: Examples
    answers: SalesDistribution
    levels: tuple[float, ...]
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    backtest: BacktestResult | None = None
    demand: PastDemand | None = None
    pages: tuple[str, ...] = ()
    table: str = ""
    sealed: SealedEntry | None = None
    made_with: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BacktestReport:
    """A backtest, as its page shows it.

    Args:
        title: Heading of the page.
        source: What the tables are called.
        backtest: What it found.
        table: Name of the file beside the page that holds all figures; empty where there is none.
        made_with: Versions by name, and whatever else helps to make the run again.
    """

    title: str
    source: str
    backtest: BacktestResult
    table: str = ""
    made_with: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ScoreReport:
    """Sealed forecasts beside what came, as their page shows them.

    Args:
        title: Heading of the page.
        source: What the ledger and the tables are called.
        score: What was found.
        table: Name of the file beside the page that holds all figures; empty where there is none.
        made_with: Versions by name, and whatever else helps to make the run again.
    """

    title: str
    source: str
    score: LedgerScore
    table: str = ""
    made_with: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class UpdateReport:
    """An update, as its page shows it.

    Args:
        title: Heading of the page.
        source: What the table of new periods is called.
        updated: What was found.
        made_with: Versions by name, and whatever else helps to make the run again.
    """

    title: str
    source: str
    updated: Updated
    made_with: Mapping[str, str] = field(default_factory=dict)


def unknown_pages(history: History, ids: Sequence[str]) -> list[str]:
    """Ids, each once, that no item with sales or a launch has, so that they can have no page."""
    return [name for name in dict.fromkeys(ids) if name not in history.panel.positions]

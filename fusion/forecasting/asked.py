"""Which examples a forecast is asked about at a date, and their answers as a table."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from fusion.bundle.answers import refuse_infinite
from fusion.data.panel.ahead import planned_gaps
from fusion.data.panel.panel import Panel
from fusion.data.panel.reach import AsOf, as_of_dates
from fusion.data.problems import OnBadRows
from fusion.errors import CatalogueError, ConfigError
from fusion.forecasting.answer_table import forecast_table
from fusion.forecasting.content import ContentSpec, check_items, with_encoders
from fusion.forecasting.examples import Examples, Ints, examples_at
from fusion.forecasting.heads import QUANTITIES, head_name
from fusion.forecasting.history import History, ItemSales, read_history
from fusion.forecasting.likeness import SimilarItems, similar_items
from fusion.forecasting.past_demand import PastDemand, past_demand
from fusion.forecasting.trained import TrainedForecast, with_content
from fusion.progress import Stage, say_once, silent
from heads.sales_distribution import SalesDistribution
from heads.trend import HotRule


@dataclass(frozen=True)
class AskedAnswers:
    """What was asked of a forecast, and what it answered.

    Args:
        history: The items and their sales.
        examples: Questions, `n` of them.
        answers: What is sold in each step and in the window.
        levels: Quantile levels that are told, ascending.
        hot: Which items are hot; None of prices.
    """

    history: History
    examples: Examples
    answers: SalesDistribution
    levels: tuple[float, ...]
    hot: HotRule | None

    def table(self) -> pd.DataFrame:
        """One row an item and step, and one for the window, see `forecast_table`."""
        return forecast_table(self.examples, self.answers, levels=self.levels, hot=self.hot)


def asked_examples(history: History, as_of: int, *, horizon: int) -> Examples:
    """Every item at a period; one that comes later, at its launch.

    Args:
        history: Items and sales.
        as_of: The first step, by `Panel.frequency`.
        horizon: Steps, >= 1.
    """
    panel = history.panel
    dates = _asked_periods(panel, history.launches, as_of)
    return examples_at(panel, np.arange(panel.n_series), dates, horizon=horizon, until=as_of)


def _asked_periods(panel: Panel, launches: Ints, as_of: int) -> Ints:
    """First step of each series, `[n_series]`."""
    unsold = panel.first >= np.minimum(as_of, panel.end)
    return np.where(unsold, np.maximum(as_of, launches), as_of)


def plan_gaps(sales: ItemSales, as_of: int, *, horizon: int) -> str:
    """What to say of columns known ahead that are not known in all steps after the sales.

    Args:
        sales: Items and their sales, with the plan.
        as_of: The first step, by `Panel.frequency`.
        horizon: Steps, >= 1.

    Returns:
        Tables, items and dates; empty where nothing is missing.
    """
    panel = sales.panel
    begins = _asked_periods(panel, sales.launches, as_of)
    lines = []
    for begin in np.unique(begins).tolist():
        first = max(begin, panel.end)
        n_steps = begin + horizon - first
        series = np.flatnonzero(begins == begin)
        if n_steps > 0:
            lines.append(planned_gaps(panel, n_steps, begin=first, series=series))
    return "\n".join(f"{sales.source}: {line}" for line in lines if line)


def settle_plan_gaps(sales: ItemSales, as_of: int, *, horizon: int, on_bad_rows: OnBadRows) -> None:
    """Refuses gaps in what is planned, see `plan_gaps`, or tells of them and takes them as unknown.

    Args:
        sales: Items and their sales, with the plan.
        as_of: The first step, by `Panel.frequency`.
        horizon: Steps, >= 1.
        on_bad_rows: `raise` refuses.

    Raises:
        CatalogueError: With the items and dates.
    """
    told = plan_gaps(sales, as_of, horizon=horizon)
    if told and on_bad_rows == "raise":
        raise CatalogueError(told)
    if told:
        say_once(told)


def first_step(panel: Panel, as_of: AsOf | None) -> int:
    """The period from which on is forecast: that of a date, or the one after the sales.

    Raises:
        CatalogueError: If it is no date, lies before all sales, or so far behind them that whole
            periods without any row lie between.
    """
    if as_of is None:
        return panel.end
    period = int(panel.frequency.next_whole(as_of_dates(as_of, n=1))[0])
    frequency = panel.frequency
    if period <= panel.start:
        raise CatalogueError(
            f"as_of must lie behind the first {frequency.unit} of the sales, "
            f"{frequency.first_day(panel.start)}, got {as_of}. Choose a later date."
        )
    if period > panel.end:
        raise CatalogueError(
            "as_of must not lie behind the end of the sales, "
            f"{frequency.first_day(panel.end)}, got {as_of}: nothing is known of the "
            f"{frequency.unit}s between. Give their sales, or choose an earlier date."
        )
    return period


def check_periods(trained: TrainedForecast, panel: Panel) -> None:
    """Refuses sales whose periods are not those that a forecast learned from.

    Raises:
        CatalogueError: If they begin on other days.
    """
    learned, found = trained.frequency, panel.frequency
    if found != learned:
        raise CatalogueError(
            f"sales must be of {learned.unit}s that begin as in training, such as "
            f"{learned.first_day(panel.end)}, got {found.first_day(panel.end)}. "
            "Give sales whose dates stand on the same days, or train again."
        )


def asked_answers(
    trained: TrainedForecast,
    sales: ItemSales,
    content: ContentSpec,
    *,
    as_of: AsOf | None = None,
    stage: Stage = silent,
) -> AskedAnswers:
    """What a trained forecast answers to all items.

    Args:
        trained: The forecast.
        sales: Items and their sales.
        content: Where photos and embeddings lie, and what faulty rows do.
        as_of: First day of what is forecast (default: the day after the sales).
        stage: Opens progress bars.

    Raises:
        CatalogueError: If the date or the periods do not suit, a plan has gaps or items are faulty.
        BundleError: If an answer is no finite number: the forecast is damaged.
    """
    check_periods(trained, sales.panel)
    period = first_step(sales.panel, as_of)
    settle_plan_gaps(sales, period, horizon=trained.horizon, on_bad_rows=content.on_bad_rows)
    return answers_at(trained, asked_history(trained, sales, content, stage=stage), period)


def asked_history(
    trained: TrainedForecast, sales: ItemSales, content: ContentSpec, *, stage: Stage = silent
) -> History:
    """Items with their sales, as a trained forecast reads both.

    Args:
        trained: The forecast.
        sales: Items and their sales.
        content: Where photos and embeddings lie, and what faulty rows do.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If items are faulty.
    """
    checked = check_items(sales.items, content, asked_of=(trained.schema, trained.encoders))
    return read_history(sales, checked, content, head=type(trained.model.head), stage=stage)


def answers_at(trained: TrainedForecast, history: History, as_of: int) -> AskedAnswers:
    """What a trained forecast answers to all items at a period.

    Raises:
        BundleError: If an answer is no finite number: the forecast is damaged.
    """
    content = with_encoders(history.ready, trained.encoders)
    asked = asked_examples(history, as_of, horizon=trained.horizon)
    asked = with_content(asked, history, content)
    levels, answers = trained.model.head.levels, trained.model.distribution(asked)
    refuse_infinite({"mean": answers.mean, "quantiles": answers.quantile(levels)})
    return AskedAnswers(history, asked, answers, tuple(levels), trained.model.hot)


def asked_demand(
    trained: TrainedForecast,
    sales: ItemSales,
    content: ContentSpec,
    *,
    as_of: AsOf | None = None,
    stage: Stage = silent,
) -> PastDemand:
    """What was wanted of all items in the periods before a date, see `past_demand`.

    Args:
        trained: A forecast of demand.
        sales: Items and their sales.
        content: Where photos and embeddings lie, and what faulty rows do.
        as_of: Date from which on nothing is known (default: the day after the sales).
        stage: Opens progress bars.

    Raises:
        CatalogueError: If the date or the periods do not suit, or items are faulty.
        ConfigError: If the forecast is not one of demand.
    """
    if QUANTITIES[type(trained.model.head)] != "demand":
        raise ConfigError(
            "head must be demand for the demand of the past to be told, got "
            f"{head_name(trained.model.head)}. Train a forecast with head demand."
        )
    check_periods(trained, sales.panel)
    period = first_step(sales.panel, as_of)
    return past_demand(trained, asked_history(trained, sales, content, stage=stage), period)


def similar_past_items(
    trained: TrainedForecast,
    sales: ItemSales,
    content: ContentSpec,
    item: str,
    *,
    before: AsOf | None = None,
    k: int = 5,
) -> SimilarItems:
    """The past items most like one in content, and how they sold, see `similar_items`.

    Args:
        trained: The forecast, whose encoders read items.
        sales: Items and their sales.
        content: Where photos and embeddings lie, and what faulty rows do.
        item: Id of the item.
        before: Date from which on nothing is known (default: the day after the sales).
        k: How many, at most.

    Raises:
        CatalogueError: If the date or the periods do not suit, or items are faulty.
        ValueError: If the item is not known.
    """
    panel = sales.panel
    check_periods(trained, panel)
    period = first_step(panel, before)
    history = asked_history(trained, sales, content)
    asked = asked_examples(history, period, horizon=trained.horizon)
    asked = with_content(asked, history, with_encoders(history.ready, trained.encoders))
    return similar_items(asked, item, before=panel.frequency.first_day(period), k=k)

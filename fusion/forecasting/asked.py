"""Which examples a forecast is asked about at a date, and their answers as a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.bundle.answers import refuse_infinite
from fusion.data.panel.cells import Parts
from fusion.data.panel.panel import Panel
from fusion.errors import CatalogueError
from fusion.forecasting.content import ContentSpec, with_encoders
from fusion.forecasting.examples import STAGES, Examples, Ints, examples_at
from fusion.forecasting.history import History, SalesSpec, read_history
from fusion.forecasting.trained import TrainedForecast, with_content
from fusion.progress import Stage, silent
from heads.levels import percent
from heads.sales_distribution import SalesDistribution

STEP, TOTAL = "step", "total"
"""What the column `window` says of a row: one period, or all of the horizon together."""


def asked_examples(history: History, as_of: int, *, horizon: int) -> Examples:
    """Every item at a period; one that comes later, at its launch.

    Args:
        history: Items and sales.
        as_of: The first step, by `Panel.frequency`.
        horizon: Steps, >= 1.
    """
    panel = history.panel
    unsold = panel.first >= np.minimum(as_of, panel.end)
    dates = np.where(unsold, np.maximum(as_of, history.launches), as_of)
    return examples_at(panel, np.arange(panel.n_series), dates, horizon=horizon, until=as_of)


def first_step(panel: Panel, as_of: str | None) -> int:
    """The period from which on is forecast: that of a date, or the one after the sales.

    Raises:
        CatalogueError: If the date lies before all sales, or so far behind them that whole periods
            without any row lie between.
    """
    if as_of is None:
        return panel.end
    period = int(panel.frequency.next_whole(np.array([as_of], dtype="datetime64[D]"))[0])
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


def asked_history(
    trained: TrainedForecast,
    items: pd.DataFrame,
    sales: Parts,
    *,
    content: ContentSpec,
    market: pd.DataFrame | None = None,
    stage: Stage = silent,
) -> History:
    """Items with their sales, read as a trained forecast reads them.

    Args:
        trained: The forecast.
        items: One row an item.
        sales: The sales table, see `frame_parts`.
        content: Where photos and embeddings lie, and what faulty rows do.
        market: Table of dates and numbers of the whole market.
        stage: Opens progress bars.

    Raises:
        CatalogueError: As `read_history`; if periods are not those of the training.
    """
    spec = SalesSpec(trained.sales, trained.frequency.unit, trained.launch, market)
    asked_of = trained.schema, trained.encoders
    history = read_history(items, sales, spec, content=content, asked_of=asked_of, stage=stage)
    learned, found = trained.frequency, history.panel.frequency
    if found != learned:
        raise CatalogueError(
            f"sales must be of {learned.unit}s that begin as in training, such as "
            f"{learned.first_day(history.panel.end)}, got {found.first_day(history.panel.end)}. "
            "Give sales whose dates stand on the same days, or train again."
        )
    return history


def answer_table(trained: TrainedForecast, history: History, as_of: int) -> pd.DataFrame:
    """What a trained forecast answers to all items at a period, see `forecast_table`.

    Raises:
        BundleError: If an answer is no finite number: the forecast is damaged.
    """
    content = with_encoders(history.ready, trained.encoders)
    asked = asked_examples(history, as_of, horizon=trained.horizon)
    asked = with_content(asked, history, content)
    levels, answers = trained.model.head.levels, trained.model.distribution(asked)
    refuse_infinite({"mean": answers.mean, "quantiles": answers.quantile(levels)})
    return forecast_table(asked, answers, levels=levels)


def forecast_table(
    examples: Examples, answers: SalesDistribution, *, levels: Sequence[float]
) -> pd.DataFrame:
    """One row for each step of each example and one for its whole horizon, in their order.

    Args:
        examples: `n` of them.
        answers: What is sold.
        levels: Quantile levels, ascending.

    Returns:
        Columns `id`, `shop` (where there are shops), `window` (`step` or `total`), `step` (1 to
        horizon; missing in totals), `from` and `until` (first and last day), `mean`, `p10` and so
        on (units, >= 0) and `life_stage` (`new`: no history, `young`: 1 to 4 periods, `known`).
    """
    panel, n, horizon = examples.panel, len(examples), examples.horizon
    rows = horizon + 1
    series = examples.windows.series
    begin, end = _days(examples)
    quantiles = answers.quantile(levels)
    columns: dict[str, object] = {"id": np.repeat(_names(panel.ids, series), rows)}
    if panel.shops is not None:
        columns["shop"] = np.repeat(_names(panel.shops, series), rows)
    steps = np.arange(1, rows + 1)
    is_total = np.tile(steps == rows, n)
    columns["window"] = np.where(is_total, TOTAL, STEP)
    columns["step"] = pd.array(np.tile(steps, n), dtype="Int64")
    columns["from"], columns["until"] = begin.ravel(), end.ravel()
    columns["mean"] = answers.mean.ravel()
    for place, level in enumerate(levels):
        columns[percent(level)] = quantiles[..., place].ravel()
    stage = np.array(STAGES, dtype=object)[examples.stages()]
    columns["life_stage"] = np.repeat(stage, rows)
    table = pd.DataFrame(columns)
    table.loc[is_total, "step"] = pd.NA
    return table


def _days(examples: Examples) -> tuple[NDArray[Any], NDArray[Any]]:
    """First and last day of each step and of the horizon, `[n, horizon + 1]`."""
    frequency = examples.panel.frequency
    periods = examples.as_of[:, None] + np.arange(examples.horizon + 1)
    first = frequency.first_day(periods)
    begin = np.concatenate([first[:, :-1], first[:, :1]], axis=1)
    end = np.concatenate([first[:, 1:], first[:, -1:]], axis=1) - np.timedelta64(1, "D")
    return begin, end


def _names(names: tuple[str, ...], series: Ints) -> NDArray[Any]:
    return np.array(names, dtype=object)[series]

"""Answers of a forecast as a table: one row for each step of an item, and one for all of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.panel.panel import Quantity
from fusion.forecasting.examples import STAGES, Examples, Floats, Ints
from heads.levels import percent
from heads.sales_distribution import SalesDistribution
from heads.trend import TRENDS, HotRule, TrendRule

STEP = "step"
"""What the column `window` says of a row of one period."""
WINDOWS: dict[Quantity, str] = {"units": "total", "demand": "total", "price": "mean"}
"""What it says of a row of the whole horizon: the sum of its steps, or their mean."""
TREND_RULES: dict[Quantity, TrendRule] = {
    "units": TrendRule(),
    "demand": TrendRule(),
    "price": TrendRule(0.02, beside="the last price"),
}
"""What is called up, flat and down."""
ALL_SHOPS = ""
"""What the column `shop` says of a row that is of an item in all shops together."""


def forecast_table(
    examples: Examples,
    answers: SalesDistribution,
    *,
    levels: Sequence[float],
    hot: HotRule | None,
) -> pd.DataFrame:
    """One row for each step of each example and one for its whole horizon, in their order.

    Where items are sold by shop, each item has rows of all shops together besides (`shop` is
    empty): their mean is the sum of the means of the shops. Quantiles of a sum are not sums of
    quantiles, so these rows have none.

    Args:
        examples: `n` of them.
        answers: What is sold.
        levels: Quantile levels, ascending.
        hot: Which items are hot; None of prices.

    Returns:
        Columns `id`, `shop` (where there are shops), `window` (`step` or `total`; of prices `mean`
        in its place), `step` (1 to horizon; missing in totals), `from` and `until` (first and last
        day), `mean`, `p10` and so on (units, >= 0, or prices, > 0), `life_stage` (`new`: no
        history, `young`: 1 to 4 periods, `known`), and in totals alone `trend` (`up`, `flat` or
        `down` by `TREND_RULES`, missing without a history), its probabilities and, of units,
        `hot_probability`, all read from the distribution of the total.
    """
    panel, n, horizon = examples.panel, len(examples), examples.horizon
    rows = horizon + 1
    series = examples.windows.series
    begin, end = _days(examples)
    quantiles = answers.quantile(levels)
    columns: dict[str, Any] = {"id": np.repeat(_names(panel.ids, series), rows)}
    if panel.shops is not None:
        columns["shop"] = np.repeat(_names(panel.shops, series), rows)
    steps = np.arange(1, rows + 1)
    is_total = np.tile(steps == rows, n)
    columns["window"] = np.where(is_total, WINDOWS[panel.quantity], STEP)
    columns["step"] = pd.array(np.tile(steps, n), dtype="Int64")
    columns["from"], columns["until"] = begin.ravel(), end.ravel()
    columns["mean"] = answers.mean.ravel()
    for place, level in enumerate(levels):
        columns[percent(level)] = quantiles[..., place].ravel()
    stage = np.array(STAGES, dtype=object)[examples.stages()]
    columns["life_stage"] = np.repeat(stage, rows)
    for name, values in _of_totals(examples, answers, hot).items():
        columns[name] = np.full(len(is_total), np.nan, dtype=values.dtype)
        columns[name][is_total] = values
    table = pd.DataFrame(columns)
    table.loc[is_total, "step"] = pd.NA
    return table if panel.shops is None else _with_items(table, panel.quantity)


def _of_totals(
    examples: Examples, answers: SalesDistribution, hot: HotRule | None
) -> dict[str, NDArray[Any]]:
    """What is said of whole windows besides, `[n]` each."""
    recent = examples.recent_levels()
    recent = np.where(recent > 0, recent, np.nan)
    read = TREND_RULES[examples.panel.quantity].read(answers, recent)
    trend = np.full(len(examples), np.nan, dtype=object)
    known = ~np.isnan(read["trend"])
    trend[known] = np.array(TRENDS, dtype=object)[read["trend"][known].astype(int)]
    shares: dict[str, Floats] = {name: read[name] for name in read if name != "trend"}
    return {"trend": trend, **shares, **({} if hot is None else hot.read(answers))}


def _with_items(table: pd.DataFrame, quantity: Quantity) -> pd.DataFrame:
    """The table with rows of each item in all shops together, behind those of its shops.

    Of prices these are means over the shops. An item of which no shop is known has them already.
    """
    keys = ["id", "window", "step", "from", "until"]
    by_shop = table[table["shop"] != ALL_SHOPS]
    groups = by_shop.groupby(keys, dropna=False, sort=False, as_index=False)["mean"]
    sums = groups.mean() if quantity == "price" else groups.sum()
    both = pd.concat([table, sums.assign(shop=ALL_SHOPS)[["shop", *keys, "mean"]]])
    order = pd.Categorical(both["id"], categories=table["id"].unique(), ordered=True)
    in_order = both.iloc[np.argsort(order.codes, kind="stable")]
    found: pd.DataFrame = in_order[list(table.columns)].reset_index(drop=True)
    return found


def _days(examples: Examples) -> tuple[NDArray[Any], NDArray[Any]]:
    """First and last day of each step and of the horizon, `[n, horizon + 1]`."""
    frequency = examples.panel.frequency
    periods = examples.as_of[:, None] + np.arange(examples.horizon)
    first, last = frequency.first_day(periods), frequency.last_day(periods)
    begin = np.concatenate([first, first[:, :1]], axis=1)
    end = np.concatenate([last, last[:, -1:]], axis=1)
    return begin, end


def _names(names: tuple[str, ...], series: Ints) -> NDArray[Any]:
    return np.array(names, dtype=object)[series]

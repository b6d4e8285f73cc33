"""Charts of a backtest: errors by step, quantiles that hold or not, ranges over time."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from fusion.forecasting.backtest.forecasts import Actual, Forecasts
from fusion.forecasting.backtest.result import FORECAST, BacktestResult
from fusion.forecasting.examples import Floats
from fusion.report.answer import best_simple
from fusion.report.backtest_view import backtest_evaluation
from fusion.report.charts import ACCENT, INK, MUTED, Chart, new_axes, to_svg
from fusion.report.number_text import percent
from fusion.report.period_words import day_text
from fusion.report.quantity_words import WORDS

N_RIVALS = 4
"""Simple methods, the best ones, that stand beside the forecast."""
DASHES = (0, (2, 3))


def backtest_charts(result: BacktestResult) -> list[Chart]:
    """Error by step, quantiles, ranges over time, and what lies outside by step.

    None where nothing is known of what was sold.
    """
    if not np.isfinite(result.actual.steps).any():
        return []
    own = result.forecasts[FORECAST]
    return [
        _error_chart(result),
        _quantile_chart(result.actual, own),
        _time_chart(result),
        _tail_chart(result.actual, own),
    ]


def _error_chart(result: BacktestResult) -> Chart:
    """WAPE by step of the forecast and of the best simple methods."""
    table = next(table for table in result.tables if table.by == "step")
    evaluation = backtest_evaluation(result, "wape")
    rival = best_simple(evaluation)
    order = sorted(
        (score for score in evaluation.scores if score.kind == "baseline"),
        key=lambda score: score.metrics["wape"],
    )
    axes = _step_axes("WAPE", result.examples.horizon)
    for name in [*(score.name for score in order[:N_RIVALS]), FORECAST]:
        values = [row.metrics["wape"] for row in table.rows if row.method == name]
        best = rival is not None and name == rival.name
        colour = ACCENT if name == FORECAST else INK if best else MUTED
        width = 2.2 if name == FORECAST else 1.6 if best else 1.0
        axes.plot(range(1, len(values) + 1), values, color=colour, linewidth=width, marker="o")
    axes.set_ylim(0, 1.06 * axes.get_ylim()[1])
    caption = "Strong line: the forecast."
    if rival is not None:
        others = ", ".join(score.name for score in order[:N_RIVALS] if score.name != rival.name)
        caption += f" Dark line: {rival.name}, the best simple method."
        caption += f" Grey: {others}." if others else ""
    svg = to_svg(axes, name="backtest-error", label=f"WAPE by step. {caption}")
    return Chart("How the error grows", svg, caption)


def _quantile_chart(actual: Actual, own: Forecasts) -> Chart:
    """Which share lies below each quantile, of single steps and of totals."""
    axes = new_axes("quantile level", f"share of {_of(actual)} below")
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=DASHES)
    styles: list[tuple[slice, dict[str, Any]]] = [
        (slice(-1, None), {"color": INK, "mfc": "none", "linewidth": 1.0}),
        (slice(None, -1), {"color": ACCENT, "linewidth": 1.8}),
    ]
    for chosen, style in styles:
        shares = _shares_below(actual.paths[:, chosen], own.quantiles[:, chosen])
        axes.plot(own.levels, shares, marker="o", markersize=7, **style)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
        axis.set_major_formatter(_PERCENT)
    caption = (
        "On the dotted line as many lie below a quantile as should. Strong dots: single steps. "
        "Rings: the whole window. What lies right at a quantile counts half."
    )
    svg = to_svg(axes, name="backtest-quantiles", label=f"Quantiles. {caption}")
    return Chart("Do the ranges hold?", svg, caption)


def _of(actual: Actual) -> str:
    return "prices" if actual.quantity == "price" else "sales"


def _shares_below(paths: Floats, quantiles: Floats) -> Floats:
    """Share of the known entries below each quantile, `[n_levels]`; NaN where none is known."""
    known = np.isfinite(paths)
    if not known.any():
        return np.full(quantiles.shape[-1], np.nan)
    sold, asked = paths[known][:, None], quantiles[known]
    return np.asarray(((sold < asked).mean(axis=0) + (sold <= asked).mean(axis=0)) / 2)


def _time_chart(result: BacktestResult) -> Chart:
    """Share in range by calendar period: each period by the forecasts that told of it."""
    own, steps = result.forecasts[FORECAST], result.actual.steps
    frequency = result.examples.panel.frequency
    when = result.examples.as_of[:, None] + np.arange(steps.shape[1])
    known = np.isfinite(steps)
    low, high = own.quantiles[:, :-1, 0], own.quantiles[:, :-1, -1]
    inside = (low <= steps) & (steps <= high)
    found, place = np.unique(when[known], return_inverse=True)
    shares = np.bincount(place, inside[known]) / np.maximum(np.bincount(place), 1)
    axes = new_axes(frequency.unit, "share in range")
    _target(axes, own.levels[-1] - own.levels[0])
    gap = np.flatnonzero(np.diff(found) > 1) + 1
    for run in np.split(np.arange(len(found)), gap):
        axes.plot(found[run], shares[run], color=ACCENT, linewidth=1.8, marker="o", markersize=5)
    days = {
        float(one): day_text(frequency.first_day(int(one)), unit=frequency.unit, year=False)
        for one in found
    }
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: days.get(round(value), "")))
    axes.set_ylim(0, 1.03)
    axes.yaxis.set_major_formatter(_PERCENT)
    ends = [day_text(frequency.first_day(int(one)), unit=frequency.unit) for one in found[[0, -1]]]
    caption = (
        f"From {ends[0]} to {ends[1]}. Dotted: what the range should hold. This is what was "
        "measured, no promise: where the market changes, ranges hold less for a while."
    )
    svg = to_svg(axes, name="backtest-time", label=f"Share in range over time. {caption}")
    return Chart("Ranges over time", svg, caption)


def _tail_chart(actual: Actual, own: Forecasts) -> Chart:
    """Share below and above the range by step."""
    axes = _step_axes("share outside", own.mean.shape[1] - 1)
    known = np.isfinite(actual.steps)
    counts = np.maximum(known.sum(axis=0), 1)
    below = ((actual.steps < own.quantiles[:, :-1, 0]) & known).sum(axis=0) / counts
    above = ((actual.steps > own.quantiles[:, :-1, -1]) & known).sum(axis=0) / counts
    wanted = sorted({round(own.levels[0], 6), round(1.0 - own.levels[-1], 6)})
    for share in wanted:
        _target(axes, share)
    places = range(1, len(below) + 1)
    axes.plot(places, below, color=INK, linewidth=1.6, marker="o", markersize=5)
    axes.plot(places, above, color=ACCENT, linewidth=1.8, marker="o", markersize=6)
    axes.set_ylim(0, max(2 * wanted[-1], 1.1 * float(max(below.max(), above.max()))))
    more, less = WORDS[actual.quantity].outside
    caption = (
        f"Strong line: {more} than the range said. Dark line: {less}. Dotted: as it should be."
    )
    svg = to_svg(axes, name="backtest-tails", label=f"Outside the range by step. {caption}")
    return Chart("What lies outside", svg, caption)


_PERCENT = FuncFormatter(lambda value, _: percent(value, digits=0))


def _step_axes(label: str, horizon: int) -> Axes:
    axes = new_axes("step", label)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_formatter(_PERCENT)
    axes.set_xlim(0.7, horizon + 0.3)
    return axes


def _target(axes: Axes, share: float) -> None:
    axes.axhline(share, color=MUTED, linewidth=1.2, linestyle=DASHES)

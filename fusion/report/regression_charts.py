"""Charts of a regression: predicted against actual, and the errors along the predictions."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from fusion.report.charts import ACCENT, INK, SOFT, Chart, new_axes, to_svg
from fusion.report.head_result import Floats, HeadResult
from fusion.report.number_text import compact, number, percent

MOST_POINTS = 1500  # of one chart; more make the page heavy and the chart no clearer
WIDE = 20.0  # largest over median value from which a logarithmic scale shows more
MOST_TICKS = 6
N_GROUPS = 8


def regression_charts(result: HeadResult, *, name: str) -> list[Chart]:
    """Both charts; none without at least two finite test rows.

    They show the median, as half of the errors should lie on either side of the line.
    """
    finite = np.isfinite(result.actual) & np.isfinite(result.median)
    actual, predicted = result.actual[finite], result.median[finite]
    if len(actual) < 2:
        return []
    words = ("units sold", "units forecast") if result.in_units else ("actual", "predicted")
    if suits_logarithm(actual, predicted):
        draw = (_log_scatter, _factors)
    else:
        draw = (_plain_scatter, _errors)
    return [make(actual, predicted, words, name) for make in draw]


def suits_logarithm(actual: Floats, predicted: Floats) -> bool:
    """Whether values are never negative and spread over more than about one power of ten."""
    together = np.concatenate([actual, predicted])
    positive = actual[actual > 0]
    if (together < 0).any() or len(positive) == 0:
        return False
    return bool(positive.max() / np.median(positive) > WIDE or positive.max() / WIDE**2 > 1)


def offset(actual: Floats, predicted: Floats) -> float:
    """What is added before a logarithm: 1 where there is anything at or near 0, else 0."""
    return 1.0 if min(actual.min(), predicted.min()) < 1e-3 else 0.0


def _shown(actual: Floats) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], str]:
    """Places of the points to draw, evenly over the actual values, and a note."""
    if len(actual) <= MOST_POINTS:
        return np.arange(len(actual)), ""
    places = np.linspace(0, len(actual) - 1, MOST_POINTS).astype(np.intp)
    note = f" {number(MOST_POINTS)} of {number(len(actual))} items are drawn."
    return np.argsort(actual, kind="stable")[places], note


def _log_scatter(actual: Floats, predicted: Floats, words: tuple[str, str], name: str) -> Chart:
    axes, add = new_axes(*words), offset(actual, predicted)
    x, y = np.log10(actual + add), np.log10(predicted + add)
    low, high = _limits(np.concatenate([x, y]))
    ends = np.array([low, high])
    axes.fill_between(ends, ends - np.log10(2), ends + np.log10(2), color=SOFT, linewidth=0)
    chosen, note = _points(axes, x, y)
    axes.plot(ends, ends, color=INK, linewidth=1)
    _log_ticks(axes, (low, high), add)
    axes.set(xlim=(low, high), ylim=(low, high))
    factor = 10 ** np.abs(x - y)
    within = percent(float(np.mean(factor <= 2)), digits=0)
    caption = (
        f"Each dot is one test item; on the line the prediction is right. {within} of them lie in "
        f"the band, within a factor of 2{' (after adding 1 to both)' if add else ''}.{note}"
    )
    label = f"{words[1]} against {words[0]}, {len(chosen)} dots. {caption}"
    svg = to_svg(axes, name=f"{name}-scatter", label=label)
    return Chart("Predicted against actual", svg, caption)


def _plain_scatter(actual: Floats, predicted: Floats, words: tuple[str, str], name: str) -> Chart:
    axes = new_axes(*words)
    low, high = _limits(np.concatenate([actual, predicted]))
    chosen, note = _points(axes, actual, predicted)
    axes.plot([low, high], [low, high], color=INK, linewidth=1)
    axes.set(xlim=(low, high), ylim=(low, high))
    half = number(float(np.median(np.abs(predicted - actual))))
    caption = (
        "Each dot is one test item; on the line the prediction is right. Half of the predictions "
        f"are off by less than {half}.{note}"
    )
    label = f"{words[1]} against {words[0]}, {len(chosen)} dots. {caption}"
    svg = to_svg(axes, name=f"{name}-scatter", label=label)
    return Chart("Predicted against actual", svg, caption)


def _factors(actual: Floats, predicted: Floats, words: tuple[str, str], name: str) -> Chart:
    axes, add = new_axes(words[1], ""), offset(actual, predicted)
    x = np.log10(predicted + add)
    error = np.log2(predicted + add) - np.log2(actual + add)
    reach = float(np.ceil(max(1.0, np.quantile(np.abs(error), 0.99))))
    axes.axhline(0, color=INK, linewidth=1)
    _, note = _points(axes, x, error.clip(-reach, reach))
    note += _group_line(axes, x, error)
    limits = _limits(x)
    _log_ticks(axes, limits, add, x_only=True)
    axes.set(xlim=limits, ylim=(-1.06 * reach, 1.06 * reach))
    axes.yaxis.set_major_locator(FixedLocator(_factor_ticks(reach)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _factor(value)))
    return _error_chart(axes, name, f"{note} Larger errors are drawn at the edge.")


def _errors(actual: Floats, predicted: Floats, words: tuple[str, str], name: str) -> Chart:
    axes, error = new_axes(words[1], "predicted minus actual"), predicted - actual
    axes.axhline(0, color=INK, linewidth=1)
    _, note = _points(axes, predicted, error)
    note += _group_line(axes, predicted, error)
    return _error_chart(axes, name, note)


def _error_chart(axes: Axes, name: str, note: str) -> Chart:
    caption = (
        f"Each dot is one test item: above zero the prediction was too high, below too low.{note}"
    )
    svg = to_svg(axes, name=f"{name}-errors", label=f"Errors along the predictions. {caption}")
    return Chart("Where the errors lie", svg, caption)


def _points(
    axes: Axes, x: Floats, y: Floats
) -> tuple[np.ndarray[tuple[int], np.dtype[np.intp]], str]:
    chosen, note = _shown(x)
    alpha = 0.55 if len(chosen) < 300 else 0.3
    size = 4.5 if len(chosen) > 50 else 7
    axes.plot(x[chosen], y[chosen], "o", color=ACCENT, markersize=size, alpha=alpha, mew=0)
    return chosen, note


def _group_line(axes: Axes, x: Floats, error: Floats) -> str:
    """Draw median errors of groups of equal size along x, unless tiny; give the note on it."""
    if len(x) < 5 * N_GROUPS:
        return ""
    groups = np.array_split(np.argsort(x, kind="stable"), N_GROUPS)
    middle = [(np.median(x[group]), np.median(error[group])) for group in groups]
    axes.plot(*zip(*middle, strict=True), color=INK, linewidth=2, marker="o", markersize=3.5)
    return (
        " The strong line, the middle error of items with alike predictions, should be near zero."
    )


def _limits(values: Floats) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = 0.05 * (high - low) or 0.5 * max(abs(high), 1.0)
    return low - margin, high + margin


def _log_ticks(
    axes: Axes, limits: tuple[float, float], add: float, *, x_only: bool = False
) -> None:
    """Round values at logarithmic places; axes hold logarithms, so that 0 has a place too."""
    low, high = limits
    steps = range(max(int(np.floor(low)), -307), min(int(np.ceil(high)), 307) + 1)
    marks = (1, 2, 5) if high - low < 1.6 else (1, 3) if high - low < 2.6 else (1,)
    values = [mark * 10.0**power for power in steps for mark in marks]
    places = [np.log10(v + add) for v in ([0.0] if add else []) + values]
    inside = [place for place in places if low <= place <= high and (not add or place >= 0)]
    if add:  # 0 and 0.1 would collide
        inside = [place for place in inside if place == 0 or place >= np.log10(2) - 1e-9]
    inside = inside[:: max(1, -(-len(inside) // MOST_TICKS))]
    for axis in (axes.xaxis,) if x_only else (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(inside))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda value, _: compact(_back(value, add))))


def _back(place: float, add: float) -> float:
    value = float(f"{10.0**place:.6g}") - add
    return 0.0 if abs(value) < 1e-9 else value


def _factor_ticks(reach: float) -> list[float]:
    step = max(1.0, float(np.ceil(reach / 3)))
    upper = np.arange(step, reach + 1e-9, step)
    return [*(-upper[::-1]), 0.0, *upper]


def _factor(power: float) -> str:
    if power == 0:
        return "right"
    return f"{compact(2.0 ** abs(power))}× {'high' if power > 0 else 'low'}"

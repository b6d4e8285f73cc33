"""Whether quantiles hold: which share of the items lies below each of them."""

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter

from fusion.report.charts import ACCENT, INK, Chart, new_axes, to_svg
from fusion.report.classification_charts import wilson_interval
from fusion.report.head_result import HeadResult
from fusion.report.number_text import percent

LEAST_ITEMS = 10
"""Items below which a share says nothing."""


def interval_charts(result: HeadResult, *, name: str) -> list[Chart]:
    """The chart of a head with two quantiles or more, and enough test rows; else none."""
    quantiles = result.quantiles
    finite = np.isfinite(result.actual)
    if len(quantiles) < 2 or finite.sum() < LEAST_ITEMS:
        return []
    levels = np.array(list(quantiles), dtype=np.float64)
    actual = result.actual[finite]
    low, high = (
        np.array([np.mean(compare(actual, values[finite])) for values in quantiles.values()])
        for compare in (np.less, np.less_equal)
    )
    middle = (low + high) / 2
    ends = wilson_interval(middle, np.full(len(levels), float(len(actual))))
    axes = new_axes("quantile level", "share of the items below")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1)
    axes.vlines(levels, *ends, color=ACCENT, linewidth=1.2, alpha=0.5)
    axes.plot(levels, middle, color=ACCENT, linewidth=1.6, marker="o", markersize=7)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, digits=0)))
    first, last = (list(quantiles.values())[place][finite] for place in (0, -1))
    inside = percent(float(np.mean((first <= actual) & (actual <= last))), digits=0)
    wanted = percent(float(levels[-1] - levels[0]), digits=0)
    caption = (
        "Each dot is one quantile: on the line as many items lie below it as should. The range "
        f"from the lowest to the highest should hold {wanted} of the items and holds {inside}. "
        "Items right at a quantile count half; upright bars: 95 % intervals of the shares."
    )
    svg = to_svg(axes, name=f"{name}-quantiles", label=f"Quantiles. {caption}")
    return [Chart("Do the ranges hold?", svg, caption)]

"""Charts of a classification: are probabilities honest, and how pure is the top of the list."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter

from fusion.report.charts import ACCENT, INK, MUTED, SOFT, Chart, new_axes, to_svg
from fusion.report.head_result import Floats, HeadResult
from fusion.report.number_text import percent

N_BINS = 10
ROWS_OF_A_BIN = 8
Z = 1.96  # of a 95 % interval


def classification_charts(result: HeadResult, *, name: str) -> list[Chart]:
    """Both charts; none unless both classes occur among the test rows."""
    finite = np.isfinite(result.actual) & np.isfinite(result.answer)
    actual, probability = result.actual[finite] > 0.5, result.answer[finite]
    if not actual.any() or actual.all():
        return []
    return [
        calibration_chart(actual.astype(np.float64), probability, name, result.positive),
        _precision_recall(actual.astype(np.float64), probability, name, result.positive),
    ]


def calibration_bins(actual: Floats, probability: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean probability, share of positives and number of rows of groups of about equal size."""
    n_bins = max(1, min(N_BINS, len(actual) // ROWS_OF_A_BIN))
    edges = np.quantile(probability, np.arange(1, n_bins) / n_bins)
    places = np.searchsorted(edges, probability, side="right")
    count = np.bincount(places)
    held = count > 0
    stated = np.bincount(places, weights=probability)[held] / count[held]
    seen = np.bincount(places, weights=actual)[held] / count[held]
    return stated, seen, count[held].astype(np.float64)


def wilson_interval(share: Floats, count: Floats) -> tuple[Floats, Floats]:
    """95 % interval of shares seen in `count` rows each. Source: Wilson (1927)."""
    weight = Z**2 / count
    centre = (share + weight / 2) / (1 + weight)
    half = Z * np.sqrt(share * (1 - share) / count + weight / (4 * count)) / (1 + weight)
    return centre - half, centre + half


def precision_recall(actual: Floats, probability: Floats) -> tuple[Floats, Floats]:
    """Recall and precision of the list down to each distinct probability, likeliest first.

    It begins at recall 0 with the precision of the first step.
    """
    order = np.argsort(-probability, kind="stable")
    last_of_a_tie = np.append(np.diff(probability[order]) != 0, True)
    hits = np.cumsum(actual[order])[last_of_a_tie]
    length = np.flatnonzero(last_of_a_tie) + 1
    recall, precision = hits / hits[-1], hits / length
    return np.append(0.0, recall), np.append(precision[0], precision)


def calibration_chart(actual: Floats, probability: Floats, name: str, positive: str) -> Chart:
    """Stated probabilities against the shares that turned out `positive`, with intervals."""
    stated, seen, count = calibration_bins(actual, probability)
    axes = new_axes("stated probability", f"share that turned out {positive}")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=1)
    axes.vlines(stated, *wilson_interval(seen, count), color=ACCENT, linewidth=1.2, alpha=0.5)
    axes.plot(stated, seen, color=ACCENT, linewidth=1.6, marker="o", markersize=7)
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    _percent_ticks(axes)
    caption = (
        "Each dot is a group of test items with alike probabilities. On the line, of the items "
        f"called 40 % likely 40 % turn out {positive}; below it probabilities are too high. "
        "Upright bars: 95 % intervals of the shares."
    )
    svg = to_svg(axes, name=f"{name}-calibration", label=f"Calibration. {caption}")
    return Chart("Are the probabilities honest?", svg, caption)


def _precision_recall(actual: Floats, probability: Floats, name: str, positive: str) -> Chart:
    recall, precision = precision_recall(actual, probability)
    prevalence = float(actual.mean())
    axes = new_axes(f"share of all {positive} items found", f"share of the list that is {positive}")
    axes.fill_between(recall, precision, prevalence, color=SOFT, step="pre", linewidth=0)
    axes.axhline(prevalence, color=MUTED, linewidth=1.2, linestyle=(0, (4, 3)))
    axes.step(recall, precision, color=ACCENT, linewidth=2, where="pre")
    axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.05))
    _percent_ticks(axes)
    caption = (
        "From left to right the list of likeliest items grows longer: precision against recall. "
        f"The dashed line is a list made by chance: {percent(prevalence, digits=0)} of the test "
        f"items are {positive}."
    )
    svg = to_svg(axes, name=f"{name}-precision", label=f"Precision and recall. {caption}")
    return Chart("How pure is the top of the list?", svg, caption)


def _percent_ticks(axes: Axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator([0, 0.25, 0.5, 0.75, 1]))
        axis.set_major_formatter(FuncFormatter(lambda value, _: percent(value, digits=0)))

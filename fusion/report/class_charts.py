"""Charts of several classes: which is taken for which, and whether probabilities are honest."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedFormatter, FixedLocator
from numpy.typing import NDArray

from fusion.data.problems import printable
from fusion.report.charts import ACCENT, INK, Chart, new_axes, to_svg
from fusion.report.classification_charts import calibration_chart
from fusion.report.head_result import HeadResult
from fusion.report.number_text import number, percent
from heads.metrics import confusion_matrix

MOST_CLASSES = 9
"""Classes with a row of their own; the rarest others share one."""
MOST_LETTERS = 16
OTHERS = "all others"
DARKEST = 0.6
"""Strength of the colour of a cell that holds its whole row: numbers stay legible on it."""


def class_charts(result: HeadResult, *, name: str) -> list[Chart]:
    """Both charts; none without test rows."""
    if not len(result.actual):
        return []
    right = (result.answer == result.actual).astype(np.float64)
    sure = result.chances[np.arange(len(right)), result.answer.astype(np.int64)]
    return [_confusion(result, name), calibration_chart(right, sure, name, "right")]


def joined_classes(
    matrix: NDArray[np.int64], labels: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """A confusion matrix whose rarest classes are one, where there are more than can be read."""
    if len(labels) <= MOST_CLASSES + 1:
        return matrix, labels
    counts = matrix.sum(axis=1)
    kept = np.sort(np.argsort(-counts, kind="stable")[:MOST_CLASSES])
    places = np.full(len(labels), len(kept))
    places[kept] = np.arange(len(kept))
    joined = np.zeros((len(kept) + 1,) * 2, dtype=np.int64)
    np.add.at(joined, (places[:, None], places[None]), matrix)
    return joined, (*(labels[place] for place in kept), OTHERS)


def _confusion(result: HeadResult, name: str) -> Chart:
    whole = confusion_matrix(result.actual, result.answer, n_classes=len(result.labels))
    matrix, labels = joined_classes(whole, result.labels)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes = new_axes("predicted", "actual")
    axes.grid(visible=False)
    is_long = _is_long(labels)
    axes.figure.subplots_adjust(left=0.34, bottom=0.32 if is_long else 0.18)
    axes.yaxis.set_label_coords(-0.49, 0.5)
    axes.xaxis.set_label_coords(0.5, -0.42 if is_long else -0.14)
    for (row, column), share in np.ndenumerate(shares):
        corner = (column - 0.48, row - 0.48)
        cell = Rectangle(corner, 0.96, 0.96, color=ACCENT, alpha=DARKEST * share, linewidth=0)
        axes.add_patch(cell)
        count = number(float(matrix[row, column]))
        axes.text(column, row, count, ha="center", va="center", color=INK, zorder=3)
    words = _ticks(axes, labels)
    share = percent(float(np.mean(result.answer == result.actual)), digits=0)
    caption = (
        "Each row holds the test items of one class, each column those that were called so: on the "
        f"diagonal the class is right, as for {share} of all. The darker a cell, the larger its "
        "share of the row."
    )
    if len(labels) < len(result.labels):
        n_joined = len(result.labels) - MOST_CLASSES
        caption += f" The {n_joined} rarest classes share the last row and column."
    label = f"Confusion matrix of {len(labels)} classes. {caption}"
    svg = to_svg(axes, name=f"{name}-confusion", label=label, words=words)
    return Chart("Which class is taken for which?", svg, caption)


def _ticks(axes: Axes, labels: tuple[str, ...]) -> dict[str, str]:
    """Draws a stand-in for each label on both axes; what each of them stands for.

    Labels are somebody else's text, which a drawing does not take.
    """
    words = {f"class{place}": _short(label) for place, label in enumerate(labels)}
    places = range(len(labels))
    axes.set(xlim=(-0.52, len(labels) - 0.48), ylim=(len(labels) - 0.48, -0.52))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(FixedLocator(list(places)))
        axis.set_major_formatter(FixedFormatter(list(words)))
    if _is_long(labels):
        for tick in axes.get_xticklabels():
            tick.set(rotation=30, ha="right", rotation_mode="anchor")
    return words


def _short(label: str) -> str:
    clean = printable(label)
    return clean if len(clean) <= MOST_LETTERS else f"{clean[: MOST_LETTERS - 1]}…"


def _is_long(labels: tuple[str, ...]) -> bool:
    """Whether labels need more room than they have side by side."""
    return max(map(len, labels)) * len(labels) > 30

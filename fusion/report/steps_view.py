"""A head with steps: one row a step, and both lines over them."""

import math
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

from fusion.report.charts import ACCENT, INK, Chart, new_axes, to_svg
from fusion.report.head_result import Floats, HeadResult
from fusion.report.metric_names import write
from fusion.report.number_text import number, percent
from heads import metrics

MOST_NAME = 40  # characters of a window


@dataclass(frozen=True)
class StepTable:
    """What happened and what was said, step by step.

    Args:
        labels: Headings of the numbers.
        rows: Name of a step, and its numbers.
    """

    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def step_table(result: HeadResult) -> StepTable | None:
    """The table; None where the target has no steps."""
    steps = result.steps()
    if not steps or not len(result.actual):
        return None
    rows = tuple((_name(step, one), _numbers(one)) for step, one in steps.items())
    if result.labels:
        return StepTable(("Right class", "Log loss"), rows)
    if result.positive:
        share = f"Turned out {result.positive}"
        return StepTable((share, "Mean probability", "Brier score"), rows)
    more = ("In range",) if len(next(iter(steps.values())).quantiles) > 1 else ()
    return StepTable(("Actual mean", "Predicted mean", "WAPE", *more), rows)


def step_charts(result: HeadResult, *, name: str) -> list[Chart]:
    """Mean of what happened and of what was said along the steps; none of classes."""
    steps = result.steps()
    if result.labels or len(steps) < 2 or not len(result.actual):
        return []
    places = list(steps)
    axes = new_axes("step", f"share {result.positive}" if result.positive else "mean of the items")
    actual = [float(np.mean(step.actual)) for step in steps.values()]
    said = [float(np.mean(step.answer)) for step in steps.values()]
    axes.plot(places, actual, color=INK, linewidth=1.6, marker="o", markersize=5)
    axes.plot(places, said, color=ACCENT, linewidth=2, marker="o", markersize=7)
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    caption = (
        "Means of all test items, step by step. Strong line: as predicted. Dark line: as it came."
    )
    svg = to_svg(axes, name=f"{name}-steps", label=f"Means by step. {caption}")
    return [Chart("Step by step", svg, caption)]


def _name(step: int, result: HeadResult) -> str:
    window = result.columns[0].window[:MOST_NAME]
    return window or f"step {step}"


def _numbers(result: HeadResult) -> tuple[str, ...]:
    """The numbers of one step, in the order of the headings."""
    actual, answer = result.actual, result.answer
    if result.labels:
        loss = metrics.multiclass_log_loss(actual, result.chances)
        return percent(metrics.accuracy(actual, answer), digits=0), write("log_loss", loss)
    if result.positive:
        error = write("brier", metrics.brier(actual, answer))
        return percent(_mean(actual)), percent(_mean(answer)), error
    numbers = (number(_mean(actual)), number(_mean(answer)))
    error = write("wape", metrics.wape(actual, result.median))
    quantiles = list(result.quantiles.values())
    if len(quantiles) < 2:
        return (*numbers, error)
    inside = metrics.coverage(actual, quantiles[0], quantiles[-1])
    return (*numbers, error, write("coverage", inside))


def _mean(values: Floats) -> float:
    return float(np.mean(values)) if len(values) else math.nan

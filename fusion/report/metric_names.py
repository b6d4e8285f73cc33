"""What each metric is called, how it is written and what it says, in one sentence."""

import math
from dataclasses import dataclass
from typing import Literal

from fusion.report.number_text import DASH, GAP, decimals, number, percent, signed

Style = Literal["percent", "signed", "score", "units"]


@dataclass(frozen=True)
class MetricName:
    """Label, way of writing and explanation of a metric."""

    label: str
    style: Style
    says: str


METRICS = {
    "wape": MetricName(
        "WAPE",
        "percent",
        "All errors added up, as a share of the total of all actual values; 0 % is perfect, and "
        "forecasting nothing at all gives 100 %.",
    ),
    "wape_mean": MetricName(
        "WAPE of the mean",
        "percent",
        "The same for the expected value, which aims at the right total, where WAPE is of the "
        "median, which aims at the smallest error.",
    ),
    "wape_total": MetricName(
        "WAPE of the window",
        "percent",
        "The same for the whole window, the total of its units or the mean of its prices: periods "
        "that are too high and too low even out.",
    ),
    "mase": MetricName(
        "MASE",
        "score",
        "Error beside that of the last value as a forecast, in the past of each item; below 1 is "
        "better than that.",
    ),
    "rmsse": MetricName(
        "RMSSE",
        "score",
        "Like MASE, but large errors weigh more, because errors are squared before averaging.",
    ),
    "mae": MetricName(
        "MAE", "units", "The size of the error of an average item, in the unit of the target."
    ),
    "rmse": MetricName(
        "RMSE",
        "units",
        "Like MAE, but large errors weigh more, because errors are squared before averaging.",
    ),
    "bias": MetricName(
        "Bias",
        "signed",
        "All errors added up with their signs, as a share of the total: above zero forecasts too "
        "much, below zero too little.",
    ),
    "spearman": MetricName(
        "Rank correlation",
        "score",
        "How well the order of items is foreseen (Spearman): 1 is the right order, 0 is chance.",
    ),
    "r2": MetricName(
        "R²",
        "score",
        "Share of the differences between items that is explained: 1 is perfect, 0 is no better "
        "than always answering the average.",
    ),
    "pr_auc": MetricName(
        "PR-AUC",
        "score",
        "How purely the top of the ranking holds positive (hot) items: average precision, 1 is "
        "perfect, chance gives the prevalence.",
    ),
    "prevalence": MetricName(
        "Prevalence", "percent", "Share of hot items among the test items: what chance would hit."
    ),
    "roc_auc": MetricName(
        "ROC-AUC",
        "score",
        "Chance that a hot item is ranked above one that is not: 1 is perfect, 0.5 is chance.",
    ),
    "brier": MetricName(
        "Brier score",
        "score",
        "Mean squared distance between the stated probability and what happened; 0 is perfect.",
    ),
    "log_loss": MetricName(
        "Log loss",
        "score",
        "Surprise at what happened, given the stated probabilities; 0 is perfect, and being sure "
        "and wrong costs most.",
    ),
    "ece": MetricName(
        "Calibration error",
        "percent",
        "Mean gap between the stated probability and the share that turned out hot, over groups "
        "of items with alike probabilities.",
    ),
    "precision_at_prevalence": MetricName(
        "Hits at the top",
        "percent",
        "Share of hot items among the best-ranked ones, looking at as many as there are hot items.",
    ),
    "f1": MetricName(
        "F1",
        "score",
        "Balance of false alarms and misses when every item from probability 50 % is called hot; "
        "1 is perfect.",
    ),
    "accuracy": MetricName(
        "Right class", "percent", "Share of items whose likeliest class is the right one."
    ),
    "majority_share": MetricName(
        "Commonest class",
        "percent",
        "Share of the commonest class: what always calling it would hit.",
    ),
    "macro_f1": MetricName(
        "Macro F1",
        "score",
        "Balance of false alarms and misses of each class, averaged over the classes, so that rare "
        "ones count alike; 1 is perfect.",
    ),
    "poisson_deviance": MetricName(
        "Poisson deviance", "score", "Distance between counts and their forecast; 0 is perfect."
    ),
}
FAMILIES = {
    "pinball": MetricName(
        "Pinball loss",
        "units",
        "Error of a quantile forecast, in which being above and below weigh as the quantile level "
        "asks; 0 is perfect.",
    ),
    "coverage": MetricName(
        "In range",
        "percent",
        "Share of items whose actual value lies inside the forecast range; a range from the 10 % "
        "to the 90 % quantile (p10 to p90) should hold about 80 %.",
    ),
    "crps": MetricName(
        "CRPS",
        "units",
        "Error of the whole distribution, of which the pinball loss is that of single quantiles; "
        "0 is perfect.",
    ),
    "below": MetricName(
        "Below",
        "percent",
        "Share of actual values below the range; under a range from p10 about 10 % should lie.",
    ),
    "above": MetricName(
        "Above",
        "percent",
        "Share of actual values above the range; over a range to p90 about 10 % should lie.",
    ),
    "width": MetricName(
        "Width of the range",
        "units",
        "Mean distance between the ends of the forecast range; at the same coverage, narrower is "
        "better.",
    ),
}


def metric_name(name: str) -> MetricName:
    """What is known of a metric; a stranger keeps its own name.

    Example:
        >>> metric_name("pinball_p50").label
        'Pinball loss p50'
    """
    if name in METRICS:
        return METRICS[name]
    _, _, ending = name.partition("_")
    if family(name):
        found = FAMILIES[family(name)]
        if ending == "total":
            return MetricName(f"{found.label}, window", found.style, found.says)
        label = f"{found.label} {ending.replace('_', '–')}".strip()
        return MetricName(label, found.style, found.says)
    return MetricName(name.replace("_", " "), "score", "As the head defines it.")


def family(name: str) -> str:
    """The family of a metric that stands in several forms: `coverage` for `coverage_p10_p90`."""
    first = name.partition("_")[0]
    return first if first in FAMILIES else ""


def write(metric: str, value: float) -> str:
    """A value of a metric; a dash where it is not defined."""
    style = metric_name(metric).style
    if style == "percent":
        return percent(value)
    if style == "signed":
        return signed(percent(value))
    return decimals(value) if style == "score" else number(value)


def write_gain(metric: str, value: float) -> str:
    """A difference of two values with its sign; of percentages it is in points (pp)."""
    return _with_unit(metric, signed(_plain(metric, value)))


def write_interval(metric: str, low: float, high: float) -> str:
    """Both ends of an interval of differences."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return DASH
    ends = f"{signed(_plain(metric, low))} to {signed(_plain(metric, high))}"
    return _with_unit(metric, ends)


def _plain(metric: str, value: float) -> str:
    style = metric_name(metric).style
    if style in ("percent", "signed"):
        return decimals(100.0 * value, digits=1)
    return decimals(value) if style == "score" else number(value)


def _with_unit(metric: str, text: str) -> str:
    points = metric_name(metric).style in ("percent", "signed") and text != DASH
    return f"{text}{GAP}pp" if points else text

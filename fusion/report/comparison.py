"""Rows of the comparison tables, each with the place of its gain on a common scale."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from fusion.evaluation.result import Evaluation, Score
from fusion.report.answer import best_simple, fusion_score, primary
from fusion.report.metric_names import metric_name, write, write_gain, write_interval
from fusion.report.number_text import DASH

KINDS = {"fusion": "fusion", "baseline": "simple method", "alone": "one modality"}
TONES = {"fusion better": "good", "fusion worse": "bad"}
TUNED, ORIGINAL = "tuned encoders", "original encoders"
ADDS = {
    "fusion better": "adds something",
    "no clear difference": "no clear difference",
    "not defined": "not defined",
    "fusion worse": "better without",
}
TUNES = {
    "fusion better": "tuning helps",
    "no clear difference": "no clear difference",
    "not defined": "not defined",
    "fusion worse": "tuning hurts",
}
LEFT = {
    "fusion better": "tuning hurts",
    "no clear difference": "no clear difference",
    "not defined": "not defined",
    "fusion worse": "tuning helps",
}
WORDS = {"without": ADDS, "original": TUNES, "tuned": LEFT}
OUTLIER = 6.0  # a gain this many times the median one must not squeeze the others
MARGIN = 4.0  # percent of the width that stays free on both sides


@dataclass(frozen=True)
class GainPlot:
    """Places in percent of the width: dot, both ends, zero; whether an end is cut off."""

    dot: float
    low: float
    high: float
    zero: float
    cut_low: bool
    cut_high: bool


@dataclass(frozen=True)
class Row:
    """One way to predict, as the table shows it."""

    name: str
    kind: str
    value: str
    gain: str
    interval: str
    verdict: str
    tone: str
    best: bool
    plot: GainPlot | None


@dataclass(frozen=True)
class Comparison:
    """Rows of one table, and the numbers at both ends of their common scale."""

    rows: tuple[Row, ...]
    zero: float
    start: str
    end: str


@dataclass(frozen=True)
class MetricTable:
    """Every metric of every way to predict."""

    labels: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def against_simple(evaluation: Evaluation) -> Comparison:
    """The fusion first, then baselines and single modalities."""
    others = [score for score in evaluation.scores if score.kind in ("baseline", "alone")]
    return _comparison(evaluation, [fusion_score(evaluation), *others], best_simple(evaluation))


def against_other(evaluation: Evaluation, other: Score) -> Comparison:
    """The fusion and, where encoders were tuned, the same with the encoders not kept."""
    own = replace(fusion_score(evaluation), name=TUNED if other.kind == "original" else ORIGINAL)
    return _comparison(evaluation, [own, other], None)


def without_each(evaluation: Evaluation) -> Comparison:
    """All modalities but one: the gain is what the one that is left out adds."""
    scores = [score for score in evaluation.scores if score.kind == "without"]
    return _comparison(evaluation, scores, None)


def metric_table(evaluation: Evaluation) -> MetricTable:
    """All metrics, in the order in which the scores name them."""
    names = list(dict.fromkeys(name for score in evaluation.scores for name in score.metrics))
    rows = tuple(
        (score.name, tuple(write(name, score.metrics.get(name, math.nan)) for name in names))
        for score in evaluation.scores
    )
    return MetricTable(tuple(metric_name(name).label for name in names), rows)


def _comparison(evaluation: Evaluation, scores: Sequence[Score], best: Score | None) -> Comparison:
    metric = evaluation.primary_metric
    first, last = _scale(scores)
    rows = tuple(_row(evaluation, score, (first, last), best is score) for score in scores)
    zero = _place(0.0, first, last)
    return Comparison(rows, zero, write_gain(metric, first), write_gain(metric, last))


def _row(evaluation: Evaluation, score: Score, scale: tuple[float, float], best: bool) -> Row:
    metric = evaluation.primary_metric
    gain, interval = DASH, ""
    if score.gain is not None:
        gain = write_gain(metric, score.gain)
    if score.low is not None and score.high is not None:
        interval = write_interval(metric, score.low, score.high)
    plot = _plot(score, *scale)
    verdict = score.verdict if plot else ""
    return Row(
        name=score.name,
        kind=KINDS.get(score.kind, ""),
        value=write(metric, primary(evaluation, score)),
        gain=gain,
        interval=interval,
        verdict=WORDS.get(score.kind, {}).get(verdict, verdict),
        tone=TONES.get(verdict, "open"),
        best=best,
        plot=plot,
    )


def _numbers(score: Score) -> tuple[float, float, float] | None:
    """Gain, low and high where all of them are finite."""
    if score.gain is None or score.low is None or score.high is None:
        return None
    found = (score.gain, score.low, score.high)
    return found if all(math.isfinite(value) for value in found) else None


def _scale(scores: Sequence[Score]) -> tuple[float, float]:
    """Smallest and largest gain that the plot shows; zero is always inside."""
    found = [numbers for score in scores if (numbers := _numbers(score))]
    if not found:
        return 0.0, 0.0
    typical = median(max(abs(value) for value in numbers) for numbers in found)
    bound = OUTLIER * typical
    first = max(min(0.0, *(low for _, low, _ in found)), -bound)
    last = min(max(0.0, *(high for _, _, high in found)), bound)
    return first, last


def _place(value: float, first: float, last: float) -> float:
    share = (value - first) / (last - first) if last > first else 0.5
    return round(MARGIN + (100 - 2 * MARGIN) * min(max(share, 0.0), 1.0), 2)


def _plot(score: Score, first: float, last: float) -> GainPlot | None:
    numbers = _numbers(score)
    if numbers is None:
        return None
    dot, low, high = (_place(value, first, last) for value in numbers)
    zero = _place(0.0, first, last)
    return GainPlot(dot, low, high, zero, numbers[1] < first, numbers[2] > last)

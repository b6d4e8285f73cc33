"""Fine-tuning as the page shows it: what it gained on the test rows, and what it took."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fusion.evaluation.result import Evaluation, Score
from fusion.report.answer import fusion_score, in_words, primary, proof
from fusion.report.charts import Chart, tuning_chart
from fusion.report.comparison import TONES, Comparison, against_other
from fusion.report.content import TrainingReport, TuningCost, TuningSummary
from fusion.report.data_view import Bar, share_bar
from fusion.report.head_result import HeadResult
from fusion.report.metric_names import metric_name, write
from fusion.report.number_text import DASH, GAP, decimals, duration, number, short

LEADS = {
    "fusion better": "tuning helps.",
    "no clear difference": "tuning makes no clear difference.",
    "not defined": "nothing can be said of tuning.",
    "fusion worse": "tuning hurts.",
    "": "tuning was not compared with anything.",
}
LEFT_LEADS = {
    "fusion better": "tuning hurts, and was not kept.",
    "no clear difference": "tuning makes no clear difference, and was not kept.",
    "not defined": "nothing can be said of tuning, which was not kept.",
    "fusion worse": "tuning helps on the test items, yet not on training rows held out: not kept.",
}


@dataclass(frozen=True)
class HeadTuning:
    """What tuning did to the answers of one head.

    Args:
        name: The head in words.
        tone: `good`, `bad` or `open`: which colour the verdict has.
        lead: The verdict in one short sentence.
        sentence: The metric with and without tuning, gain, interval and cost in plain words.
        metric: The primary metric in words.
        gain: Whose gain the table shows.
        comparison: Rows of the table; None where nothing was compared.
    """

    name: str
    tone: str
    lead: str
    sentence: str
    metric: str
    gain: str
    comparison: Comparison | None


@dataclass(frozen=True)
class CostRow:
    """What one training took: time and memory, as bars in percent of the largest of all."""

    name: str
    tuned: bool
    bars: tuple[Bar, Bar]


@dataclass(frozen=True)
class TuningView:
    """The section; `ratios` are time and memory of tuned encoders over those of original ones."""

    how: str
    description: str
    kept: str
    weights: str
    heads: tuple[HeadTuning, ...]
    costs: tuple[CostRow, ...]
    ratios: tuple[str, str] | None
    chart: Chart | None


def tuning_view(report: TrainingReport) -> TuningView | None:
    """The section on tuning; None where nothing was tuned."""
    tuning = report.tuning
    if tuning is None:
        return None
    ratios = cost_ratios(tuning.costs)
    return TuningView(
        how=tuning.how,
        description=tuning.description,
        kept=tuning.kept,
        weights=_weights(tuning),
        heads=tuple(_head(result, ratios) for result in report.heads),
        costs=_cost_rows(tuning.costs),
        ratios=None if ratios is None else (_times(ratios[0]), _times(ratios[1])),
        chart=tuning_chart(tuning.runs),
    )


def cost_ratios(costs: Sequence[TuningCost]) -> tuple[float, float] | None:
    """Time and memory of the last cost over those of the first; nan where one is not known."""
    if len(costs) < 2:
        return None
    first, last = costs[0], costs[-1]
    return _over(last.seconds, first.seconds), _over(last.peak_gib, first.peak_gib)


def _over(last: float, first: float) -> float:
    return last / first if math.isfinite(last) and last > 0 and first > 0 else math.nan


def _head(result: HeadResult, ratios: tuple[float, float] | None) -> HeadTuning:
    evaluation = result.evaluation
    other = next((one for one in evaluation.scores if one.kind in ("original", "tuned")), None)
    verdict = "" if other is None else other.verdict or "not defined"
    left = other is not None and other.kind == "tuned"
    return HeadTuning(
        name=result.title or in_words(evaluation.head),
        tone=TONES.get(verdict, "open"),
        lead=(LEFT_LEADS if left else LEADS)[verdict],
        sentence=_sentence(evaluation, other, ratios),
        metric=metric_name(evaluation.primary_metric).label,
        gain="Gain of not tuning" if left else "Gain of tuning",
        comparison=None if other is None else against_other(evaluation, other),
    )


def _sentence(
    evaluation: Evaluation, other: Score | None, ratios: tuple[float, float] | None
) -> str:
    """What tuning did; never a gain that the interval does not show."""
    cost = "" if ratios is None else _cost(*ratios)
    return f"{_found(evaluation, other)} {cost}".rstrip()


def _found(evaluation: Evaluation, other: Score | None) -> str:
    if other is None:
        return "The original encoders have no score on the test items."
    metric = evaluation.primary_metric
    label = metric_name(metric).label
    tuned, before = primary(evaluation, fusion_score(evaluation)), primary(evaluation, other)
    who = "the fusion with tuned encoders"
    if other.kind == "tuned":
        tuned, before = before, tuned
        who = "the fusion with original encoders"
    if not (math.isfinite(tuned) and math.isfinite(before)):
        return f"{label} could not be measured on these test items."
    return (
        f"{label} is {write(metric, tuned)} with tuned encoders and {write(metric, before)} with "
        "the original encoders. "
        f"{proof(evaluation, other, who=who)}"
    )


def _cost(time: float, memory: float) -> str:
    """What tuning took, in words; empty where neither time nor memory is known."""
    parts = [
        f"the same {what}" if _factor(ratio) == "1" else f"{_factor(ratio)} times as {much}"
        for ratio, what, much in ((time, "time", "long"), (memory, "memory", "much memory"))
        if math.isfinite(ratio)
    ]
    return f"With tuning, training took {' and '.join(parts)}." if parts else ""


def _factor(ratio: float) -> str:
    """A ratio with the digits that matter: 12, 2.1, 0.50."""
    return short(ratio) if ratio >= 0.95 else number(ratio)


def _times(ratio: float) -> str:
    return f"{_factor(ratio)}{GAP}×" if math.isfinite(ratio) else DASH


def _cost_rows(costs: Sequence[TuningCost]) -> tuple[CostRow, ...]:
    seconds, memory = [cost.seconds for cost in costs], [cost.peak_gib for cost in costs]
    return tuple(
        CostRow(
            cost.name,
            tuned=place > 0,
            bars=(
                Bar("time", duration(cost.seconds), _width(cost.seconds, seconds)),
                Bar("memory", _gib(cost.peak_gib), _width(cost.peak_gib, memory)),
            ),
        )
        for place, cost in enumerate(costs)
    )


def _width(value: float, all_values: Sequence[float]) -> float:
    longest = max((each for each in all_values if math.isfinite(each)), default=0.0)
    if not math.isfinite(value) or longest <= 0:
        return 0.0
    return round(100 * max(value, 0.0) / longest, 1)


def _gib(value: float) -> str:
    text = decimals(value, digits=2)
    return text if text == DASH else f"{text}{GAP}GiB"


def _weights(tuning: TuningSummary) -> str:
    """How many weights could change, in one sentence."""
    share = tuning.n_changed / tuning.n_weights if tuning.n_weights else 0.0
    return (
        f"Tuning could change {_count(tuning.n_changed)} of the {_count(tuning.n_weights)} weights "
        f"of these encoders ({share_bar('', share).text})."
    )


def _count(n: int) -> str:
    """A count, in millions from one million on."""
    return number(n) if n < 1_000_000 else f"{decimals(n / 1e6, digits=1)}{GAP}million"

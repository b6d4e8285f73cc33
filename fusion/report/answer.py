"""The headline: does the fusion win, by how much, and how sure is that, in plain words."""

import math
from dataclasses import dataclass

from fusion.evaluation.result import Evaluation, Score
from fusion.report.head_result import HeadResult
from fusion.report.metric_names import family, metric_name, write, write_gain, write_interval
from fusion.report.number_text import DASH, GAP, number, percent
from fusion.system.words import number_of

LEADS = {
    "fusion better": "The {who} is ahead.",
    "no clear difference": "No clear winner: a simple method does about as well.",
    "not defined": "Nothing can be said: the test rows do not define the metric.",
    "fusion worse": "The {who} does not win: a simple method is better.",
    "": "The {who} stands alone: nothing to compare it with.",
}
"""Verdict -> what is said of who is compared."""
TONES = {"fusion better": "good", "fusion worse": "bad"}
OF_NUMBERS = ("bias", "coverage", "spearman", "mae", "r2", "wape")
OF_ONE_CLASS = ("prevalence", "precision_at_prevalence", "roc_auc", "ece", "brier")
OF_CLASSES = ("accuracy", "macro_f1")
TILE_NOTES = {
    "bias": "of the total; 0 % is balanced",
    "spearman": "1 is the right order",
    "mae": "error of an average item",
    "prevalence": "what chance would hit",
    "precision_at_prevalence": "of the best-ranked are hot",
    "roc_auc": "0.5 is chance",
    "ece": "0 % is honest",
    "accuracy": "called by their right class",
    "macro_f1": "each class counts alike",
}
N_TILES = 5


@dataclass(frozen=True)
class Tile:
    """One big number: what it is, the number, a word beside it, and `bad` where it is far off."""

    label: str
    value: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Answer:
    """The headline of one head.

    Args:
        name: The head in words.
        tone: `good`, `bad` or `open`: which colour the verdict has.
        lead: The verdict in one short sentence.
        sentence: Fusion and best simple method in plain words.
        proof: On how many items, and the interval.
        tiles: Big numbers.
    """

    name: str
    tone: str
    lead: str
    sentence: str
    proof: str
    tiles: tuple[Tile, ...]


def head_answer(result: HeadResult) -> Answer:
    """The headline of one head, which never claims a win that the interval does not show."""
    evaluation = result.evaluation
    fusion, rival = fusion_score(evaluation), best_simple(evaluation)
    verdict = "" if rival is None else rival.verdict or "no clear difference"
    return Answer(
        name=result.title or in_words(evaluation.head),
        tone=TONES.get(verdict, "open"),
        lead=LEADS[verdict].format(who="fusion"),
        sentence=_sentence(result, fusion, rival),
        proof=proof(evaluation, rival),
        tiles=_tiles(result, fusion, rival),
    )


def in_words(name: str) -> str:
    """A registry name as a heading: `sales_volume` becomes `Sales volume`."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def fusion_score(evaluation: Evaluation) -> Score:
    """The fusion's own score; one without metrics where it is absent."""
    own = [score for score in evaluation.scores if score.kind == "fusion"]
    return own[0] if own else Score("fusion", "fusion", {})


def best_simple(evaluation: Evaluation) -> Score | None:
    """The best of the baselines and single modalities in the primary metric, if any is defined."""
    sign = 1.0 if evaluation.higher_is_better else -1.0
    simple = [
        score
        for score in evaluation.scores
        if score.kind in ("baseline", "alone") and math.isfinite(primary(evaluation, score))
    ]
    return max(simple, key=lambda score: sign * primary(evaluation, score), default=None)


def primary(evaluation: Evaluation, score: Score) -> float:
    """Value of the primary metric; nan where it is absent."""
    return score.metrics.get(evaluation.primary_metric, math.nan)


def _sentence(result: HeadResult, fusion: Score, rival: Score | None) -> str:
    evaluation = result.evaluation
    own = primary(evaluation, fusion)
    if not math.isfinite(own):
        label = metric_name(evaluation.primary_metric).label
        return f"{label} of the fusion could not be measured on these test items."
    other = None if rival is None else primary(evaluation, rival)
    start, verb = _opening(result, fusion, own, other)
    if rival is None or other is None:
        return f"{start}."
    values = _pair(evaluation.primary_metric, own, other)
    return f"{start}; the best simple method, {rival.name}, {verb} {values[1]}."


def _opening(result: HeadResult, fusion: Score, own: float, other: float | None) -> tuple[str, str]:
    """The first half of the sentence, and the verb of the second."""
    evaluation = result.evaluation
    metric = evaluation.primary_metric
    value = _pair(metric, own, other)[0]
    if metric == "wape":
        total = "all units sold" if result.in_units else f"the total of {evaluation.target}"
        return f"The fusion’s forecasts are off by {value} of {total} (WAPE)", "is off by"
    if metric == "r2" and min(own, other or 0.0) >= 0:
        start = f"The fusion explains {value} of the differences in {evaluation.target} (R²)"
        return start, "explains"
    if metric == "log_loss" and "accuracy" in fusion.metrics:
        right = percent(fusion.metrics["accuracy"], digits=0)
        start = f"The fusion calls {right} of the items by their right class (log loss {value})"
        return start, "has a log loss of"
    if metric == "pr_auc":
        chance = write("pr_auc", fusion.metrics.get("prevalence", math.nan))
        aside = "PR-AUC" if chance == DASH else f"PR-AUC; chance gives {chance}"
        return f"Ranking items, the fusion reaches {value} of 1 ({aside})", "reaches"
    return f"{metric_name(metric).label}: the fusion reaches {value}", "reaches"


def _pair(metric: str, own: float, other: float | None) -> tuple[str, str]:
    """Two values, with just enough digits to tell them apart."""
    second = math.nan if other is None else other
    if metric == "wape" or (metric == "r2" and min(own, other or 0.0) >= 0):
        digits = 1 if abs(own - second) < 0.02 or max(own, second) < 0.1 else 0
        return percent(own, digits=digits), percent(second, digits=digits)
    written = write(metric, own), write(metric, second)
    for digits in range(3, 8):
        if written[0] != written[1] or own == second:
            break
        written = f"{own:.{digits}g}", f"{second:.{digits}g}"
    return written


def proof(evaluation: Evaluation, rival: Score | None, *, who: str = "the fusion") -> str:
    """On how many items, by how much `who` is better than the rival, and the interval."""
    items = number_of(evaluation.n_test, "test item")
    if evaluation.n_groups < evaluation.n_test:
        items += f" in {number_of(evaluation.n_groups, 'group')}"
    if rival is None:
        return f"Measured on {items}."
    undefined = rival.verdict == "not defined"
    if undefined or rival.gain is None or rival.low is None or rival.high is None:
        return f"Measured on {items}; no interval was made."
    metric = evaluation.primary_metric
    interval = f"95{GAP}% interval {write_interval(metric, rival.low, rival.high)}"
    gain = write_gain(metric, rival.gain)
    if rival.verdict == "fusion better":
        return f"On {items} {who} is better by {gain.lstrip('+')} ({interval})."
    if rival.verdict == "fusion worse":
        loss = write_gain(metric, -rival.gain).lstrip("+")
        return f"On {items} {who} is worse by {loss} ({interval})."
    return f"On {items} the difference of {gain} cannot be told from chance ({interval})."


def _tiles(result: HeadResult, fusion: Score, rival: Score | None) -> tuple[Tile, ...]:
    evaluation = result.evaluation
    metric = evaluation.primary_metric
    label = metric_name(metric).label
    better = "higher" if evaluation.higher_is_better else "lower"
    tiles = [Tile(label, write(metric, primary(evaluation, fusion)), f"{better} is better")]
    if rival is not None:
        value = write(metric, primary(evaluation, rival))
        tiles.append(Tile("Best simple", value, f"{label} of {rival.name}"))
    for name in _tile_metrics(result, fusion):
        if name != metric:
            tiles.append(
                Tile(
                    metric_name(name).label,
                    write(name, fusion.metrics[name]),
                    _tile_note(result, name),
                )
            )
    count = Tile("Test items", number(evaluation.n_test), "never seen in training")
    return (*tiles[: N_TILES - 1], count)


def _tile_metrics(result: HeadResult, fusion: Score) -> list[str]:
    """Metrics of the fusion that suit what is asked, by name or by family."""
    wanted = OF_CLASSES if result.labels else OF_ONE_CLASS if result.positive else OF_NUMBERS
    return [
        name for each in wanted for name in fusion.metrics if name == each or family(name) == each
    ]


def _tile_note(result: HeadResult, name: str) -> str:
    levels = list(result.quantiles)
    if family(name) == "coverage" and len(levels) > 1:
        return f"{percent(levels[-1] - levels[0], digits=0)} is right"
    return TILE_NOTES.get(name, "")

"""From examples to a trained forecast: members asked forward in time, then fitted anew on all."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoders.series.known import known_mean
from encoders.series.levels import ADDED
from fusion.forecasting.blending import StageBlend, fit_blend
from fusion.forecasting.calibration import (
    MIN_ROWS,
    OutOfFoldPaths,
    PathCalibration,
    fit_calibration,
)
from fusion.forecasting.examples import STAGES, Examples, Ints
from fusion.forecasting.kept import DATES, KeptAnswers, drawn_by_date
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.time_folds import ASKED_SHARE, held_out_blocks
from fusion.members.view import Mask
from fusion.progress import Stage, say_once, silent, within
from heads.demand import LearnsBounds
from heads.sales_path import SalesPathHead
from heads.trend import HotRule

MOST_BLOCKS = 3
"""Blocks of these dates: before each of them members learn anew."""
MANY_EXAMPLES = 100_000
"""From so many examples on there is a block less: a fifth of the time, and no better for it."""
HALF_LIFE = {"day": 91, "week": 13, "month": 3}
"""Periods after which an example counts half."""
MakeMembers = Callable[[], Mapping[str, ForecastMember]]


def fit_forecast(
    examples: Examples,
    make: MakeMembers,
    *,
    levels: Sequence[float],
    seed: int,
    kind: type[SalesPathHead] = SalesPathHead,
    stage: Stage = silent,
) -> tuple[ForecastModel, KeptAnswers | None]:
    """Trains members, finds how much each counts and how wide ranges must be.

    Members answer the latest fifth of the dates in up to three blocks, each after they have learned
    from what was known before its first date: no period is learned from and asked about. These
    answers give blend weights and calibration. Then the members that count learn anew from all
    examples. Two things are found once, on all examples, as they say little of what is asked: the
    level of items without a history, one number, and how content is encoded.

    Why blocks: a forecast is asked soon after it has learned. Of members that learned long ago
    those look best that learn least.

    Args:
        examples: Every question that could have been asked, see `past_examples`.
        make: Makes the members, by name, that have learned nothing.
        levels: Quantile levels that are asked for.
        seed: The same seed gives the same forecast.
        kind: The head that answers, one of `FORECAST_HEADS`.
        stage: Opens progress bars.

    Returns:
        The forecast, and some of the answers out of fold; None where there are none.
    """
    examples = replace(examples, new_level=new_level(examples))
    head = kind.fitted(examples.paths(), levels=levels)
    _tell_unread_bounds(head, examples, make())
    fitting = _Fitting(make, head, seed, stage)
    found = _out_of_fold(examples, fitting)
    if found is None:
        say_once(
            "The sales are too short to hold dates out: all members count alike, and ranges are as "
            "they were learned."
        )
        names = list(make())
        alike = dict.fromkeys(names, 1.0 / len(names))
        blend = StageBlend({name: alike for name in STAGES})
        calibration, out_of_fold = PathCalibration.none(head), None
    else:
        asked, every = found
        training, stages = training_of(asked), asked.stages()
        blend = fit_blend(
            head, training, every.answers, knows=every.knows, stages=stages, seed=seed
        )
        calibration = fit_calibration(head, out_of_fold_paths(blend, asked, training, every))
        _tell_few_launches(training, stages)
        unit = examples.windows.calendar.unit
        late = np.flatnonzero(asked.as_of >= examples.until - examples.horizon - DATES[unit])
        drawn = drawn_by_date(asked.as_of[late], stages[late], seed=seed)
        out_of_fold = every.of_members(blend.asked).take(late[drawn])
    model = ForecastModel(
        head,
        members=fitting.members(examples, "all dates", asked=blend.asked),
        blend=blend,
        calibration=calibration,
        new_level=examples.new_level,
        hot=None if examples.panel.quantity == "price" else hot_rule(examples),
    )
    return model, out_of_fold


def _tell_unread_bounds(
    head: SalesPathHead, examples: Examples, members: Mapping[str, ForecastMember]
) -> None:
    if not isinstance(head, LearnsBounds) or any(one.reads_bounds for one in members.values()):
        return
    if examples.bounds() is not None:
        say_once(
            f"Members {', '.join(members)} leave out periods that sold out: where these were the "
            "best ones, demand is answered too low. Take network among the members: it reads them."
        )


def _tell_few_launches(training: PathTraining, stages: Ints) -> None:
    """Says on how many answers ranges of new items rest, where these are few and some."""
    is_known = ~np.isnan(training.targets).all(axis=1)
    n = int((is_known & (stages == STAGES.index("new"))).sum())
    if 0 < n < MIN_ROWS:
        say_once(
            f"Ranges of new items rest on {n} launches at past dates, fewer than {MIN_ROWS}: they "
            "are so wide that they hold these."
        )


def out_of_fold_paths(
    blend: StageBlend, asked: Examples, training: PathTraining, every: KeptAnswers
) -> OutOfFoldPaths:
    """Joined answers out of fold, of the examples that any member says anything of.

    Args:
        blend: How much each member counts.
        asked: The examples that were answered, `n` of them.
        training: Targets and weights of these.
        every: What members that did not learn from them answered, of all that the blend asks.
    """
    stages = asked.stages()
    answers = every.of_members(blend.asked)
    blended = blend.blend(answers.answers, answers.knows, stages)
    said = np.flatnonzero(np.any(list(every.knows.values()), axis=0))
    return OutOfFoldPaths(blended, training, asked.levels(), stages, asked.as_of).take(said)


@dataclass(frozen=True)
class _Fitting:
    """How members are fitted, several times over."""

    make: MakeMembers
    head: SalesPathHead
    seed: int
    stage: Stage

    def members(
        self, examples: Examples, where: str, *, asked: Collection[str] | None = None
    ) -> Mapping[str, ForecastMember]:
        """New members that have learned from examples.

        Args:
            examples: What they learn from.
            where: What these are called in progress bars.
            asked: Names of those that are wanted (default: all).
        """
        training = training_of(examples)
        made = self.make()
        members = {name: made[name] for name in (made if asked is None else asked)}
        for member in members.values():
            member.fit(
                examples,
                head=self.head,
                training=training,
                seed=self.seed,
                stage=within(self.stage, where),
            )
        return members


def _out_of_fold(examples: Examples, fitting: _Fitting) -> tuple[Examples, KeptAnswers] | None:
    """Examples of the latest dates, and what members that did not learn from them answer and know.

    None where the sales are too short for it.
    """
    most = max(1, MOST_BLOCKS - (len(examples) >= MANY_EXAMPLES))
    blocks = held_out_blocks(examples, share=ASKED_SHARE, most=most)
    answers: dict[str, list[Paths]] = {}
    knows: dict[str, list[Mask]] = {}
    for place, rows in enumerate(blocks):
        first = int(examples.as_of[rows].min())
        early = replace(examples.take(np.flatnonzero(examples.as_of < first)), until=first)
        members = fitting.members(early, f"dates held out {place + 1} of {len(blocks)}")
        for name, member in members.items():
            asked = examples.take(rows)
            answers.setdefault(name, []).append(member.raw(asked))
            knows.setdefault(name, []).append(member.knows(asked))
    if not blocks:
        return None
    asked = examples.take(np.concatenate(blocks))
    out_of_fold = KeptAnswers(
        asked.windows.series,
        asked.as_of,
        {name: np.concatenate(parts) for name, parts in answers.items()},
        {name: np.concatenate(parts) for name, parts in knows.items()},
    )
    return asked, out_of_fold


def new_level(examples: Examples) -> float:
    """Level of items without a history: the median over launches of their mean step, and 1.

    Of prices: the median of the means of the steps that are known.
    """
    launches = examples.take(np.flatnonzero(examples.stages() == 0))
    targets = launches.targets()
    if examples.panel.quantity == "price":
        means = known_mean(targets)
    else:
        means = targets.mean(axis=1)
    known = means[~np.isnan(means)]
    added = ADDED[examples.windows.measure]
    return float(np.median(np.maximum(known, 0.0))) + added if len(known) else 1.0


def hot_rule(examples: Examples) -> HotRule:
    """Hot is what sells as much in a window as the top quarter of past windows in which any sold.

    Windows of which nothing was sold say nothing of what a good seller is.
    """
    totals = examples.targets().sum(axis=1)
    sold = totals[totals > 0]  # unknown ones are not
    return HotRule.fitted(sold) if len(sold) else HotRule(1.0)


def training_of(examples: Examples) -> PathTraining:
    """Targets of examples, and how much each counts: its level, halved with every quarter of age.

    Examples without a history are few, and how items begin changes slowly: they do not age. Those
    of which no step is known, nor a bound, count nothing.
    """
    targets, at_least = examples.paths(), examples.bounds()
    is_told = ~np.isnan(targets).all(axis=1)
    if at_least is not None:
        is_told |= ~np.isnan(at_least).all(axis=1)
    age = (examples.as_of.max(initial=0) - examples.as_of) * (examples.stages() > 0)
    recent = 0.5 ** (age / HALF_LIFE[examples.windows.calendar.unit])
    weight = examples.levels() * recent * is_told
    weight = weight / (weight.mean() or 1.0) if len(weight) else weight
    return PathTraining(targets, weight, at_least)

"""From examples to a trained forecast: members asked forward in time, then fitted anew on all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fusion.forecasting.blending import Answers, StageBlend, fit_blend
from fusion.forecasting.calibration import HeldOut, PathCalibration, fit_calibration
from fusion.forecasting.examples import STAGES, Examples, Floats, Ints
from fusion.forecasting.members.base import ForecastMember, Paths, PathTraining
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.time_folds import latest_origins
from fusion.progress import Stage, say_once, silent
from heads.sales_path import SalesPathHead

ASKED_SHARE = 0.2
"""Share of the dates, the latest, on which members are asked before they learn from them."""
HALF_LIFE = {"day": 91, "week": 13, "month": 3}
"""Periods after which an example counts half."""
MakeMembers = Callable[[], Mapping[str, ForecastMember]]


@dataclass(frozen=True)
class FittedForecast:
    """A trained forecast, and what it answered out of fold.

    Args:
        model: The forecast.
        asked: Positions of the examples that were asked before they were learned from.
        blended: Joined answers to them, `[n_asked, horizon + 1, raw_dim]`, not calibrated.
    """

    model: ForecastModel
    asked: Ints
    blended: Paths


def fit_forecast(
    examples: Examples,
    make: MakeMembers,
    *,
    levels: Sequence[float],
    seed: int,
    stage: Stage = silent,
) -> FittedForecast:
    """Trains members, finds how much each counts and how wide ranges must be.

    Members first learn from what was known before the latest fifth of the dates, and answer these:
    no period is learned from and asked about. These answers give blend
    weights and calibration. Then all members learn anew from all examples.

    Args:
        examples: Every question that could have been asked, see `past_examples`.
        make: Makes the members, by name, that have learned nothing.
        levels: Quantile levels that are asked for.
        seed: The same seed gives the same forecast.
        stage: Opens progress bars.
    """
    _, asked = latest_origins(examples, ASKED_SHARE)
    examples = replace(examples, new_level=new_level(examples))
    head = SalesPathHead.fitted(examples.paths(), levels=levels)
    if len(asked):
        first = int(examples.as_of[asked].min())
        early = replace(examples.take(np.flatnonzero(examples.as_of < first)), until=first)
        answers, knows = _answers(make(), early, examples.take(asked), head, seed, stage)
    else:
        answers, knows = {}, {}
        say_once(
            "The sales are too short to hold dates out: all members count alike, and ranges are as "
            "they were learned."
        )
    members = _fitted(make(), examples, head, seed, stage)
    later = examples.take(asked)
    training, stages = training_of(later), later.stages()
    if not answers:
        alike = dict.fromkeys(members, 1.0 / len(members))
        blend = StageBlend({name: alike for name in STAGES})
        calibration = PathCalibration.none(head)
        blended = np.zeros((0, examples.horizon + 1, head.raw_dim))
    else:
        blend = fit_blend(head, training, answers, knows=knows, stages=stages, seed=seed)
        blended = blend.blend(answers, knows, stages)
        held_out = HeldOut(blended, training, later.levels(), stages, later.as_of)
        calibration = fit_calibration(head, held_out)
    model = ForecastModel(
        head,
        members={name: members[name] for name in blend.asked},
        blend=blend,
        calibration=calibration,
        new_level=examples.new_level,
    )
    return FittedForecast(model, asked, blended)


def new_level(examples: Examples) -> float:
    """Level of items without a history: the median over launches of their mean step, and 1."""
    launches = examples.take(np.flatnonzero(examples.stages() == 0))
    means = launches.targets().mean(axis=1)
    known = means[~np.isnan(means)]
    return float(np.median(np.maximum(known, 0.0))) + 1.0 if len(known) else 1.0


def training_of(examples: Examples) -> PathTraining:
    """Targets of examples, and how much each counts: its level, halved with every quarter of age.

    Examples of which no step is known count nothing.
    """
    targets = examples.paths()
    age = examples.as_of.max(initial=0) - examples.as_of
    recent = 0.5 ** (age / HALF_LIFE[examples.windows.calendar.unit])
    weight = examples.levels() * recent * ~np.isnan(targets).all(axis=1)
    return PathTraining(targets, weight / (weight.mean() or 1.0) if len(weight) else weight)


def _fitted(
    members: Mapping[str, ForecastMember],
    examples: Examples,
    head: SalesPathHead,
    seed: int,
    stage: Stage,
) -> Mapping[str, ForecastMember]:
    training = training_of(examples)
    for member in members.values():
        member.fit(examples, head=head, training=training, seed=seed, stage=stage)
    return members


def _answers(
    members: Mapping[str, ForecastMember],
    early: Examples,
    asked: Examples,
    head: SalesPathHead,
    seed: int,
    stage: Stage,
) -> tuple[Answers, Mapping[str, Floats]]:
    """What members that learned from earlier examples answer to later ones, and what they know."""
    fitted = _fitted(members, early, head, seed, stage)
    answers = {name: member.raw(asked) for name, member in fitted.items()}
    return answers, {name: member.knows(asked) for name, member in fitted.items()}

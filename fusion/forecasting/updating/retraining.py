"""Members that learn from the periods that came since, where that is asked for."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fusion.forecasting.examples import Examples, past_examples
from fusion.forecasting.fit import HALF_LIFE, training_of
from fusion.forecasting.kept import Kept
from fusion.forecasting.members.base import ForecastMember, TrainsFurther
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.trained import latest_examples
from fusion.progress import Stage, silent, within

HALF_LIVES = 2
"""What goes on learning reads the dates of so many half-lives, see `HALF_LIFE`."""


def learned_members(
    model: ForecastModel, kept: Kept, *, until: int, stage: Stage = silent
) -> dict[str, ForecastMember]:
    """Members that know all before a period: networks go on, all others are fitted anew.

    Args:
        model: Its members stay as they are.
        kept: Sales and content.
        until: Period from which on nothing is known.
        stage: Opens progress bars.
    """
    examples = _examples(model, kept, until)
    latest = until - HALF_LIVES * HALF_LIFE[kept.panel.frequency.unit]
    late = examples.take(np.flatnonzero(examples.as_of >= latest))
    named = within(stage, f"until {kept.panel.frequency.first_day(until)}")
    found: dict[str, ForecastMember] = {}
    for name, member in model.members.items():
        if isinstance(member, TrainsFurther):
            found[name] = member.trained_further(
                late, training=training_of(late), seed=kept.seed, stage=named
            )
            continue
        found[name] = unfitted(member)
        found[name].fit(
            examples,
            head=model.head,
            training=training_of(examples),
            seed=kept.seed,
            stage=named,
        )
    return found


def with_members(model: ForecastModel, members: Mapping[str, ForecastMember]) -> ForecastModel:
    """The same forecast by other members of the same names."""
    return ForecastModel(
        model.head,
        members=members,
        blend=model.blend,
        calibration=model.calibration,
        new_level=model.new_level,
        hot=model.hot,
    )


def unfitted(member: ForecastMember) -> ForecastMember:
    """A member of the same options that has learned nothing."""
    options = {k: v for k, v in member.config.items() if k not in member.set_by_fit}
    return type(member)(**options)


def _examples(model: ForecastModel, kept: Kept, until: int) -> Examples:
    examples = latest_examples(past_examples(kept.panel, horizon=model.head.horizon, until=until))
    return kept.with_content(replace(examples, new_level=model.new_level))

"""The latest dates at which members were asked before they learned from them, and what came."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from fusion.data.panel.items import series_names
from fusion.data.panel.panel import Panel
from fusion.forecasting.examples import Examples, Floats, Ints, examples_at, past_examples
from fusion.forecasting.fit import training_of
from fusion.forecasting.kept import (
    DATES,
    MOST_KEPT,
    Kept,
    KeptAnswers,
    drawn_by_date,
    joined_answers,
)
from fusion.forecasting.members.base import ForecastMember, PathTraining
from fusion.forecasting.model import ForecastModel
from heads.sales_distribution import SalesDistribution


@dataclass(frozen=True, eq=False)
class Pool:
    """Answers out of fold, with what was known of each example and what came.

    Args:
        examples: What was asked, `n` of them.
        out_of_fold: What members answered that had not learned from them.
    """

    examples: Examples
    out_of_fold: KeptAnswers

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.out_of_fold)

    def take(self, rows: Ints) -> "Pool":
        """Some of the examples, in the given order."""
        return Pool(self.examples.take(rows), self.out_of_fold.take(rows))

    def periods(self) -> Ints:
        """Number of the period of each step, `[n, horizon]`."""
        return self.examples.as_of[:, None] + np.arange(self.examples.horizon)

    def training(self, begin: int, end: int) -> PathTraining:
        """Targets and weights, as if nothing were known of periods from `begin` to before `end`."""
        training = training_of(self.examples)
        steps = self.periods()
        hidden = (steps >= begin) & (steps < end)
        hidden = np.column_stack([hidden, hidden.any(axis=1)])
        targets = np.where(hidden, np.nan, training.targets)
        bounds = training.at_least
        if bounds is not None:
            bounds = np.where(hidden, np.nan, bounds)
        return PathTraining(targets, training.weight, bounds)

    def sold_within(self, begin: int, end: int) -> Floats:
        """Units `[n, horizon]` of the steps in some periods; NaN of others and where unknown."""
        steps = self.periods()
        return np.where((steps >= begin) & (steps < end), self.examples.targets(), np.nan)

    def answered(self, model: ForecastModel) -> SalesDistribution:
        """What a forecast of these members says, by the answers that they gave."""
        stages = self.examples.stages()
        raw = model.joined(self.out_of_fold.answers, self.out_of_fold.knows, stages)
        return model.head.distribution(raw, self.examples.levels(), stages=stages)


def grown_pool(model: ForecastModel, kept: Kept) -> Pool | None:
    """The kept answers with those of the dates that came since, asked now.

    Why now: members have not learned from these dates, so it is as if they had been asked then.

    Args:
        model: Its members are asked about dates that no answer is kept of.
        kept: Sales with the new periods, and answers so far.

    Returns:
        None where no example can be asked and none is kept.
    """
    panel, horizon = kept.panel, model.head.horizon
    n_dates = DATES[panel.frequency.unit] + horizon
    since = panel.end - n_dates
    parts = [] if kept.out_of_fold is None else [kept.out_of_fold]
    asked = [int(one.as_of.max()) + 1 for one in parts if len(one)]
    fresh = past_examples(panel, horizon=horizon, until=panel.end)
    fresh = fresh.take(np.flatnonzero(fresh.as_of >= max([kept.learned_until, since, *asked])))
    fresh = kept.with_content(replace(fresh, new_level=model.new_level))
    most = MOST_KEPT * len(np.unique(fresh.as_of)) // n_dates
    drawn = drawn_by_date(fresh.as_of, fresh.stages(), seed=kept.seed, most=most)
    if len(drawn):
        parts.append(answers_now(model.members, fresh.take(drawn)))
    if not parts:
        return None
    every = joined_answers([one.of_members(model.members) for one in parts])
    every = every.take(np.flatnonzero(every.as_of >= min(since, int(every.as_of.max()))))
    pool = pool_of(every, kept, new_level=model.new_level, horizon=horizon)
    rows = drawn_by_date(every.as_of, pool.examples.stages(), seed=kept.seed)
    return pool.take(rows)


def pool_of(out_of_fold: KeptAnswers, kept: Kept, *, new_level: float, horizon: int) -> Pool:
    """Kept answers with the examples that they are of."""
    examples = examples_at(kept.panel, out_of_fold.series, out_of_fold.as_of, horizon=horizon)
    return Pool(kept.with_content(replace(examples, new_level=new_level)), out_of_fold)


def answers_now(members: Mapping[str, ForecastMember], examples: Examples) -> KeptAnswers:
    """What members answer to examples now."""
    return KeptAnswers(
        examples.windows.series,
        examples.as_of,
        {name: member.raw(examples) for name, member in members.items()},
        {name: member.knows(examples) for name, member in members.items()},
    )


def moved_answers(
    out_of_fold: KeptAnswers | None, before: Panel, after: Panel
) -> KeptAnswers | None:
    """The same answers by the positions of series in a panel that has more of them."""
    if out_of_fold is None:
        return None
    place = {name: row for row, name in enumerate(series_names(after))}
    rows = np.array([place.get(name, -1) for name in series_names(before)], dtype=np.int64)
    left = out_of_fold.take(np.flatnonzero(rows[out_of_fold.series] >= 0))
    return replace(left, series=rows[left.series])

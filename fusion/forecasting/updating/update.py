"""A forecast brought up to date: histories, then blend and ranges, then members if asked for.

The way of an update: `grown_histories` reads the rows of new periods; `grown_pool` asks the members
about the dates that came, of which they have not learned; `recalibrated` joins and corrects them
anew. Members learn only where that is asked for. What would forecast worse than before is not
taken: ranges stay as they were, and members that learned anew are refused.
"""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from encoders.series.levels import LEVEL_PERIODS
from fusion.data.panel.panel import Panel, ragged
from fusion.data.problems import shown
from fusion.errors import CatalogueError
from fusion.forecasting.backtest.origins import measured_levels
from fusion.forecasting.drift.of_forecast import reference_of, watch_kept, with_reference
from fusion.forecasting.drift.readings import DriftReport
from fusion.forecasting.examples import past_examples
from fusion.forecasting.fit import hot_rule
from fusion.forecasting.kept import Kept, drawn_by_date, joined_answers
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.pool import Pool, answers_now, grown_pool, pool_of
from fusion.forecasting.trained import TrainedForecast, kept_of
from fusion.forecasting.updating.histories import NewRows, grown_histories
from fusion.forecasting.updating.recalibration import recalibrated
from fusion.forecasting.updating.retraining import learned_members, with_members
from fusion.forecasting.updating.step_back import (
    Comparison,
    Scored,
    compared,
    scored_periods,
)
from fusion.members.view import Mask
from fusion.progress import Stage, silent

How = Literal["recalibrate", "retrain"]
"""What is found anew: blend and ranges, or the members too."""
HOWS: tuple[How, ...] = ("recalibrate", "retrain")
USUAL_SHARE = 0.8
"""Of the items that usually have a row: with fewer an update asks whether the table is whole."""
MOST_FOLDS = 4
"""Parts of the new periods, each of which is once unknown to what is compared on it."""


@dataclass(frozen=True, eq=False)
class Updated:
    """A forecast that was brought up to date, and what is worth knowing of it.

    Args:
        trained: The forecast.
        first_day: Of the first new period.
        last_day: Last day of the last one.
        n_periods: New periods.
        n_rows: Values of items (and shops) in these periods that have a row.
        n_new_items: Items that were not known.
        n_told_items: Items that sold in the last 8 periods before, and have a row in the new ones.
        n_usual_items: Of these items, how many had a row in that of the 8 periods that had fewest.
        silent_items: Ids of items that sold then, and have no row in the new ones.
        comparison: How good the old forecast and one with everything found anew are on the same
            steps; None where no step can be compared.
        ranges_stay: Whether blend and ranges stay as they were, see `ranges_note`.
        pool: Answers out of fold to the latest dates, by which it was found; None where none are.
        drift: Whether what came since the reference is still as what was learned from.
    """

    trained: TrainedForecast
    first_day: str
    last_day: str
    n_periods: int
    n_rows: int
    n_new_items: int
    n_told_items: int
    n_usual_items: int
    silent_items: tuple[str, ...]
    comparison: Comparison | None
    ranges_stay: bool
    pool: Pool | None
    drift: DriftReport

    @property
    def right_coverage(self) -> float:
        """Share of sales between the lowest and the highest level that is told, if all is well."""
        levels = measured_levels(tuple(self.trained.model.head.levels))
        return levels[-1] - levels[0]

    @property
    def silent_note(self) -> str:
        """That rows seem to be missing, and of which items; empty where as many came as usually."""
        if self.n_told_items >= USUAL_SHARE * self.n_usual_items:
            return ""
        first, n = ", ".join(map(shown, self.silent_items[:3])), len(self.silent_items)
        return (
            f"{n:,} of {n + self.n_told_items:,} items that sold lately have no row in the new "
            f"periods, such as {first}; {self.n_usual_items:,} or more had one in each period "
            "before. Their units count as 0: is the table whole?"
        )

    @property
    def ranges_note(self) -> str:
        """Why blend and ranges stay as they were; empty where they were found anew."""
        if not self.ranges_stay:
            return ""
        if self.comparison is not None and self.comparison.is_step_back:
            return "blend and ranges stay as they were: those found anew are worse"
        return "blend and ranges stay as they were: too little is known to find them anew"


def update_forecast(
    trained: TrainedForecast, rows: NewRows, *, how: How = "recalibrate", stage: Stage = silent
) -> Updated:
    """A forecast that knows the periods that came.

    Args:
        trained: It stays as it is.
        rows: What came.
        how: Whether members learn anew too.
        stage: Opens progress bars.

    Raises:
        CatalogueError: If rows do not go on where the histories end, members that learned anew
            are worse beyond doubt on the latest known periods, or the forecast keeps no reference
            for drift.
    """
    before = kept_of(trained)
    reference_of(trained)
    kept = grown_histories(trained, rows, stage=stage)
    with stage("asking the latest dates", 1, "forecast") as work:
        pool = grown_pool(trained.model, kept)
        work(1)
    renew = {"recalibrate": _recalibrated, "retrain": _retrained}[how]
    found = renew(_Begun(trained.model, kept, pool, before.panel.end), stage)
    n_new = kept.panel.end - before.panel.end
    sold = set().union(*_items_by_period(before.panel, before.panel.units > 0, LEVEL_PERIODS))
    told = set().union(*_items_by_period(kept.panel, kept.panel.given, n_new))
    lately = _items_by_period(before.panel, before.panel.given, LEVEL_PERIODS)
    reported = before.panel.reported[::-1]
    usual = [len(sold & one) for one, there in zip(lately, reported, strict=False) if there]
    panel, updated = kept.panel, replace(trained, model=found.model, kept=found.kept)
    return Updated(
        updated if how == "recalibrate" else with_reference(updated, found.kept),
        str(panel.frequency.first_day(before.panel.end)),
        str(panel.frequency.last_day(panel.end - 1)),
        n_periods=n_new,
        n_rows=int(panel.given[panel.places() >= len(before.panel.reported)].sum()),
        n_new_items=len(set(panel.ids) - set(before.panel.ids)),
        n_told_items=len(sold & told),
        n_usual_items=min(usual, default=0),
        silent_items=tuple(sorted(sold - told)),
        comparison=found.comparison,
        ranges_stay=found.ranges_stay,
        pool=found.pool,
        drift=watch_kept(trained, kept, pool),
    )


def _items_by_period(panel: Panel, values: Mask, n_periods: int) -> list[set[str]]:
    """Items of which a value is True in each of the last periods, the latest first."""
    _, series = ragged(np.diff(panel.offsets))
    back = len(panel.reported) - 1 - panel.places()
    found: list[set[str]] = [set() for _ in range(n_periods)]
    late = np.flatnonzero(values & (back < n_periods))
    for row, nth in zip(series[late].tolist(), back[late].tolist(), strict=True):
        found[nth].add(panel.ids[row])
    return found


@dataclass(frozen=True, eq=False)
class _Begun:
    """An update of which the histories are done.

    Args:
        model: The old forecast.
        kept: Sales with the new periods.
        pool: What its members answered out of fold; None where nothing.
        begin: The first new period.
    """

    model: ForecastModel
    kept: Kept
    pool: Pool | None
    begin: int


@dataclass(frozen=True, eq=False)
class _Renewed:
    """What an update found: a forecast, what it keeps, its answers out of fold."""

    model: ForecastModel
    kept: Kept
    pool: Pool | None
    comparison: Comparison | None
    ranges_stay: bool


def _recalibrated(begun: _Begun, stage: Stage) -> _Renewed:
    """The same members, joined and corrected anew; compared on periods that neither has read.

    Blend and ranges stay where those found anew are worse: histories go on all the same.
    """
    old, pool, end = begun.model, begun.pool, begun.kept.panel.end
    if pool is None:
        return _Renewed(old, begun.kept, None, None, ranges_stay=True)
    seed = begun.kept.seed
    folds = np.array_split(np.arange(begun.begin, end), min(MOST_FOLDS, end - begun.begin))
    scored = []
    with stage("finding ranges anew", len(folds) + 1, "fits") as work:
        for fold in folds:
            without = int(fold[0]), int(fold[-1]) + 1
            tried = recalibrated(old, pool, seed=seed, without=without)
            scored.append(scored_periods(pool, old, tried, *without))
            work(1)
        new = recalibrated(old, pool, seed=seed)
        work(1)
    comparison = compared(scored, old.head.levels)
    stays = comparison is not None and comparison.is_step_back
    kept = replace(begun.kept, out_of_fold=pool.out_of_fold)
    return _Renewed(old if stays else new, kept, pool, comparison, ranges_stay=stays)


def _retrained(begun: _Begun, stage: Stage) -> _Renewed:
    """Members that have learned from all periods, joined and corrected by answers before that.

    Where enough periods came, members first learn up to a horizon before the end: what they then
    answer is out of fold, and is compared with what the old ones do. Else both are compared on the
    last periods that both have learned from.
    """
    old, kept, horizon = begun.model, begun.kept, begun.model.head.horizon
    end, cut = kept.panel.end, max(kept.learned_until, kept.panel.end - horizon)
    pool, comparison = begun.pool, None
    if pool is not None and cut > kept.learned_until:
        early = with_members(old, learned_members(old, kept, until=cut, stage=stage))
        pool, comparison = _with_late(begun, early, cut)
    new = with_members(old, learned_members(old, kept, until=end, stage=stage))
    if pool is not None:
        new = recalibrated(new, pool, seed=kept.seed)
    if comparison is None:
        comparison = _compared_alike(old, new, kept)
    _refuse_step_back(comparison)
    learned = past_examples(kept.panel, horizon=horizon, until=end)
    new.hot = hot_rule(learned)
    kept = replace(
        kept,
        learned_until=end,
        out_of_fold=None if pool is None else pool.out_of_fold,
    )
    return _Renewed(new, kept, pool, comparison, ranges_stay=pool is None)


def _with_late(begun: _Begun, early: ForecastModel, cut: int) -> tuple[Pool, Comparison | None]:
    """Answers out of fold of members that learned until a period, and how good they are from it on.

    Both forecasts are joined and corrected without these periods.
    """
    assert begun.pool is not None
    pool, kept, end = begun.pool, begun.kept, begun.kept.panel.end
    is_late = pool.out_of_fold.as_of >= cut
    before, late = pool.take(np.flatnonzero(~is_late)), pool.take(np.flatnonzero(is_late))
    if not len(late):
        return pool, None
    parts = [before.out_of_fold, answers_now(early.members, late.examples)]
    answered = pool_of(
        joined_answers(parts), kept, new_level=early.new_level, horizon=early.head.horizon
    )
    asked = np.arange(len(before), len(answered))
    old = recalibrated(begun.model, pool, seed=kept.seed, without=(cut, end))
    new = recalibrated(early, answered, seed=kept.seed, without=(cut, end))
    some = answered.take(asked)
    scored = Scored(some, some.sold_within(cut, end), late.answered(old), some.answered(new))
    return answered, compared([scored], old.head.levels)


def _compared_alike(old: ForecastModel, new: ForecastModel, kept: Kept) -> Comparison | None:
    """Both on the last dates that both have learned from."""
    horizon, until = old.head.horizon, kept.learned_until
    examples = past_examples(kept.panel, horizon=horizon, until=until)
    examples = examples.take(np.flatnonzero(examples.as_of >= until - horizon))
    rows = drawn_by_date(examples.as_of, examples.stages(), seed=kept.seed)
    asked = kept.with_content(replace(examples.take(rows), new_level=old.new_level))
    pool = Pool(asked, answers_now({}, asked))
    both = old.distribution(asked), new.distribution(asked)
    found = compared([Scored(pool, asked.targets(), *both)], old.head.levels)
    return None if found is None else replace(found, is_learned=True)


def _refuse_step_back(comparison: Comparison | None) -> None:
    if comparison is not None and comparison.is_step_back:
        raise CatalogueError(
            "the retrained forecast must be no worse than the old one on the latest known periods, "
            f"got {comparison.text}. The old forecast stays. Look at the new rows for errors. If "
            "they are right, update without retraining, or train anew on the whole table."
        )

"""Pooled trees: they learn from all items, see what is known ahead of a step, and stop in time."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.data.panel.frequency import Frequency
from fusion.forecasting.examples import past_examples
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.example import HORIZON, example_content, example_panel
from fusion.forecasting.members.trees import TreesPathMember
from heads.sales_path import SalesPathHead


def promoted_panel():
    """Units of 5, and of 15 in weeks whose price, known ahead, is low."""
    panel = example_panel()
    units = np.where(panel.columns["price"] < 8.0, 15.0, 5.0).astype(np.float32)
    return replace(panel, units=units)


def fitted(panel, content=None, **options):
    examples = past_examples(panel, horizon=HORIZON, until=panel.end)
    if content is not None:
        rows = np.arange(panel.n_series)
        examples = replace(examples, content=content, content_rows=rows, new_level=16.0)
    targets, levels = examples.paths(), examples.levels()
    head = SalesPathHead.fitted(targets, levels=(0.1, 0.5, 0.9))
    member = TreesPathMember(**{"n_leaves": 8, "max_trees": 150, **options})
    training = PathTraining(targets, levels / levels.mean())
    member.fit(examples, head=head, training=training, seed=0)
    return member, examples, head


def medians(member, examples, head):
    """Units in each step by the median."""
    raw = member.raw(examples)[:, :-1, 1 + head.middle]
    return raw * examples.levels()[:, None]


@pytest.fixture(scope="module")
def promoted():
    return fitted(promoted_panel())


def test_a_price_known_ahead_moves_the_step_that_it_is_of(promoted):
    member, examples, head = promoted
    rows = np.flatnonzero(examples.windows.lengths >= 12)
    some = examples.take(rows)
    answers, wanted = medians(member, some, head), some.targets()
    known = ~np.isnan(wanted)
    assert np.abs(answers - wanted)[known].mean() < 2.0
    assert (answers[wanted > 10.0].mean()) > 2.0 * answers[wanted < 10.0].mean()


def test_the_weekday_of_a_step_moves_it_alone():
    panel = example_panel()
    series = np.repeat(np.arange(panel.n_series), np.diff(panel.offsets))
    day = panel.first[series] + np.arange(len(series)) - panel.offsets[series]
    units = np.where(day % 7 == 2, 30.0, 3.0).astype(np.float32)
    panel = replace(panel, frequency=Frequency("day"), units=units)
    member, examples, head = fitted(panel)
    examples = examples.take(np.flatnonzero(examples.stages() == 2))
    answers, wanted = medians(member, examples, head), examples.targets()
    known = ~np.isnan(wanted)
    assert np.abs(answers - wanted)[known].mean() < 2.7  # 3.4 without the weekday


def test_a_vector_that_decides_the_level_of_new_items_is_learned():
    content = example_content(120)
    vectors = content.blocks["text"].values
    present = {name: np.ones(120, dtype=bool) for name in content.present}
    content = replace(content, present=present)
    panel = example_panel(n_series=120)
    series = np.repeat(np.arange(120), np.diff(panel.offsets))
    units = np.where(vectors[series, 0] > 0, 30.0, 3.0).astype(np.float32)
    member, examples, head = fitted(replace(panel, units=units), content, n_leaves=15)
    new = examples.take(np.flatnonzero(examples.stages() == 0))
    answers = medians(member, new, head).mean(axis=1)
    is_large = vectors[new.windows.series, 0] > 0
    assert answers[is_large].mean() > 2.0 * answers[~is_large].mean()


def test_few_dates_still_make_trees():
    panel = example_panel()
    examples = past_examples(panel, horizon=HORIZON, until=panel.start + 3)
    targets, levels = examples.paths(), examples.levels()
    head = SalesPathHead.fitted(targets)
    member = TreesPathMember.tiny()
    training = PathTraining(targets, levels / levels.mean())
    member.fit(examples, head=head, training=training, seed=0)
    assert np.isfinite(member.raw(examples)).all()


def test_unlike_columns_known_ahead_are_refused(promoted):
    member, examples, _ = promoted
    windows = replace(examples.windows, known=frozenset())
    with pytest.raises(ValueError, match="price must be known ahead"):
        member.raw(replace(examples, windows=windows))


def test_what_another_wrote_is_checked(promoted):
    member, _, head = promoted
    state = member.state()
    other = TreesPathMember(**member.config)
    with pytest.raises(ValueError, match=r"state must hold steps\.txt and window\.txt"):
        other.load_state({k: v for k, v in state.items() if k != "steps.txt"}, head=head)
    with pytest.raises(ValueError, match="nothing else, got left_over"):
        other.load_state({**state, "left_over.txt": b""}, head=head)
    with pytest.raises(ValueError, match="features must be given"):
        TreesPathMember().load_state(state, head=head)


@pytest.mark.parametrize("options", [{"n_leaves": 1}, {"max_trees": 0}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        TreesPathMember(**options)

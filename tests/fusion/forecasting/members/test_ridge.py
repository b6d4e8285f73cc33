"""The pooled ridge: what it learns, in parts as at once, and how sure it is of few examples."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.forecasting.examples import past_examples
from fusion.forecasting.members import ridge_design
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.example import HORIZON, example_content, example_panel
from fusion.forecasting.members.ridge import RidgePathMember
from fusion.forecasting.members.ridge_design import Sums
from heads.sales_path import SalesPathHead


def fitted(panel, *, new_level=1.0, content=None):
    examples = past_examples(panel, horizon=HORIZON, until=panel.end)
    if content is not None:
        rows = np.arange(panel.n_series)
        examples = replace(examples, content=content, content_rows=rows, new_level=new_level)
    targets, levels = examples.paths(), examples.levels()
    head = SalesPathHead.fitted(targets)
    member = RidgePathMember()
    training = PathTraining(targets, levels / levels.mean())
    member.fit(examples, head=head, training=training, seed=0)
    return member, examples, head


def medians(member, examples, head):
    """Units in each step by the median."""
    return member.raw(examples)[:, :-1, 1 + head.middle] * examples.levels()[:, None]


@pytest.fixture(scope="module")
def plain():
    return fitted(example_panel())


def test_a_price_known_ahead_moves_the_step_that_it_is_of():
    panel = example_panel()
    units = np.where(panel.columns["price"] < 8.0, 15.0, 5.0).astype(np.float32)
    member, examples, head = fitted(replace(panel, units=units))
    some = examples.take(np.flatnonzero(examples.windows.lengths >= 12))
    answers, wanted = medians(member, some, head), some.targets()
    assert answers[wanted > 10.0].mean() > 2.0 * answers[wanted < 10.0].mean()


def test_content_decides_for_new_items_alone():
    n = 120
    content = example_content(n)
    content = replace(content, present={k: np.ones(n, dtype=bool) for k in content.present})
    brand = content.blocks["numeric.brand"].values
    panel = example_panel(n_series=n)
    series = np.repeat(np.arange(n), np.diff(panel.offsets))
    units = np.where(brand[series] == 1, 30.0, 3.0).astype(np.float32)
    member, examples, head = fitted(replace(panel, units=units), new_level=16.0, content=content)
    new = examples.take(np.flatnonzero(examples.stages() == 0))
    answers = medians(member, new, head).mean(axis=1)
    is_large = brand[new.windows.series] == 1
    assert answers[is_large].mean() > 2.0 * answers[~is_large].mean()
    known = examples.take(np.flatnonzero(examples.windows.lengths >= 12))
    answers, wanted = medians(member, known, head), known.targets()
    assert np.nanmean(np.abs(answers - wanted) / wanted) < 0.1


def test_parts_of_any_size_add_up_to_the_same(plain, monkeypatch):
    member, examples, _ = plain
    monkeypatch.setattr(ridge_design, "CHUNK_EXAMPLES", 50)
    other, *_ = fitted(example_panel())
    np.testing.assert_allclose(other.raw(examples), member.raw(examples), rtol=1e-4, atol=1e-4)


def test_items_without_a_history_are_unknown_where_none_was_learned_from():
    panel = example_panel()
    panel = replace(panel, units=np.where(np.isnan(panel.units), 4.0, panel.units))
    examples = past_examples(panel, horizon=HORIZON, until=panel.end)
    old = examples.take(np.flatnonzero(examples.windows.lengths > 0))
    targets, levels = old.paths(), old.levels()
    member, head = RidgePathMember(), SalesPathHead.fitted(targets)
    training = PathTraining(targets, levels / levels.mean())
    member.fit(old, head=head, training=training, seed=0)
    assert member.knows(examples).tolist() == (examples.windows.lengths > 0).tolist()
    assert np.isfinite(member.raw(examples)).all()


def test_few_dates_are_enough_to_answer():
    panel = example_panel()
    examples = past_examples(panel, horizon=HORIZON, until=panel.start + 3)
    targets = examples.paths()
    member, head = RidgePathMember(), SalesPathHead.fitted(targets)
    training = PathTraining(targets, np.ones(len(examples)))
    member.fit(examples, head=head, training=training, seed=0)
    assert np.isfinite(member.raw(examples)).all()


def test_sums_solve_as_weighted_least_squares_and_know_the_leverage_of_an_example():
    rng = np.random.default_rng(0)
    columns = np.hstack([rng.normal(size=(40, 3)), np.ones((40, 1))])
    targets, weight = rng.normal(size=(40, 2)), rng.uniform(0.5, 1.5, 40)
    sums = Sums.of_nothing(4, 2)
    sums.add(columns[:25], targets[:25], weight[:25])
    sums.add(columns[25:], targets[25:], weight[25:])
    root = np.sqrt(weight)[:, None]
    wanted = np.linalg.lstsq(root * columns, root * targets, rcond=None)[0]
    assert sums.solved(1e-12) == pytest.approx(wanted, rel=1e-5)
    leverage = weight * sums.leverage(columns, 0.01)
    without = Sums.of_nothing(4, 2)
    without.add(columns[1:], targets[1:], weight[1:])
    penalty = 0.01 * sums.total / without.total
    found, point = columns[0] @ without.solved(penalty), columns[0] @ sums.solved(0.01)
    away = (targets[0] - point) * leverage[0] / (1.0 - leverage[0])
    assert point - away == pytest.approx(found, abs=1e-6)


def test_a_state_without_its_features_is_refused(plain):
    member, _, head = plain
    with pytest.raises(ValueError, match="features must be given"):
        RidgePathMember().load_state(member.state(), head=head)
    state = {k: v for k, v in member.state().items() if k != "weights"}
    with pytest.raises(ValueError, match="weights must be of shape"):
        RidgePathMember(**member.config).load_state(state, head=head)

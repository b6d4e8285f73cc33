"""Mean and quantiles around points: they hold on examples that were not learned from."""

import numpy as np
import pytest

from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.path_answers import PathAnswers

LEVELS = (0.1, 0.5, 0.9)
NEW, YOUNG, KNOWN = 0, 1, 2


def made_up(n, *, seed=0, factor=1.0):
    """Points, and targets that are spread about `factor` times the point by a gamma law."""
    rng = np.random.default_rng(seed)
    points = rng.uniform(0.2, 2.0, (n, 3))
    targets = factor * points * rng.gamma(4.0, 0.25, (n, 3))
    return points, PathTraining(targets, np.ones(n)), np.full(n, KNOWN)


@pytest.fixture(scope="module")
def answers():
    found = PathAnswers(horizon=2, levels=LEVELS)
    found.fit(*made_up(3000))
    return found


def test_the_asked_share_of_new_examples_lies_below_each_quantile(answers):
    points, training, stages = made_up(3000, seed=1)
    raw = answers.raw(points, stages)
    for low, high in ((0.0, 0.7), (0.7, 1.4), (1.4, 2.1)):
        some = (points >= low) & (points < high)
        below = (training.targets[..., None] <= raw[..., 1:])[some].mean(axis=0)
        assert np.abs(below - LEVELS).max() < 0.05


def test_means_add_up_to_what_was_learned_from(answers):
    points, training, stages = made_up(3000)
    mean = answers.raw(points, stages)[..., 0]
    assert mean.sum(axis=0) == pytest.approx(training.targets.sum(axis=0), rel=1e-6)


def test_answers_never_fall_with_the_point_and_are_ordered(answers):
    points = np.repeat(np.linspace(-1.0, 9.0, 60)[:, None], 3, axis=1)
    raw = answers.raw(points, np.full(60, KNOWN))
    assert (np.diff(raw, axis=0) >= 0).all()
    assert (np.diff(raw[..., 1:], axis=-1) >= 0).all() and (raw >= 0).all()


def test_weights_decide_whom_quantiles_follow():
    points, _, stages = made_up(400)
    doubled = np.arange(400) % 2 == 0
    targets = np.where(doubled[:, None], 2.0, 1.0) * points
    found = PathAnswers(horizon=2, levels=LEVELS)
    found.fit(points, PathTraining(targets, np.where(doubled, 1.98, 0.02)), stages)
    assert found.raw(np.ones((1, 3)), np.array([KNOWN]))[0, :, 2] == pytest.approx(2.0, abs=0.02)
    found.fit(points, PathTraining(targets, np.where(doubled, 0.02, 1.98)), stages)
    assert found.raw(np.ones((1, 3)), np.array([KNOWN]))[0, :, 2] == pytest.approx(1.0, abs=0.02)


def test_a_life_stage_with_many_examples_has_its_own_answers_and_one_with_few_shares():
    points, one, _ = made_up(300)
    _, other, _ = made_up(300, factor=3.0)
    targets = np.concatenate([one.targets, other.targets, other.targets[:20]])
    stages = np.repeat([KNOWN, YOUNG, NEW], [300, 300, 20])
    found = PathAnswers(horizon=2, levels=LEVELS)
    found.fit(
        np.concatenate([points, points, points[:20]]), PathTraining(targets, np.ones(620)), stages
    )
    new, young, known = found.raw(np.ones((3, 3)), np.arange(3))[:, 0, 2]
    assert young == pytest.approx(3.0 * known, rel=0.15)
    assert 1.2 * known < new < 0.9 * young


def test_unknown_targets_and_missing_points_say_nothing():
    points, training, stages = made_up(300)
    targets, gappy = training.targets.copy(), points.copy()
    targets[::3], gappy[1::3] = np.nan, np.nan
    found, wanted = (PathAnswers(horizon=2, levels=LEVELS) for _ in range(2))
    found.fit(gappy, PathTraining(targets, training.weight), stages)
    some = np.arange(2, 300, 3)
    wanted.fit(points[some], training.take(some), stages[some])
    np.testing.assert_allclose(found.raw(points, stages), wanted.raw(points, stages))


def test_a_missing_point_has_a_finite_answer(answers):
    raw = answers.raw(np.full((2, 3), np.nan), np.array([NEW, KNOWN]))
    assert np.isfinite(raw).all()


def test_what_learned_nothing_answers_by_the_point():
    found = PathAnswers(horizon=1, levels=LEVELS)
    none = np.zeros((0, 2))
    found.fit(none, PathTraining(none, np.zeros(0)), np.zeros(0, dtype=int))
    assert found.raw(np.array([[2.0, 3.0]]), np.array([KNOWN])).tolist() == [[[2.0] * 4, [3.0] * 4]]


def test_one_example_moves_answers_in_a_finite_way():
    found = PathAnswers(horizon=1, levels=LEVELS)
    found.fit(np.ones((1, 2)), PathTraining(np.full((1, 2), 5.0), np.ones(1)), np.array([KNOWN]))
    assert found.raw(np.ones((1, 2)), np.array([KNOWN])) == pytest.approx(5.0)


def test_state_brings_the_answers_back_and_leaves_the_rest(answers):
    points, _, stages = made_up(10)
    again = PathAnswers(horizon=2, levels=LEVELS)
    assert set(again.load_state({**answers.state(), "trees.txt": b""})) == {"trees.txt"}
    np.testing.assert_array_equal(again.raw(points, stages), answers.raw(points, stages))


def test_state_of_another_horizon_is_refused(answers):
    with pytest.raises(ValueError, match=r"answers\.knots must be of shape"):
        PathAnswers(horizon=5, levels=LEVELS).load_state(answers.state())

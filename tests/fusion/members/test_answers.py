import numpy as np
import pytest

from fusion.data.training_rows import TrainingRows
from fusion.members.answers import ScoreAnswers
from heads import HotItemHead, RegressionHead


def fitted(head, scores, target):
    """Answers that learned from scores, all of them out of fold."""
    answers = ScoreAnswers({"y": head})
    folds = np.array_split(np.arange(len(target)), 4)
    training = TrainingRows({"y": target}, folds, np.ones(len(target)))
    answers.fit({"y": scores}, heads={"y": head}, training=training)
    return answers


def told(answers, head, scores):
    return head.decode(answers.raw({"y": np.asarray(scores)[:, None]})["y"])[head.column_names[0]]


def test_a_class_of_one_row_is_not_told_against_its_score():
    """Out of fold its row has the lowest score, as nothing else was of its class."""
    target = np.arange(40) == 7.0
    scores = np.where(target, 0.0, 0.03)[:, None]
    head = HotItemHead.fitted(target.astype(float))
    answers = fitted(head, scores, target.astype(float))
    assert told(answers, head, [0.0, 0.5, 1.0]).numpy() == pytest.approx(1 / 40, rel=1e-3)


def test_numbers_whose_scores_out_of_fold_run_against_them_get_the_mean():
    rng = np.random.default_rng(0)
    target = rng.normal(size=60) + 5.0
    scores = -0.1 * (target - 5.0)[:, None]
    head = RegressionHead.fitted(target)
    answers = fitted(head, scores, target)
    assert np.ptp(told(answers, head, [-3.0, 0.0, 3.0]).numpy()) == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("unit", [1e-2, 1.0, 1e3])
def test_two_classes_that_scores_tell_apart_are_not_more_certain_than_rows_can_say(unit):
    target = (np.arange(30) >= 20).astype(float)
    scores = unit * (np.arange(30) - 19.5)
    head = HotItemHead.fitted(target)
    chances = told(fitted(head, scores[:, None], target), head, scores).numpy()
    assert ((chances > 0.5) == (target > 0)).all()
    assert 1e-9 < chances.min() < 1e-2
    assert 1e-9 < 1.0 - chances.max() < 1e-2


def test_many_rows_say_how_steep_log_odds_are():
    rng = np.random.default_rng(1)
    scores = rng.normal(size=5000)
    target = (rng.random(5000) < 1 / (1 + np.exp(-3.0 * scores))).astype(float)
    head = HotItemHead.fitted(target)
    chances = told(fitted(head, scores[:, None], target), head, [-0.5, 0.0, 0.5]).numpy()
    assert chances == pytest.approx(1 / (1 + np.exp([1.5, 0.0, -1.5])), abs=0.03)


def test_scores_that_float32_cannot_hold_are_answered():
    """A warning of NumPy would reach who asks."""
    head = RegressionHead.fitted(np.arange(9.0))
    raw = ScoreAnswers({"y": head}).raw({"y": np.array([[1e300], [-1e300], [np.inf]])})["y"]
    assert raw.isfinite().all()

"""Pretrained forecasters of any kind: their own steps, and a window that is learned around them."""

import numpy as np
import pytest

from fusion.forecasting.examples import past_examples
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.example import HORIZON, example_panel
from fusion.forecasting.members.pretrained import Forecaster, PretrainedAnswers, at_levels
from fusion.progress import silent
from heads.sales_path import SalesPathHead


def around_the_mean(past, n_steps):
    """Quantiles from 0.2 to 1.8 times the mean, unordered, as no forecaster should give them."""
    mean = np.nanmean(past, axis=1)[:, None, None]
    return mean * np.linspace(1.8, 0.2, 9) * np.ones((1, n_steps, 1))


FORECASTER = Forecaster("stub", around_the_mean, context=20, batch=7)


@pytest.fixture(scope="module")
def asked():
    panel = example_panel()
    return past_examples(panel, horizon=HORIZON, until=panel.end)


@pytest.fixture(scope="module")
def fitted(asked):
    head = SalesPathHead.fitted(asked.paths(), levels=(0.1, 0.5, 0.9))
    levels = asked.levels()
    training = PathTraining(asked.paths(), levels / levels.mean())
    answers = PretrainedAnswers.fitted(
        FORECASTER, asked, head=head, training=training, stage=silent
    )
    return answers, head


def test_steps_are_its_own_quantiles_in_order(fitted, asked):
    answers, head = fitted
    row = asked.take(np.flatnonzero(asked.windows.lengths >= 20)[:1])
    mean = np.nanmean(row.windows.past("units", 20)) / row.levels()[0]
    raw = answers.raw(row)[0]
    grid = list(head.grid)
    for level, times in ((0.1, 0.2), (0.5, 1.0), (0.9, 1.8)):
        assert raw[:-1, 1 + grid.index(level)] == pytest.approx(times * mean, rel=1e-5)


def test_the_window_is_narrower_than_its_steps(fitted, asked):
    answers, head = fitted
    raw = answers.raw(asked)[answers.knows(asked)]
    low, high = 1 + head.grid.index(0.1), 1 + head.grid.index(0.9)
    width = (raw[..., high] - raw[..., low]).mean(axis=0)
    assert width[-1] < width[:-1].min()


def test_eight_known_periods_are_needed_and_others_are_finite(fitted, asked):
    answers, _ = fitted
    counts = np.isfinite(asked.windows.past("units", 20)).sum(axis=1)
    assert answers.knows(asked).tolist() == (counts >= 8).tolist()
    assert np.isfinite(answers.raw(asked)).all()


def test_what_was_learned_comes_back_and_more_is_refused(fitted, asked):
    answers, head = fitted
    state = answers.answers.state()
    again = PretrainedAnswers.of_state(FORECASTER, state, head=head)
    assert np.array_equal(again.raw(asked), answers.raw(asked))
    with pytest.raises(ValueError, match="state must hold nothing else, got more"):
        PretrainedAnswers.of_state(FORECASTER, {**state, "more": b""}, head=head)


def test_levels_beyond_the_nine_never_fall_below_zero():
    found = at_levels(np.array([0.0, *range(1, 9)]) * 1.0, np.array([0.01, 0.95]))
    assert found == pytest.approx([0.0, 8.5])

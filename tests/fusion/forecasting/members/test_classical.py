"""Medians and smoothings: each group gets the method that suits it."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.data.panel.frequency import Frequency
from fusion.forecasting.examples import past_examples
from fusion.forecasting.members.base import PathTraining
from fusion.forecasting.members.classical import METHODS, PERIODS, ClassicalMember
from fusion.forecasting.members.example import START, example_panel
from heads.sales_path import SalesPathHead


def with_units(units_of):
    """The example panel with other units: a function of the age of an item, and of its number."""
    panel = example_panel()
    series = np.repeat(np.arange(panel.n_series), np.diff(panel.offsets))
    age = np.arange(len(series)) - panel.offsets[series]
    return replace(panel, units=units_of(age, series).astype(np.float32))


def fitted(panel):
    examples = past_examples(panel, horizon=3, until=panel.end)
    targets, levels = examples.paths(), examples.levels()
    member = ClassicalMember()
    head = SalesPathHead.fitted(targets, levels=(0.1, 0.5, 0.9))
    training = PathTraining(targets, levels / levels.mean())
    member.fit(examples, head=head, training=training, seed=0)
    return member, examples, head


def median_of(raw, head):
    return raw[..., 1 + head.middle]


def test_noise_about_a_steady_level_is_averaged_over_many_periods():
    rng = np.random.default_rng(0)
    member, *_ = fitted(with_units(lambda age, series: rng.poisson(20.0, len(age))))
    assert member.methods[2] in {"median_13", "mean_26", "mean_52", "ses_10"}


def test_a_walk_is_followed_closely():
    rng = np.random.default_rng(0)
    member, *_ = fitted(
        with_units(lambda age, series: 200.0 + 8.0 * rng.choice([-1, 1], len(age)).cumsum())
    )
    assert member.methods[2] == "last"


def test_days_have_a_number_for_each_weekday():
    shape = np.array([8.0, 9.0, 20.0, 30.0, 12.0, 3.0, 1.0])
    panel = with_units(lambda age, series: 5.0 * shape[age % 7])
    member, examples, head = fitted(replace(panel, frequency=Frequency("day")))
    assert member.methods[2].startswith("weekday")
    weekday = (examples.as_of - panel.first[examples.windows.series])[:, None] + np.arange(3)
    units = median_of(member.raw(examples), head)[:, :3] * examples.levels()[:, None]
    known = examples.windows.lengths >= 7
    wanted = 5.0 * shape[weekday % 7]
    assert np.abs(units - wanted)[known].mean() < 0.1 * wanted.mean()


def test_a_weekday_is_known_by_itself_or_else_by_all_days():
    past = np.full((1, PERIODS), np.nan)
    past[0, -14:] = [1, 2, 3, 4, 5, 6, np.nan, 3, 4, 5, 6, 7, 8, np.nan]
    method, parameters = METHODS["weekday_4"]
    assert method(past, **parameters).tolist() == [[2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 4.5]]


def test_answers_stand_at_the_level_of_the_item():
    member, examples, head = fitted(with_units(lambda age, series: 10.0 + 10.0 * (series % 2)))
    units = median_of(member.raw(examples), head) * examples.levels()[:, None]
    known = examples.stages() == 2
    wanted = 10.0 + 10.0 * (examples.windows.series % 2)
    assert np.abs(units[known] / wanted[known, None] - 1.0).max() < 0.05


def test_only_what_was_never_known_is_unknown():
    member, examples, _ = fitted(example_panel())
    assert member.knows(examples).tolist() == [
        bool(np.isfinite(row).any()) for row in examples.windows.past("units", 99)
    ]
    assert not member.knows(examples)[examples.as_of > START].all()


@pytest.mark.parametrize("name", METHODS)
def test_every_method_keeps_a_constant_history(name):
    function, parameters = METHODS[name]
    past = np.full((2, PERIODS), 4.0)
    past[1, :-10] = np.nan
    assert np.allclose(function(past, **parameters), 4.0, rtol=1e-9)


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="methods must be 3 of last, median_4"):
        ClassicalMember(methods=["median_8", "median_8", "mode"])

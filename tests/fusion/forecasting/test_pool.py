"""Answers out of fold that are kept: as many of each date and life stage, without any leak."""

import numpy as np

from fusion.forecasting.fit import training_of
from fusion.forecasting.kept import drawn_by_date
from fusion.forecasting.members.network import NetworkPathMember
from fusion.forecasting.pool import Pool, answers_now
from fusion.forecasting.updating.retraining import unfitted


def test_a_date_of_many_items_does_not_drown_the_others():
    as_of = np.repeat([-3, 5, 6], [1000, 40, 60])
    stages = np.where(np.arange(1100) % 10 == 0, 0, 2)
    drawn = drawn_by_date(as_of, stages, seed=0, most=90)
    assert len(drawn) == len(np.unique(drawn)) and (np.diff(drawn) > 0).all()
    counts = {
        (d, s): ((as_of == d) & (stages == s))[drawn].sum() for d in (-3, 5, 6) for s in (0, 2)
    }
    assert counts == {(-3, 0): 15, (-3, 2): 15, (5, 0): 4, (5, 2): 26, (6, 0): 6, (6, 2): 24}


def test_what_lies_in_left_out_periods_is_read_nowhere(every_member):
    trained, examples = every_member
    pool = Pool(examples, answers_now({"classical": trained.model.members["classical"]}, examples))
    begin, end = examples.until - 3, examples.until - 1
    steps = examples.as_of[:, None] + np.arange(examples.horizon)
    inside = (steps >= begin) & (steps < end)
    targets = pool.training(begin, end).targets
    assert (
        np.isnan(targets[:, :-1][inside]).all() and np.isnan(targets[inside.any(axis=1), -1]).all()
    )
    rest = ~inside.any(axis=1)
    np.testing.assert_array_equal(targets[rest], examples.paths()[rest])
    sold = pool.sold_within(begin, end)
    assert np.isnan(sold[~inside]).all()
    np.testing.assert_array_equal(sold[inside], examples.targets()[inside])


def test_a_network_goes_on_from_its_weights_and_stays_itself(every_member):
    trained, examples = every_member
    member = trained.model.members["network"]
    before = {name: one.clone() for name, one in member.state().items()}
    further = member.trained_further(examples, training=training_of(examples), seed=0)
    assert isinstance(further, NetworkPathMember)
    fresh = unfitted(member)
    fresh.fit(examples, head=trained.model.head, training=training_of(examples), seed=9)
    own, now = member.state(), further.state()
    assert all((own[name] == one).all() for name, one in before.items())
    names = [name for name in before if before[name].is_floating_point() and before[name].ndim == 2]

    def far(state):
        return sum(float((state[name] - before[name]).norm()) for name in names)

    assert 0 < far(now) < 0.5 * far(fresh.state())

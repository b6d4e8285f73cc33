"""Ranges are stretched until they miss as seldom as they say, means until they add up."""

import numpy as np
import pytest

from fusion.forecasting.calibration import OutOfFoldPaths, PathCalibration, fit_calibration
from fusion.forecasting.examples import STAGES
from fusion.forecasting.members.base import PathTraining
from heads.sales_path import SalesPathHead

KNOWN = STAGES.index("known")


def head_of():
    return SalesPathHead(horizon=2, levels=(0.1, 0.9))


def answered(n, *, mean=1.0, spread=0.1, stage=KNOWN, seed=0):
    """Answers around 1 whose ranges are far too narrow for gamma sales of mean 1."""
    draw, head = np.random.default_rng(seed), head_of()
    steps = draw.gamma(4.0, 0.25, (n, 2))
    targets = np.concatenate([steps, steps.mean(axis=1, keepdims=True)], axis=1)
    quantiles = 1.0 + spread * (np.array(head.grid) - 0.5)
    raw = np.tile(np.concatenate([[mean], quantiles]), (n, 3, 1))
    levels = np.full(n, 7.3)  # no whole units
    dates, stages = np.arange(n) % 5, np.full(n, stage)
    return OutOfFoldPaths(raw, PathTraining(targets, np.ones(n)), levels, stages, dates)


def missed(head, calibration, out_of_fold):
    raw = calibration.calibrated(out_of_fold.raw, out_of_fold.stages, middle=head.middle)
    sold = head.distribution(raw, out_of_fold.levels, stages=out_of_fold.stages).quantile(
        (0.1, 0.9)
    )
    units = out_of_fold.training.targets * out_of_fold.levels[:, None] * [1, 1, 2]
    return (units < sold[..., 0]).mean(axis=0), (units > sold[..., 1]).mean(axis=0)


def test_narrow_ranges_are_stretched_until_they_hold_as_far_as_four_times():
    head, out_of_fold = head_of(), answered(800, spread=0.5)
    before = missed(head, PathCalibration.none(head), out_of_fold)
    calibration = fit_calibration(head, out_of_fold)
    after = missed(head, calibration, out_of_fold)
    assert min(before[0].min(), before[1].min()) > 0.15
    assert max(after[0].max(), after[1].max()) <= 0.1
    assert 1.0 < calibration.stretch[KNOWN, 0, 0] <= 4.0
    assert (calibration.stretch[..., head.middle] == 1.0).all()


def test_wide_ranges_are_drawn_together():
    head = head_of()
    calibration = fit_calibration(head, answered(800, spread=5.0))
    assert (calibration.stretch[KNOWN, :, [0, -1]] < 1.0).all()


@pytest.mark.parametrize(("mean", "factor"), [(0.8, 1.25), (0.2, 2.0), (4.0, 0.5)])
def test_means_add_up_to_what_was_sold_but_are_at_most_halved_or_doubled(mean, factor):
    calibration = fit_calibration(head_of(), answered(800, mean=mean))
    assert calibration.factors[KNOWN] == pytest.approx(factor, rel=0.05)


def test_few_answers_change_nothing_and_a_stage_of_few_takes_what_all_say():
    few = fit_calibration(head_of(), answered(49, spread=0.5))
    assert (few.stretch == 1.0).all() and (few.factors == 1.0).all()
    calibration = fit_calibration(head_of(), answered(400, spread=0.5))
    assert np.array_equal(calibration.stretch[0], calibration.stretch[KNOWN])


def joined(first, second):
    return OutOfFoldPaths(
        np.concatenate([first.raw, second.raw]),
        PathTraining(
            np.concatenate([first.training.targets, second.training.targets]),
            np.concatenate([first.training.weight, second.training.weight]),
        ),
        np.concatenate([first.levels, second.levels]),
        np.concatenate([first.stages, second.stages]),
        np.concatenate([first.dates, second.dates]),
    )


def test_ranges_of_a_stage_of_few_hold_those_few_and_are_as_wide_on_the_other_side():
    new = STAGES.index("new")
    few = answered(3, spread=0.5, stage=new)
    few.training.targets[:] = [3.0, 2.5, 2.0], [2.0, 2.5, 2.2], [2.2, 3.0, 2.5]  # all too high
    both = joined(answered(400, spread=0.5), few)
    found = fit_calibration(head_of(), both)
    low, high = missed(head_of(), found, few)
    assert not low.any() and not high.any()
    assert np.array_equal(found.stretch[new], found.stretch[new][:, ::-1])
    assert (found.stretch[new] >= found.stretch[KNOWN]).all() and found.stretch[new].max() > 4.0
    later = fit_calibration(head_of(), answered(400, spread=0.5, seed=1), before=found)
    assert np.array_equal(later.stretch[new], found.stretch[new])
    assert not np.array_equal(later.stretch[KNOWN], found.stretch[KNOWN])


@pytest.mark.parametrize("change", [{"stretch": [[[1.0]]]}, {"factors": [1.0, -1.0, 1.0]}])
def test_numbers_that_cannot_be_are_refused(change):
    config = {**PathCalibration.none(head_of()).config, **change}
    with pytest.raises(ValueError, match="must be"):
        PathCalibration(**config)

"""Measures of drift against scipy and tables made by hand."""

import numpy as np
import pytest
from scipy import stats

from fusion.forecasting.drift.distances import (
    cusum,
    energy_distance,
    population_stability,
    smoothed_shares,
    tail_limit,
)


@pytest.mark.parametrize("sizes", [(1, 1), (7, 5), (40, 60)])
def test_energy_distance_of_one_column_is_that_of_scipy(sizes):
    draw = np.random.default_rng(sizes[0])
    first, second = draw.normal(size=sizes[0]), draw.gamma(2.0, size=sizes[1])
    expected = stats.energy_distance(first, second)
    assert energy_distance(first[:, None], second[:, None]) == pytest.approx(expected)


def test_energy_distance_sees_a_turn_that_no_single_column_shows():
    draw = np.random.default_rng(0)
    steps = draw.normal(size=500)
    first, second = np.stack([steps, steps], axis=1), np.stack([steps, -steps], axis=1)
    assert energy_distance(first, first) == pytest.approx(0.0, abs=1e-9)
    assert energy_distance(first, second) > 0.3


def test_population_stability_is_that_of_a_table_made_by_hand():
    expected, found = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.3, 0.3])
    by_hand = (0.4 - 0.5) * np.log(0.4 / 0.5) + (0.3 - 0.2) * np.log(0.3 / 0.2)
    assert population_stability(expected, found) == pytest.approx(by_hand)
    assert population_stability(expected, np.stack([expected, found])).tolist() == pytest.approx(
        [0.0, by_hand]
    )


def test_population_stability_is_the_sum_of_both_divergences_of_scipy():
    draw = np.random.default_rng(1)
    expected, found = smoothed_shares(draw.integers(0, 9, (2, 6)).astype(float))
    both = stats.entropy(found, expected) + stats.entropy(expected, found)
    assert population_stability(expected, found) == pytest.approx(both)


def test_no_share_is_zero_however_few_cases_there_are():
    shares = smoothed_shares(np.array([0.0, 3.0]))
    assert shares.tolist() == pytest.approx([0.5 / 4, 3.5 / 4])


def test_cumulative_sums_restart_at_zero_and_pass_over_what_is_unknown():
    up, down = cusum(np.array([2.0, np.nan, -3.0, 1.0]), slack=0.5)
    assert up.tolist() == [1.5, 1.5, 0.0, 0.5]
    assert down.tolist() == [0.0, 0.0, 2.5, 1.0]


def test_a_tail_limit_is_exceeded_about_as_rarely_as_stated():
    draw = np.random.default_rng(2)
    limits = tail_limit(draw.normal(size=(50, 600)) ** 2, 0.001)
    expected = stats.chi2(1).isf(0.001)
    assert np.median(limits) == pytest.approx(expected, rel=0.1)

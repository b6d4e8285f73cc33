import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from heads.count_distributions import ZeroInflated
from heads.counts import CountDistribution
from heads.sales_distribution import CountSales, LearnedSales, whole_rounding

LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
POINTS = arrays.arrays(np.float64, (4, 3, 5), elements=st.sampled_from([0.0, 0.4, 1.0, 2.5, 7.0]))
ROUNDING = np.tile([0.98, 0.6, 0.5, 0.6, 0.75], (3, 1))


def learned(points, rounding=None):
    return LearnedSales(points[:, :-1].mean(axis=-1), points, LEVELS, rounding)


def counts(points):
    mean = np.maximum(points.mean(axis=-1), 0.1)
    zeros = np.full(mean.shape, 0.3)
    return CountSales(mean[:, :-1], ZeroInflated(zeros, CountDistribution(mean / 0.7, mean * 0.5)))


def made(points):
    return [learned(points), learned(points, ROUNDING), counts(points)]


@given(POINTS)
def test_a_quantile_grows_with_its_level_and_is_never_below_0(points):
    for sold in made(points):
        found = sold.quantile([0.01, 0.1, 0.25, 0.5, 0.89, 0.9, 0.95, 0.999])
        assert found.shape == (4, 3, 8)
        assert (np.diff(found, axis=-1) >= 0).all() and (found >= 0).all()
        assert np.isfinite(found).all()


@given(POINTS, st.sampled_from([0.0, 0.5, 1.0, 2.0, 2.5, 3.0, 7.0, 20.0]))
def test_a_chance_is_one_half_or_more_where_the_median_reaches_the_threshold(points, threshold):
    for sold in made(points):
        chance = sold.probability_above(threshold)
        assert ((chance >= 0) & (chance <= 1)).all()
        np.testing.assert_array_equal(chance >= 0.5, sold.quantile([0.5])[..., 0] >= threshold)


@given(POINTS)
def test_a_higher_threshold_is_never_likelier(points):
    for sold in made(points):
        chances = [sold.probability_above(units) for units in np.linspace(-1, 12, 40)]
        assert (np.diff(chances, axis=0) <= 1e-12).all()
        assert (chances[0] == 1).all()


def test_a_threshold_far_below_the_largest_quantile_is_no_overflow():
    points = np.full((1, 1, len(LEVELS)), 1e6)
    points[..., -2:] = [1e6, 1e6 + 1e-3]
    assert learned(points).probability_above(1.0) > 0.999


def test_quantiles_are_those_of_the_distribution_they_were_read_from():
    truth = stats.expon(scale=5.0)
    levels = (0.05, *np.linspace(0.1, 0.9, 9), 0.95)
    points = np.tile(truth.ppf(levels), (1, 2, 1))
    sold = LearnedSales(np.array([[5.0]]), points, levels)
    asked = [0.01, 0.1, 0.33, 0.5, 0.77, 0.9, 0.99, 0.999]
    found = sold.quantile(asked)[0, 0]
    np.testing.assert_allclose(found, truth.ppf(asked), rtol=0.05)
    for units in (0.1, 1.0, 4.0, 12.0, 30.0):
        assert sold.probability_above(units)[0, 0] == pytest.approx(truth.sf(units), abs=0.01)


def test_the_mean_of_the_window_is_the_sum_of_the_steps():
    sold = learned(np.arange(60.0).reshape(4, 3, 5))
    np.testing.assert_allclose(sold.mean[:, 2], sold.mean[:, :2].sum(axis=1))
    assert sold.horizon == 2


def test_equal_quantiles_are_one_certain_number():
    sold = learned(np.full((1, 3, 5), 4.0))
    assert (sold.quantile([0.1, 0.5, 0.999]) == 4.0).all()
    assert (sold.probability_above(4.001) == 0).all() or (sold.probability_above(4.0) >= 0.9).all()
    assert sold.probability_above(5.0)[0, 0] == 0.0


def test_each_row_may_have_a_threshold_of_its_own():
    sold = learned(np.tile([1.0, 2.0, 3.0, 4.0, 5.0], (2, 3, 1)))
    found = sold.probability_above(np.array([[2.0], [4.0]]))
    np.testing.assert_allclose(found, [[0.7] * 3, [0.3] * 3])


def test_rounding_makes_tails_of_whole_numbers_as_rare_as_asked():
    rng = np.random.default_rng(0)
    mean = rng.gamma(1.0, 2.0, 20_000)
    learned_at = rng.random(20_000)
    units = rng.poisson(mean).astype(float)
    points = np.stack([stats.gamma(mean).ppf(level) for level in LEVELS], axis=1)
    half = learned_at < 0.5
    added = whole_rounding(points, units, LEVELS, known=half)
    assert added.shape == (5,) and ((added >= 0) & (added < 1)).all() and added[2] == 0.5
    low, high = np.floor(points[~half] + added)[:, [0, 4]].T
    plain_low, plain_high = points[~half][:, [0, 4]].T
    sold = units[~half]
    assert ((sold >= plain_low) & (sold <= plain_high)).mean() < 0.7
    assert ((sold >= low) & (sold <= high)).mean() == pytest.approx(0.8, abs=0.03)
    assert (sold < low).mean() == pytest.approx(0.1, abs=0.03)
    assert (sold > high).mean() == pytest.approx(0.1, abs=0.03)


def test_whole_units_stay_whole():
    sold = learned(np.random.default_rng(0).gamma(1, 3, (50, 3, 5)), ROUNDING)
    found = sold.quantile([0.1, 0.42, 0.5, 0.97])
    np.testing.assert_array_equal(found, np.round(found))


def test_a_threshold_far_below_sharp_quantiles_is_certain_to_be_passed():
    points = 1e6 + np.arange(5.0) * np.full((1, 2, 1), 1e-4)
    with np.errstate(over="raise"):
        assert (learned(points).probability_above(1.0) > 0.999).all()

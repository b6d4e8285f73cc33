import numpy as np
import pytest
from scipy import stats

from heads.count_distributions import Tweedie, ZeroInflated
from heads.counts import CountDistribution


def test_zero_inflated_counts_are_the_mixture_of_scipy():
    zeros, mean, size = np.array([0.0, 0.3, 0.8]), np.array([2.0, 5.0, 9.0]), np.full(3, 0.7)
    sold = ZeroInflated(zeros, CountDistribution(mean, size))
    truth = stats.nbinom(size, size / (size + mean))
    for units in (-1.0, 0.0, 1.0, 4.0, 30.0):
        wanted = (zeros + (1 - zeros) * truth.cdf(units)) * (units >= 0)
        np.testing.assert_allclose(sold.cumulative(np.full(3, units)), wanted, atol=1e-12)
    for level in (0.05, 0.3, 0.5, 0.81, 0.9, 0.99):
        found = sold.quantile(level)
        assert (sold.cumulative(found) >= level - 1e-12).all()
        assert ((found == 0) | (sold.cumulative(found - 1) < level)).all()


@pytest.mark.parametrize("power", [1.3, 1.5, 1.8])
@pytest.mark.parametrize("mean", [0.2, 3.0, 80.0])
def test_tweedie_quantiles_are_those_of_simulated_sums_of_gamma_amounts(mean, power):
    dispersion = 1.4
    rng = np.random.default_rng(0)
    events = mean ** (2 - power) / (dispersion * (2 - power))
    alpha = (2 - power) / (power - 1)
    number = rng.poisson(events, 200_000)
    drawn = rng.gamma(np.maximum(number, 1) * alpha, mean / (events * alpha)) * (number > 0)
    assert drawn.var() == pytest.approx(dispersion * mean**power, rel=0.05)
    sold = Tweedie(np.array([mean]), np.array([dispersion]), power)
    for level in (0.1, 0.5, 0.9, 0.98):
        below = (drawn <= sold.quantile(level)[0]).mean()
        assert below == pytest.approx(max(level, np.exp(-events)), abs=0.02)

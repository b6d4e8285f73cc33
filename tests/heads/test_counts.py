"""Distributions of counts are those of scipy.stats."""

import numpy as np
import pytest
from scipy import stats

from heads.counts import CountDistribution

DRAW = np.random.default_rng(0)
MEANS = np.exp(DRAW.uniform(-12.0, 14.0, 3000))
SIZES = np.exp(DRAW.uniform(-7.0, 12.0, 3000))
KINDS = {
    "poisson": (CountDistribution(MEANS, None), stats.poisson(MEANS)),
    "negative binomial": (
        CountDistribution(MEANS, SIZES),
        stats.nbinom(SIZES, SIZES / (SIZES + MEANS)),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0.005, 0.1, 0.5, 0.9, 0.995])
def test_quantiles_are_those_of_scipy(kind, level):
    ours, theirs = KINDS[kind]
    assert np.array_equal(ours.quantile(level), theirs.ppf(level))


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_are_those_of_scipy_below_zero_and_between_numbers_too(kind):
    ours, theirs = KINDS[kind]
    units = np.exp(DRAW.uniform(-2.0, 14.0, len(MEANS))) - 2.0
    np.testing.assert_allclose(ours.cumulative(units), theirs.cdf(units), rtol=1e-9, atol=1e-12)

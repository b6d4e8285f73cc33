import json

import numpy as np
import pytest
from scipy import stats

from heads import SalesPathHead
from heads.sales_distribution import LearnedSales
from heads.sales_units import FAMILIES, SalesUnits, answers_in_units, choose_units, path_in_units

N, GRID = 600, SalesPathHead(horizon=2).grid
RNG = np.random.default_rng(0)
STAGES, PARTS = np.arange(N) % 3, np.arange(N) * 5 // N
MEAN = RNG.gamma(2.0, 3.0, (N, 1)) * [1.0, 1.5]
SIZE = np.array([0.6, 1.5, 6.0])[STAGES][:, None]


def drawn(kind):
    if kind == "negative_binomial":
        steps = RNG.negative_binomial(SIZE, SIZE / (SIZE + MEAN))
    elif kind == "zero_inflated":
        steps = RNG.poisson(MEAN / 0.5) * (RNG.random(MEAN.shape) > 0.5)
    else:
        steps = RNG.poisson(MEAN)
    return np.column_stack([steps, steps.sum(axis=1)]).astype(float)


def answers(quantiles):
    """Right means beside some quantiles `[n, n_levels]` of each entry."""
    mean = np.column_stack([MEAN, MEAN.sum(axis=1)])
    return np.concatenate([mean[..., None], quantiles * np.ones((N, 3, 1))], axis=-1)


def poor():
    """Quantiles that say nothing of a row."""
    return answers(stats.gamma(2.0, scale=3.0).ppf(GRID))


@pytest.mark.parametrize("kind", ["poisson", "negative_binomial", "zero_inflated"])
def test_the_distribution_that_sales_follow_is_chosen(kind):
    found = choose_units(poor(), drawn(kind), levels=GRID, stages=STAGES, parts=PARTS)
    assert found.family == kind
    if kind == "negative_binomial":
        told = 1 / np.array(found.dispersion)[:, 0]
        np.testing.assert_allclose(told, [0.6, 1.5, 6.0], rtol=0.5)
        window = 1 / np.array(found.dispersion)[:, 2]
        assert (window > told).all()  # the window has a dispersion of its own


def test_quantiles_that_know_more_than_a_distribution_are_taken_and_rounded():
    units = drawn("zero_inflated")
    mean = np.column_stack([MEAN, MEAN.sum(axis=1)])
    near = np.where(units > 0, mean * 2, 0.2)[..., None] * np.linspace(0.5, 1.5, len(GRID))
    found = choose_units(answers(near), units, levels=GRID, stages=STAGES, parts=PARTS)
    assert found.family == "learned"
    assert np.shape(found.rounding) == (2, len(GRID))
    sold = found.distribution(answers(near), levels=GRID, stages=STAGES)
    assert sold.is_whole and (sold.quantile([0.1]) % 1 == 0).all()


def test_sales_that_are_not_whole_are_neither_counts_nor_rounded():
    found = choose_units(poor(), drawn("poisson") * 0.5, levels=GRID, stages=STAGES, parts=PARTS)
    assert found == SalesUnits()
    assert not found.distribution(poor(), levels=GRID, stages=STAGES).is_whole


def test_few_or_unknown_sales_choose_nothing():
    units = drawn("poisson")
    none = choose_units(poor(), units * np.nan, levels=GRID, stages=STAGES, parts=PARTS)
    assert none == SalesUnits()
    few = slice(0, 40)
    found = choose_units(poor()[few], units[few], levels=GRID, stages=STAGES[few], parts=PARTS[few])
    assert found.family == "learned"
    some = units.copy()
    some[:, 1:] = np.nan
    found = choose_units(poor(), some, levels=GRID, stages=STAGES, parts=PARTS)
    assert found.family != "learned"  # the first step alone says enough


@pytest.mark.parametrize("family", FAMILIES)
def test_each_family_survives_json_and_covers_what_it_was_fitted_on(family):
    units = drawn("negative_binomial")
    found = SalesUnits.fitted(family, poor(), units, levels=GRID, stages=STAGES)
    again = SalesUnits(**json.loads(json.dumps(found.config)))
    sold, same = (each.distribution(poor(), levels=GRID, stages=STAGES) for each in (found, again))
    asked = [0.05, 0.5, 0.95]
    np.testing.assert_array_equal(sold.quantile(asked), same.quantile(asked))
    np.testing.assert_allclose(sold.mean[:, :2], MEAN)
    low, high = np.moveaxis(sold.quantile([0.1, 0.9]), -1, 0)
    covered = ((units >= low) & (units <= high))[:, :2].mean()
    assert covered > (0.5 if family in ("poisson", "learned") else 0.72)


def test_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="family must be one of learned, poisson"):
        SalesUnits(family="gamma")


TABLE = [[1.0, 1.0, 1.0]] * 3


@pytest.mark.parametrize(
    ("units", "told"),
    [
        ({"family": "tweedie"}, "dispersion and zeros must be given for tweedie"),
        ({"family": "tweedie", "dispersion": TABLE, "zeros": TABLE}, "zeros must be 3 times 3"),
        ({"dispersion": TABLE[:2]}, "dispersion must be 3 times 3 numbers from 1e-06 to 1e"),
        ({"dispersion": [[1.0], [1.0, 2.0], []]}, "dispersion must be"),
        ({"dispersion": [[np.nan] * 3] * 3}, "dispersion must be"),
        ({"rounding": [[2.0] * 11] * 2}, "rounding must be 2 times 11 numbers from 0 to 1"),
    ],
)
def test_numbers_of_a_file_that_cannot_be_are_refused(units, told):
    with pytest.raises(ValueError, match=told):
        SalesPathHead(horizon=2, units=units)


def test_a_head_turns_relative_answers_into_units_of_the_level():
    head = SalesPathHead(horizon=2, levels=[0.1, 0.5, 0.9])
    raw = np.tile(np.concatenate([[1.5], head.grid]), (2, 3, 1))
    level = np.array([10.0, 200.0])
    sold = head.distribution(raw, level, stages=np.array([0, 2]))
    assert isinstance(sold, LearnedSales)
    np.testing.assert_allclose(sold.mean, [[15, 15, 30], [300, 300, 600]])
    np.testing.assert_allclose(sold.quantile([0.5])[..., 0], [[5, 5, 10], [100, 100, 200]])


def test_relative_paths_become_the_whole_units_they_came_from():
    units = RNG.integers(0, 5000, (200, 4)).astype(float)
    level = RNG.uniform(0.1, 900, 200)
    relative = units / level[:, None]
    path = np.column_stack([relative, relative.mean(axis=1)])
    wanted = np.column_stack([units, units.sum(axis=1)])
    np.testing.assert_array_equal(path_in_units(path, level), wanted)
    crossed = RNG.normal(size=(3, 5, 12))
    assert (np.diff(answers_in_units(crossed, level[:3])[..., 1:], axis=-1) >= 0).all()


def test_a_head_keeps_the_distribution_that_was_found():
    head = SalesPathHead(horizon=2)
    units, level = drawn("negative_binomial"), np.full(N, 4.0)
    relative = np.column_stack([units[:, :2], units[:, :2].mean(axis=1)]) / 4.0
    raw = poor() / 4.0
    raw[:, -1] /= 2
    head.fit_units(raw, relative, level=level, stages=STAGES, parts=PARTS)
    assert head.units.family == "negative_binomial"
    again = SalesPathHead(**json.loads(json.dumps(head.config)))
    assert again.units.config == json.loads(json.dumps(head.units.config))
    sold = again.distribution(raw, level, stages=STAGES)
    assert ((units <= sold.quantile([0.9])[..., 0]).mean()) == pytest.approx(0.9, abs=0.05)

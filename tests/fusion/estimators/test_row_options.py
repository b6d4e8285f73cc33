"""Groups and weights of rows, as `fit` takes them."""

import numpy as np
import pandas as pd
import pytest

from fusion import ConfigError, FusionClassifier, FusionRegressor

N = 80


def regressor(**options):
    given = {"training": {"epochs": 2}, "strategy_options": {"width": 8}, "random_state": 0}
    return FusionRegressor(**{"members": ["network"], **given, **options})


@pytest.fixture(scope="module")
def items():
    rng = np.random.default_rng(0)
    return pd.DataFrame({"price": rng.uniform(1, 9, N), "size": rng.uniform(1, 9, N)})


def test_rows_of_a_group_are_held_out_together(items):
    groups = np.arange(N) % 16
    model = regressor().fit(
        items, items["price"].to_numpy() * 2, groups=[f"brand {g}" for g in groups]
    )
    folds = model.fitted_.out_of_fold.folds
    assert len(folds) == 4
    for rows in folds:
        assert np.isin(np.flatnonzero(np.isin(groups, groups[rows])), rows).all()


def test_targets_of_rows_of_weight_zero_change_nothing(items):
    weight = np.where(np.arange(N) < 60, 1.0, 0.0)
    y = items["price"].to_numpy() * 2
    wrong = np.where(weight > 0, y, 1e6)
    found = [
        regressor().fit(items, target, sample_weight=weight).predict(items) for target in (y, wrong)
    ]
    np.testing.assert_array_equal(*found)


def test_equal_weights_are_no_weights(items):
    y = items["price"].to_numpy() * 2
    plain = regressor().fit(items, y).predict(items)
    np.testing.assert_allclose(
        regressor().fit(items, y, sample_weight=np.full(N, 7.0)).predict(items), plain, rtol=1e-5
    )


def test_answers_follow_the_rows_that_count(items):
    """Two truths for the same rows: the heavier one is learned."""
    doubled = pd.concat([items, items], ignore_index=True)
    y = np.r_[np.full(N, 10.0), np.full(N, 20.0)] + np.random.default_rng(1).normal(size=2 * N)
    for heavy, expected in ((0, 10.0), (1, 20.0)):
        weight = np.where(np.arange(2 * N) // N == heavy, 1.0, 0.02)
        model = regressor(members=["kernel"], strategy_options=None)
        told = model.fit(doubled, y, sample_weight=weight).predict(items).mean()
        assert told == pytest.approx(expected, abs=1.5)


@pytest.mark.parametrize("estimator", [FusionRegressor, FusionClassifier])
def test_everything_wrong_with_rows_is_said_at_once(items, estimator):
    weight = np.ones(N)
    weight[[3, 4]] = -1.0, np.nan
    with pytest.raises(ConfigError) as error:
        estimator(strategy="gatd").fit(
            items, np.arange(N) % 2, groups=np.zeros(N - 1), sample_weight=weight
        )
    told = str(error.value)
    assert "groups must hold one label for each of the 80 rows, got shape (79,)" in told
    assert "sample_weight must hold one finite number of 0 or more for each row" in told
    assert "row 4: -1.0, row 5: nan" in told
    assert "gatd" in told


def test_groups_beside_validation_rows_are_refused(items):
    with pytest.raises(ConfigError, match="groups must be left out where validation_rows are"):
        regressor().fit(
            items, items["price"].to_numpy(), groups=np.arange(N), validation_rows=[1, 2]
        )

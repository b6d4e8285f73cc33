"""`prediction` is the conditional mean and `prediction_p50` the median, whatever the target."""

import numpy as np
import pandas as pd
import pytest

from fusion import FusionRegressor
from heads.scales import likely_scale

KINDS = ("lognormal", "zero-inflated", "heavy-tailed")
N_FRESH = 2000
SEEDS = range(5)


def draw(kind, n_rows, *, seed):
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(n_rows, 4))
    effect = 0.8 * numbers[:, 0] + 0.5 * numbers[:, 1] - 0.4 * np.abs(numbers[:, 2])
    if kind == "lognormal":
        target = np.exp(2 + effect + random.normal(size=n_rows))
    elif kind == "zero-inflated":
        sold = random.random(n_rows) < 1 / (1 + np.exp(0.3 + numbers[:, 3] - numbers[:, 1]))
        target = np.where(sold, np.exp(1.5 + effect + 0.7 * random.normal(size=n_rows)), 0.0)
    else:
        target = np.exp(effect) * (1 + random.pareto(2.5, size=n_rows))
    return pd.DataFrame(numbers, columns=list("abcd")), target


class Trained:
    """Answers to fresh rows of a model that learned from `n_train` rows."""

    def __init__(self, kind, *, n_train, seed, transform="auto", **training):
        items, target = draw(kind, n_train + N_FRESH, seed=seed)
        self.n_train, self.target = n_train, target[n_train:]
        scale = likely_scale(target[:n_train]) if transform == "skewness" else transform
        self.model = FusionRegressor(
            head_options={"regression": {"transform": scale}},
            strategy_options={"width": 32, "depth": 1, "n_networks": 2},
            training=training,
            random_state=seed,
        ).fit(items[:n_train], target[:n_train])
        if transform == "skewness":  # what was answered before there were maps
            head = self.model.bundle_.model.head("target")
            head.mean_map = head.median_map = None
        table = self.model.predict_table(items[n_train:])
        self.mean, self.median = table["prediction"], table["prediction_p50"]

    @property
    def bias(self):
        return float((self.mean - self.target).mean())

    @property
    def variance(self):
        """Of the bias: both the rows learned from and the fresh ones are a sample."""
        return float((self.mean - self.target).var() * (1 / N_FRESH + 1 / self.n_train))

    @property
    def r2(self):
        missed = ((self.target - self.mean) ** 2).sum()
        return float(1 - missed / ((self.target - self.target.mean()) ** 2).sum())

    @property
    def wape(self):
        return float(np.abs(self.target - self.median).sum() / self.target.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_totals_are_right_and_the_median_errs_less_in_absolute_terms(kind):
    found = Trained(kind, n_train=500, seed=0, epochs=6, folds=2)
    assert abs(found.bias) < 3 * found.variance**0.5
    of_the_median = float((found.median - found.target).mean())
    assert of_the_median < -3 * found.variance**0.5  # what was answered before
    assert found.wape < np.abs(found.target - found.mean).sum() / found.target.sum()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_over_five_seeds_mean_and_median_are_as_good_as_those_of_any_scale(kind):
    options = {"n_train": 2000, "epochs": 12}
    found = [Trained(kind, seed=seed, **options) for seed in SEEDS]
    raw = [Trained(kind, seed=seed, transform="identity", **options) for seed in SEEDS]
    before = [Trained(kind, seed=seed, transform="skewness", **options) for seed in SEEDS]
    error = sum(each.variance for each in found) ** 0.5 / len(found)
    assert abs(np.mean([each.bias for each in found])) < 3 * error
    assert np.mean([each.r2 for each in found]) > np.mean([each.r2 for each in raw]) - 0.01
    assert np.mean([each.wape for each in found]) < np.mean([each.wape for each in before]) + 0.005

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel
from sklearn.linear_model import Ridge

from fusion.training.linear import _ridge, best_share, fit_answer, likeliest_variances
from heads import RegressionHead, SalesVolumeHead

RANDOM = np.random.default_rng(0)


def test_variances_are_as_likely_as_those_of_a_gaussian_process():
    features = RANDOM.normal(size=(80, 5))
    target = features @ RANDOM.normal(size=5) + RANDOM.normal(0, 2, 80)
    target = (target - target.mean()) / target.std()
    kernel = 1.0 * DotProduct(0.0, sigma_0_bounds="fixed") + WhiteKernel()
    oracle = GaussianProcessRegressor(kernel, n_restarts_optimizer=3, random_state=0)
    oracle.fit(features, target)
    signal, noise = likeliest_variances(np.stack([features @ features.T]), target)
    assert noise == pytest.approx(oracle.kernel_.k2.noise_level, rel=0.05)
    assert signal == pytest.approx(oracle.kernel_.k1.k1.constant_value, rel=0.1)


def test_a_block_that_says_nothing_gets_hardly_any_variance():
    told, silent = RANDOM.normal(size=(2, 200, 10))
    target = told @ RANDOM.normal(size=10)
    target = (target - target.mean()) / target.std()
    kernels = np.stack([told @ told.T, silent @ silent.T]) / 10
    variances = likeliest_variances(kernels, target)
    assert variances[1] < 0.01 * variances[0]


def test_weights_are_those_of_ridge_regression():
    features, target = RANDOM.normal(size=(50, 4)), RANDOM.normal(size=(50, 1))
    found = _ridge(
        features.T @ features, features.T @ target, np.full((4, 1), 0.5), np.array([2.0])
    )
    oracle = Ridge(alpha=2.0 / 0.25, fit_intercept=False).fit(features, target[:, 0])
    np.testing.assert_allclose(found[:, 0], oracle.coef_, rtol=1e-9)


def test_an_answer_learns_the_scale_of_a_score():
    scores = torch.linspace(-1, 1, 200)
    units = np.exp(3 + scores.double().numpy())
    head = SalesVolumeHead.fitted(units, in_dim=1)
    fit_answer(head, scores, torch.from_numpy(head.encode_target(units)))
    mean = head.predict(head(torch.tensor([[0.0], [1.0]])))["sales_units"]
    assert mean.tolist() == pytest.approx([np.exp(3), np.exp(4)], rel=0.02)


def test_an_answer_that_diverges_stays_as_it_was_made():
    class Diverging(RegressionHead):
        def loss(self, raw, target):
            return super().loss(raw, target) * torch.nan

    head = Diverging(1)
    before = head.linear.weight.clone()
    raw = fit_answer(head, torch.ones(30), torch.ones(30))
    assert torch.equal(head.linear.weight, before) and torch.isfinite(raw).all()


@pytest.mark.parametrize(
    ("networks", "linear", "low", "high"), [(0.1, 1.0, 0.9, 1.0), (1.0, 0.1, 0.0, 0.2)]
)
def test_the_better_answer_gets_the_larger_share(networks, linear, low, high):
    target = torch.from_numpy(RANDOM.normal(size=400)).float()
    noise = torch.from_numpy(RANDOM.normal(size=(2, 400))).float()
    answers = (target + noise[0] * networks, target + noise[1] * linear)
    share = best_share(RegressionHead(1), *(answer[:, None] for answer in answers), target)
    assert low <= share <= high

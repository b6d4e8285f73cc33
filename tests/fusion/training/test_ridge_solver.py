import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel
from sklearn.linear_model import Ridge
from torch import nn

from fusion.choices.build import build_decoders
from fusion.data.batch import ModelInputs
from fusion.ensemble import ProductEnsemble
from fusion.members.ridge import RidgeMember
from fusion.network import FusionNetwork
from fusion.strategies import ConcatFusion
from fusion.training import ridge_solver as ridge_module
from fusion.training.kernels import BlockKernels
from fusion.training.ridge_solver import (
    RidgeSolver,
    likeliest_variances,
    ridge_weights,
    standardised,
)
from heads import RegressionHead

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
    found = ridge_weights(
        features.T @ features, features.T @ target, np.full((4, 1), 0.5), np.array([2.0])
    )
    oracle = Ridge(alpha=2.0 / 0.25, fit_intercept=False).fit(features, target[:, 0])
    np.testing.assert_allclose(found[:, 0], oracle.coef_, rtol=1e-9)


class Given(nn.Module):
    """Stands for an encoder that does not train."""

    embedding_dim = 6
    is_trainable = False

    def delta_state_dict(self):
        return {}


def ridge_part(rows, present):
    fusion = ConcatFusion({"text": 6}, width=4, depth=1, n_networks=1)
    heads = {"y": RegressionHead()}
    decoders = build_decoders(heads, fused_dim=4)
    model = FusionNetwork({"text": Given()}, fusion=fusion, heads=heads, decoders=decoders)
    inputs = ModelInputs(
        present={"text": torch.from_numpy(present)}, embeddings={"text": torch.from_numpy(rows)}
    )
    part = RidgeMember({"text": [6]}, heads)
    return RidgeSolver(ProductEnsemble([model]), inputs, part, seed=0), part


def test_what_a_fold_holds_changes_no_score_of_its_own_rows():
    rows = RANDOM.normal(size=(90, 6)).astype(np.float32)
    present = RANDOM.random(90) > 0.2
    target = standardised(rows.sum(axis=1) + RANDOM.normal(size=90))[:, None]
    folds = [np.arange(30), np.arange(30, 60), np.arange(60, 90)]
    before = ridge_part(rows, present)[0].solve(target, folds=folds)
    other_target, other_rows = target.copy(), rows.copy()
    other_target[:30] = 50.0
    after = ridge_part(rows, present)[0].solve(other_target, folds=folds)
    np.testing.assert_allclose(after[:30], before[:30], rtol=1e-6, atol=1e-9)
    other_rows[1:30] += 1000.0  # row 0 stays; centre and scale of the others must not move it
    moved = ridge_part(other_rows, present)[0].solve(target, folds=folds)
    np.testing.assert_allclose(moved[0], before[0], rtol=1e-5, atol=1e-7)
    assert abs(after[30:] - before[30:]).max() > 1


@pytest.mark.parametrize("place", [1, 2])
def test_where_the_search_for_penalties_starts_hardly_moves_a_score(place):
    rows, present = RANDOM.normal(size=(90, 6)).astype(np.float32), np.ones(90, dtype=bool)
    target = standardised(rows.sum(axis=1) + RANDOM.normal(size=90))[:, None]
    folds = [np.arange(30), np.arange(30, 60), np.arange(60, 90)]
    before = ridge_part(rows, present)[0].solve(target, folds=folds)[folds[place]]
    other = target.copy()
    other[folds[place]] = 50.0
    after = ridge_part(rows, present)[0].solve(other, folds=folds)[folds[place]]
    np.testing.assert_allclose(after, before, atol=0.01)


def test_held_out_scores_are_those_of_a_fit_without_the_fold():
    rows = (RANDOM.normal(size=(80, 6)) + 5.0).astype(np.float32)
    present = RANDOM.random(80) > 0.2
    target = standardised(rows.sum(axis=1) + RANDOM.normal(size=80))[:, None]
    fold, others = np.arange(20), np.arange(20, 80)
    scores = ridge_part(rows, present)[0].solve(target, folds=[fold])
    whole, part = ridge_part(rows[others], present[others])
    mean = target[others].mean(axis=0)
    whole.solve(target[others] - mean, folds=[])
    features = torch.from_numpy(rows[fold])
    mask = torch.from_numpy(present[fold])
    weights = part.weights.double()
    expected = part.features({"text": (features,)}, {"text": mask}) @ weights
    np.testing.assert_allclose(scores[fold], expected.numpy() + mean, rtol=1e-2, atol=1e-2)


class Wide(Given):
    """The same for any number of features."""

    def __init__(self, dim):
        super().__init__()
        self.embedding_dim = dim


def wide_part(blocks, present):
    dims = {name: block.shape[1] for name, block in blocks.items()}
    heads = {name: RegressionHead() for name in ("y", "z")}
    fusion = ConcatFusion(dims, width=4, depth=1, n_networks=1)
    encoders = {name: Wide(dim) for name, dim in dims.items()}
    decoders = build_decoders(heads, fused_dim=4)
    model = FusionNetwork(encoders, fusion=fusion, heads=heads, decoders=decoders)
    inputs = ModelInputs(
        present={name: torch.from_numpy(mask) for name, mask in present.items()},
        embeddings={name: torch.from_numpy(block) for name, block in blocks.items()},
    )
    part = RidgeMember({name: [dim] for name, dim in dims.items()}, heads)
    return RidgeSolver(ProductEnsemble([model]), inputs, part, seed=0), part


def smooth_variances(kernels, target, *, start=None):
    """Stands for the search, which ends elsewhere after another rounding."""
    told = [float(target @ kernel @ target) / float(np.square(kernel).sum()) for kernel in kernels]
    return np.array([*(0.2 + abs(each) for each in told), 0.5])


def test_more_features_than_rows_give_the_answers_of_as_many(monkeypatch):
    monkeypatch.setattr(ridge_module, "likeliest_variances", smooth_variances)
    n = 60  # one more feature, of zeros, says nothing: the system by rows must agree
    blocks = {
        "history": 100.0 + RANDOM.normal(size=(n, 20)),
        "text": 3.0 + RANDOM.normal(size=(n, 40)),
    }
    wider = {**blocks, "text": np.hstack([blocks["text"], np.zeros((n, 1))])}
    present = {"history": RANDOM.random(n) > 0.3, "text": RANDOM.random(n) > 0.1}
    noise = RANDOM.normal(size=(n, 2))
    target = noise + np.stack([blocks["text"][:, 0], blocks["history"][:, :3].sum(axis=1)], axis=1)
    target = (target - target.mean(axis=0)) / target.std(axis=0)
    folds = [np.arange(20), np.arange(20, 45)]
    ridge, part = wide_part(blocks, present)
    wide_ridge, wide = wide_part(wider, present)
    scores = ridge.solve(target, folds=folds)
    np.testing.assert_allclose(
        wide_ridge.solve(target, folds=folds), scores, rtol=1e-6, atol=1e-6 * abs(scores).max()
    )
    assert (scores[:45] != 0).all() and (scores[45:] == 0).all()
    weights = part.weights.numpy()
    np.testing.assert_allclose(
        wide.weights.numpy()[:-1], weights, rtol=1e-6, atol=1e-6 * abs(weights).max()
    )
    np.testing.assert_allclose(wide.center.numpy()[:-1], part.center.numpy(), rtol=1e-9)


def test_memory_of_a_wide_table_grows_with_its_columns_not_with_their_square():
    n, dim = 30, 4000
    ridge, _ = wide_part({"text": RANDOM.normal(size=(n, dim))}, {"text": np.ones(n, dtype=bool)})
    target = RANDOM.normal(size=(n, 2))
    tracemalloc.start()
    try:
        ridge.solve(target, folds=[np.arange(10), np.arange(10, 20)])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 10 * n * dim * 8


def test_a_block_that_is_constant_in_the_rows_of_its_centre_has_no_kernel():
    """What rounding left of one had no Cholesky factor, and training ended there."""
    block = np.ones((24, 30)) * RANDOM.normal(size=30)
    block[:8] += RANDOM.normal(size=(8, 30))
    kernels = BlockKernels([block, RANDOM.normal(size=(24, 40))], np.ones((2, 24)))
    rows = np.arange(8, 24)
    constant, other = kernels.centred(rows, rows, centre_of=rows)
    assert (constant == 0).all() and np.linalg.eigvalsh(other)[1] > 1
    assert (kernels.centred(np.arange(8), rows, centre_of=rows)[0] == 0).all()

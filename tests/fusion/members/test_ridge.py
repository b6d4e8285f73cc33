import sys
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import DotProduct, WhiteKernel
from sklearn.linear_model import LogisticRegression, Ridge

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.data.training_rows import TrainingRows
from fusion.members import ridge_fit
from fusion.members.ridge import RidgeMember
from fusion.members.ridge_by_rows import likeliest_variances
from fusion.members.ridge_features import Features, sources_of
from fusion.members.ridge_solver import Curvature, Likelihood, RidgeSolver
from fusion.members.view import View
from heads import HotItemHead, MulticlassHead, RegressionHead

RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def random_by_test(monkeypatch):
    """Numbers of a test do not depend on which tests ran before it."""
    monkeypatch.setattr(sys.modules[__name__], "RANDOM", np.random.default_rng(3))


def view_of_blocks(present=None, **blocks):
    """A view of blocks, given by name as `[n, dim]` of vectors or as a block."""
    named = {
        name: block if isinstance(block, Block) else Block("", "vectors", np.asarray(block))
        for name, block in blocks.items()
    }
    n = len(next(iter(named.values())))
    there = {name: np.ones(n, dtype=bool) for name in named} | (present or {})
    inputs = ModelInputs(present={"rows": torch.ones(n, dtype=torch.bool)})
    return View(named, there, inputs, {})


def fitted(view, head, target, *, folds, weight=None, degree=1):
    member = RidgeMember(degree=degree)
    weight = np.ones(len(view)) if weight is None else weight
    training = TrainingRows({"y": target}, folds, weight)
    raw = member.fit(view, heads={"y": head}, training=training, seed=0)
    return member, raw["y"]


def answers(member, head, view):
    return head.decode(member.raw(view)["y"])[head.column_names[0]].numpy()


def quarters(n):
    return np.array_split(np.arange(n), 4)


@pytest.fixture
def plain_priors(monkeypatch):
    """Every weight of a scaled column has the prior variance of the noise."""
    monkeypatch.setattr(
        ridge_fit, "_variances", lambda features, *_, **__: np.ones(len(features.sources))
    )


def linear_scores(view, target, *, folds, weight=None):
    """Scores out of fold and on all rows, in units of the target."""
    head = RegressionHead(mean=0.0, std=1.0)
    weight = np.ones(len(view)) if weight is None else weight
    features = Features(view, sources_of(view, degree=1), weight)
    given = {"folds": folds, "weight": weight, "seed": 0}
    return features, *ridge_fit.fit_scores(features, head, target, **given)


@pytest.mark.parametrize("most_by_rows", [0, 1000])
def test_scores_are_those_of_ridge_regression(plain_priors, monkeypatch, most_by_rows):
    monkeypatch.setattr(ridge_fit, "MOST_BY_ROWS", most_by_rows)
    rows = RANDOM.normal(size=(80, 5)) * [1, 2, 3, 4, 5] + 10
    target = rows @ RANDOM.normal(size=5) + RANDOM.normal(size=80)
    target = (target - target.mean()) / target.std()
    folds = quarters(80)
    _, scores, _ = linear_scores(view_of_blocks(text=rows), target, folds=folds)
    scaled = (rows - rows.mean(axis=0)) / np.sqrt(rows.var(axis=0).sum())
    for fold in folds:
        others = np.setdiff1d(np.arange(80), fold)
        oracle = Ridge(alpha=1.0).fit(scaled[others], target[others])
        expected = oracle.predict(scaled[fold])
        np.testing.assert_allclose(scores[fold, 0], expected, atol=0.03 * target.std())


@pytest.mark.parametrize("most_by_rows", [0, 1000])
def test_a_row_of_weight_two_is_the_row_twice(plain_priors, monkeypatch, most_by_rows):
    monkeypatch.setattr(ridge_fit, "MOST_BY_ROWS", most_by_rows)
    rows, target = RANDOM.normal(size=(40, 3)), RANDOM.normal(size=40)
    weight = np.where(np.arange(40) < 10, 2.0, 1.0)
    twice = np.concatenate([np.arange(40), np.arange(10)])
    given = {"folds": [np.arange(30, 40)]}
    _, _, one = linear_scores(view_of_blocks(text=rows), target, weight=weight, **given)
    _, _, other = linear_scores(view_of_blocks(text=rows[twice]), target[twice], **given)
    np.testing.assert_allclose(one.weights[0], other.weights[0], atol=2e-3)


def terms(n, dim, share=0.2):
    return sparse.random(n, dim, density=share, format="csr", random_state=0, dtype=np.float32)


@pytest.mark.parametrize("link", ["logistic", "softmax"])
def test_log_odds_are_those_of_logistic_regression(link):
    dense, sparse_part = RANDOM.normal(size=(300, 4)), terms(300, 30)
    told = dense[:, 0] + 2 * sparse_part[:, 0].toarray()[:, 0]
    labels = np.searchsorted([-0.3, 0.6], told + RANDOM.logistic(size=300))
    labels = labels if link == "softmax" else (labels > 0).astype(int)
    target = np.eye(3)[labels] if link == "softmax" else labels[:, None].astype(float)
    view = view_of_blocks(text=dense, words=Block("", "terms", sparse_part))
    weight = RANDOM.uniform(0.2, 2.0, 300)
    features = Features(view, sources_of(view, degree=1), weight)
    likelihood, stds = Likelihood(link, target), np.array([2.0, 5.0])
    curvature = Curvature(features, weight, stds**2)
    solver = RidgeSolver(features, likelihood, np.ones(1), curvature)
    scores = solver.scores(solver.solve(weight[:, None]))[:, 0]
    own = features.scale * stds[features.group]
    whole = np.hstack([dense, sparse_part.toarray()]) - features.mean
    oracle = LogisticRegression(C=1.0, tol=1e-8, max_iter=5000)
    oracle.fit(whole * own, labels, sample_weight=weight)
    expected = oracle.decision_function(whole * own).reshape(300, -1)
    middle = scores.mean(axis=1, keepdims=True) if link == "softmax" else 0.0
    np.testing.assert_allclose(scores - middle, expected, rtol=0.02, atol=0.06)


@pytest.mark.parametrize("link", ["identity", "logistic", "softmax"])
def test_systems_that_are_solved_at_once_are_those_solved_alone(link):
    """Rows of each and strengths of each its own, a system without any rows among them."""
    words = Block("", "terms", terms(200, 40))
    view = view_of_blocks(text=RANDOM.normal(size=(200, 3)), words=words)
    likelihood = Likelihood(link, RANDOM.dirichlet(np.ones(3), size=200))
    features = Features(view, sources_of(view, degree=1), np.ones(200))
    curvature = Curvature(features, np.ones(200), np.ones(2))
    strengths = np.array([0.1, 5.0, 5.0, 1.0])
    weight = np.repeat([[1.0, 1.0, 2.0, 0.0]], 200, axis=0)
    weight[:50, 1] = 0.0
    together = RidgeSolver(features, likelihood, strengths, curvature).solve(weight)
    for place in range(4):
        own = slice(place, place + 1)
        solver = RidgeSolver(features, likelihood, strengths[own], curvature)
        alone = solver.solve(weight[:, own])
        np.testing.assert_allclose(together[:, own], alone, atol=1e-3 * np.abs(alone).max())
    assert np.abs(together[:, 2] - together[:, 1]).max() > 0.01


def test_wide_priors_on_columns_that_are_nearly_the_same_are_solved():
    """Products in float32 are no covariances there: rounding makes some of them negative."""
    one = RANDOM.normal(size=(500, 1)) + 1e-6 * RANDOM.normal(size=(500, 300))
    view = view_of_blocks(text=one)
    features = Features(view, sources_of(view, degree=1), np.ones(500))
    curvature = Curvature(features, np.ones(500), np.full(1, 1e9))
    labels = (one[:, :1] + RANDOM.logistic(size=(500, 1)) > 0).astype(float)
    solver = RidgeSolver(features, Likelihood("logistic", labels), np.ones(1), curvature)
    scores = solver.scores(solver.solve(np.ones((500, 1))))
    assert np.corrcoef(scores[:, 0, 0], one[:, 0])[0, 1] > 0.99


def test_more_folds_ask_for_hardly_more_products(monkeypatch):
    asked, times = [], Features.times
    monkeypatch.setattr(Features, "times", lambda *given: asked.append(1) or times(*given))
    words = terms(600, 100)
    labels = (np.asarray(words[:, :50].sum(axis=1)).ravel() > 5.0).astype(float)
    view = view_of_blocks(words=Block("", "terms", words))
    features = Features(view, sources_of(view, degree=1), np.ones(600))
    monkeypatch.setattr(ridge_fit, "STRENGTH_ROWS", 1)
    counts = []
    for folds in (quarters(600)[:1], quarters(600)):
        asked.clear()
        given = {"folds": folds, "weight": np.ones(600), "seed": 0}
        ridge_fit.fit_scores(features, HotItemHead(), labels, **given)
        counts.append(len(asked))
    assert counts[1] < 1.5 * counts[0]


def test_columns_made_dense_are_those_of_products():
    there = {"words": RANDOM.random(50) > 0.3, "brand": RANDOM.random(50) > 0.3}
    blocks = {
        "text": RANDOM.normal(size=(50, 4)),
        "words": Block("", "terms", terms(50, 9)),
        "brand": Block("", "category", np.arange(50) % 3, n_levels=3),
    }
    view = view_of_blocks(present=there, **blocks)
    features = Features(view, sources_of(view, degree=1), np.ones(50))
    rows, columns = np.array([1, 4, 30]), np.array([0, 3, 5, 12, 14])
    expected = features.times(np.eye(16))[np.ix_(rows, columns)]
    np.testing.assert_allclose(features.dense(rows, columns), expected, atol=1e-6)


def test_variances_are_as_likely_as_those_of_a_gaussian_process():
    features = RANDOM.normal(size=(80, 5))
    target = features @ RANDOM.normal(size=5) + RANDOM.normal(0, 2, 80)
    target = (target - target.mean()) / target.std()
    kernel = 1.0 * DotProduct(0.0, sigma_0_bounds="fixed") + WhiteKernel()
    oracle = GaussianProcessRegressor(kernel, n_restarts_optimizer=3, random_state=0)
    oracle.fit(features, target)
    kernels = np.stack([features @ features.T])
    signal, noise = likeliest_variances(kernels, target, np.ones(80))
    assert noise == pytest.approx(oracle.kernel_.k2.noise_level, rel=0.05)
    assert signal == pytest.approx(oracle.kernel_.k1.k1.constant_value, rel=0.1)


def test_a_block_that_says_nothing_gets_hardly_any_variance():
    told, silent = RANDOM.normal(size=(2, 200, 10))
    target = told @ RANDOM.normal(size=10)
    target = (target - target.mean()) / target.std()
    kernels = np.stack([told @ told.T, silent @ silent.T]) / 10
    variances = likeliest_variances(kernels, target, np.ones(200))
    assert variances[1] < 0.01 * variances[0]


@pytest.mark.parametrize("most_by_rows", [0, 1000])
@pytest.mark.parametrize("head", [RegressionHead(), HotItemHead()])
def test_what_a_fold_is_asked_changes_no_score_of_its_own_rows(
    plain_priors, monkeypatch, head, most_by_rows
):
    monkeypatch.setattr(ridge_fit, "MOST_BY_ROWS", most_by_rows)
    monkeypatch.setattr(ridge_fit, "STEP", 1.0)  # the strength is chosen by all folds
    rows = RANDOM.normal(size=(90, 6))
    features = Features(view := view_of_blocks(text=rows), sources_of(view, degree=1), np.ones(90))
    target = (rows.sum(axis=1) + RANDOM.normal(size=90) > 0).astype(float)
    other = target.copy()
    other[:30] = 1.0 - other[:30]
    given = {"folds": np.array_split(np.arange(90), 3), "weight": np.ones(90), "seed": 0}
    before, _ = ridge_fit.fit_scores(features, head, target, **given)
    after, _ = ridge_fit.fit_scores(features, head, other, **given)
    np.testing.assert_allclose(after[:30], before[:30], rtol=0.02, atol=0.02)
    assert np.abs(after[30:] - before[30:]).max() > 0.2


def test_an_absent_block_adds_nothing_dense_or_sparse():
    dense, some = RANDOM.normal(size=(60, 3)) + 50, terms(60, 8, 0.5)
    codes = np.arange(60) % 4
    target = dense.sum(axis=1) + 3 * np.asarray(some.sum(axis=1)).ravel()
    head = RegressionHead.fitted(target, transform="identity")
    blocks = {
        "text": dense,
        "words": Block("", "terms", some),
        "brand": Block("brand", "category", codes, n_levels=4),
    }
    member, _ = fitted(view_of_blocks(**blocks), head, target, folds=quarters(60))
    nothing = {name: np.zeros(60, dtype=bool) for name in blocks}
    gone = answers(member, head, view_of_blocks(present=nothing, **blocks))
    assert np.ptp(gone) < 1e-6  # and as the mean row, not as a row of zeros
    assert abs(gone[0] - target.mean()) < 0.2 * target.std()
    assert not member.knows(view_of_blocks(present=nothing, **blocks)).any()


def test_rows_of_the_mean_are_answered_by_the_mean_of_sparse_blocks_too():
    words = Block("", "terms", terms(200, 10, 0.5))
    target = np.asarray(words.values.sum(axis=1), dtype=float).ravel()
    head = RegressionHead.fitted(target, transform="identity")
    member, _ = fitted(view_of_blocks(words=words), head, target, folds=quarters(200))
    found = answers(member, head, view_of_blocks(words=words))
    assert np.corrcoef(found, target)[0, 1] > 0.99


def test_products_of_numbers_are_read_where_they_are_asked_for():
    numbers = RANDOM.normal(size=(300, 3))
    target = numbers[:, 0] * numbers[:, 1]
    raw = Block("raw", "raw", numbers, labels=("a", "b", "c"))
    view = view_of_blocks(**{"numeric.numbers": Block("numbers", "numbers", numbers), "raw": raw})
    head = RegressionHead.fitted(target, transform="identity")
    errors = []
    for degree in (1, 2):
        member, _ = fitted(view, head, target, folds=quarters(300), degree=degree)
        errors.append(np.square(answers(member, head, view) - target).mean() / target.var())
    assert errors[1] < 0.3 < 0.9 < errors[0]
    with pytest.raises(ValueError, match="degree must be a whole number from 1 to 2"):
        RidgeMember(degree=3)


def test_words_decide_labels_by_log_odds():
    words = terms(400, 200, 0.05)
    told = np.asarray(words[:, :20].sum(axis=1)).ravel()
    labels = (told + np.random.default_rng(0).normal(0, 0.1, 400) > np.median(told)).astype(float)
    head = HotItemHead.fitted(labels)
    view = view_of_blocks(words=Block("", "terms", words))
    _, raw = fitted(view, head, labels, folds=quarters(400))
    found = head.decode(raw)["hot_probability"].numpy()
    assert ((found > 0.5) == labels).mean() > 0.75


def test_constant_absent_and_huge_blocks_and_few_rows_end_finite():
    head = MulticlassHead(labels=("a", "b", "c"))
    for n in (5, 30):
        huge = RANDOM.normal(size=(n, 2)) * 1e12
        blocks = {"same": np.full((n, 3), 7.1), "huge": huge, "nobody": np.full((n, 2), np.nan)}
        present = {"nobody": np.zeros(n, dtype=bool)}
        view = view_of_blocks(present=present, **blocks)
        member, raw = fitted(view, head, np.arange(n) % 3.0, folds=[np.arange(2)])
        assert torch.isfinite(raw).all() and torch.isfinite(member.raw(view)["y"]).all()
        assert [source["name"] for source in member.config["sources"]] == ["huge"]


def test_a_view_without_anything_linear_is_answered_by_a_constant():
    view = view_of_blocks(raw=Block("raw", "raw", np.zeros((20, 1))))
    head = RegressionHead.fitted(np.arange(20.0), transform="identity")
    member, raw = fitted(view, head, np.arange(20.0), folds=quarters(20))
    assert torch.isfinite(raw).all() and not member.knows(view).any()


def test_memory_of_a_wide_table_grows_with_its_columns_not_with_their_square():
    n, dim = 30, 4000
    view = view_of_blocks(text=RANDOM.normal(size=(n, dim)).astype(np.float32))
    target = RANDOM.normal(size=n)
    tracemalloc.start()
    try:
        fitted(view, RegressionHead(), target, folds=quarters(n))
        labels = (target > 0).astype(float)
        fitted(view, HotItemHead.fitted(labels), labels, folds=quarters(n))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * n * dim * 8


def test_the_strength_of_log_odds_is_chosen_out_of_fold(monkeypatch):
    """Labels without any noise ask for larger weights than labels that hardly follow."""
    rows = RANDOM.normal(size=(300, 4))
    view = view_of_blocks(text=rows)
    spread = []
    for noise in (0.01, 3.0):
        labels = (rows[:, 0] + noise * RANDOM.normal(size=300) > 0).astype(float)
        features = Features(view, sources_of(view, degree=1), np.ones(300))
        given = {"folds": quarters(300), "weight": np.ones(300), "seed": 0}
        scores, _ = ridge_fit.fit_scores(features, HotItemHead(), labels, **given)
        spread.append(scores.std())
    assert all(one > 5 * other for one, other in pairwise(spread))


@pytest.mark.parametrize("lightest", [1e-4, 1e-8, 1e-12, 1e-20, 1e-50])
@pytest.mark.parametrize("heavy", [1, 15, 29])
def test_rows_of_any_weights_can_be_solved(lightest, heavy):
    random = np.random.default_rng(3)
    counts = sparse.random_array((30, 40), density=0.2, rng=random, format="csr", dtype=np.float32)
    words = Block("", "terms", counts)
    view = view_of_blocks(words=words, numbers=random.normal(size=(30, 3)).astype(np.float32))
    weight = np.where(np.arange(30) < heavy, 1.0, lightest)
    target = view.blocks["numbers"].values[:, 0].astype(float)
    head = RegressionHead.fitted(target)
    _, raw = fitted(view, head, target, folds=quarters(30), weight=weight / weight.mean())
    assert raw.isfinite().all()


def test_words_that_are_the_same_in_all_rows_say_nothing():
    row = np.random.default_rng(4).random(50).astype(np.float32)
    words = Block("", "terms", sparse.csr_array(np.tile(row / np.linalg.norm(row), (30, 1))))
    target = np.random.default_rng(5).normal(size=30)
    head = RegressionHead.fitted(target)
    member, raw = fitted(view_of_blocks(words=words), head, target, folds=quarters(30))
    assert not member.sources
    assert raw.isfinite().all()

import math

import numpy as np
import pytest
import torch

from heads import RegressionHead
from heads.conformal import Interval, conformal_quantile, fit_interval, weighted_quantile


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def parts(n):
    return np.arange(n) % 4


@pytest.mark.parametrize("n_rows", [1, 9, 10, 19, 200])
@pytest.mark.parametrize("level", [0.05, 0.1, 0.5, 0.9, 0.95])
def test_a_quantile_is_the_miss_of_rank_n_plus_one_times_the_level(n_rows, level, rng):
    misses = rng.normal(size=n_rows)
    rank = (n_rows + 1) * level
    rank = math.ceil(rank - 1e-9) if level >= 0.5 else math.floor(rank + 1e-9)
    expected = np.sort(misses)[min(max(rank, 1), n_rows) - 1]
    assert conformal_quantile(misses, level) == expected


def test_quantiles_are_those_of_mapie(rng):
    """MAPIE's split conformal on the same misses, each side on its own."""
    from mapie.conformity_scores import AbsoluteConformityScore
    from mapie.regression import SplitConformalRegressor
    from sklearn.dummy import DummyRegressor

    target = rng.gamma(2.0, size=99)
    mean = DummyRegressor(strategy="constant", constant=2.0).fit(np.zeros((1, 1)), [2.0])
    told = SplitConformalRegressor(
        mean,
        confidence_level=0.8,
        conformity_score=AbsoluteConformityScore(sym=False),
        prefit=True,
    )
    told.conformalize(np.zeros((99, 1)), target)
    _, ends = told.predict_interval(np.zeros((1, 1)))
    head = RegressionHead()
    raw = torch.full((99, 1, 1), 2.0)
    found = fit_interval(np.full(99, 2.0), target - 2.0, parts=parts(99))
    assert (2.0 + found.low[0], 2.0 + found.high[0]) == pytest.approx(ends.ravel().tolist())
    head.calibrate(raw, target, parts=parts(99))
    answer = head.decode(raw[:1])
    assert answer["prediction_p10"].item() == pytest.approx(ends.ravel()[0])
    assert answer["prediction_p90"].item() == pytest.approx(ends.ravel()[1])


def test_a_weight_counts_as_so_many_rows(rng):
    misses, weight = rng.normal(size=60), rng.integers(0, 4, size=60).astype(float)
    repeated = np.repeat(misses, weight.astype(int))
    for level in (0.1, 0.5, 0.9):
        assert weighted_quantile(misses, level, weight) == pytest.approx(
            np.quantile(repeated, level, method="inverted_cdf")
        )
        near = np.sort(repeated)
        place = np.searchsorted(near, conformal_quantile(misses, level, weight))
        assert abs(place - level * len(near)) < 5
    assert conformal_quantile(misses, 0.9, np.ones(60)) == conformal_quantile(misses, 0.9)


def test_intervals_cover_as_asked_wherever_the_answer_lies(rng):
    answers = rng.uniform(0.0, 1.0, size=6000)
    misses = (0.1 + 2.0 * answers) * rng.normal(size=6000)
    found = fit_interval(answers[:2000], misses[:2000], parts=parts(2000))
    assert len(found.places) > 1
    low, high = found(answers[2000:])
    inside = (low <= misses[2000:]) & (misses[2000:] <= high)
    assert inside.mean() == pytest.approx(0.8, abs=0.03)
    for rows in np.array_split(np.argsort(answers[2000:]), 3):
        assert inside[rows].mean() == pytest.approx(0.8, abs=0.06)


def test_ends_do_not_follow_the_answer_where_errors_do_not(rng):
    shapes = [
        len(fit_interval(answers, misses, parts=parts(400)).places)
        for answers, misses in rng.normal(size=(10, 2, 400))
    ]
    assert np.median(shapes) == 1


def test_few_rows_have_one_interval_that_is_never_too_narrow(rng):
    shares = []
    for _ in range(300):
        misses = rng.normal(size=25)
        found = fit_interval(np.zeros(25), misses, parts=parts(25))
        new = rng.normal(size=200)
        shares.append(((found.low[0] <= new) & (new <= found.high[0])).mean())
    assert 0.79 <= np.mean(shares) < 0.88
    assert fit_interval(np.zeros(19), np.zeros(19), parts=parts(19)) is None


@pytest.mark.parametrize(
    "config",
    [
        {"places": [], "low": [], "high": []},
        {"places": [0.0], "low": [0.0, 1.0], "high": [0.0]},
        {"places": [0.0], "low": [math.nan], "high": [0.0]},
        {"places": [1.0, 0.0], "low": [0.0, 0.0], "high": [0.0, 0.0]},
    ],
)
def test_an_interval_that_is_none_is_refused(config):
    with pytest.raises(ValueError, match="places, low and high must be as many finite numbers"):
        Interval.from_config(config)

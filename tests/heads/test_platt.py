import numpy as np
import pytest
from scipy import special
from sklearn.linear_model import LogisticRegression

from heads.platt import fit_platt

RANDOM = np.random.default_rng(0)
LOGITS = RANDOM.normal(-1, 2, 4000)
LABELS = (RANDOM.random(4000) < special.expit(LOGITS)).astype(float)
PARTS = np.arange(4000) % 4


def test_log_odds_are_those_of_a_logistic_regression():
    found = fit_platt(3 * LOGITS[:, None] + 1, LABELS, parts=PARTS)
    oracle = LogisticRegression(C=1e9).fit(3 * LOGITS[:, None] + 1, LABELS)
    assert found == pytest.approx((oracle.intercept_[0], oracle.coef_[0, 0]), abs=1e-3)


def test_probabilities_of_several_members_add_up_and_are_sharpened_together():
    noisy = 0.5 * LOGITS[:, None] + RANDOM.normal(0, 1, (4000, 4))
    intercept, slope = fit_platt(noisy, LABELS, parts=PARTS)
    found = special.expit(intercept + slope * noisy).mean(axis=1)
    assert found.mean() == pytest.approx(LABELS.mean(), abs=0.005)
    assert slope > 1.2


def test_honest_probabilities_stay_about_as_they_are():
    intercept, slope = fit_platt(LOGITS[:, None], LABELS, parts=PARTS)
    assert (intercept, slope) == (pytest.approx(0, abs=0.1), pytest.approx(1, abs=0.1))


def test_the_ranking_never_turns():
    assert fit_platt(-LOGITS[:, None], LABELS, parts=PARTS)[1] > 0


@pytest.mark.parametrize("n_hot", [0, 9, 30])
def test_few_hot_rows_move_nothing_or_the_intercept_alone(n_hot):
    labels = (np.arange(500) < n_hot).astype(float)
    intercept, slope = fit_platt(5 + 0 * LOGITS[:500, None], labels, parts=PARTS[:500])
    assert slope == 1.0
    assert intercept == 0.0 if n_hot < 10 else intercept < -5


def test_endless_logits_stay_finite():
    logits = np.where(LABELS == 1, 1e30, -1e30)[:, None]
    assert np.isfinite(fit_platt(logits, LABELS, parts=PARTS)).all()

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from heads import metrics

RNG = np.random.default_rng(0)
UNITS = RNG.poisson(20, 200).astype(float)
FORECAST = UNITS * RNG.lognormal(0, 0.4, 200) + 0.1
LABELS = (RNG.random(400) < 0.3).astype(float)
PROBABILITIES = np.clip(0.25 + 0.3 * LABELS + RNG.normal(0, 0.2, 400), 0, 1)

TARGET = np.array([10.0, 0.0, 20.0, 30.0])
PREDICTION = np.array([12.0, 3.0, 10.0, 31.0])  # errors 2, 3, -10, 1


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("mae", 4.0),
        ("rmse", np.sqrt(114 / 4)),
        ("r2", 1 - 114 / 500),
        ("wape", 16 / 60),
        ("bias", -4 / 60),
        ("spearman", 0.8),  # ranks 2134 against 3124
    ],
)
def test_point_metric_equals_the_table_made_by_hand(name, by_hand):
    assert getattr(metrics, name)(TARGET, PREDICTION) == pytest.approx(by_hand)


def test_wape_is_zero_if_perfect_one_for_zeros_and_may_exceed_one():
    assert metrics.wape(TARGET, TARGET) == 0
    assert metrics.wape(TARGET, 0 * TARGET) == 1
    assert metrics.wape(TARGET, 3 * TARGET) == 2


def test_bias_is_positive_when_too_much_is_forecast_and_stays_within_wape():
    assert metrics.bias(TARGET, TARGET + 3) == pytest.approx(0.2)
    assert metrics.bias(-TARGET, 3 - TARGET) == pytest.approx(0.2)
    assert abs(metrics.bias(UNITS, FORECAST)) <= metrics.wape(UNITS, FORECAST)


@pytest.mark.parametrize("name", ["wape", "bias"])
def test_share_of_a_zero_sum_is_nan(name):
    assert np.isnan(getattr(metrics, name)(np.zeros(3), np.ones(3)))


def test_pinball_charges_too_little_at_the_level_and_too_much_at_the_rest():
    # shortfall 10 costs 9, excesses 2 + 3 + 1 cost 0.6
    assert metrics.pinball(TARGET, PREDICTION, level=0.9) == pytest.approx(9.6 / 4)
    assert metrics.pinball(TARGET, PREDICTION, level=0.5) == pytest.approx(2.0)


def test_coverage_counts_the_ends():
    lower, upper = np.array([10.0, 1.0, 0.0, 31.0]), np.array([11.0, 2.0, 20.0, 40.0])
    assert metrics.coverage(TARGET, lower, upper) == 0.5


def test_poisson_deviance_equals_twice_the_gap_to_the_saturated_likelihood():
    own = stats.poisson.logpmf(UNITS, FORECAST)
    best = stats.poisson.logpmf(UNITS, UNITS)
    deviance = metrics.poisson_deviance(UNITS, FORECAST)
    assert deviance == pytest.approx(2 * (best - own).mean())
    assert metrics.poisson_deviance(UNITS + 1, UNITS + 1) == pytest.approx(0, abs=1e-12)


def test_rmse_is_at_least_mae_and_r2_at_most_one():
    assert metrics.rmse(UNITS, FORECAST) >= metrics.mae(UNITS, FORECAST) >= 0
    assert metrics.r2(UNITS, UNITS) == 1
    assert metrics.r2(UNITS, np.full(200, UNITS.mean())) == pytest.approx(0)
    assert metrics.r2(UNITS, -UNITS) < 0


def test_spearman_sees_only_the_order():
    assert metrics.spearman(UNITS, np.exp(UNITS)) == pytest.approx(1)
    assert metrics.spearman(UNITS, -UNITS) == pytest.approx(-1)


def test_r2_and_spearman_of_constants_are_nan_without_a_warning():
    assert np.isnan(metrics.r2(np.ones(3), np.arange(3.0)))
    assert np.isnan(metrics.spearman(np.ones(3), np.arange(3.0)))
    assert np.isnan(metrics.spearman(np.arange(3.0), np.ones(3)))


def test_ranking_metrics_equal_the_table_made_by_hand():
    target = np.array([1.0, 0.0, 1.0, 0.0])
    score = np.array([0.9, 0.8, 0.7, 0.1])
    assert metrics.prevalence(target) == 0.5
    assert metrics.pr_auc(target, score) == pytest.approx((1 + 2 / 3) / 2)
    assert metrics.roc_auc(target, score) == 0.75
    assert metrics.precision_at_k(target, score, k=1) == 1
    assert metrics.precision_at_k(target, score, k=2) == 0.5
    assert metrics.recall(target, score, threshold=0.9) == 0.5
    assert metrics.f1(target, score) == pytest.approx(0.8)


def test_perfect_ranking_scores_one():
    assert metrics.pr_auc(LABELS, LABELS) == 1
    assert metrics.roc_auc(LABELS, LABELS) == 1


def test_shuffled_target_gives_chance():
    shuffled = [RNG.permutation(LABELS) for _ in range(30)]
    average = np.mean([metrics.pr_auc(labels, PROBABILITIES) for labels in shuffled])
    assert average == pytest.approx(metrics.prevalence(LABELS), abs=0.02)
    average = np.mean([metrics.roc_auc(labels, PROBABILITIES) for labels in shuffled])
    assert average == pytest.approx(0.5, abs=0.02)


def test_ties_at_rank_k_count_by_their_share_in_any_row_order():
    score = np.array([0.9, 0.5, 0.5, 0.5])
    for labels in ([0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]):
        assert metrics.precision_at_k(np.array(labels, float), score, k=2) == pytest.approx(1 / 6)
    constant = np.full(400, 0.2)
    assert metrics.precision_at_k(LABELS, constant, k=7) == pytest.approx(LABELS.mean())


def test_probability_metrics_equal_formulas():
    assert metrics.brier(LABELS, PROBABILITIES) == pytest.approx(
        sk.brier_score_loss(LABELS, PROBABILITIES)
    )
    inner = np.clip(PROBABILITIES, 0.01, 0.99)
    formula = -np.where(LABELS == 1, np.log(inner), np.log(1 - inner)).mean()
    assert metrics.log_loss(LABELS, inner) == pytest.approx(formula)
    assert metrics.brier(np.array([0.0]), np.array([1.0])) == 1
    assert np.isfinite(metrics.log_loss(np.array([0.0]), np.array([1.0])))
    assert metrics.log_loss(np.ones(2), np.ones(2)) == pytest.approx(0, abs=1e-12)


def test_calibration_error_equals_bins_made_by_hand():
    target = np.array([0.0, 0.0, 1.0, 1.0])
    probability = np.array([0.1, 0.3, 0.6, 0.8])
    found = metrics.expected_calibration_error(target, probability, n_bins=2)
    assert found == pytest.approx((abs(0.2 - 0.0) * 2 + abs(0.7 - 1.0) * 2) / 4)


def test_calibration_error_has_equal_mass_bins():
    probability = RNG.beta(1, 30, 1000)
    target = (RNG.random(1000) < 0.2).astype(float)
    order = np.argsort(probability)
    bins = [order[start : start + 100] for start in range(0, 1000, 100)]
    gaps = [abs(probability[rows].mean() - target[rows].mean()) for rows in bins]
    found = metrics.expected_calibration_error(target, probability)
    assert found == pytest.approx(np.mean(gaps))


def test_calibration_error_of_equal_probabilities_does_not_depend_on_row_order():
    target = np.repeat([0.0, 1.0], 10)
    assert metrics.expected_calibration_error(target, np.full(20, 0.5)) == 0
    assert metrics.expected_calibration_error(np.zeros(5), np.ones(5)) == 1


def test_one_class_gives_nan_where_undefined_and_numbers_elsewhere():
    none, every, score = np.zeros(3), np.ones(3), np.array([0.1, 0.2, 0.3])
    assert np.isnan(metrics.pr_auc(none, score))
    assert metrics.pr_auc(every, score) == 1
    assert np.isnan(metrics.roc_auc(none, score))
    assert np.isnan(metrics.roc_auc(every, score))
    assert np.isnan(metrics.recall(none, score))
    assert np.isnan(metrics.f1(none, score))
    assert metrics.f1(every, score) == 0
    assert metrics.prevalence(none) == 0


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: metrics.mae(np.ones(2), np.ones(3)), "equal length"),
        (lambda: metrics.mae(np.ones((2, 1)), np.ones((2, 1))), "one-dimensional"),
        (lambda: metrics.mae(np.ones(0), np.ones(0)), "at least one row"),
        (lambda: metrics.mae(np.array([np.nan]), np.ones(1)), "finite"),
        (lambda: metrics.pr_auc(np.array([0.5]), np.ones(1)), "0 or 1"),
        (lambda: metrics.brier(np.ones(1), np.array([1.5])), r"in \[0, 1\]"),
        (lambda: metrics.pinball(TARGET, PREDICTION, level=1.0), r"in \(0, 1\)"),
        (lambda: metrics.precision_at_k(LABELS, PROBABILITIES, k=0), "1 to 400"),
        (lambda: metrics.expected_calibration_error(LABELS, PROBABILITIES, n_bins=0), "n_bins"),
    ],
)
def test_unfit_input_is_refused_with_the_rule(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()


CLASSES = RNG.integers(0, 4, 300).astype(float)
GUESSES = np.where(RNG.random(300) < 0.5, CLASSES, RNG.integers(0, 3, 300))  # never class 3


def test_class_metrics_equal_those_of_scikit_learn():
    found = metrics.confusion_matrix(CLASSES, GUESSES, n_classes=5)
    assert (found == sk.confusion_matrix(CLASSES, GUESSES, labels=range(5))).all()
    assert metrics.accuracy(CLASSES, GUESSES) == sk.accuracy_score(CLASSES, GUESSES)
    macro = sk.f1_score(CLASSES, GUESSES, average="macro", zero_division=0)
    assert metrics.macro_f1(CLASSES, GUESSES) == pytest.approx(macro)
    chances = RNG.dirichlet(np.ones(4), 300)
    log_loss = sk.log_loss(CLASSES, chances, labels=range(4))
    assert metrics.multiclass_log_loss(CLASSES, chances) == pytest.approx(log_loss)


def test_class_metrics_of_few_rows_with_a_class_each_warn_of_nothing():
    three = np.array([0.0, 1.0, 2.0])
    assert metrics.macro_f1(three, three) == metrics.accuracy(three, three) == 1.0
    assert metrics.macro_f1(three, np.zeros(3)) == pytest.approx((2 / 4) / 3)


def test_probabilities_of_zero_cost_much_and_not_endlessly():
    found = metrics.multiclass_log_loss(np.array([0.0]), np.array([[0.0, 1.0]]))
    assert 30 < found < 40


@pytest.mark.parametrize(
    ("call", "rule"),
    [
        (lambda: metrics.confusion_matrix(CLASSES, GUESSES, n_classes=2), "from 0 to 1"),
        (lambda: metrics.confusion_matrix(CLASSES, GUESSES + 0.5, n_classes=9), "got"),
        (lambda: metrics.multiclass_log_loss(np.zeros(1), np.array([[2.0, -1]])), r"in \[0, 1\]"),
    ],
)
def test_unfit_classes_are_refused_with_the_rule(call, rule):
    with pytest.raises(ValueError, match=rule):
        call()

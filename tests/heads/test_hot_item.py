import numpy as np
import pytest
import torch

from heads import HotItemHead

RNG = np.random.default_rng(0)
UNITS = RNG.permutation(np.arange(1.0, 101.0))


def test_top_quantile_marks_the_top_quarter_of_the_training_rows():
    head = HotItemHead.fitted(UNITS, rule="top_quantile", quantile=0.75)
    assert head.threshold == 76
    assert head.encode_target(UNITS).sum() == 25
    assert head.describe() == "hot item = target >= 76 (top 25 % of the training rows)"


def test_threshold_is_kept_for_new_rows():
    head = HotItemHead.fitted(UNITS)
    again = HotItemHead(**head.config)
    assert again.encode_target(np.array([75.9, 76.0, 1e6, -3.0])).tolist() == [0, 1, 1, 0]
    assert again.describe() == head.describe()


def test_ties_never_make_more_rows_hot_than_asked_unless_nothing_else_splits():
    tied = np.repeat([0.0, 5.0, 9.0], [60, 30, 10])
    head = HotItemHead.fitted(tied, quantile=0.75)
    assert (head.threshold, head.prevalence) == (9.0, 0.1)
    top_heavy = np.repeat([2.0, 9.0], [10, 90])
    head = HotItemHead.fitted(top_heavy, quantile=0.75)
    assert (head.threshold, head.prevalence) == (9.0, 0.9)
    assert "90 %" in head.describe()


def test_labels_are_recognised_and_taken_as_they_are():
    labels = np.array([0.0, 1, 0, 0, 1, 0, 0, 0])
    head = HotItemHead.fitted(labels)
    assert (head.rule, head.threshold, head.prevalence) == ("labels", None, 0.25)
    assert head.encode_target(labels).tolist() == labels.tolist()
    assert head.describe() == "hot item = label 1 (25 % of the training rows)"
    with pytest.raises(ValueError, match=r"0 or 1 under the rule labels, got 0\.5"):
        head.encode_target(np.array([0.5]))


def test_raw_outputs_start_at_the_prevalence():
    head = HotItemHead.fitted(UNITS)
    start = head.start.expand(100, 1, 1)
    assert head.decode(start)["hot_probability"].numpy() == pytest.approx(0.25)
    target = torch.tensor(head.encode_target(UNITS))
    loss = head.loss(start, target).item()
    entropy = -(0.25 * np.log(0.25) + 0.75 * np.log(0.75))
    assert loss == pytest.approx(entropy, rel=1e-5)
    assert head.constant_loss(target) == pytest.approx(entropy)


def test_constant_loss_of_one_class_is_the_floor():
    assert HotItemHead().constant_loss(torch.ones(4)) == pytest.approx(1e-3)


def test_loss_is_cross_entropy_over_rows_and_networks():
    logits = torch.tensor([[[0.0], [2.0]], [[-1.0], [1.0]]])
    probability = 1 / (1 + np.exp([-0.0, -2.0, 1.0, -1.0]))
    found = HotItemHead().loss(logits, torch.tensor([1.0, 0.0])).item()
    by_hand = -np.log([probability[0], probability[1], 1 - probability[2], 1 - probability[3]])
    assert found == pytest.approx(by_hand.mean(), rel=1e-5)


def test_networks_are_averaged_as_probabilities():
    raw = torch.tensor([[[0.0], [1e9]]])
    assert HotItemHead().decode(raw)["hot_probability"].item() == 0.75


def test_shuffled_target_gives_chance():
    head = HotItemHead.fitted(UNITS)
    score = {"hot_probability": UNITS / 101}
    assert head.metrics(UNITS, score)["pr_auc"] == pytest.approx(1)
    found = [head.metrics(RNG.permutation(UNITS), score) for _ in range(30)]
    assert np.mean([row["roc_auc"] for row in found]) == pytest.approx(0.5, abs=0.05)
    assert np.mean([row["pr_auc"] for row in found]) == pytest.approx(0.25, abs=0.06)
    assert np.mean([row["precision_at_prevalence"] for row in found]) == pytest.approx(
        0.25, abs=0.05
    )


def test_metrics_take_units_and_equal_the_table_made_by_hand():
    head = HotItemHead(rule="top_quantile", threshold=10.0)
    probability = np.array([0.9, 0.6, 0.4, 0.1])
    found = head.metrics(np.array([12.0, 3.0, 10.0, 1.0]), {"hot_probability": probability})
    by_hand = {
        "pr_auc": (1 + 2 / 3) / 2,
        "prevalence": 0.5,
        "roc_auc": 0.75,
        "brier": (0.01 + 0.36 + 0.36 + 0.01) / 4,
        "log_loss": -np.log([0.9, 0.4, 0.4, 0.9]).mean(),
        "ece": (0.1 + 0.6 + 0.6 + 0.1) / 4,
        "precision_at_prevalence": 0.5,
        "f1": 0.5,
    }
    assert found == pytest.approx(by_hand)


def test_one_class_in_a_test_set_gives_nan_where_undefined():
    head = HotItemHead(rule="top_quantile", threshold=10.0)
    found = head.metrics(np.zeros(3), {"hot_probability": np.array([0.1, 0.2, 0.3])})
    undefined = {name for name, value in found.items() if np.isnan(value)}
    assert undefined == {"pr_auc", "roc_auc", "precision_at_prevalence", "f1"}
    assert found["prevalence"] == 0


@pytest.mark.parametrize("target", [np.ones(4), np.zeros(4), np.full(4, 7.0), np.ones(0)])
def test_one_class_in_training_is_a_problem(target):
    with pytest.raises(ValueError, match="hot and other items"):
        HotItemHead.fitted(target)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"rule": "best"}, "labels, top_quantile, got 'best'"),
        ({"rule": "top_quantile"}, "threshold must be given"),
        ({"rule": "labels", "threshold": 3.0}, "threshold must be given"),
        ({"prevalence": 1.0}, r"prevalence must be in \(0, 1\), got 1"),
    ],
)
def test_unfit_arguments_are_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        HotItemHead(**options)


def test_unfit_quantile_is_refused():
    with pytest.raises(ValueError, match=r"quantile must be in \(0, 1\), got 75"):
        HotItemHead.fitted(UNITS, quantile=75)

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch.nn import functional as F

from heads import MulticlassHead

RNG = np.random.default_rng(0)
LABELS = ("down", "flat", "up")
TREND = np.repeat([0.0, 1.0, 2.0], [50, 30, 20])
HEAD = MulticlassHead.fitted(TREND, labels=LABELS)
NAMES = ["predicted_class", *(f"probability_{label}" for label in LABELS)]


def predicted(head, raw):
    return {name: values.numpy() for name, values in head.decode(raw).items()}


def test_columns_are_the_class_and_the_probability_of_each_label():
    assert [column.name for column in HEAD.columns] == NAMES
    assert [column.kind for column in HEAD.columns] == ["class", *["probability"] * 3]
    assert [column.label for column in HEAD.columns] == ["", *LABELS]


def test_any_text_is_a_label():
    labels = ("", " ", "=1+1", "probability_up", "class", "Größe 42/44")
    head = MulticlassHead(labels=labels)
    assert [column.label for column in head.columns[1:]] == list(labels)
    assert len({column.name for column in head.columns}) == 7


def test_raw_outputs_start_at_the_shares_of_the_training_rows():
    found = predicted(HEAD, HEAD.start[None, None])
    assert [found[name][0] for name in NAMES] == pytest.approx([0, 0.5, 0.3, 0.2])
    target = torch.tensor(HEAD.encode_target(TREND))
    loss = HEAD.loss(HEAD.start.expand(100, 1, 3), target).item()
    entropy = -sum(share * np.log(share) for share in (0.5, 0.3, 0.2))
    assert loss == pytest.approx(entropy, rel=1e-5)
    assert HEAD.constant_loss(target) == pytest.approx(entropy)


def test_a_label_without_rows_starts_rare_and_not_impossible():
    head = MulticlassHead.fitted(TREND, labels=(*LABELS, "gone"))
    assert head.shares[3] == pytest.approx(0.5 / 100.5)
    assert head.start.isfinite().all()


def test_loss_is_cross_entropy_over_rows_and_networks():
    raw, target = torch.randn(6, 4, 3), torch.tensor([0.0, 1, 2, 2, 1, 0])
    networks = [F.cross_entropy(raw[:, i], target.long()) for i in range(4)]
    assert HEAD.loss(raw, target).item() == pytest.approx(torch.stack(networks).mean().item())


def test_networks_are_averaged_as_probabilities():
    raw = torch.tensor([[[1e9, 0.0, 0.0], [0.0, 0.0, 0.0]]])
    found = predicted(HEAD, raw)
    assert [found[name][0] for name in NAMES] == pytest.approx([0, 2 / 3, 1 / 6, 1 / 6])


def test_scores_are_one_for_the_own_label():
    assert HEAD.additive_scale(np.array([2.0, 0.0])).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert HEAD.n_scores == 3


def test_calibration_sharpens_timid_probabilities_and_travels_in_the_configuration():
    raw = 3 * torch.randn(2000, 2, 3)
    chances = raw.softmax(dim=-1).mean(dim=1)
    target = torch.multinomial(chances, 1)[:, 0].numpy().astype(float)
    head = MulticlassHead(labels=LABELS)
    before = head.metrics(target, predicted(head, raw / 3))
    head.calibrate(raw / 3, target, parts=np.arange(2000) % 4)
    after = head.metrics(target, predicted(head, raw / 3))
    assert head.temperature == pytest.approx(1 / 3, rel=0.15)
    assert after["log_loss"] < before["log_loss"]
    assert MulticlassHead(**head.config).temperature == head.temperature


def test_metrics_equal_those_of_scikit_learn():
    target = RNG.integers(0, 3, 60).astype(float)
    found = predicted(HEAD, torch.tensor(RNG.normal(size=(60, 1, 3))))
    chances = np.stack([found[name] for name in NAMES[1:]], axis=1)
    answer = found["predicted_class"]
    assert answer.tolist() == chances.argmax(axis=1).tolist()
    assert HEAD.metrics(target, found) == pytest.approx(
        {
            "log_loss": sk.log_loss(target, chances, labels=[0, 1, 2]),
            "accuracy": sk.accuracy_score(target, answer),
            "macro_f1": sk.f1_score(target, answer, average="macro", zero_division=0),
            "majority_share": np.bincount(target.astype(int)).max() / 60,
        }
    )


def test_shuffled_targets_are_predicted_by_chance():
    raw = torch.tensor(RNG.normal(size=(3000, 1, 3)))
    target = RNG.integers(0, 3, 3000).astype(float)
    found = HEAD.metrics(target, predicted(HEAD, raw))
    assert found["accuracy"] == pytest.approx(1 / 3, abs=0.03)
    assert found["macro_f1"] == pytest.approx(1 / 3, abs=0.03)


def test_constant_loss_of_one_label_is_the_floor():
    assert HEAD.constant_loss(torch.ones(4)) == pytest.approx(1e-3)


def test_what_is_no_position_is_a_fault_of_its_row():
    faults = MulticlassHead.target_faults(np.array([0.0, -1.0, 0.5, np.nan, np.inf, 7.0]))
    assert {rule: mask.tolist() for rule, mask in faults.items()} == {
        "the position of a label": [False, True, True, True, True, False]
    }


@pytest.mark.parametrize(
    ("target", "labels", "rule"),
    [
        ([0.0, 1.0], ("a",), r"two or more different texts, got \['a'\]"),
        ([0.0, 1.0], ("a", "a"), "two or more different texts"),
        ([0.0, 1.0], ("a", 2), "two or more different texts"),
        ([0.0, 2.0], ("a", "b"), "position of one of 2 labels, got 2"),
        ([1.0, 1.0], ("a", "b"), "two labels or more, got one in all 2 rows"),
        ([0.5, 1.0], ("a", "b"), "position of a label"),
    ],
)
def test_unfit_labels_and_targets_are_refused(target, labels, rule):
    with pytest.raises(ValueError, match=rule):
        MulticlassHead.fitted(np.array(target), labels=labels)


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        ({"shares": [0.5, 0.5]}, "shares must be 3 numbers above 0"),
        ({"shares": [1.0, 0.0, 0.0]}, "shares must be 3 numbers above 0"),
        ({"temperature": 0.0}, "temperature must be above 0, got 0"),
    ],
)
def test_unfit_arguments_are_refused(options, rule):
    with pytest.raises(ValueError, match=rule):
        MulticlassHead(labels=LABELS, **options)


def test_the_description_names_a_few_labels_and_counts_the_others():
    assert HEAD.describe() == (
        "predicted_class = likeliest of down (50 %), flat (30 %), up (20 %) of the training rows"
    )
    many = MulticlassHead(labels=[str(number) for number in range(40)])
    assert many.describe().endswith("5 (2.5 %), 34 others of the training rows")

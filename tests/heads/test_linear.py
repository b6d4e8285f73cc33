import numpy as np
import pytest
import torch

from heads import LinearHead

SALES = np.array([1000.0, 1500, 2000, 2500, 3000])
HEAD = LinearHead.fitted(SALES)


def test_loss_is_half_the_squared_error_in_squared_deviations():
    target = torch.tensor(HEAD.encode_target(SALES))
    exact = torch.tensor(SALES).reshape(-1, 1, 1)
    assert HEAD.loss(exact, target).item() == pytest.approx(0, abs=1e-12)
    mean = torch.full((5, 1, 1), SALES.mean()).double()
    assert HEAD.loss(mean, target).item() == pytest.approx(0.5)
    assert HEAD.constant_loss(target) == pytest.approx(0.5)
    assert HEAD.loss(exact + 2 * SALES.std(), target).item() == pytest.approx(2.0, rel=1e-5)


def test_networks_are_averaged_in_the_unit_of_the_target():
    assert HEAD.decode(torch.tensor([[[3500.0], [1000.0]]]))["prediction"].tolist() == [2250.0]


def test_constant_targets_have_the_least_loss():
    head = LinearHead.fitted(np.full(5, 7.0))
    assert head.constant_loss(torch.zeros(5)) == pytest.approx(1e-3)


def test_metrics_of_a_perfect_line():
    found = HEAD.metrics(SALES, {"prediction": SALES})
    assert found == {"r2": 1, "mae": 0, "rmse": 0, "wape": 0, "spearman": pytest.approx(1)}


def test_scores_keep_every_digit_of_the_target():
    target = np.array([16777217.0, 0.1])  # float32 holds neither
    assert LinearHead.fitted(target).additive_scale(target).tolist() == target[:, None].tolist()


def test_a_std_of_zero_is_refused():
    with pytest.raises(ValueError, match="std must be more than 0"):
        LinearHead(std=0.0)

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from heads import LinearHead

ADS = np.array([[10.0, 100], [20, 200], [30, 300], [40, 400], [50, 500]])
SALES = np.array([1000.0, 1500, 2000, 2500, 3000])
RNG = np.random.default_rng(0)


def solved(fused, target):
    head = LinearHead.fitted(target, in_dim=fused.shape[1])
    head.solve(fused, target)
    return head


def answers(head, fused):
    return head.predict(head(torch.tensor(fused)))["prediction"].numpy()


def test_collinear_columns_extrapolate_exactly():
    head = solved(ADS, SALES)
    assert answers(head, [[60.0, 600.0]])[0] == pytest.approx(3500, rel=1e-9)
    np.testing.assert_allclose(answers(head, ADS), SALES, rtol=1e-9)


def test_of_many_exact_lines_the_smallest_weights_are_taken():
    weight = solved(ADS, SALES).weight.numpy()
    # slope 50 for one step of ads along (1, 10): 50 (1, 10) / 101
    np.testing.assert_allclose(weight, np.array([50, 500]) / 101, rtol=1e-9)


def test_solution_equals_least_squares():
    fused, target = RNG.normal(size=(50, 4)), RNG.normal(size=50) * 1e6
    oracle = LinearRegression().fit(fused, target)
    new = RNG.normal(size=(10, 4))
    np.testing.assert_allclose(answers(solved(fused, target), new), oracle.predict(new), rtol=1e-9)


def test_members_are_solved_as_one_and_averaged():
    head = solved(ADS, SALES)
    raw = head(torch.tensor([[[60.0, 600.0], [10.0, 100.0]]]))
    assert raw.shape == (1, 2, 1)
    assert head.predict(raw)["prediction"].item() == pytest.approx((3500 + 1000) / 2, rel=1e-9)


def test_state_keeps_float64():
    head = solved(ADS, SALES)
    again = LinearHead(**head.config)
    again.load_state_dict(head.state_dict())
    assert again.weight.dtype == again.bias.dtype == torch.float64
    assert torch.equal(again(torch.ones(1, 2)), head(torch.ones(1, 2)))


def test_loss_is_half_the_squared_error_in_squared_spreads():
    head = solved(ADS, SALES)
    target = torch.tensor(head.encode_target(SALES))
    assert head.loss(head(torch.tensor(ADS)), target).item() == pytest.approx(0, abs=1e-12)
    mean = torch.full((5, 1), SALES.mean()).double()
    assert head.loss(mean, target).item() == pytest.approx(0.5)
    assert head.constant_loss(target) == pytest.approx(0.5)
    off = torch.tensor(SALES[:, None] + 2 * SALES.std())
    assert head.loss(off, target).item() == pytest.approx(2.0, rel=1e-5)


def test_constant_target_gives_a_constant_answer():
    head = solved(ADS, np.full(5, 7.0))
    assert answers(head, [[60.0, 600.0]])[0] == pytest.approx(7)
    assert head.constant_loss(torch.zeros(5)) == pytest.approx(1e-3)


def test_metrics_of_a_perfect_line():
    head = solved(ADS, SALES)
    found = head.metrics(SALES, {"prediction": answers(head, ADS)})
    assert found == pytest.approx(
        {"r2": 1, "mae": 0, "rmse": 0, "wape": 0, "spearman": 1}, abs=1e-9
    )


def test_fused_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"fused must be \[5 rows, 3\]"):
        LinearHead(3).solve(ADS, SALES)
    with pytest.raises(ValueError, match="spread must be more than 0"):
        LinearHead(3, spread=0.0)

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression

from heads import HotItemHead, LinearHead, RegressionHead, SalesVolumeHead
from heads.decoders import LeastSquaresDecoder

ADS = np.array([[10.0, 100], [20, 200], [30, 300], [40, 400], [50, 500]])
SALES = np.array([1000.0, 1500, 2000, 2500, 3000])
RNG = np.random.default_rng(0)


def solved(fused, target, head=None):
    head = head or LinearHead.fitted(target)
    decoder = LeastSquaresDecoder(fused.shape[1], head)
    decoder.solve(fused, head.additive_scale(target))
    return head, decoder


def answers(head, decoder, fused):
    return head.decode(decoder(torch.tensor(fused)[:, None]))["prediction"].numpy()


def test_collinear_columns_extrapolate_exactly():
    line = solved(ADS, SALES)
    assert answers(*line, [[60.0, 600.0]])[0] == pytest.approx(3500, rel=1e-9)
    np.testing.assert_allclose(answers(*line, ADS), SALES, rtol=1e-9)


def test_of_many_exact_lines_the_smallest_weights_are_taken():
    weight = solved(ADS, SALES)[1].weight.numpy()
    # slope 50 for one step of ads along (1, 10): 50 (1, 10) / 101
    np.testing.assert_allclose(weight, [np.array([50, 500]) / 101], rtol=1e-9)


def test_solution_equals_least_squares():
    fused, target = RNG.normal(size=(50, 4)), RNG.normal(size=50) * 1e6
    oracle = LinearRegression().fit(fused, target)
    new = RNG.normal(size=(10, 4))
    np.testing.assert_allclose(answers(*solved(fused, target), new), oracle.predict(new), rtol=1e-9)


def test_networks_are_solved_as_one_and_averaged():
    head, decoder = solved(ADS, SALES)
    raw = decoder(torch.tensor([[[60.0, 600.0], [10.0, 100.0]]]))
    assert raw.shape == (1, 2, 1)
    assert head.decode(raw)["prediction"].item() == pytest.approx((3500 + 1000) / 2, rel=1e-9)


def test_state_keeps_float64():
    head, decoder = solved(ADS, SALES)
    again = LeastSquaresDecoder(2, LinearHead(**head.config))
    again.load_state_dict(decoder.state_dict())
    assert again.weight.dtype == again.bias.dtype == torch.float64
    assert torch.equal(again(torch.ones(1, 1, 2)), decoder(torch.ones(1, 1, 2)))


def test_constant_target_gives_a_constant_answer():
    line = solved(ADS, np.full(5, 7.0))
    assert answers(*line, [[60.0, 600.0]])[0] == pytest.approx(7)


def test_regression_on_a_logarithm_is_solved_on_the_logarithm():
    target = np.exp(ADS[:, 0] / 10)
    head, decoder = solved(ADS, target, RegressionHead.fitted(target, transform="log"))
    assert answers(head, decoder, [[35.0, 350.0]])[0] == pytest.approx(np.exp(3.5), rel=1e-6)


def test_each_step_has_a_line_of_its_own(steps_head):
    target = np.stack([SALES, 2 * SALES + 3], axis=1)
    head, decoder = solved(ADS, target, steps_head.fitted(target))
    found = head.decode(decoder(torch.tensor([[[60.0, 600.0]]])))
    assert [value.item() for value in found.values()] == pytest.approx([3500, 7003])


def test_a_head_whose_raw_outputs_are_no_scores_is_refused():
    for head in (SalesVolumeHead.tiny(), HotItemHead.tiny()):
        with pytest.raises(ValueError, match=r"must have additive raw outputs, got .*Head. Take"):
            LeastSquaresDecoder(2, head)


def test_fused_of_another_shape_is_refused():
    for fused, scores in [(ADS, SALES[:, None]), (ADS[:, :1], SALES[:, None]), (ADS, SALES)]:
        with pytest.raises(ValueError, match=r"must be \[5, 3\] and \[5, 1\]"):
            LeastSquaresDecoder(3, LinearHead()).solve(fused, scores)

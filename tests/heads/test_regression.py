import numpy as np
import pytest
import torch
from torch.nn import functional as F

from heads import RegressionHead

RNG = np.random.default_rng(0)
PRICES = RNG.lognormal(3, 1, 500)
NORMAL = RNG.normal(50, 5, 500)


def decoded(head, *raw):
    return head.decode(torch.tensor(raw).reshape(-1, 1, 1))["prediction_p50"].numpy()


@pytest.mark.parametrize(
    ("target", "scale"),
    [
        (PRICES, "log"),
        (np.append(PRICES, 0.0), "log1p"),
        (np.append(PRICES, -1.0), "identity"),
        (NORMAL, "identity"),
        (np.full(5, 7.0), "identity"),
        (-np.log(RNG.random(500)) + 1e3, "identity"),  # skewed, but a logarithm changes nothing
    ],
)
def test_auto_takes_a_logarithm_only_where_it_halves_the_skewness(target, scale):
    assert RegressionHead.fitted(target).standard.scale == scale


def test_named_transform_is_obeyed_or_refused():
    assert RegressionHead.fitted(NORMAL, transform="log").standard.scale == "log"
    with pytest.raises(ValueError, match="must suit the scale 'log'"):
        RegressionHead.fitted(np.array([0.0, 1.0]), transform="log")
    with pytest.raises(ValueError, match="identity, sqrt, log, log1p, rank, got 'cubic'"):
        RegressionHead.fitted(NORMAL, transform="cubic")


@pytest.mark.parametrize("target", [PRICES, np.append(PRICES, 0.0), NORMAL, NORMAL - 100])
def test_decode_undoes_encode_target(target):
    head = RegressionHead.fitted(target)
    encoded = head.encode_target(target)
    assert encoded.mean() == pytest.approx(0, abs=1e-5)
    assert encoded.std() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(decoded(head, *encoded.tolist()), target, rtol=1e-5, atol=1e-5)


def test_loss_equals_huber_of_torch_per_network():
    head = RegressionHead()
    raw, target = 3 * torch.randn(6, 4, 1), torch.randn(6)
    networks = [F.huber_loss(raw[:, i, 0], target, delta=1.0) for i in range(4)]
    assert head.loss(raw, target).item() == pytest.approx(torch.stack(networks).mean().item())
    assert head.loss(torch.tensor([[[0.5]]]), torch.zeros(1)).item() == pytest.approx(0.125)
    assert head.loss(torch.tensor([[[3.0]]]), torch.zeros(1)).item() == pytest.approx(2.5)


def test_networks_are_averaged_after_decoding():
    head = RegressionHead(scale="log")
    raw = torch.tensor([[[0.0], [2.0]]])
    assert head.decode(raw)["prediction"].item() == pytest.approx((1 + np.exp(2)) / 2)


def test_constant_target_gives_a_constant_answer():
    head = RegressionHead.fitted(np.full(7, 0.1))
    assert head.standard.std == 0
    assert decoded(head, -5.0, 0.0, 5.0) == pytest.approx(0.1, rel=1e-12)
    encoded = torch.tensor(head.encode_target(np.full(7, 0.1)))
    assert encoded.abs().max() < 1e-12
    assert head.constant_loss(encoded) == pytest.approx(1e-3)


@pytest.mark.parametrize("scale", ["identity", "sqrt", "log", "log1p"])
def test_answers_stay_within_eight_deviations_and_finite(scale):
    wide = RegressionHead(scale=scale, mean=100.0, std=300.0)
    values = decoded(wide, -1e30, -8.0, 0.0, 8.0, 1e30)
    assert np.isfinite(values).all() and np.abs(values).max() <= 1.0001e100
    assert (np.diff(values) >= 0).all()
    assert scale == "identity" or values.min() >= 0
    narrow = RegressionHead(mean=10.0, std=0.5)
    assert decoded(narrow, -1e30, 1e30).tolist() == [6.0, 14.0]


@pytest.mark.parametrize("scale", ["sqrt", "log", "log1p"])
def test_test_rows_that_the_scale_cannot_hold_lie_at_the_end_of_its_reach(scale):
    head = RegressionHead(scale=scale, mean=3.0)
    assert head.encode_target(np.array([-5.0])).tolist() == [-8.0]
    assert np.isfinite(head.encode_target(np.array([0.0, 1e300]))).all()


def test_constant_loss_is_beaten_by_no_constant():
    head = RegressionHead.fitted(PRICES, transform="identity")
    target = torch.tensor(head.encode_target(PRICES))
    losses = [F.huber_loss(torch.full_like(target, c), target) for c in np.linspace(-2, 2, 401)]
    assert head.constant_loss(target) == pytest.approx(min(losses).item(), abs=1e-4)


def test_metrics_of_a_perfect_answer():
    columns = [column.name for column in RegressionHead().columns]
    found = RegressionHead().metrics(PRICES, dict.fromkeys(columns, PRICES))
    perfect = {"r2": 1, "rmse": 0, "bias": 0, "mae": 0, "wape": 0, "spearman": 1}
    no_range = {"coverage_p10_p90": np.nan, "width_p10_p90": np.nan}
    assert found == pytest.approx(perfect | no_range, nan_ok=True)


def test_squares_and_totals_are_of_the_mean_and_absolute_errors_of_the_median():
    target, mean, median = np.array([1.0, 2.0, 9.0]), np.full(3, 4.0), np.full(3, 2.0)
    ends = {"prediction_p10": median - 1.0, "prediction_p90": median + 1.0}
    found = RegressionHead().metrics(target, {"prediction": mean, "prediction_p50": median, **ends})
    assert (found["r2"], found["bias"]) == (0.0, 0.0)
    assert found["rmse"] == pytest.approx(np.sqrt((9 + 4 + 25) / 3))
    assert (found["mae"], found["wape"]) == (pytest.approx(8 / 3), pytest.approx(8 / 12))
    assert (found["coverage_p10_p90"], found["width_p10_p90"]) == (pytest.approx(2 / 3), 2.0)


def test_log_scale_learns_the_median():
    head = RegressionHead.fitted(PRICES)
    target = torch.tensor(head.encode_target(PRICES))
    raw = torch.zeros(1, requires_grad=True)
    for _ in range(100):
        loss = head.loss(raw.expand(len(target), 1, 1), target)
        raw.data -= torch.autograd.grad(loss, raw)[0]
    answer = head.decode(raw.detach().reshape(1, 1, 1))["prediction"].item()
    assert answer == pytest.approx(np.exp(3), rel=0.1)  # the mean is exp(3.5)
    assert "median" in head.describe()
    assert "mean" in RegressionHead().describe()


def test_targets_beyond_the_limit_are_faults():
    faults = RegressionHead.target_faults(np.array([1e308, -np.inf, np.nan, -3.0]))
    assert {rule: mask.tolist() for rule, mask in faults.items()} == {
        "finite and within +-1e+100": [True, True, True, False]
    }


def test_negative_std_is_refused():
    with pytest.raises(ValueError, match="std must be 0 or more, got -1"):
        RegressionHead(std=-1.0)
    with pytest.raises(ValueError, match="scale must be one of"):
        RegressionHead(scale="cube")


def calibrated_on_what_is_not_negative(target):
    """A head on ranks, whose rows held out happen to hold no negative target."""
    head = RegressionHead.fitted(target, transform="rank")
    rows = target >= 0
    raw = (
        0.5 * torch.from_numpy(head.encode_target(target[rows]))[:, None, None]
    )  # shrunken answers
    head.calibrate(raw, target[rows], parts=np.arange(rows.sum()) % 4)
    return head


def test_negative_answers_stay_negative_where_rows_held_out_show_none():
    head = calibrated_on_what_is_not_negative(np.append(PRICES, [-50.0] * 9))
    assert head.mean_map is not None and head.mean_map.link == "identity"
    assert head.decode(torch.tensor([[[-8.0]]]))["prediction"].item() < -10
    assert calibrated_on_what_is_not_negative(PRICES).mean_map.link == "log"


def test_the_description_says_which_columns_were_mapped_on_rows_held_out():
    assert RegressionHead().describe() == (
        "prediction = between mean and median; prediction_p50 = about the median; prediction_p10 "
        "to prediction_p90 = 80 % of targets, as wide as targets scatter"
    )
    held_out = {"link": "identity", "intercept": 1.0}
    told = RegressionHead(scale="log", mean_map=held_out).describe()
    assert told.startswith("prediction = mean, mapped on rows held out; prediction_p50 = about")
    assert told.endswith("; learned on the log scale")  # each member by a loss of its own
    told = RegressionHead(median_map=held_out).describe()
    assert "between mean and median; prediction_p50 = median, mapped on rows held out" in told


@pytest.mark.parametrize("scale", ["identity", "log", "rank"])
def test_a_calibrated_interval_holds_four_fifths_of_new_targets(scale):
    center = RNG.normal(3.0, 1.0, size=4000)
    target = np.exp(center + 0.5 * RNG.normal(size=4000))
    head = RegressionHead.fitted(target[:2000], transform=scale)
    raw = torch.from_numpy(head.encode_target(np.exp(center)))[:, None, None]
    head.calibrate(raw[:2000], target[:2000], parts=np.arange(2000) % 4)
    found = {name: values.numpy() for name, values in head.decode(raw[2000:]).items()}
    assert head.metrics(target[2000:], found)["coverage_p10_p90"] == pytest.approx(0.8, abs=0.03)
    assert (target[2000:] < found["prediction_p10"]).mean() == pytest.approx(0.1, abs=0.03)
    assert (found["prediction_p10"] <= found["prediction_p50"]).all()
    assert (found["prediction_p50"] <= found["prediction_p90"]).all()
    assert RegressionHead(**head.config).config == head.config
    assert "80 % of targets, from rows held out" in head.describe()


def test_without_rows_held_out_the_interval_is_as_wide_as_targets_scatter():
    head = RegressionHead.fitted(NORMAL)
    answer = head.decode(torch.zeros(1, 1, 1))
    inside = (answer["prediction_p10"].item() <= NORMAL) & (
        answer["prediction_p90"].item() >= NORMAL
    )
    assert inside.mean() == pytest.approx(0.8, abs=0.05)


def test_rows_of_weight_zero_calibrate_nothing():
    center = RNG.normal(size=400)
    target = center + RNG.normal(size=400)
    weight = np.r_[np.ones(300), np.zeros(100)]
    raw = torch.from_numpy(center).float()[:, None, None]
    found = []
    for wrong in (0.0, 1e3):
        head = RegressionHead()
        target[300:] += wrong
        head.calibrate(raw, target, parts=np.arange(400) % 4, weight=weight)
        found.append({name: value.numpy() for name, value in head.decode(raw).items()})
    for name, values in found[0].items():
        np.testing.assert_allclose(values, found[1][name], rtol=1e-6, atol=1e-6)

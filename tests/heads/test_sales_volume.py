import numpy as np
import pytest
import torch
from scipy import optimize, stats

from heads import SalesVolumeHead
from heads.sales_volume import best_constant, negative_binomial_nll, poisson_nll

UNITS = np.array([0.0, 1, 7, 40, 1200, 1e6])
LOG_MEANS = np.array([-3.0, 0.5, 2, 4, 7, 14])
LOG_DISPERSIONS = np.array([-6.0, -2, -0.5, 0, 1, 3])
GRID = [torch.tensor(a) for a in np.meshgrid(LOG_MEANS, LOG_DISPERSIONS, UNITS)]
HEAVY = np.random.default_rng(0).negative_binomial(0.7, 0.7 / (0.7 + 900), 400).astype(float)

FOURTHS = np.arange(2000) % 4


def predicted(head, log_mean, log_dispersion):
    raw = torch.tensor([[[log_mean, log_dispersion]]]).double()
    return {name: values.item() for name, values in head.decode(raw).items()}


def test_negative_binomial_loss_equals_scipy():
    log_mean, log_dispersion, units = GRID
    r = torch.exp(-log_dispersion).numpy()
    oracle = -stats.nbinom.logpmf(units.numpy(), r, r / (r + log_mean.exp().numpy()))
    np.testing.assert_allclose(negative_binomial_nll(*GRID).numpy(), oracle, rtol=1e-7, atol=1e-7)


def test_poisson_loss_equals_scipy():
    log_mean, _, units = GRID
    oracle = -stats.poisson.logpmf(units.numpy(), log_mean.exp().numpy())
    np.testing.assert_allclose(poisson_nll(log_mean, units).numpy(), oracle, rtol=1e-9, atol=1e-9)


def test_head_loss_is_the_mean_over_rows_and_networks():
    head = SalesVolumeHead()
    raw = torch.randn(5, 3, 2)
    target = torch.tensor([0.0, 3.0, 10.0, 2.0, 1.0])
    rows = [negative_binomial_nll(*raw[i].double().T, target[i].double()) for i in range(5)]
    assert head.loss(raw, target).item() == pytest.approx(torch.cat(rows).mean().item(), rel=1e-6)


@pytest.mark.parametrize("distribution", ["negative_binomial", "poisson"])
def test_loss_of_fractional_units_is_never_negative(distribution):
    head = SalesVolumeHead(distribution=distribution)
    units = torch.rand(5000) * 3
    raw = torch.stack([units.log(), torch.full((5000,), -8.0)], dim=-1)  # the likeliest mean
    losses = [head.loss(raw[i : i + 1, None], units[i : i + 1]).item() for i in range(0, 5000, 25)]
    assert min(losses) >= 0


def test_quantiles_equal_scipy():
    found = predicted(SalesVolumeHead(), 5.0, 0.3)
    r = np.exp(-0.3)
    law = stats.nbinom(r, r / (r + np.exp(5.0)))
    assert found["sales_units"] == pytest.approx(law.mean())
    levels = {"p10": 0.1, "p50": 0.5, "p90": 0.9}
    for name, level in levels.items():
        assert found[f"sales_units_{name}"] == law.ppf(level)


def test_poisson_quantiles_equal_scipy():
    head = SalesVolumeHead(distribution="poisson")
    found = {name: values.item() for name, values in head.decode(torch.tensor([[[3.0]]])).items()}
    law = stats.poisson(np.exp(3.0))
    assert found["sales_units"] == pytest.approx(law.mean())
    assert [found[f"sales_units_{p}"] for p in ("p10", "p50", "p90")] == list(
        law.ppf([0.1, 0.5, 0.9])
    )


def test_networks_average_means_and_raw_parameters_of_quantiles():
    head = SalesVolumeHead()
    columns = head.decode(torch.tensor([[[2.0, -1.0], [4.0, 0.0]]]))
    assert columns["sales_units"].item() == pytest.approx((np.exp(2) + np.exp(4)) / 2)
    middle = predicted(head, 3.0, -0.5)
    for name in ("p10", "p50", "p90"):
        assert columns[f"sales_units_{name}"].item() == middle[f"sales_units_{name}"]


def test_a_million_units_keep_loss_gradient_and_forecast_finite():
    head = SalesVolumeHead.fitted(np.array([0.0, 1e6, 2e6]))
    raw = torch.tensor([[[14.0, -8.0]], [[-8.0, 4.0]], [[1e6, -1e6]]], requires_grad=True)
    loss = head.loss(raw, torch.tensor([1e6, 1e6, 1e6]))
    loss.backward()
    assert loss.isfinite() and raw.grad.isfinite().all()
    for values in head.decode(raw).values():
        assert values.isfinite().all() and (values >= 0).all()


def test_mean_is_clamped_to_its_documented_range():
    head = SalesVolumeHead()
    assert predicted(head, -1e9, 0.0)["sales_units"] == pytest.approx(np.exp(-8.0))
    assert predicted(head, 1e9, 0.0)["sales_units"] == pytest.approx(np.exp(20.0))


def test_best_constant_is_the_maximum_of_the_likelihood_over_both_parameters():
    def nll(at):
        log_mean, log_dispersion = torch.tensor(at).double()
        return negative_binomial_nll(log_mean, log_dispersion, torch.tensor(HEAVY)).mean().item()

    free = optimize.minimize(nll, x0=[5.0, 0.0], method="Nelder-Mead")
    log_mean, log_dispersion = best_constant(HEAVY)
    assert np.exp(log_mean) == pytest.approx(HEAVY.mean())
    assert nll([log_mean, log_dispersion]) == pytest.approx(free.fun, rel=1e-6)


def test_fitted_head_starts_at_the_constant_loss():
    head = SalesVolumeHead.fitted(HEAVY)
    target = torch.tensor(head.encode_target(HEAVY))
    start = head.loss(head.start.expand(len(HEAVY), 1, 2), target).item()
    assert start == pytest.approx(head.constant_loss(target), rel=1e-5)


@pytest.mark.parametrize("distribution", ["negative_binomial", "poisson"])
def test_constant_loss_is_beaten_by_no_constant(distribution):
    head = SalesVolumeHead(distribution=distribution)
    target = torch.tensor(HEAVY[:100]).float()
    best = head.constant_loss(target)
    for log_mean in np.linspace(4, 9, 21):
        for log_dispersion in np.linspace(-2, 3, 11):
            raw = torch.tensor([log_mean, log_dispersion]).float().expand(100, 1, 2)
            assert head.loss(raw, target).item() >= best - 1e-4


def test_median_beats_the_mean_on_heavy_tails():
    head = SalesVolumeHead.fitted(HEAVY)
    columns = head.decode(head.start.expand(len(HEAVY), 1, 2))
    found = head.metrics(HEAVY, {name: values.detach().numpy() for name, values in columns.items()})
    assert found["wape"] < found["wape_mean"]
    assert found["bias"] == pytest.approx(0, abs=1e-3)
    assert found["coverage_p10_p90"] == pytest.approx(0.8, abs=0.05)
    assert found["pinball_p50"] == pytest.approx(found["mae"] / 2)


def test_metrics_use_median_mean_and_interval_as_documented():
    target = np.array([10.0, 20.0, 30.0])
    columns = {
        "sales_units": np.array([11.0, 20.0, 30.0]),
        "sales_units_p10": np.array([9.0, 21.0, 10.0]),
        "sales_units_p50": np.array([10.0, 20.0, 36.0]),
        "sales_units_p90": np.array([12.0, 30.0, 30.0]),
    }
    found = SalesVolumeHead().metrics(target, columns)
    assert found["wape"] == pytest.approx(0.1)
    assert found["wape_mean"] == pytest.approx(1 / 60)
    assert found["mae"] == pytest.approx(2)
    assert found["bias"] == pytest.approx(1 / 60)
    assert found["rmse"] == pytest.approx(np.sqrt(1 / 3))
    assert found["coverage_p10_p90"] == pytest.approx(2 / 3)
    assert found["width_p10_p90"] == pytest.approx(32 / 3)


def test_all_zero_targets_are_accepted_and_forecast_as_nearly_nothing():
    head = SalesVolumeHead.fitted(np.zeros(5))
    assert head.constant_loss(torch.zeros(5)) > 0
    assert head.decode(head.start[None, None])["sales_units"].item() < 0.001


def test_missing_negative_and_absurd_targets_are_faults_of_their_rows():
    faults = SalesVolumeHead.target_faults(np.array([1.0, np.nan, -1.0, -2.0, 1e12, 0.5]))
    assert {rule: np.flatnonzero(mask).tolist() for rule, mask in faults.items()} == {
        "finite": [1],
        "0 or more units": [2, 3],
        "at most 4.9e+08 units": [4],
    }
    assert not SalesVolumeHead.target_faults(np.array([0.0, 0.5, 4.8e8]))


def test_unknown_distribution_is_refused_with_the_valid_ones():
    with pytest.raises(ValueError, match="negative_binomial, poisson, got 'gauss'"):
        SalesVolumeHead(distribution="gauss")


def test_calibrated_quantiles_cover_what_the_distribution_misjudges():
    random = np.random.default_rng(3)
    units = np.round(np.exp(random.normal(6.0, 0.2, 4000)))  # far narrower than what is said of it
    said = torch.tensor([6.3, 0.0]).expand(4000, 1, 2)
    head = SalesVolumeHead.tiny()
    before = head.metrics(units, as_arrays(head.decode(said)))
    head.calibrate(said[:2000], units[:2000], parts=FOURTHS)
    after = head.metrics(units[2000:], as_arrays(head.decode(said[2000:])))
    assert before["coverage_p10_p90"] > 0.99
    assert after["coverage_p10_p90"] == pytest.approx(0.8, abs=0.03)
    assert after["wape"] < before["wape"]


def test_calibration_leaves_a_true_distribution_as_it_is():
    head = SalesVolumeHead.tiny()
    raw = torch.tensor([4.0, -1.0]).expand(20_000, 1, 2)
    law = stats.nbinom(np.e, np.e / (np.e + np.exp(4.0)))
    head.calibrate(raw, law.rvs(20_000, random_state=0).astype(float), parts=np.zeros(20_000, int))
    assert [head.levels[name] for name in ("p10", "p50", "p90")] == pytest.approx(
        [0.1, 0.5, 0.9], abs=0.01
    )


def test_calibration_travels_in_the_configuration_and_stays_inside_its_bounds():
    head = SalesVolumeHead(distribution="poisson")
    head.calibrate(torch.full((30, 1, 1), 2.0), np.full(30, 1e6), parts=np.zeros(30, int))
    assert set(head.levels.values()) == {0.995}
    assert SalesVolumeHead(**head.config).levels == head.levels


def as_arrays(columns):
    return {name: values.numpy() for name, values in columns.items()}


def test_a_method_that_gives_one_number_has_no_range():
    target = np.array([1.0, 5.0, 9.0])
    columns = {column.name: target for column in SalesVolumeHead.tiny().columns}
    found = SalesVolumeHead.tiny().metrics(target, columns)
    assert np.isnan([found["coverage_p10_p90"], found["width_p10_p90"]]).all()

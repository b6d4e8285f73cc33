import numpy as np
import pytest
import torch
from sklearn.metrics import mean_pinball_loss, mean_poisson_deviance

from heads import SalesPathHead
from heads.levels import LEAST_GAP

RNG = np.random.default_rng(0)
PATHS = RNG.gamma(1.5, 0.7, (200, 4))


def test_each_step_says_median_mean_and_quantiles_and_then_the_window_does():
    head = SalesPathHead(horizon=2, levels=[0.9, 0.1])
    assert [column.name for column in head.columns[:4]] == [
        "sales_units_step_1_p50",
        "sales_units_step_1",
        "sales_units_step_1_p10",
        "sales_units_step_1_p90",
    ]
    assert [column.step for column in head.columns[::4]] == [1, 2, 3]
    assert [column.window for column in head.columns[::4]] == ["", "", "2 periods"]
    assert {column.unit for column in head.columns} == {"units"}


def test_other_levels_are_learned_beside_those_that_are_always_learned():
    head = SalesPathHead(horizon=1, levels=[0.025, 0.5, 0.975])
    assert head.grid == sorted(head.grid) and len(head.grid) == 13 == head.raw_dim - 1
    assert {0.025, 0.05, 0.5, 0.95, 0.975} <= set(head.grid)
    assert head.grid[head.middle] == 0.5


def test_losses_are_pinball_and_poisson_deviance_of_scikit_learn():
    head = SalesPathHead.fitted(PATHS)
    raw = torch.from_numpy(np.sort(RNG.gamma(2, 0.5, (200, 1, 4, 12)), axis=-1))
    losses = head.losses(raw, torch.from_numpy(PATHS)).numpy()
    assert losses.shape == raw.shape
    for entry in range(4):
        sold, said = PATHS[:, entry], raw[:, 0, entry].numpy()
        deviance = mean_poisson_deviance(sold, said[:, 0])
        assert losses[:, 0, entry, 0].mean() == pytest.approx(deviance / 2)
        for place, level in enumerate(head.grid, start=1):
            pinball = mean_pinball_loss(sold, said[:, place], alpha=level)
            assert losses[:, 0, entry, place].mean() == pytest.approx(pinball)


def test_steps_that_are_not_known_lose_nothing_and_move_nothing():
    head, target = SalesPathHead(horizon=3), torch.from_numpy(PATHS[:5]).float()
    target[1, 2:] = torch.nan
    raw = torch.randn(5, 2, 4, 12, requires_grad=True)
    losses = head.losses(raw, target)
    losses.sum().backward()
    assert (losses[1, :, 2:] == 0).all() and (losses[1, :, :2] > 0).any()
    assert raw.grad.isfinite().all()
    assert (raw.grad[1, :, 2:] == 0).all() and (raw.grad[1, :, :2] != 0).any()


@pytest.mark.parametrize("mean", [-3.0, 0.0, 1e-9])
@pytest.mark.parametrize("sold", [0.0, 0.5, 4.0, -1.0])
def test_means_of_nothing_and_below_have_a_loss_that_leads_back(mean, sold):
    head = SalesPathHead(horizon=1)
    raw = torch.zeros(1, 1, 2, 12)
    raw[..., 0] = mean
    raw.requires_grad_()
    loss = head.losses(raw, torch.tensor([[sold, sold]]))[..., 0].sum()
    loss.backward()
    assert torch.isfinite(loss) and loss >= 0
    assert raw.grad.isfinite().all() and (raw.grad[..., 0] < 0).all()


def test_raw_outputs_of_a_fitted_head_start_at_its_means_and_quantiles():
    target = PATHS.copy()
    target[:50, 2] = np.nan
    head = SalesPathHead.fitted(target)
    for entry in range(4):
        known = target[:, entry][np.isfinite(target[:, entry])]
        assert head.start[entry, 0] == pytest.approx(known.mean(), rel=1e-6)
        wanted = np.quantile(known, head.grid, method="inverted_cdf")
        np.testing.assert_allclose(head.start[entry, 1:], wanted, rtol=1e-6)


def test_an_entry_of_which_nothing_is_known_starts_at_one():
    target = PATHS.copy()
    target[:, 3] = np.nan
    assert (SalesPathHead.fitted(target).start[3] == 1.0).all()


def test_free_numbers_become_ordered_answers_that_begin_at_the_start():
    head = SalesPathHead.fitted(PATHS)
    begin = head.ordered(head.start[None, None])[0, 0]
    np.testing.assert_allclose(begin[:3, 0], head.start[:3, 0], rtol=1e-5)
    assert begin[:, head.middle + 1].tolist() == pytest.approx(head.start[:, head.middle + 1])
    assert (begin[:, 1:] - head.start[:, 1:]).abs().max() < LEAST_GAP * len(head.grid)
    free = 5 * torch.randn(50, 2, 4, 12)
    raw = head.ordered(free)
    assert raw.shape == free.shape
    assert (raw[..., 0] > 0).all() and (raw[..., 1:].diff(dim=-1) >= 0).all()
    torch.testing.assert_close(raw[..., 3, 0], raw[..., :3, 0].mean(dim=-1))


def test_the_answer_is_never_below_0_and_never_crosses():
    head = SalesPathHead(horizon=2)
    found = head.decode(10 * torch.randn(100, 3, 3, 12))
    names = [f"sales_units_window_{each}" for each in ("p10", "p50", "p90")]
    low, middle, high = (found[name] for name in names)
    assert (low >= 0).all() and (low <= middle).all() and (middle <= high).all()
    assert all((values >= 0).all() for values in found.values())


def test_metrics_leave_out_what_is_not_known():
    head = SalesPathHead(horizon=2, levels=[0.1, 0.5, 0.9])
    target = np.array([[1.0, 3.0, 2.0], [2.0, np.nan, np.nan]])
    answers = {column.name: np.zeros(2) for column in head.columns}
    answers["sales_units_step_1_p50"] = np.array([1.0, 1.0])
    answers["sales_units_step_1_p90"] = np.array([1.0, 2.0])
    answers["sales_units_window_p50"] = np.array([1.0, 7.0])
    found = head.metrics(target, answers)
    assert found["wape"] == pytest.approx((0 + 3 + 1) / 6)
    assert found["wape_window"] == pytest.approx(1 / 2)
    assert found["bias_mean"] == pytest.approx(-1.0)
    assert found["coverage_p10_p90"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("shape", [(12,), (12, 1)])
def test_one_number_is_no_path(shape):
    with pytest.raises(ValueError, match="must be a list of two columns or more"):
        SalesPathHead.fitted(np.ones(shape))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"horizon": 0}, "horizon must be 1 or more, got 0"),
        ({"horizon": 2, "levels": [0.5, 1.0]}, "levels must be a list"),
        ({"horizon": 2, "starts": [[1.0] * 12]}, "starts must be 3 times 12 finite numbers"),
        ({"horizon": 1, "starts": [[np.inf] * 12] * 2}, "starts must be 2 times 12 finite numbers"),
    ],
)
def test_options_that_do_not_suit_are_refused(options, told):
    with pytest.raises(ValueError, match=told):
        SalesPathHead(**options)

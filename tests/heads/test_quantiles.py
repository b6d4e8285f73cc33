import numpy as np
import pytest
import torch
from scipy import optimize
from sklearn.metrics import mean_pinball_loss

from heads import QuantilesHead

RNG = np.random.default_rng(0)
PRICES = RNG.lognormal(3, 1, 2000)
PARTS = np.arange(2000) % 4


def predicted(head, raw):
    return {name: values.numpy() for name, values in head.decode(raw).items()}


@pytest.mark.parametrize("levels", [(0.9, 0.1, 0.5), (0.5,), (0.25, 0.75), (0.99, 0.025, 0.3)])
def test_the_first_column_is_the_level_nearest_to_the_median(levels):
    head = QuantilesHead.fitted(PRICES, levels=levels)
    found = [column.level for column in head.columns]
    assert abs(found[0] - 0.5) == min(abs(level - 0.5) for level in levels)
    assert sorted(found) == sorted(levels) and found[1:] == sorted(found[1:])
    assert {column.kind for column in head.columns} == {"quantile"}


def test_columns_are_named_by_percent():
    head = QuantilesHead(levels=(0.025, 0.5, 0.975))
    names = [column.name for column in head.columns]
    assert names == ["prediction_p50", "prediction_p2.5", "prediction_p97.5"]


@pytest.mark.parametrize("transform", ["identity", "log", "rank", "auto"])
def test_raw_outputs_start_at_the_quantiles_of_the_training_targets(transform):
    head = QuantilesHead.fitted(PRICES, transform=transform)
    found = predicted(head, head.start[None, None])
    for level in (0.1, 0.5, 0.9):
        quantile = np.quantile(PRICES, level)
        assert found[f"prediction_p{100 * level:g}"][0] == pytest.approx(quantile, rel=0.02)
    target = torch.tensor(head.encode_target(PRICES))
    loss = head.loss(head.start.expand(2000, 1, 3), target).item()
    assert loss == pytest.approx(head.constant_loss(target), rel=1e-3)


def test_quantiles_of_any_raw_outputs_never_cross():
    head = QuantilesHead(levels=np.linspace(0.05, 0.95, 19))
    values = predicted(head, 20 * torch.randn(500, 3, 19))
    ordered = np.stack([values[f"prediction_p{round(5 * k)}"] for k in range(1, 20)], axis=1)
    assert (np.diff(ordered, axis=1) >= 0).all()


def test_loss_is_the_mean_pinball_loss_of_scikit_learn_in_deviations():
    head = QuantilesHead.fitted(PRICES[:50], levels=(0.2, 0.5, 0.7))
    raw, target = torch.randn(50, 1, 3).double(), head.encode_target(PRICES[:50])
    identity = QuantilesHead(levels=(0.2, 0.5, 0.7))
    deviations = predicted(identity, raw)
    by_hand = [
        mean_pinball_loss(target, deviations[f"prediction_p{100 * level:g}"], alpha=level)
        for level in (0.2, 0.5, 0.7)
    ]
    assert head.loss(raw, torch.tensor(target)).item() == pytest.approx(np.mean(by_hand))


def test_quantiles_of_each_group_are_learned():
    group = np.arange(2000) % 2
    target = np.where(group, RNG.normal(10, 1, 2000), RNG.normal(0, 5, 2000))
    head = QuantilesHead.fitted(target, transform="identity")
    encoded = torch.tensor(head.encode_target(target))

    def loss_and_slopes(numbers):
        raw = torch.tensor(numbers.reshape(2, 3), requires_grad=True)
        loss = head.loss(raw[group][:, None], encoded)
        return loss.item(), torch.autograd.grad(loss, raw)[0].flatten().numpy()

    start = head.start.repeat(2, 1).double().flatten().numpy()
    raw = optimize.minimize(loss_and_slopes, start, jac=True, method="L-BFGS-B").x
    found = predicted(head, torch.tensor(raw.reshape(2, 1, 3)))
    for name, level in [("prediction_p10", 0.1), ("prediction_p50", 0.5), ("prediction_p90", 0.9)]:
        for kind in (0, 1):
            share = (target[group == kind] <= found[name][kind]).mean()
            assert share == pytest.approx(level, abs=0.03)


def test_networks_are_averaged_level_by_level_on_the_scale():
    head = QuantilesHead(levels=(0.5,), standard={"scale": "log"})
    found = predicted(head, torch.tensor([[[1.0], [3.0]]]))
    assert found["prediction_p50"] == pytest.approx(np.exp(2.0))


@pytest.mark.parametrize("width", [0.2, 5.0])
def test_calibrated_quantiles_cover_as_asked(width):
    noise = RNG.normal(size=(4000, 1))
    mean = RNG.normal(size=4000)
    head = QuantilesHead(levels=(0.05, 0.5, 0.95))
    raw = torch.tensor(np.stack([np.full(4000, width), mean, np.full(4000, width)], axis=1))
    raw, target = raw[:, None], mean + 0.3 + noise[:, 0]
    before = head.metrics(target[2000:], predicted(head, raw[2000:]))
    head.calibrate(raw[:2000], target[:2000], parts=PARTS)
    found = predicted(head, raw[2000:])
    after = head.metrics(target[2000:], found)
    assert abs(before["coverage_p5_p95"] - 0.9) > 0.05
    assert after["coverage_p5_p95"] == pytest.approx(0.9, abs=0.02)
    for name, level in [("p5", 0.05), ("p50", 0.5), ("p95", 0.95)]:
        below = (target[2000:] <= found[f"prediction_{name}"]).mean()
        assert below == pytest.approx(level, abs=0.03)
    assert after["pinball"] < before["pinball"]
    assert QuantilesHead(**head.config).shifts == head.shifts
    assert "shifted on rows held out" in head.describe()
    assert head.describe().startswith("quantiles of the levels 0.05, 0.5, 0.95; learned with")


def test_shifts_of_few_rows_are_never_too_narrow():
    shares = []
    for _ in range(200):
        target = RNG.normal(size=25)
        head = QuantilesHead()
        head.calibrate(torch.zeros(25, 1, 3), target, parts=np.zeros(25, int))
        low, high = (predicted(head, torch.zeros(1, 1, 3))[f"prediction_p{p}"] for p in (10, 90))
        new = RNG.normal(size=200)
        shares.append(((low <= new) & (new <= high)).mean())
    assert 0.8 <= np.mean(shares) < 0.88


def test_shifts_that_turn_the_order_of_levels_are_put_in_order():
    head = QuantilesHead(shifts=(3.0, 0.0, -3.0))
    found = predicted(head, torch.zeros(1, 1, 3))
    assert found["prediction_p10"] < found["prediction_p50"] < found["prediction_p90"]


@pytest.mark.parametrize("n_rows", [0, 1, 19])
def test_few_rows_shift_nothing(n_rows):
    head = QuantilesHead()
    head.calibrate(torch.zeros(n_rows, 2, 3), np.ones(n_rows), parts=PARTS[:n_rows])
    assert head.shifts == [0.0, 0.0, 0.0]


def test_a_constant_target_gives_a_constant_answer():
    head = QuantilesHead.fitted(np.full(30, 7.0))
    head.calibrate(torch.randn(30, 1, 3), np.full(30, 7.0), parts=np.zeros(30, int))
    values = predicted(head, 9 * torch.randn(5, 2, 3)).values()
    assert all(each == pytest.approx(7.0) for each in values)
    assert head.constant_loss(torch.zeros(30)) == pytest.approx(1e-3)


def test_constant_loss_is_beaten_by_no_constant():
    head = QuantilesHead.fitted(PRICES[:200], transform="identity")
    target = torch.tensor(head.encode_target(PRICES[:200]))
    best = head.constant_loss(target)
    for middle in np.linspace(-1, 1, 21):
        for gap in np.linspace(-3, 2, 11):
            raw = torch.tensor([gap, middle, gap]).float().expand(200, 1, 3)
            assert head.loss(raw, target).item() >= best - 1e-6


def test_metrics_equal_the_table_made_by_hand():
    head = QuantilesHead()
    target = np.array([10.0, 20.0, 30.0])
    columns = {
        "prediction_p10": np.array([9.0, 21.0, 10.0]),
        "prediction_p50": np.array([10.0, 20.0, 36.0]),
        "prediction_p90": np.array([12.0, 30.0, 30.0]),
    }
    pinballs = [(0.1 + 0.9 + 2.0) / 3, 3.0 / 3, (0.2 + 1.0 + 0.0) / 3]
    assert head.metrics(target, columns) == pytest.approx(
        {
            "pinball": np.mean(pinballs),
            "wape": 0.1,
            "mae": 2.0,
            "coverage_p10_p90": 2 / 3,
            "width_p10_p90": 32 / 3,
        }
    )


def test_metrics_follow_the_levels():
    target = np.array([1.0, 2.0])
    assert list(QuantilesHead(levels=[0.3]).metrics(target, {"prediction_p30": target})) == [
        "pinball"
    ]
    pair = QuantilesHead(levels=[0.2, 0.7])
    found = pair.metrics(target, dict.fromkeys(["prediction_p20", "prediction_p70"], target))
    assert list(found) == ["pinball", "coverage_p20_p70", "width_p20_p70"]
    assert np.isnan([found["coverage_p20_p70"], found["width_p20_p70"]]).all()


@pytest.mark.parametrize(
    "levels",
    [(), (0.0, 0.5), (0.5, 1.0), (10, 50, 90), (0.5, 0.5), 0.5, "a", ["0.1"], [[0.1]], {0.1: 1}],
)
def test_unfit_levels_are_refused(levels):
    told = r"levels must be a list of one or more different numbers in \(0, 1"
    with pytest.raises(ValueError, match=told):
        QuantilesHead.fitted(PRICES, levels=levels)


def test_numbers_that_do_not_fit_the_levels_are_refused():
    with pytest.raises(ValueError, match="one number for each of 2 levels, got 3 and 2"):
        QuantilesHead(levels=(0.1, 0.9), starts=(1.0, 2.0, 3.0))


def test_many_equal_targets_are_fine():
    head = QuantilesHead.fitted(np.repeat([0.0, 5.0, 9.0], [80, 15, 5]))
    assert head.start.isfinite().all()
    assert head.decode(head.start[None, None])["prediction_p50"].item() == pytest.approx(0, abs=0.1)

from collections.abc import Mapping

import numpy as np
import pytest

from fusion.evaluation import bootstrap, paired_bootstrap, primary_metric
from fusion.evaluation.bootstrap import bootstrap_of_sums
from heads import Floats, HotItemHead


def absolute_error(target: Floats, columns: Mapping[str, Floats]) -> float:
    return float(np.abs(target - columns["a"]).mean())


def test_gain_and_interval_agree_with_a_hand_table() -> None:
    target = np.array([1.0, 2.0, 3.0, 4.0])
    exact, off = {"a": target.copy()}, {"a": target + 2.0}
    found = paired_bootstrap(absolute_error, target, exact, off, higher_is_better=False)
    assert found == (2.0, 2.0, 2.0)  # every row differs by 2, so every draw does
    found = paired_bootstrap(absolute_error, target, off, exact, higher_is_better=False)
    assert found == (-2.0, -2.0, -2.0)
    found = paired_bootstrap(absolute_error, target, off, exact, higher_is_better=True)
    assert found == (2.0, 2.0, 2.0)


def test_identical_predictions_have_no_gain() -> None:
    draw = np.random.default_rng(0)
    target, columns = draw.random(50), {"a": draw.random(50)}
    found = paired_bootstrap(absolute_error, target, columns, columns, higher_is_better=False)
    assert found == (0.0, 0.0, 0.0)


def test_the_interval_covers_the_true_difference_as_often_as_it_says() -> None:
    draw = np.random.default_rng(0)
    mean_of_absolute_normal = np.sqrt(2 / np.pi)
    truth = (1.3 - 1.0) * mean_of_absolute_normal
    covered = 0
    for _ in range(200):
        target, shared = draw.normal(size=(2, 150))
        own = draw.normal(size=150)
        first = {"a": target + shared}
        second = {"a": target + 1.3 * (0.8 * shared + 0.6 * own)}
        _, low, high = paired_bootstrap(
            absolute_error, target, first, second, higher_is_better=False, n_resamples=150
        )
        covered += low <= truth <= high
    assert 0.90 <= covered / 200 <= 0.99


def test_pairs_make_the_interval_narrower_than_rows_of_their_own() -> None:
    draw = np.random.default_rng(0)
    target, noise = draw.normal(size=(2, 300))
    first, second = {"a": target + noise}, {"a": target + 1.1 * noise}
    _, low, high = paired_bootstrap(absolute_error, target, first, second, higher_is_better=False)
    unrelated = {"a": target + 1.1 * draw.permutation(noise)}
    _, wide_low, wide_high = paired_bootstrap(
        absolute_error, target, first, unrelated, higher_is_better=False
    )
    assert high - low < 0.5 * (wide_high - wide_low)


def spread(target, first, second, **options):
    _, low, high = paired_bootstrap(
        absolute_error, target, first, second, higher_is_better=False, **options
    )
    return high - low


def test_copies_of_rows_do_not_make_an_interval_narrower() -> None:
    draw = np.random.default_rng(0)
    target, one, other = draw.normal(size=(3, 60))
    alone = spread(target, {"a": one}, {"a": other})
    copies = [np.repeat(values, 9) for values in (target, one, other)]
    target, one, other = copies
    groups = np.repeat([f"item {number}" for number in range(60)], 9)
    assert spread(target, {"a": one}, {"a": other}) < 0.5 * alone  # as if each were news
    together = spread(target, {"a": one}, {"a": other}, groups=groups)
    assert together == pytest.approx(alone, rel=0.1)
    order = draw.permutation(len(target))
    first, second = {"a": one[order]}, {"a": other[order]}
    mixed = spread(target[order], first, second, groups=groups[order])
    assert mixed == pytest.approx(together, rel=1e-9)


def test_rows_that_are_groups_of_their_own_are_drawn_as_rows() -> None:
    draw = np.random.default_rng(0)
    target, one, other = draw.normal(size=(3, 40))
    plain = spread(target, {"a": one}, {"a": other})
    assert spread(target, {"a": one}, {"a": other}, groups=np.arange(40)) == plain


def test_one_group_has_no_interval_and_each_row_needs_a_label() -> None:
    target, columns = np.arange(4.0), {"a": np.zeros(4)}
    assert np.isnan(spread(target, columns, {"a": np.ones(4)}, groups=["a"] * 4))
    with pytest.raises(ValueError, match="groups must have 4 labels"):
        spread(target, columns, columns, groups=["a", "b"])


def test_the_seed_decides_the_interval() -> None:
    draw = np.random.default_rng(0)
    target, *values = draw.normal(size=(3, 40))
    first, second = ({"a": column} for column in values)
    one, same, other = (
        paired_bootstrap(absolute_error, target, first, second, higher_is_better=False, seed=seed)
        for seed in (0, 0, 1)
    )
    assert one == same
    assert one[0] == other[0]
    assert one[1:] != other[1:]


def test_draws_of_one_class_are_drawn_anew() -> None:
    head = HotItemHead()
    target = np.array([1.0, 0, 0, 0, 0, 0])  # a third of the draws has no positive
    first = {"hot_probability": np.array([0.9, 0.1, 0.2, 0.3, 0.4, 0.5])}
    second = {"hot_probability": 1 - first["hot_probability"]}
    metric, _ = primary_metric(head, target, [first, second])
    gain, low, high = paired_bootstrap(metric, target, first, second, higher_is_better=True)
    assert gain == pytest.approx(1 - 1 / 6)
    assert 0 < low <= gain <= high < 1


def test_an_undefined_metric_gives_an_undefined_gain() -> None:
    columns = {"hot_probability": np.array([0.1, 0.9])}
    metric, _ = primary_metric(HotItemHead(), np.zeros(2), [columns])
    found = paired_bootstrap(metric, np.zeros(2), columns, columns, higher_is_better=True)
    assert np.isnan(found).all()


def test_a_metric_that_hardly_any_draw_has_gives_no_interval() -> None:
    def on_the_rows_alone(target: Floats, columns: Mapping[str, Floats]) -> float:
        in_order = bool((target == np.arange(30)).all())
        return absolute_error(target, columns) if in_order else float("nan")

    target = np.arange(30.0)
    gain, low, high = paired_bootstrap(
        on_the_rows_alone,
        target,
        {"a": target},
        {"a": target + 1},
        higher_is_better=False,
        n_resamples=20,
    )
    assert gain == 1.0
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize("most", [1_000_000, 40])
def test_draws_of_sums_are_those_of_rows(monkeypatch, most):
    monkeypatch.setattr(bootstrap, "MOST_VALUES", most)
    draw = np.random.default_rng(0)
    first, second = (draw.uniform(size=(30, 2)) for _ in range(2))
    first[:, 1] = second[:, 1] = draw.random(30) < 0.05  # a draw may be undefined

    def share(sums):
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(sums[..., 1] > 0, sums[..., 0] / sums[..., 1], np.nan)

    wanted = paired_bootstrap(
        lambda _, columns: float(share(columns["sums"].sum(axis=0))),
        np.zeros(30),
        {"sums": first},
        {"sums": second},
        higher_is_better=False,
    )
    assert bootstrap_of_sums(share, first, second) == pytest.approx(wanted)
    assert np.isnan(bootstrap_of_sums(share, first[:1], second[:1])[1])

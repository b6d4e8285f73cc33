import numpy as np
import pytest

from fusion.tuning.order import RowOrder, balanced_chances


def lengths(n=200):
    return np.random.default_rng(0).integers(5, 90, n)


def test_an_epoch_holds_each_row_once():
    order = RowOrder(lengths(), step_rows=16, seed=0)
    assert sorted(order) == list(range(200))
    assert len(order) == 200


def test_the_order_follows_from_seed_and_epoch_alone():
    first, same, other = (RowOrder(lengths(), step_rows=16, seed=seed) for seed in (0, 0, 1))
    assert list(first) == list(same)
    assert list(first) != list(other)
    same.begin(1)
    assert list(first) != list(same)


def test_rows_of_one_step_have_like_lengths():
    sizes = lengths(512)
    rows = np.array(list(RowOrder(sizes, step_rows=16, seed=0)))
    within = np.mean([sizes[step].std() for step in rows.reshape(-1, 16)])
    assert within < 0.15 * sizes.std()


def test_steps_come_in_random_order_of_length():
    sizes = lengths(512)
    rows = np.array(list(RowOrder(sizes, step_rows=16, seed=0)))
    means = sizes[rows.reshape(-1, 16)].mean(axis=1)
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5


def test_an_unfilled_step_comes_last():
    order = list(RowOrder(lengths(70), step_rows=16, seed=0))
    assert len(order) == 70 and sorted(order) == list(range(70))


def test_equal_shares_leave_out_what_does_not_fill_a_step_and_other_rows_each_epoch():
    order = RowOrder(lengths(70), step_rows=16, seed=0, whole_steps=True)
    first = set(order)
    order.begin(1)
    assert len(first) == len(order) == 64
    assert set(order) != first


def test_balance_draws_a_rare_class_as_often_as_a_common_one():
    target = np.array([1.0] * 10 + [0.0] * 990)
    chances = balanced_chances(target)
    assert chances.sum() == pytest.approx(1)
    assert chances[target == 1].sum() == pytest.approx(0.5)
    order = RowOrder(np.ones(1000, dtype=int), step_rows=50, seed=0, chances=chances)
    assert 0.4 < target[list(order)].mean() < 0.6


def test_balance_gives_each_range_of_a_number_the_same_chance():
    target = np.concatenate([np.linspace(0, 0.9, 900), np.linspace(9.1, 10, 100)])
    chances = balanced_chances(target)
    assert chances[target > 5].sum() == pytest.approx(0.5)


def test_rows_without_a_target_are_drawn_as_often_as_without_balance():
    target = np.array([1.0] * 10 + [0.0] * 90 + [np.nan] * 100)
    chances = balanced_chances(target)
    assert chances.sum() == pytest.approx(1)
    assert chances[100:] == pytest.approx(1 / 200)
    assert chances[:10].sum() == pytest.approx(0.25)
    assert balanced_chances(np.full(4, np.nan)) == pytest.approx(0.25)


def test_each_of_many_classes_is_drawn_alike_and_steps_by_their_mean():
    classes = np.repeat(np.arange(12.0), np.arange(1, 13))
    chances = balanced_chances(classes, n_ranges=12)
    for label in range(12):
        assert chances[classes == label].sum() == pytest.approx(1 / 12)
    steps = np.array([[0.0, 2.0], [2.0, 0.0], [8.0, 12.0], [np.nan, 1.0]])
    assert balanced_chances(steps) == pytest.approx([0.1875, 0.1875, 0.375, 0.25])

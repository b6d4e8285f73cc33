import numpy as np
import pytest

from fusion.data.folds import DRAWN, Validation, validation_folds


def folds(validation=DRAWN, **options):
    return validation_folds(
        validation, **{"n_rows": 50, "n_folds": 4, "share": 0.1, "seed": 0, **options}
    )


def test_drawn_folds_hold_every_row_once():
    assert np.array_equal(np.sort(np.concatenate(folds())), np.arange(50))


def test_a_group_stays_in_one_fold():
    groups = np.repeat(np.arange(10), 5)
    for fold in folds(Validation(groups=groups)):
        assert np.isin(np.flatnonzero(np.isin(groups, groups[fold])), fold).all()


def test_given_rows_serve_every_network():
    given = folds(Validation(rows=np.array([3, 4])))
    assert [fold.tolist() for fold in given] == [[3, 4]] * 4


@pytest.mark.parametrize("rows", [[], list(range(50))])
def test_given_rows_that_leave_nothing_to_learn_from_or_stop_by_are_drawn_anew(rows):
    assert len(np.concatenate(folds(Validation(rows=np.array(rows, dtype=int))))) == 50


def test_one_network_looks_at_a_share_of_the_rows():
    (fold,) = folds(n_folds=1, share=0.2)
    assert len(np.unique(fold)) == 10


@pytest.mark.parametrize("share", [0.1, 0.3, 0.99])
def test_one_network_looks_at_whole_groups_of_about_the_share(share):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(20), 10))
    (fold,) = folds(Validation(groups=groups), n_rows=200, n_folds=1, share=share)
    others = np.setdiff1d(np.arange(200), fold)
    assert not set(groups[fold]) & set(groups[others])
    assert len(fold) == pytest.approx(200 * share, abs=10) and len(others) >= 10


def test_a_single_group_is_cut():
    (fold,) = folds(Validation(groups=np.zeros(50)), n_folds=1, share=0.2)
    assert len(fold) == 10


def test_there_are_no_more_folds_than_groups():
    assert len(folds(Validation(groups=np.repeat([0, 1], 25)))) == 2
    assert len(folds(n_rows=3)) == 3


def test_the_same_seed_gives_the_same_folds():
    assert all(np.array_equal(a, b) for a, b in zip(folds(seed=3), folds(seed=3), strict=True))
    assert not np.array_equal(folds(seed=3)[0], folds(seed=4)[0])


def test_rows_left_out_are_counted_anew():
    kept = np.array([1, 4, 5])
    moved = Validation(rows=np.array([0, 4]), groups=np.arange(6) * 10).of_rows(kept)
    assert moved.rows.tolist() == [1]
    assert moved.groups.tolist() == [10, 40, 50]

import numpy as np
import pandas as pd
import pytest

from fusion.data.folds import (
    DRAWN,
    RowOptions,
    drawn_beside_folds,
    hide_levels,
    row_groups,
    validation_folds,
)


def folds(given=DRAWN, **options):
    return validation_folds(
        given, **{"n_rows": 50, "n_folds": 4, "share": 0.1, "seed": 0, **options}
    )


def test_drawn_folds_hold_every_row_once():
    assert np.array_equal(np.sort(np.concatenate(folds())), np.arange(50))


def test_a_group_stays_in_one_fold():
    groups = np.repeat(np.arange(10), 5)
    for fold in folds(RowOptions(groups=groups)):
        assert np.isin(np.flatnonzero(np.isin(groups, groups[fold])), fold).all()


def test_given_rows_serve_every_network():
    given = folds(RowOptions(validation=np.array([3, 4])))
    assert [fold.tolist() for fold in given] == [[3, 4]] * 4


@pytest.mark.parametrize("rows", [[], list(range(50))])
def test_given_rows_that_leave_nothing_to_learn_from_or_stop_by_are_drawn_anew(rows):
    assert len(np.concatenate(folds(RowOptions(validation=np.array(rows, dtype=int))))) == 50


def test_one_network_looks_at_a_share_of_the_rows():
    (fold,) = folds(n_folds=1, share=0.2)
    assert len(np.unique(fold)) == 10


@pytest.mark.parametrize("share", [0.1, 0.3, 0.99])
def test_one_network_looks_at_whole_groups_of_about_the_share(share):
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(20), 10))
    (fold,) = folds(RowOptions(groups=groups), n_rows=200, n_folds=1, share=share)
    others = np.setdiff1d(np.arange(200), fold)
    assert not set(groups[fold]) & set(groups[others])
    assert len(fold) == pytest.approx(200 * share, abs=10) and len(others) >= 10


def test_a_single_group_is_cut():
    (fold,) = folds(RowOptions(groups=np.zeros(50)), n_folds=1, share=0.2)
    assert len(fold) == 10


def test_there_are_no_more_folds_than_groups():
    assert len(folds(RowOptions(groups=np.repeat([0, 1], 25)))) == 2
    assert len(folds(n_rows=3)) == 3


def test_the_same_seed_gives_the_same_folds():
    assert all(np.array_equal(a, b) for a, b in zip(folds(seed=3), folds(seed=3), strict=True))
    assert not np.array_equal(folds(seed=3)[0], folds(seed=4)[0])


def test_rows_left_out_are_counted_anew():
    kept = np.array([1, 4, 5])
    moved = RowOptions(validation=np.array([0, 4]), groups=np.arange(6) * 10, weight=np.arange(6.0))
    moved = moved.of_rows(kept)
    assert moved.validation.tolist() == [1]
    assert moved.weight.tolist() == [1.0, 4.0, 5.0]
    assert moved.groups.tolist() == [10, 40, 50]


def test_folds_of_groups_are_about_even():
    sizes = np.r_[np.full(3, 20), np.full(10, 8), np.ones(60, dtype=int)]
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    found = folds(RowOptions(groups=groups), n_rows=200)
    assert [len(fold) for fold in found] == [50] * 4
    assert np.array_equal(np.sort(np.concatenate(found)), np.arange(200))


def hidden(levels, given=DRAWN, *, n_folds=4, seed=0):
    found = hide_levels(given, levels, n_folds=n_folds, seed=seed)
    return validation_folds(found, n_rows=len(levels[0]), n_folds=n_folds, share=0.1, seed=seed)


def held_out_whole(codes, parts):
    """Levels all of whose rows lie in one fold."""
    fold_of = np.empty(len(codes), dtype=int)
    for place, rows in enumerate(parts):
        fold_of[rows] = place
    return {int(level) for level in np.unique(codes) if len(set(fold_of[codes == level])) == 1}


LEVELS = np.random.default_rng(1).integers(2, 62, size=1200)


def test_levels_of_a_sixth_of_the_rows_are_held_out_whole():
    parts = hidden([LEVELS])
    assert len(held_out_whole(LEVELS, parts)) == pytest.approx(10, abs=2)
    assert len(held_out_whole(LEVELS, folds(n_rows=1200))) == 0
    assert [len(fold) for fold in parts] == [300] * 4


def test_levels_of_all_columns_are_hidden_but_no_more_than_a_sixth_of_the_rows_hold_one():
    columns = [np.random.default_rng(seed).integers(2, 62, size=1200) for seed in range(8)]
    parts = hidden(columns)
    whole = [held_out_whole(codes, parts) for codes in columns]
    rows = np.any(
        [np.isin(codes, list(some)) for codes, some in zip(columns, whole, strict=True)], axis=0
    )
    assert sum(map(bool, whole)) > 3
    assert 0.1 < rows.mean() < 0.2


def test_no_more_than_a_third_of_the_levels_of_a_column_is_hidden():
    rare = np.where(np.arange(1200) < 120, np.arange(1200) // 3 + 3, 2)  # 40 levels of 3 rows
    whole = held_out_whole(rare, hidden([rare]))
    by_chance = held_out_whole(rare, folds(n_rows=1200))
    assert 10 <= len(whole) <= 41 / 3 + len(by_chance) + 4


def test_columns_of_few_levels_and_big_levels_are_not_hidden():
    few = np.random.default_rng(1).integers(2, 9, size=1200)
    big = np.where(np.arange(1200) < 700, 2, LEVELS + 1)
    assert held_out_whole(few, hidden([few])) == set()
    for seed in range(5):
        assert 2 not in held_out_whole(big, hidden([big], seed=seed))


def test_missing_and_rare_levels_are_no_levels():
    codes = np.where(np.arange(1200) % 2, LEVELS, np.arange(1200) % 4 // 2)
    assert not {0, 1} & held_out_whole(codes, hidden([codes]))


def test_hidden_levels_keep_groups_together():
    groups = np.arange(1200) // 3
    parts = hidden([LEVELS], RowOptions(groups=groups))
    for rows in parts:
        assert np.isin(np.flatnonzero(np.isin(groups, groups[rows])), rows).all()
    assert len(held_out_whole(LEVELS, parts)) > 2


def test_nothing_is_hidden_of_fewer_than_a_thousand_rows():
    few = LEVELS[:999]
    assert hide_levels(DRAWN, [few], n_folds=4, seed=0) is DRAWN
    assert hide_levels(DRAWN, [LEVELS[:1000]], n_folds=4, seed=0) is not DRAWN


def test_nothing_is_hidden_where_rows_are_given_or_there_is_one_fold():
    given = RowOptions(validation=np.array([1, 2]))
    assert hide_levels(given, [LEVELS], n_folds=4, seed=0) is given
    assert hide_levels(DRAWN, [LEVELS], n_folds=1, seed=0) is DRAWN
    assert hide_levels(DRAWN, [], n_folds=4, seed=0) is DRAWN


def test_groups_may_be_labels_of_any_kind():
    assert row_groups(["b", None, "b", None], n_rows=4).tolist() == [0, 1, 0, 1]
    assert row_groups(pd.Series([2.5, 1.0]), n_rows=2).tolist() == [0, 1]
    with pytest.raises(ValueError, match="groups must hold one label for each of the 3 rows"):
        row_groups(["a", "b"], n_rows=3)
    with pytest.raises(ValueError, match=r"groups must hold 2 or more labels, got 'a'"):
        row_groups(["a", "a"], n_rows=2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rows_drawn_beside_folds_of_the_same_seed_lie_in_all_of_them(seed):
    folds = np.array_split(np.random.default_rng(seed).permutation(2000), 4)
    drawn = drawn_beside_folds(np.arange(5000, 7000), 200, seed=seed)
    assert len(drawn) == 200
    assert (np.diff(drawn) > 0).all()
    assert min(np.isin(drawn - 5000, fold).sum() for fold in folds) > 25


def test_no_more_rows_are_drawn_than_there_are():
    assert drawn_beside_folds(np.array([3, 7]), 200, seed=0).tolist() == [3, 7]

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusion.data import Split, date_split, group_split, random_split

THIRDS = (0.7, 0.15, 0.15)


def sizes(split: Split) -> list[int]:
    return [len(split.train), len(split.validation), len(split.test), len(split.left_out)]


def rows(split: Split) -> list[int]:
    parts = (split.train, split.validation, split.test, split.left_out)
    return np.sort(np.concatenate(parts)).tolist()


def test_random_split_holds_every_row_once_and_follows_its_seed() -> None:
    split = random_split(100, fractions=THIRDS, seed=3)
    assert sizes(split) == [70, 15, 15, 0]
    assert rows(split) == list(range(100))
    assert np.all(np.diff(split.test) > 0)
    again, other = (random_split(100, fractions=THIRDS, seed=seed) for seed in (3, 4))
    np.testing.assert_array_equal(split.test, again.test)
    assert not np.array_equal(split.test, other.test)


def test_strata_are_spread_alike_even_rare_ones() -> None:
    labels = np.array(["a"] * 900 + ["b"] * 100)
    split = random_split(1000, fractions=(0.8, 0.1, 0.1), seed=0, stratify=labels)
    assert sizes(split) == [800, 100, 100, 0]
    assert (labels[split.test] == "b").sum() == 10
    numbers = np.random.default_rng(0).lognormal(size=1000)
    split = random_split(1000, fractions=(0.8, 0.1, 0.1), seed=0, stratify=numbers)
    low = numbers < np.median(numbers)
    assert abs(low[split.test].sum() - 50) <= 1


@pytest.mark.parametrize("n", [0, 3, 9])
def test_three_rows_give_an_error_that_says_what_is_needed(n: int) -> None:
    for make in (
        lambda: random_split(n, fractions=THIRDS, seed=0),
        lambda: group_split(np.arange(n), fractions=THIRDS, seed=0),
        lambda: date_split(pd.date_range("2024-01-01", periods=n), fractions=THIRDS),
    ):
        with pytest.raises(ValueError, match=f"at least 10 rows .* got {n}"):
            make()


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.5), (0, 0.5, 0.5), (0.9, 0.2, -0.1), (0.5, 0.2, 0.2)]
)
def test_fractions_that_are_no_shares_are_refused(fractions: Any) -> None:
    with pytest.raises(ValueError, match="fractions must"):
        random_split(100, fractions=fractions, seed=0)


def test_a_part_that_would_be_empty_is_refused_unless_it_is_not_wanted() -> None:
    with pytest.raises(ValueError, match=r"each wanted part .* test 0"):
        random_split(10, fractions=(0.9, 0.09, 0.01), seed=0)
    assert sizes(random_split(10, fractions=(0.8, 0.2, 0), seed=0)) == [8, 2, 0, 0]
    dates = pd.date_range("2024-01-01", periods=10)
    assert sizes(date_split(dates, fractions=(0.8, 0.2, 0), gap_days=2)) == [6, 2, 0, 2]


def test_later_dates_are_tested_and_the_gap_is_left_out_and_said() -> None:
    days = pd.date_range("2024-01-01", periods=100)
    shuffled = np.random.default_rng(0).permutation(100)
    split = date_split(days[shuffled], fractions=(0.6, 0.2, 0.2), gap_days=7)
    assert sizes(split) == [53, 13, 20, 14]
    assert rows(split) == list(range(100))
    last = days[shuffled][split.train].max()
    first = days[shuffled][split.validation].min()
    assert (first - last).days == 8
    cuts = date_split(days[shuffled], cuts=("2024-03-01", "2024-03-21"), gap_days=7)
    np.testing.assert_array_equal(cuts.train, split.train)
    np.testing.assert_array_equal(cuts.left_out, split.left_out)


def test_rows_of_one_date_stay_on_one_side() -> None:
    dates = np.repeat(pd.date_range("2024-01-01", periods=4).to_numpy(), 25)
    split = date_split(dates, fractions=(0.6, 0.2, 0.2))
    parts = [set(dates[part].tolist()) for part in (split.train, split.validation, split.test)]
    assert not parts[0] & parts[1] and not parts[1] & parts[2] and not parts[0] & parts[2]


def test_dates_that_cannot_be_split_are_refused() -> None:
    dates = pd.Series(pd.date_range("2024-01-01", periods=20))
    with pytest.raises(ValueError, match=r"1 missing \(rows 3\)"):
        date_split(dates.where(dates.index != 2), fractions=THIRDS)
    with pytest.raises(ValueError, match="either fractions or cuts"):
        date_split(dates)
    with pytest.raises(ValueError, match="two dates in order"):
        date_split(dates, cuts=("2024-02-01", "2024-01-01"))
    with pytest.raises(ValueError, match="each wanted part"):
        date_split(dates, cuts=("2030-02-01", "2031-01-01"))
    with pytest.raises(ValueError, match="each wanted part"):
        date_split([dates[0]] * 20, fractions=THIRDS)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=10, max_size=60), st.integers(0, 5))
def test_a_group_never_stands_on_two_sides(groups: list[int], seed: int) -> None:
    labels = np.array(groups)
    if len(set(groups)) < 3:
        with pytest.raises(ValueError, match="each wanted part"):
            group_split(labels, fractions=THIRDS, seed=seed)
        return
    split = group_split(labels, fractions=THIRDS, seed=seed)
    assert rows(split) == list(range(len(groups)))
    parts = [set(labels[part].tolist()) for part in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == len(set(groups))
    assert all(parts)


def test_groups_meet_the_fractions_closely() -> None:
    groups = np.random.default_rng(0).integers(0, 200, size=1000)
    counts = sizes(group_split(groups, fractions=THIRDS, seed=0))
    np.testing.assert_allclose(counts[:3], [700, 150, 150], atol=15)
    one_large = np.concatenate([np.zeros(600, dtype=int), np.arange(1, 401)])
    assert sizes(group_split(one_large, fractions=THIRDS, seed=0))[:3] == [700, 150, 150]


def test_a_split_that_repeats_or_forgets_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="every row once"):
        Split(np.array([0, 1]), np.array([1]), np.array([2]))


def test_dates_of_a_split_are_read_as_date_columns_are() -> None:
    days = pd.date_range("2024-01-25", periods=20)
    wanted = date_split(days, fractions=(0.5, 0.2, 0.3))
    offsets = [f"{day:%Y-%m-%d}T23:30{'+' if day.day % 2 else '-'}10:00" for day in days]
    for dates in (
        days.strftime("%d.%m.%Y").tolist(),
        days.strftime("%Y%m%d").astype(int),
        days.tz_localize("Pacific/Auckland"),
        offsets,
    ):
        split = date_split(dates, fractions=(0.5, 0.2, 0.3))
        np.testing.assert_array_equal(split.train, wanted.train)
        np.testing.assert_array_equal(split.test, wanted.test)
    cuts = date_split(days, cuts=("04.02.2024", "08.02.2024"))
    assert days[cuts.test].min() == pd.Timestamp("2024-02-08")


def test_what_is_no_date_is_named_with_row_and_value() -> None:
    days = pd.date_range("2024-01-01", periods=20).strftime("%Y-%m-%d").tolist()
    with pytest.raises(ValueError, match=r"row 4.*must be a date.*'soon'"):
        date_split([*days[:3], "soon", *days[3:]], fractions=THIRDS)
    with pytest.raises(ValueError, match=r"row 1.*must be a date.*got 1"):
        date_split(np.arange(1, 21), fractions=THIRDS)
    with pytest.raises(ValueError, match="cannot be told apart"):
        date_split([f"0{1 + row % 9}/05/2024" for row in range(20)], fractions=THIRDS)

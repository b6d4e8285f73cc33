import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from heads.count_distributions import ZeroInflated
from heads.counts import CountDistribution
from heads.sales_distribution import CountSales, LearnedSales
from heads.trend import TRENDS, HotRule, TrendRule

LEVELS = (0.1, 0.5, 0.9)
POINTS = arrays.arrays(np.float64, (3, 3, 3), elements=st.sampled_from([0.0, 0.5, 2.0, 3.0, 9.0]))


def made(points):
    steps = points[:, :-1].mean(axis=-1)
    mean = np.maximum(points.mean(axis=-1), 0.1)
    counts = ZeroInflated(np.full(mean.shape, 0.2), CountDistribution(mean, mean))
    return (
        LearnedSales(steps, points, LEVELS),
        LearnedSales(steps, points, LEVELS, np.full((3, 3), 0.5)),
        CountSales(steps, counts),
    )


@given(POINTS, st.sampled_from([0.0, 0.5, 1.0, 1.25, 2.0, 4.0]))
def test_the_trend_never_contradicts_the_volume(points, recent):
    rule, past = TrendRule(change=0.2), np.full(3, recent)
    for sold in made(points):
        found = rule.read(sold, past)
        chances = np.stack([found[f"probability_{name}"] for name in TRENDS], axis=1)
        np.testing.assert_allclose(chances.sum(axis=1), 1.0)
        assert ((chances >= 0) & (chances <= 1)).all()
        median = sold.quantile([0.5])[:, -1, 0]
        up, down = median > 1.2 * recent * 2, median < 0.8 * recent * 2
        np.testing.assert_array_equal(found["trend"], 1 + up.astype(int) - down.astype(int))
        assert (chances[up, 2] >= 0.5).all() and (chances[~up, 2] <= 0.5).all()
        assert (chances[down, 0] >= 0.5).all() and (chances[~down, 0] <= 0.5).all()


@given(POINTS, st.sampled_from([0.3, 1.0, 2.0, 2.5, 3.0, 9.0]))
def test_an_item_is_likely_hot_where_its_median_is_hot(points, threshold):
    for sold in made(points):
        found = HotRule(threshold).read(sold)["hot_probability"]
        median = sold.quantile([0.5])[:, -1, 0]
        np.testing.assert_array_equal(found >= 0.5, median >= threshold)


def test_an_item_without_a_past_has_no_trend():
    sold = made(np.full((3, 3, 3), 2.0))[0]
    found = TrendRule().read(sold, np.array([1.0, np.nan, 1.0]))
    assert [np.isnan(values).tolist() for values in found.values()] == [[False, True, False]] * 4


def test_the_threshold_of_a_hot_item_comes_from_past_windows():
    rule = HotRule.fitted(np.array([1.0, 2, 3, np.nan, 4, 5, 6, 7, 8]), quantile=0.75)
    assert rule.threshold == 7.0
    assert HotRule(**rule.config) == rule


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: TrendRule(change=0.0), r"change must be in \(0, 1\), got 0.0"),
        (lambda: HotRule(0.0), "threshold must be above 0 units, got 0.0"),
    ],
)
def test_rules_that_say_nothing_are_refused(made, told):
    with pytest.raises(ValueError, match=told):
        made()


def test_columns_say_what_the_answers_are():
    rule = TrendRule()
    assert [column.kind for column in rule.columns] == ["class", *["probability"] * 3]
    assert [column.label for column in rule.columns[1:]] == list(TRENDS)
    assert rule.columns[0].name == "trend" and rule.describe().startswith("up: more than 20 %")

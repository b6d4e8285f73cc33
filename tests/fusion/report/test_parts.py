import math

import numpy as np
import pytest
from sklearn import metrics as sk

from fusion.data.problems import Problem
from fusion.report import ReportItem
from fusion.report.cards import Outcome, pick_classified, pick_measured
from fusion.report.classification_charts import (
    calibration_bins,
    precision_recall,
    wilson_interval,
)
from fusion.report.data_view import dropped_groups, problem_groups, share_bar, split_bars
from fusion.report.metric_names import METRICS, metric_name, write, write_gain, write_interval
from fusion.report.number_text import GAP, number, percent, short, signed
from fusion.report.regression_charts import suits_logarithm


def item(name, actual, predicted):
    return Outcome(ReportItem(name, name, None), actual, predicted)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (12.0, "12"),
        (24.99, "24.99"),
        (-3.5, "−3.50"),
        (123.45, "123.5"),
        (1234.5, "1,234"),
        (2.5e12, "2.5e12"),
        (-1e300, "−1.0e300"),
        (1e-5, "1.0e−5"),
        (math.nan, "–"),
        (math.inf, "–"),
    ],
)
def test_number_has_the_digits_that_matter(value, text):
    assert number(value) == text


def test_zero_never_carries_a_sign():
    assert percent(-0.0001).replace(GAP, " ") == "0.0 %"
    assert signed(percent(0.0001)).replace(GAP, " ") == "0.0 %"
    assert short(-0.01) == "0"


def test_estimated_counts_have_no_digits_that_say_nothing():
    assert [short(v) for v in (99.6, 4.27, 4.0, math.nan)] == ["100", "4.3", "4", "–"]


def test_gains_of_percentages_are_in_points():
    assert write_gain("wape", 0.07).replace(GAP, " ") == "+7.0 pp"
    assert write_gain("r2", -0.0321) == "−0.032"
    assert write_interval("r2", math.nan, 1.0) == "–"


@pytest.mark.parametrize("name", [*METRICS, "pinball_p90", "coverage_p05_p95", "width_p10_p90"])
def test_every_metric_is_explained_in_one_sentence(name):
    says = metric_name(name).says
    assert says.endswith(".")
    assert ". " not in says
    assert write(name, math.nan) == "–"


def test_metric_of_a_stranger_keeps_its_name():
    assert metric_name("my_own_metric").label == "my own metric"


def test_small_items_that_are_easily_close_are_not_the_closest():
    items = [item("zero", 0.0, 0.0), item("one", 1.0, 1.0)]
    items += [item("near", 100.0, 98.0), item("nearest", 120.0, 119.0)]
    items += [item(f"far {n}", 100.0, 10.0 * n) for n in range(4)]
    best, worst = pick_measured(items)
    assert [one.item.id for one in best] == ["nearest", "near"]
    assert [one.item.id for one in worst] == ["far 0", "far 1", "far 2", "far 3"]


def test_seen_coming_are_positives_and_surprises_are_both_kinds():
    items = [item("missed", 1.0, 0.02), item("alarm", 0.0, 0.95), item("sure", 1.0, 0.97)]
    items += [item("hot", 1.0, 0.8), item("cold", 0.0, 0.01)]
    best, worst = pick_classified(items)
    assert [one.item.id for one in best] == ["sure"]
    assert [one.item.id for one in worst] == ["missed", "alarm", "hot"]


def test_nothing_is_picked_from_no_items():
    assert pick_measured([]) == ([], [])
    assert pick_classified([]) == ([], [])


def test_wide_positive_values_get_a_logarithmic_scale():
    wide, narrow = np.array([0.0, 5.0, 9.0, 900.0]), np.array([30.0, 40.0, 55.0])
    assert suits_logarithm(wide, wide)
    assert not suits_logarithm(narrow, narrow)
    assert not suits_logarithm(wide, wide - 1.0)


def test_calibration_of_honest_probabilities_lies_on_the_line():
    probability = np.repeat([0.2, 0.8], 50)
    actual = np.concatenate([np.tile([1, 0, 0, 0, 0], 10), np.tile([0, 1, 1, 1, 1], 10)])
    stated, seen, count = calibration_bins(actual.astype(float), probability)
    assert stated == pytest.approx([0.2, 0.8])
    assert seen == pytest.approx([0.2, 0.8])
    assert count == pytest.approx([50, 50])


def test_wilson_interval_agrees_with_the_published_one():
    # 2 of 20: Wilson's interval is 0.028 to 0.301.
    low, high = wilson_interval(np.array([0.1]), np.array([20.0]))
    assert (low[0], high[0]) == pytest.approx((0.0279, 0.3010), abs=1e-4)


def test_problems_are_grouped_with_five_places_and_advice():
    problems = [
        Problem("number_not_read", "must be a number", r, f"P{r}", "price") for r in range(7)
    ]
    problems += [Problem("photo_missing", "must exist", 3, None, "photo")]
    first, second = problem_groups(problems)
    assert (first.code, first.count, first.places) == (
        "number_not_read",
        "7",
        ("P0", "P1", "P2", "P3", "P4"),
    )
    assert first.advice.startswith("Write these numbers as the others")
    assert second.places == ("row 4",)


def test_dropped_rows_are_grouped_by_reason_and_counted_from_one():
    (group,) = dropped_groups({7: "no target", 3: "no target"})
    assert (group.count, group.places) == ("2", ("row 4", "row 8"))


def test_small_share_is_never_written_as_none():
    assert share_bar("x", 0.002).text.replace(GAP, " ") == "0.2 %"
    assert share_bar("x", 0.999).text.replace(GAP, " ") == "99.9 %"
    assert share_bar("x", 0.41).width == 41.0


def test_split_bars_fill_the_width(make):
    bars = split_bars(make.summary())
    assert [bar.text for bar in bars] == ["180", "60", "60"]
    assert sum(bar.width for bar in bars) == pytest.approx(100)


def test_precision_and_recall_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    probability = np.round(rng.random(200), 1)  # with ties
    actual = (rng.random(200) < probability).astype(float)
    recall, precision = precision_recall(actual, probability)
    expected_precision, expected_recall, _ = sk.precision_recall_curve(actual, probability)
    assert recall == pytest.approx(expected_recall[::-1])
    assert precision[1:] == pytest.approx(expected_precision[::-1][1:])

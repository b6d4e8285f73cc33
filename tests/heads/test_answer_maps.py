import json

import numpy as np
import pytest
import torch

from heads.answer_maps import AnswerMap, fit_mean_map, fit_median_map, splits

RANDOM = np.random.default_rng(0)
N = 4000
MEDIAN = np.exp(RANDOM.normal(2, 0.8, N))
SKEWED = MEDIAN * np.exp(RANDOM.normal(0, 1, N))  # mean = median * exp(.5)
PARTS = np.arange(N) % 4


def mapped(found, answers):
    return found(torch.as_tensor(answers, dtype=torch.float64)).numpy()


def test_a_factor_leads_from_the_median_to_the_mean():
    found = fit_mean_map(MEDIAN[:, None], SKEWED, link="log", parts=PARTS)
    means = mapped(found, MEDIAN)
    assert means.sum() == pytest.approx(SKEWED.sum())
    np.testing.assert_allclose(means, MEDIAN * np.exp(0.5), rtol=0.15)


def test_a_power_leads_from_shrunken_answers_to_the_mean():
    shrunken = np.sqrt(MEDIAN)
    found = fit_mean_map(shrunken[:, None], SKEWED, link="log", parts=PARTS)
    assert found.slope == pytest.approx(2.0, abs=0.2)
    assert mapped(found, shrunken).sum() == pytest.approx(SKEWED.sum())


def test_a_line_leads_from_answers_of_any_sign_to_the_mean():
    answers = RANDOM.normal(0, 2, N)
    target = 3 * answers - 5 + RANDOM.normal(size=N)
    found = fit_mean_map(answers[:, None], target, link="identity", parts=PARTS)
    assert (found.slope, found.intercept) == (pytest.approx(3, abs=0.1), pytest.approx(-5, abs=0.1))


def test_answers_that_are_the_mean_stay_as_they_are():
    target = MEDIAN + RANDOM.normal(0, 0.1, N)
    target += MEDIAN.mean() - target.mean()
    assert fit_mean_map(MEDIAN[:, None], target, link="identity", parts=PARTS) is None


@pytest.mark.parametrize("link", ["log", "identity"])
def test_beyond_what_was_seen_mean_and_answer_keep_their_distance(link):
    found = AnswerMap(link, intercept=0.5, slope=2.0, low=0.0, high=1.0)
    ends = np.array([1.0, 10.0, 1000.0]) if link == "identity" else np.exp([1.0, 10.0, 100.0])
    means = mapped(found, ends)
    distance = means - ends if link == "identity" else means / ends
    np.testing.assert_allclose(distance, distance[0])


@pytest.mark.parametrize("link", ["log", "identity"])
def test_order_stays_and_answers_stay_finite_at_any_size(link):
    found = AnswerMap(link, intercept=1.0, slope=0.4, offset=0.1, low=-1.0, high=3.0)
    answers = np.array([0.0, 1e-300, 1e-3, 0.5, 1.0, 20.0, 1e6, 1e100])
    means = mapped(found, answers)
    assert np.isfinite(means).all() and (np.diff(means) >= 0).all()
    assert AnswerMap.from_config(json.loads(json.dumps(found.config))) == found


def test_several_answers_to_a_row_are_mapped_one_by_one_so_that_more_of_them_add_up_too():
    noisy = MEDIAN[:, None] * np.exp(RANDOM.normal(0, 0.5, (N, 8)))
    found = fit_mean_map(noisy[:, :2], SKEWED, link="log", parts=PARTS)
    assert mapped(found, noisy[:, :2]).mean(axis=1).sum() == pytest.approx(SKEWED.sum())
    assert mapped(found, noisy).mean(axis=1).sum() == pytest.approx(SKEWED.sum(), rel=0.02)
    averaged = mapped(found, np.exp(np.log(noisy).mean(axis=1)))  # what a map of the mean would do
    assert averaged.sum() < 0.95 * SKEWED.sum()


@pytest.mark.parametrize("n_rows", [0, 1, 19])
def test_few_rows_move_nothing(n_rows):
    answers, target = MEDIAN[:n_rows, None], SKEWED[:n_rows]
    assert fit_mean_map(answers, target, link="log", parts=PARTS[:n_rows]) is None
    assert fit_median_map(answers, target, parts=PARTS[:n_rows]) is None


def test_under_a_hundred_rows_one_number_is_moved():
    found = fit_mean_map(np.sqrt(MEDIAN[:90, None]), SKEWED[:90], link="log", parts=PARTS[:90])
    assert found.slope == 1.0


@pytest.mark.parametrize("unit", [1e-90, 1.0, 1e90])
@pytest.mark.parametrize("link", ["log", "identity"])
def test_the_unit_of_the_target_changes_nothing(link, unit):
    def found(unit):
        answers = unit * MEDIAN[:400, None]
        return mapped(
            fit_mean_map(answers, unit * SKEWED[:400], link=link, parts=PARTS[:400]), answers
        )

    np.testing.assert_allclose(found(unit) / unit, found(1.0), rtol=1e-3)


@pytest.mark.parametrize("target", [np.zeros(200), np.full(200, 7.0), np.eye(200)[0]])
def test_equal_and_almost_equal_targets_are_fine(target):
    for answers in (np.zeros((200, 2)), MEDIAN[:200, None]):
        for link in ("log", "identity"):
            found = fit_mean_map(answers, target, link=link, parts=PARTS[:200], offset=0.1)
            means = answers if found is None else mapped(found, answers)
            assert np.isfinite(means).all()
        fit_median_map(answers, target, parts=PARTS[:200])


def test_the_median_of_what_is_mostly_zero_is_zero():
    chance = RANDOM.random(N)
    target = np.where(RANDOM.random(N) < chance, 10 * chance, 0.0)
    mean = 10 * chance**2  # of the target, given the chance
    found = fit_median_map(mean[:, None], target, parts=PARTS)
    medians = mapped(found, mean)
    assert np.abs(medians - target).sum() < 0.95 * np.abs(mean - target).sum()
    assert medians.min() == 0.0 and (medians[chance < 0.1] == 0).all()


def test_rows_of_a_part_are_judged_together_and_a_single_part_is_cut_in_four():
    parts = np.array([5, 5, 7, 7, 7])
    assert [asked.tolist() for _, asked in splits(parts)] == [
        (parts == 5).tolist(),
        (parts == 7).tolist(),
    ]
    halves = list(splits(np.zeros(8, dtype=np.int64)))
    assert [asked.sum() for _, asked in halves] == [2, 2, 2, 2]
    assert all((known != asked).all() for known, asked in halves)

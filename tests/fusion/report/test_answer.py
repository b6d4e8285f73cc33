import math
from dataclasses import replace

import pytest

from fusion.evaluation.result import Score
from fusion.report.answer import head_answer
from fusion.report.comparison import against_simple, without_each
from fusion.report.number_text import GAP


def plain(text):
    return text.replace(GAP, " ")


def test_win_is_told_in_plain_words(make):
    answer = head_answer(make.volume())
    assert answer.lead == "The fusion is ahead."
    assert plain(answer.sentence) == (
        "The fusion’s forecasts are off by 31 % of all units sold (WAPE); the best simple method, "
        "boosted trees, is off by 38 %."
    )
    assert plain(answer.proof) == (
        "On 60 test items the fusion is better by 7.0 pp (95 % interval +2.0 to +12.0 pp)."
    )


def test_the_groups_of_the_test_items_are_counted(make):
    answer = head_answer(make.volume(n_groups=7))
    assert plain(answer.proof).startswith("On 60 test items in 7 groups the fusion is better")


def test_loss_is_told_as_a_loss(make):
    answer = head_answer(make.volume(rival=0.25, gain=-0.06, low=-0.1, high=-0.01))
    assert (answer.tone, answer.lead) == (
        "bad",
        "The fusion does not win: a simple method is better.",
    )
    assert "the fusion is worse by 6.0 pp" in plain(answer.proof)


def test_interval_with_zero_inside_is_no_win(make):
    answer = head_answer(make.volume(low=-0.01))
    assert answer.tone == "open"
    assert answer.lead.startswith("No clear winner")
    assert "cannot be told from chance" in answer.proof


def test_rival_is_the_best_of_baselines_and_single_modalities(make):
    head = make.volume(rival=0.7)
    assert "text alone" in head_answer(head).sentence


def test_method_without_a_defined_metric_is_no_rival(make):
    assert "text alone" in head_answer(make.volume(rival=math.nan)).sentence


def test_values_that_round_to_the_same_show_a_decimal(make):
    sentence = plain(head_answer(make.volume(own=0.312, rival=0.314)).sentence)
    assert "31.2 %" in sentence
    assert "31.4 %" in sentence


def test_values_of_a_loss_that_round_to_the_same_show_more_digits(make):
    head = make.quantiles()
    scores = (
        Score("fusion", "fusion", {"pinball": 0.1231}),
        Score("median", "baseline", {"pinball": 0.1234}),
    )
    found = head_answer(replace(head, evaluation=replace(head.evaluation, scores=scores)))
    assert found.sentence == (
        "Pinball loss: the fusion reaches 0.1231; the best simple method, median, reaches 0.1234."
    )


def test_higher_is_better_turns_the_choice_round(make):
    found = head_answer(make.hot())
    assert "median" in found.sentence  # 0.92 is the highest
    assert "the fusion reaches 0.610 of 1" in found.sentence


def test_fusion_alone_claims_nothing(make):
    head = make.volume()
    alone = type(head.evaluation)(
        **{**vars(head.evaluation), "scores": (Score("fusion", "fusion", {"wape": 0.3}),)}
    )
    answer = head_answer(replace(head, evaluation=alone))
    assert answer.lead == "The fusion stands alone: nothing to compare it with."
    assert answer.proof == "Measured on 60 test items."


def test_gains_share_one_scale_with_zero_on_it(make):
    table = against_simple(make.evaluation())
    assert [row.kind for row in table.rows] == [
        "fusion",
        "simple method",
        "simple method",
        "one modality",
    ]
    plots = [row.plot for row in table.rows if row.plot]
    assert {plot.zero for plot in plots} == {4.0}  # no gain is below zero: it is at the left
    assert max(plot.high for plot in plots) == 96.0
    for plot in plots:
        assert plot.zero <= plot.low <= plot.dot <= plot.high


def test_one_huge_gain_does_not_squeeze_the_others(make):
    scores = (
        *make.evaluation().scores,
        Score("absurd", "baseline", {"wape": 1e9}, 1e9, 0.9e9, 1.1e9),
    )
    found = type(make.evaluation())(**{**vars(make.evaluation()), "scores": scores})
    rows = against_simple(found).rows
    assert rows[-1].plot.cut_high
    assert rows[1].plot.dot - rows[1].plot.zero > 10


def test_left_out_modality_says_what_it_adds(make):
    row = without_each(make.evaluation()).rows[0]
    assert (row.name, row.verdict) == ("without image", "no clear difference")


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(0.01, 0.05, "adds something"), (-0.05, -0.01, "better without")],
)
def test_interval_decides_what_a_modality_adds(make, low, high, word):
    score = Score("without image", "without", {"wape": 0.3}, (low + high) / 2, low, high)
    found = type(make.evaluation())(**{**vars(make.evaluation()), "scores": (score,)})
    assert without_each(found).rows[0].verdict == word

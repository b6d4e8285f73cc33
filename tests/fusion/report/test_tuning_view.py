"""What the page says of tuned encoders beside original encoders."""

import math
import re
from dataclasses import replace

import pytest

from fusion.report import Losses, TuningCost, render_report
from fusion.report.answer import best_simple, head_answer
from fusion.report.charts import tuning_chart
from fusion.report.comparison import against_simple
from fusion.report.number_text import GAP, duration
from fusion.report.tuning_view import cost_ratios, tuning_view


def plain(text):
    return text.replace(GAP, " ")


def tuned_report(make, *heads, **changes):
    return replace(make.report(*heads), tuning=replace(make.tuning(), **changes))


def only_head(make, **numbers):
    (head,) = tuning_view(tuned_report(make, make.tuned(make.volume(), **numbers))).heads
    return head


def test_gain_interval_and_cost_are_told_in_plain_words(make):
    head = only_head(make)
    assert (head.name, head.tone, head.lead) == ("Sales volume", "good", "tuning helps.")
    assert plain(head.sentence) == (
        "WAPE is 31.0 % with tuned encoders and 33.4 % with the original encoders. On 60 test "
        "items the fusion with tuned encoders is better by 2.4 pp (95 % interval +0.6 to +4.1 pp). "
        "With tuning, training took 13 times as long and 2.1 times as much memory."
    )


def test_interval_with_zero_inside_is_no_gain_of_tuning(make):
    head = only_head(make, low=-0.01)
    assert (head.tone, head.lead) == ("open", "tuning makes no clear difference.")
    assert "cannot be told from chance" in head.sentence
    assert "better" not in head.sentence


def test_harm_of_tuning_is_told_as_harm(make):
    head = only_head(make, value=0.28, gain=-0.03, low=-0.05, high=-0.01)
    assert (head.tone, head.lead) == ("bad", "tuning hurts.")
    assert "the fusion with tuned encoders is worse by 3.0 pp" in plain(head.sentence)


@pytest.mark.parametrize(
    ("low", "high", "lead"),
    [
        (0.01, 0.05, "tuning hurts, and was not kept."),
        (-0.01, 0.05, "tuning makes no clear difference, and was not kept."),
        (-0.05, -0.01, "tuning helps on the test items, yet not on training rows held out"),
    ],
)
def test_tuning_that_was_not_kept_is_told_from_its_own_side(make, low, high, lead):
    result = make.tuned(make.volume(), gain=(low + high) / 2, low=low, high=high)
    scores = tuple(
        replace(score, name="tuned encoders", kind="tuned") if score.kind == "original" else score
        for score in result.evaluation.scores
    )
    result = replace(result, evaluation=replace(result.evaluation, scores=scores))
    report = tuned_report(make, result, kept="Kept: original encoders.")
    (head,) = tuning_view(report).heads
    assert head.lead.startswith(lead) and head.gain == "Gain of not tuning"
    first, second = head.comparison.rows
    assert (first.name, second.name) == ("original encoders", "tuned encoders")
    assert "WAPE is 33.4 % with tuned encoders and 31.0 %" in plain(head.sentence)
    assert render_report(report).count("Kept: original encoders.") == 2


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [
        (0.01, 0.05, "tuning helps"),
        (-0.01, 0.05, "no clear difference"),
        (-0.05, -0.01, "tuning hurts"),
    ],
)
def test_table_has_both_kinds_of_encoders(make, low, high, word):
    head = only_head(make, gain=(low + high) / 2, low=low, high=high)
    first, second = head.comparison.rows
    assert (first.name, first.kind, first.plot) == ("tuned encoders", "fusion", None)
    assert (second.name, second.kind, second.verdict) == ("original encoders", "", word)
    assert plain(second.value) == "33.4 %"
    assert second.plot.low <= second.plot.dot <= second.plot.high


def test_head_without_a_comparison_claims_nothing(make):
    (head,) = tuning_view(tuned_report(make, make.volume())).heads
    assert (head.tone, head.lead) == ("open", "tuning was not compared with anything.")
    assert head.comparison is None
    assert "no score" in head.sentence


def test_undefined_metric_and_interval_claim_nothing(make):
    head = only_head(make, value=math.nan, gain=math.nan, low=math.nan, high=math.nan)
    assert (head.tone, head.lead) == ("open", "nothing can be said of tuning.")
    assert head.sentence.startswith("WAPE could not be measured on these test items.")
    head = only_head(make, low=math.nan, high=math.nan)
    assert "On 60" not in head.sentence
    assert "no interval was made" in head.sentence


def test_original_encoders_are_no_simple_method(make):
    head = make.tuned(make.volume(), value=0.1, gain=-0.2, low=-0.3, high=-0.1)
    assert best_simple(head.evaluation).name == "boosted trees"
    assert "original encoders" not in [row.name for row in against_simple(head.evaluation).rows]
    assert head_answer(head) == head_answer(make.volume())


def test_costs_are_bars_of_the_largest_and_ratios_of_the_first(make):
    view = tuning_view(tuned_report(make, make.volume()))
    before, after = view.costs
    assert [plain(bar.text) for bar in before.bars] == ["42 s", "1.32 GiB"]
    assert [plain(bar.text) for bar in after.bars] == ["8 min 57 s", "2.81 GiB"]
    assert [bar.width for bar in (*before.bars, *after.bars)] == [7.8, 47.0, 100.0, 100.0]
    assert [plain(ratio) for ratio in view.ratios] == ["13 ×", "2.1 ×"]


@pytest.mark.parametrize(
    ("seconds", "gib", "words"),
    [
        (10.0, 4.0, "the same time and 2 times as much memory"),
        (25.0, 2.04, "2.5 times as long and the same memory"),
        (5.0, 1.0, "0.50 times as long and 0.50 times as much memory"),
        (math.nan, 4.0, "2 times as much memory"),
    ],
)
def test_cost_is_written_as_people_say_it(make, seconds, gib, words):
    costs = (TuningCost("a", 10.0, 2.0), TuningCost("b", seconds, gib))
    (head,) = tuning_view(tuned_report(make, make.volume(), costs=costs)).heads
    assert head.sentence.endswith(f"With tuning, training took {words}.")


def test_unknown_costs_are_dashes_and_no_ratio(make):
    costs = (TuningCost("a", 0.0, math.nan), TuningCost("b", 3.0, math.inf))
    view = tuning_view(tuned_report(make, make.volume(), costs=costs))
    assert view.ratios == ("–", "–")
    assert [bar.width for bar in view.costs[0].bars] == [0.0, 0.0]
    assert "took" not in view.heads[0].sentence
    assert cost_ratios(costs[:1]) is None
    page = render_report(tuned_report(make, make.volume(), costs=()))
    assert "What it took" not in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0 s"),
        (9.96, "10 s"),
        (59.6, "1 min 0 s"),
        (3599.7, "1 h 0 min"),
        (3661.0, "1 h 1 min"),
        (math.nan, "–"),
    ],
)
def test_durations_never_show_sixty(seconds, text):
    assert plain(duration(seconds)) == text


@pytest.mark.parametrize(
    ("changed", "weights", "words"),
    [
        (3_551_000, 33_890_000, "3.6 million of the 33.9 million weights of these encoders (10 %)"),
        (2_048, 33_890_000, "2,048 of the 33.9 million weights of these encoders (0.0 %)"),
        (0, 0, "0 of the 0 weights of these encoders (0 %)"),
    ],
)
def test_weights_that_could_change_are_counted(make, changed, weights, words):
    view = tuning_view(tuned_report(make, n_changed=changed, n_weights=weights))
    assert plain(view.weights) == f"Tuning could change {words}."


def test_run_on_all_rows_has_a_training_line_and_a_word_in_the_caption(make):
    chart = tuning_chart(make.tuning().runs)
    assert "3 tuning runs" in chart.caption
    assert "epochs 2, 3, 2 were kept" in chart.caption
    assert "Dashed line: training rows of the run on all rows" in chart.caption
    assert chart.svg.count("stroke-dasharray") == 2  # the run on all rows, the constant answer
    alone = tuning_chart(make.tuning().runs[-1:])
    assert "validation loss was lowest" not in alone.caption
    assert alone.svg.count("stroke-dasharray") == 2


def test_one_tuning_run_has_no_dashed_line(make):
    chart = tuning_chart([Losses([0.9, 0.8], [0.9, 0.85], 2)])
    assert "Dashed" not in chart.caption
    assert chart.caption.startswith("The weights of epoch 2 were kept")


def test_single_epochs_can_be_seen(make):
    one, two = Losses([0.9], [0.95], 1), Losses([0.8], [], 1)
    assert tuning_chart([one]).svg.count("<use ") > tuning_chart([Losses([], [0.95], 1)]).svg.count(
        "<use "
    )
    assert "Ring: training rows of the run on all rows" in tuning_chart([one, two]).caption
    ticks = re.findall(r">([\d.]+)</text>", tuning_chart([one, two]).svg)
    assert [tick for tick in ticks if float(tick) >= 1] == ["1", "1"]  # an epoch, and a loss
    assert tuning_chart([Losses([], [], 0)]) is None


def test_section_stands_between_the_heads_and_the_training(make):
    head = make.tuned(make.volume())
    page = render_report(tuned_report(make, head, make.hot()))
    places = [page.index(f'<section id="{name}"') for name in ("head-1", "tuning", "training")]
    assert places == sorted(places)
    assert '<a href="#tuning">Fine-tuning</a><a href="#training">' in page
    identifiers = re.findall(r'\bid="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))
    for text in (make.tuning().how, make.tuning().description, "tuning helps", "What it took"):
        assert text in page
    assert not re.search(r"\b(nan|inf)\b", page)


def test_page_without_tuning_differs_by_nothing_but_the_section(make):
    report = make.report(make.tuned(make.volume()))
    page = render_report(replace(report, tuning=make.tuning()))
    page = page.replace('<a href="#tuning">Fine-tuning</a>', "")
    page = re.sub(r'<section id="tuning".*?</section>\n+', "", page, flags=re.DOTALL)
    assert page == render_report(report)

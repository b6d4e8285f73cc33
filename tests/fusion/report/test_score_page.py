"""What the page of sealed forecasts says."""

import re
from dataclasses import replace

import pytest

from benchmarks.promises.made_forecast import score_report
from fusion.forecasting.ledger.choice import late_notes
from fusion.forecasting.ledger.value_added import NAIVE
from fusion.report import render_score, write_page
from fusion.report.score_view import score_view

FOREIGN = "<script>x</script>"


@pytest.fixture(scope="module")
def report():
    return score_report()


@pytest.fixture(scope="module")
def page(report):
    return render_score(report)


def test_page_holds_every_section_in_order(page):
    found = re.findall(r"<h2[^>]*>(?:<span[^>]*></span>)?([^<]+)</h2>", page)
    assert found[1:] == [
        "Forecast value added",
        "The forecasts by themselves",
        "Entries that are not scored",
        "How to read this",
    ]


def test_every_pair_is_compared_with_an_interval(page, report):
    for pair in ("forecast over planner", "forecast over last value", "planner over last value"):
        assert page.count(f"<bdi>{pair}</bdi>") == 2
    rows = score_view(report.score).added.steps.rows
    assert {row.verdict for row in rows} <= {
        "adds value",
        "takes value away",
        "no clear difference",
    }
    assert all(row.interval for row in rows)


def test_entries_stand_with_the_day_on_which_they_were_sealed(page):
    assert re.search(r"Sealed on</span>\d+ \w+ \d{4}, late<", page)


def test_entries_that_were_sealed_late_are_told_once(report):
    notes = late_notes(report.score.states)
    page = render_score(replace(report, score=replace(report.score, notes=tuple(notes))))
    told = "1 of 2 scored entries were sealed when their first period was over (entry 1)"
    assert told in page and page.count("sealed when their first period was over") == 1


def test_hash_of_the_last_entry_stands_on_the_page(page, report):
    assert f'<code class="hash">{report.score.last_hash}</code>' in page


def test_a_forecast_alone_has_no_section_of_added_value(report):
    page = render_score(replace(report, score=replace(report.score, added=None)))
    assert "Forecast value added" not in page and "The forecasts by themselves" in page


def test_the_naive_forecast_is_explained_only_where_it_is_compared(page, report):
    told = "The naive forecast says"
    whole = report.score.added.tables[0]
    rows = tuple(row for row in whole.rows if row.method != NAIVE)
    gains = tuple(
        replace(one, rows=tuple(row for row in one.rows if row.method != NAIVE))
        for one in report.score.added.gains[:1]
    )
    added = replace(report.score.added, tables=(replace(whole, rows=rows),), gains=gains)
    without = render_score(replace(report, score=replace(report.score, added=added)))
    assert told in page and told not in without


def test_texts_of_others_are_escaped():
    page = render_score(score_report(word=FOREIGN))
    assert FOREIGN not in page and page.count("&lt;script&gt;") >= 4


def test_page_is_written_whole(report, page, tmp_path):
    write_page(render_score(report), tmp_path / "score.html")
    assert (tmp_path / "score.html").read_text(encoding="utf-8") == page


def test_the_headline_is_the_verdict_on_the_planner_and_simple_methods_come_second(report):
    score = report.score
    answer = score_view(score).view.answer
    assert answer.lead == "The forecast is better than the planner." and answer.tone == "good"
    assert re.fullmatch(
        r"On the \d+ figures that can be compared, the forecast was off by [\d.]+\D+% of all "
        r"units sold \(WAPE\), the planner by [\d.]+\D+%\.",
        answer.sentence,
    ), answer.sentence
    assert re.search(r"^The gain over the planner is .*95.*% interval", answer.proof)
    n = len(score.result.examples)
    assert f"All {n} forecasts together were off by" in answer.proof
    alone = score_view(replace(score, added=None)).view.answer
    assert alone.lead == "The forecast is ahead." and "planner" not in alone.proof


def test_each_wape_of_the_headline_says_of_which_figures_it_is(report):
    first, second, *others = score_view(report.score).view.answer.tiles
    assert first.label == "WAPE, planner’s figures" and first.note.startswith("the planner: ")
    assert second.label == "WAPE, all forecasts"
    assert not [one for one in others if "WAPE" in one.label]


@pytest.mark.parametrize(
    ("ends", "lead"),
    [
        ((-0.3, -0.1), "The planner is better than the forecast."),
        ((-0.1, 0.1), "No clear winner: the planner does about as well."),
        ((float("nan"), float("nan")), "Nothing can be said of the planner: too little is known."),
    ],
)
def test_no_win_over_the_planner_is_claimed_that_the_interval_does_not_show(report, ends, lead):
    added = report.score.added
    gains = tuple(
        replace(one, rows=tuple(replace(row, low=ends[0], high=ends[1]) for row in one.rows))
        for one in added.gains
    )
    score = replace(report.score, added=replace(added, gains=gains))
    assert score_view(score).view.answer.lead == lead

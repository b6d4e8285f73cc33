"""What the page of an update says of coverage, of what drifted and of how good it is."""

import re
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fusion.data.panel.frequency import Frequency
from fusion.forecasting.drift.readings import DriftReport, Reading
from fusion.forecasting.updating.step_back import Comparison
from fusion.forecasting.updating.update import Updated
from fusion.report import UpdateReport, render_update
from fusion.report.update_view import update_answer

MOVED = {"since": "2025-05-05", "found": "2025-05-18"}
SAME = Comparison(1.635, 1.635, -0.00001, 0.00001, 400, 1, old_coverage=0.81, new_coverage=0.82)


def reading(column, measure="level", **more):
    return Reading(measure, column, "CUSUM", 5.0, 4.0, **more)


def updated(comparison=SAME, readings=()):
    """One week came to a forecast with ranges of 80 %."""
    trained = SimpleNamespace(
        frequency=Frequency("week"),
        model=SimpleNamespace(head=SimpleNamespace(levels=(0.1, 0.5, 0.9))),
    )
    drift = DriftReport(3, "2025-05-05", "week", 3, tuple(readings or [reading("price")]))
    day = "2025-05-05", "2025-05-11"
    return Updated(trained, *day, 1, 60, 0, 57, 57, (), comparison, False, None, drift)


def page(found):
    return render_update(UpdateReport("Shop", "new.csv", found))


def test_coverage_says_what_is_right_and_is_tinted_where_it_is_far_off():
    good, far = updated(), updated(replace(SAME, new_coverage=0.68))
    first = update_answer(good).tiles[0]
    assert re.fullmatch(r"80\D*% is right; 81\D*% before, over the same steps", first.note)
    assert '<div class="tile first">' in page(good)
    assert '<div class="tile first bad"><dt>Coverage' in page(far)
    answer = update_answer(far)
    assert answer.tone == "open" and re.search(r"ranges held 68\D*% where 80\D*% is", answer.lead)
    few = updated(replace(SAME, new_coverage=0.68, n_steps=20))
    assert update_answer(few).tone == "good" and update_answer(few).tiles[0].tone == ""


def test_each_advice_is_said_once_with_all_measures_that_ask_for_it():
    same = [reading(name, advice="Look at prices.", **MOVED) for name in ("price", "list_price")]
    text = page(updated(readings=[*same, reading("units", advice="Train anew.", **MOVED)]))
    assert text.count("Look at prices.") == text.count("Train anew.") == 1
    assert text.count("Since 5 May 2025, seen by 18 May 2025") == 3
    assert '<div class="tile bad"><dt>Drifted</dt><dd>3' in text


def test_new_items_are_those_since_the_training():
    told = "3 weeks since the training, from 2025-05-05 on, in which 3 items were new."
    assert told in page(updated())
    one = replace(updated().drift, n_new=1)
    assert one.summary.endswith("in which 1 item was new.")


def test_rows_that_seem_to_be_missing_stand_at_the_head():
    found = replace(updated(), n_told_items=30, silent_items=("S030", "S031"))
    answer = update_answer(found)
    assert answer.tone == "bad" and answer.lead.endswith("rows of items seem to be missing.")
    assert answer.proof.startswith("2 of 32 items that sold lately have no row in the new periods")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({}, "The forecast is about as good as before."),
        ({"new": 1.6, "low": 0.01, "high": 0.06}, "The forecast errs less than before."),
        (
            {"new": 1.64, "low": -0.01, "high": -0.001},
            "The forecast errs a little more than before.",
        ),
        ({"new": 1.7, "low": -0.13, "high": 0.01}, "The forecast errs a little more than before."),
    ],
)
def test_a_plain_sentence_stands_before_the_figures(more, said):
    proof = update_answer(updated(replace(SAME, **more))).proof
    assert proof.startswith(f"{said} Pinball loss ")


def test_what_rounds_to_nothing_has_no_sign():
    assert SAME.text.endswith("(gain 0, 95 % interval 0 to 0)")
    small = replace(SAME, new=1.6324, low=-0.0154, high=0.024)
    assert small.text.endswith("(gain +0.003, 95 % interval -0.015 to +0.024)")
    large = replace(SAME, old=16350.0, new=16349.8, low=-3.0, high=4.0)
    assert large.text.endswith("(gain 0, 95 % interval -3 to +4)")

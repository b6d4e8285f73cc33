"""A watch finds shifts of every kind, says nothing of stable sales, and never looks ahead."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import ragged
from fusion.data.panel.priced import priced
from fusion.forecasting.drift.errors import PeriodErrors
from fusion.forecasting.drift.items import UNSEEN
from fusion.forecasting.drift.notes import error_notes
from fusion.forecasting.drift.reference import Reference, make_reference
from fusion.forecasting.drift.watch import watch

UNTIL, END = 2880, 2893


def until(panel, end):
    """The panel as it was before a period."""
    kept = panel.places() < end - panel.start
    lengths = np.maximum(end - panel.first, 0)
    return replace(
        panel,
        first=np.minimum(panel.first, end),
        offsets=ragged(lengths)[0],
        units=panel.units[kept],
        given=panel.given[kept],
        reported=panel.reported[: end - panel.start],
        columns={name: values[kept] for name, values in panel.columns.items()},
    )


def last_day(panel, period):
    return str(panel.frequency.first_day(period + 1) - np.timedelta64(1, "D"))


def test_stable_sales_and_items_raise_no_alarm(stable, reference):
    report = watch(reference, *stable)
    assert report.findings == ()
    assert report.n_periods == 13 and report.n_new == 26
    assert report.summary.startswith("None of ")
    assert {one.column for one in report.readings} == {"units", "price", "cost", "brand", "image"}


@pytest.mark.parametrize(
    ("kind", "column", "measure"),
    [
        ("mean", "units", "error"),
        ("scale", "units", "spread"),
        ("new category", "brand", "unseen"),
        ("missing photo", "image", "absent"),
        ("other photos", "image", "energy"),
        ("price level", "price", "change"),
        ("seasonality", "units", "error"),
        ("thousands", "units", "jumps"),
        ("dozens", "units", "jumps"),
    ],
)
def test_a_shift_is_found_within_four_weeks(stable, reference, shifted, kind, column, measure):
    report = watch(reference, *shifted(kind))
    found = [one for one in report.findings if (one.column, one.measure) == (column, measure)]
    assert found and all(one.advice for one in found)
    assert min(one.found for one in found) <= last_day(stable[0], UNTIL + 3)


def test_slow_drift_is_found_by_the_cumulative_sum_of_errors(reference, shifted):
    report = watch(reference, *shifted("slow drift"))
    (found,) = [
        one
        for one in report.findings
        if (one.column, one.measure, one.chart) == ("units", "error", "CUSUM")
    ]
    assert found.since < found.found
    assert "sell more" in found.advice


def test_advice_names_the_items_that_show_it(reference, shifted):
    told = {
        (one.column, one.measure): one.advice
        for kind in ("thousands", "new category")
        for one in watch(reference, *shifted(kind)).findings
    }
    named = [int(number) for number in re.findall(r"i(\d{3})", told["units", "jumps"])]
    assert len(named) == 3 and all(number % 10 == 0 for number in named)
    assert "'i278', 'i279', 'i280'" in told["brand", "unseen"]


def test_a_level_that_an_encoder_does_not_know_is_told_by_its_items(stable, reference, shifted):
    panel, items = shifted("new category")
    brand = np.where(items.periods >= UNTIL, UNSEEN, items.categories["brand"]).astype(object)
    report = watch(reference, panel, replace(items, categories={"brand": brand}))
    (told,) = [one.advice for one in report.findings if one.measure == "unseen"]
    assert UNSEEN not in told and "'i278'" in told


def test_a_finding_is_seen_by_the_last_day_of_its_period(stable, reference, shifted):
    report = watch(reference, *shifted("thousands"))
    (jumped,) = [
        one for one in report.findings if (one.measure, one.chart) == ("jumps", "single period")
    ]
    assert jumped.since == str(stable[0].frequency.first_day(UNTIL))
    assert jumped.found == last_day(stable[0], UNTIL)


@pytest.mark.parametrize("kind", ["mean", "slow drift", "new category", "thousands"])
def test_a_look_each_week_finds_what_one_look_at_the_end_finds(reference, shifted, kind):
    panel, items = shifted(kind)
    early = until(panel, UNTIL + 5)
    known = items.take(items.periods < UNTIL + 5)
    last = last_day(panel, UNTIL + 4)

    def seen(report):
        return {
            (one.column, one.measure, one.chart, one.since, one.found)
            for one in report.findings
            if one.found <= last
        }

    found = seen(watch(reference, early, known))
    assert found and found == seen(watch(reference, panel, items))


def test_nothing_that_came_after_the_reference_changes_it(stable, reference, shifted):
    panel, _ = shifted("thousands")
    _, items = shifted("new category")
    assert make_reference(panel, items, until=UNTIL).config == reference.config


def test_a_reference_is_the_same_after_a_round_trip_through_json(reference, shifted):
    again = Reference.of_config(json.loads(json.dumps(reference.config, allow_nan=False)))
    assert watch(again, *shifted("mean")) == watch(reference, *shifted("mean"))


def test_content_of_absent_photos_says_nothing(stable, reference):
    panel, items = stable
    vectors = np.where(items.present["image"][:, None], items.vectors["image"], np.nan)
    nothing = replace(items, vectors={"image": vectors})
    assert make_reference(panel, nothing, until=UNTIL).config == reference.config
    assert watch(reference, panel, nothing) == watch(reference, panel, items)


def test_errors_of_the_forecast_are_charted_where_they_are_given(stable):
    panel, _ = stable
    draw = np.random.default_rng(3)
    periods = np.repeat(np.arange(UNTIL - 20, END), 50)
    sold = draw.poisson(10.0, len(periods)).astype(float)
    forecast = np.where(periods >= UNTIL, 20.0, 10.0)
    given = PeriodErrors.of(periods, forecast, sold)
    before = PeriodErrors.of(periods, np.full(len(periods), 10.0), sold)
    reference = make_reference(panel, until=UNTIL, errors=before)
    report = watch(reference, panel, errors=given)
    assert {one.column for one in report.findings} == {"forecast"}
    assert any("too high" in one.advice for one in report.findings)


def test_errors_that_are_not_watched_are_told_with_the_reason(stable):
    panel, _ = stable
    periods = np.repeat(np.arange(UNTIL - 7, UNTIL), 50)
    few = PeriodErrors.of(periods, np.full(len(periods), 10.0), np.full(len(periods), 9.0))
    reference = make_reference(panel, until=UNTIL, errors=few)
    report = watch(reference, panel, errors=few)
    (told,) = error_notes(reference, report, quantity="units")
    assert "fewer than 12 weeks were held out in its training" in told
    (told,) = error_notes(reference, report, quantity="price")
    assert "it is one of prices" in told


def test_errors_that_are_not_known_yet_are_told(stable):
    panel, _ = stable
    periods = np.repeat(np.arange(UNTIL - 20, UNTIL), 50)
    sold = np.random.default_rng(3).poisson(10.0, len(periods)).astype(float)
    before = PeriodErrors.of(periods, np.full(len(periods), 10.0), sold)
    reference = make_reference(panel, until=UNTIL, errors=before)
    silent = replace(before, periods=before.periods - 20)
    report = watch(reference, panel, errors=silent)
    (told,) = error_notes(reference, report, quantity="units")
    assert "none is known since its training" in told


def test_items_that_are_not_watched_are_told_with_the_reason(stable, reference):
    panel, items = stable
    assert watch(reference, panel, items).notes == ()
    (told,) = watch(reference, panel).notes
    assert "nothing is known of those before them" in told
    (told,) = watch(reference, panel, items.take(items.periods < UNTIL)).notes
    assert "fewer than 3 came in any 4 weeks" in told


def test_prices_that_are_forecast_are_watched_as_prices(stable, shifted):
    panel = priced(stable[0])
    reference = make_reference(panel, until=UNTIL)
    assert watch(reference, panel).findings == ()
    report = watch(reference, priced(shifted("price level")[0]))
    assert {one.column for one in report.readings} == {"price", "units_sold"}
    found = [one for one in report.findings if one.column == "price"]
    assert {one.measure for one in found} >= {"change", "level"}
    assert all("price" in one.advice and "sell" not in one.advice for one in found)


def test_a_column_that_never_moved_is_told_in_sizes_that_can_be_read(stable):
    panel, _ = stable
    late = panel.places() >= UNTIL - panel.start
    columns = {"promotion": np.where(late, 0.1, 0.0).astype(np.float32)}
    before = replace(panel, columns={"promotion": np.zeros(len(late), np.float32)})
    report = watch(make_reference(before, until=UNTIL), replace(panel, columns=columns))
    values = [one.value for one in report.findings if one.column == "promotion"]
    assert values and max(values) < 1e4


@pytest.mark.parametrize("n_known", [1, 9])
def test_what_few_items_of_the_reference_have_is_not_compared(stable, n_known):
    panel, items = stable
    there = items.present["image"] & ((items.ids < f"i{n_known:03}") | (items.periods >= UNTIL))
    cost = np.where(there, items.numbers["cost"], np.nan)
    few = replace(items, numbers={"cost": cost}, present={"image": there})
    report = watch(make_reference(panel, few, until=UNTIL), panel, few)
    assert not [one for one in report.readings if one.measure == "energy"]
    (told,) = report.notes
    assert told.startswith("Not compared: cost, image, as fewer than 10 items")


def test_what_is_alike_in_all_items_of_the_reference_is_not_compared(stable):
    panel, items = stable
    draw = np.random.default_rng(4)
    vectors = 1.0 + 1e-8 * draw.normal(size=items.vectors["image"].shape)
    vectors[items.periods >= UNTIL] += 1e-6
    alike = replace(items, numbers={"cost": np.full(len(items), 7.0)}, vectors={"image": vectors})
    report = watch(make_reference(panel, alike, until=UNTIL), panel, alike)
    assert report.findings == () and "cost, image" in report.notes[0]


def test_new_items_are_counted_in_the_watched_periods_alone(stable):
    panel, items = stable
    report = watch(make_reference(panel, items, until=END - 20), panel, items)
    assert report.n_periods == 13 and report.n_new == 26


def test_a_watch_of_nothing_says_so(stable):
    panel, _ = stable
    report = watch(make_reference(panel, until=panel.start + 12), panel)
    assert report.readings == () and report.summary.startswith("Nothing could be watched, in 13")


def test_too_short_a_reference_is_told_and_raises_no_alarm(stable):
    panel, _ = stable
    report = watch(make_reference(panel, until=panel.start + 12), panel)
    assert report.findings == () and "too short" in report.notes[0]


def test_without_later_periods_there_is_nothing_to_watch(stable):
    panel, items = stable
    report = watch(make_reference(panel, items), panel, items)
    assert report.summary == "Nothing has come since the training."


def test_sales_of_other_periods_are_refused(stable, reference):
    panel = replace(stable[0], frequency=Frequency("day"))
    with pytest.raises(ValueError, match="panel must be of weeks, got days"):
        watch(reference, panel)

"""A forecast goes on with new periods: histories, ranges, members, and what is refused."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.kill_job import run_until
from fusion import FusionForecaster
from fusion.cli.updating import show_update
from fusion.data.panel.cells import frame_parts
from fusion.data.panel.launches import NO_LAUNCH
from fusion.errors import CatalogueError, ConfigError
from fusion.forecasting.content import ContentSpec
from fusion.forecasting.saved.folder import load_forecast, save_forecast
from fusion.forecasting.updating import update as updating
from fusion.forecasting.updating.histories import NewRows
from fusion.forecasting.updating.new_periods import NewSales, spec_as_trained
from fusion.forecasting.updating.step_back import Comparison
from fusion.forecasting.updating.update import update_forecast
from fusion.report.update_view import update_answer

pytestmark = pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
WEEKS = pd.date_range("2024-01-01", periods=30, freq="7D")
IDS = [f"i{row:02}" for row in range(24)]
TRAINED = 26
"""Weeks that the forecast is trained on."""


@pytest.fixture(scope="module")
def tables():
    draw = np.random.default_rng(0)
    items = pd.DataFrame({"item_id": [*IDS, "n1"], "cost": draw.random(25)})
    rows = [
        (item, week, draw.poisson(3 + place))
        for place, item in enumerate(IDS)
        for week in WEEKS[place // 3 :]
    ]
    sales = pd.DataFrame(rows, columns=["item_id", "date", "units"])
    return items, sales


def weeks(sales, begin, end):
    return sales[(sales["date"] >= WEEKS[begin]) & (sales["date"] <= WEEKS[end - 1])]


@pytest.fixture(scope="module")
def fitted(tables):
    items, sales = tables
    model = FusionForecaster(horizon=2, members=["classical"], random_state=0)
    return model.fit(items[items["item_id"] != "n1"], weeks(sales, 0, TRAINED))


@pytest.fixture
def model(fitted, tmp_path):
    """A forecaster of its own, saved and loaded."""
    fitted.save(tmp_path / "forecast")
    return FusionForecaster.load(tmp_path / "forecast")


def test_an_updated_forecast_answers_as_one_that_is_given_all_sales(model, tables):
    items, sales = tables
    known = items[items["item_id"] != "n1"]
    found = model.update(None, weeks(sales, TRAINED, TRAINED + 1))
    assert (found.n_periods, found.n_rows, found.n_new_items) == (1, 24, 0)
    assert (found.first_day, found.last_day) == ("2024-07-01", "2024-07-07")
    asked = model.predict(known)
    pd.testing.assert_frame_equal(asked, model.predict(known, weeks(sales, 0, TRAINED + 1)))
    assert str(asked["from"].iloc[0])[:10] == "2024-07-08"


def test_members_stay_and_ranges_are_found_anew(model, tables):
    before = model.forecast_
    found = model.update(None, weeks(tables[1], TRAINED, 30))
    assert model.forecast_.model.members["classical"] is before.model.members["classical"]
    assert model.forecast_.kept.learned_until == before.kept.learned_until
    asked = np.unique(model.forecast_.kept.out_of_fold.as_of) - before.kept.panel.start
    assert {TRAINED, TRAINED + 1, TRAINED + 3} <= set(asked.tolist())
    assert TRAINED - 1 not in asked  # members have learned its first step
    assert not np.array_equal(
        model.forecast_.model.calibration.stretch, before.model.calibration.stretch
    )
    compared = found.comparison
    assert compared is not None and not compared.is_step_back and not compared.is_learned
    assert 0.0 <= compared.old_coverage <= 1.0 and 0.0 <= compared.new_coverage <= 1.0
    assert compared.n_periods == 4 and "steps that neither has learned from" in compared.text


def test_updates_one_by_one_keep_what_one_update_keeps(model, tables):
    whole, steps = model.forecast_, model.forecast_
    spec = spec_as_trained(whole.sales, whole.kept.panel)

    def rows(begin, end):
        return NewRows(
            NewSales(frame_parts(weeks(tables[1], begin, end)), spec), None, ContentSpec()
        )

    whole = update_forecast(whole, rows(TRAINED, TRAINED + 2)).trained
    for week in (TRAINED, TRAINED + 1):
        steps = update_forecast(steps, rows(week, week + 1)).trained
    first, second = whole.kept, steps.kept
    np.testing.assert_array_equal(first.panel.units, second.panel.units)
    np.testing.assert_array_equal(
        np.unique(first.out_of_fold.as_of), np.unique(second.out_of_fold.as_of)
    )
    np.testing.assert_allclose(
        whole.model.calibration.stretch, steps.model.calibration.stretch, atol=1e-6
    )


def test_a_new_item_comes_in_with_its_row(model, tables, tmp_path):
    items, sales = tables
    week = weeks(sales, TRAINED, TRAINED + 1)
    more = pd.concat([week, pd.DataFrame([("n1", WEEKS[TRAINED], 7)], columns=week.columns)])
    found = model.update(items, more)
    assert found.n_new_items == 1
    table = model.predict(items).set_index("id")
    assert (table.loc["n1", "life_stage"] == "young").all()
    model.save(tmp_path / "again")
    again = FusionForecaster.load(tmp_path / "again")
    pd.testing.assert_frame_equal(again.predict(items), model.predict(items))


def test_a_retrained_forecast_has_learned_from_the_new_periods(model, tables):
    before = model.forecast_
    found = model.update(None, weeks(tables[1], TRAINED, 30), how="retrain")
    kept = model.forecast_.kept
    assert kept.learned_until == kept.panel.end == before.kept.panel.end + 4
    assert model.forecast_.model.members["classical"] is not before.model.members["classical"]
    assert found.comparison is not None and found.comparison.n_steps > 0


@pytest.mark.parametrize(("n_periods", "is_refused"), [(1, False), (4, True), (9, True)])
def test_fewer_periods_want_a_larger_loss(n_periods, is_refused):
    found = Comparison(1.0, 1.015, -0.02, -0.01, 500, n_periods, old_coverage=0.8, new_coverage=0.8)
    assert found.is_step_back == is_refused
    assert replace(found, new=1.03).is_step_back
    assert not replace(found, high=0.01).is_step_back


def worsen(monkeypatch, is_worse):
    """Ranges that are found anew for some models are far too wide."""

    def worse(model, pool, **options):
        found = recalibrated(model, pool, **options)
        if is_worse(model):
            found.calibration.stretch = found.calibration.stretch * 8.0
        return found

    recalibrated = updating.recalibrated
    monkeypatch.setattr(updating, "recalibrated", worse)


def test_ranges_that_would_be_worse_stay_and_histories_go_on(model, tables, monkeypatch, capsys):
    before = model.forecast_
    worsen(monkeypatch, lambda _: True)
    found = model.update(None, weeks(tables[1], TRAINED, 30))
    after = model.forecast_
    assert found.comparison.is_step_back and found.ranges_stay
    assert found.ranges_note.endswith("those found anew are worse")
    show_update(found, Path("forecast"))
    told, answer = capsys.readouterr().out, update_answer(found)
    assert "as it is and" in told and f"Kept         {found.ranges_note}" in told
    assert "Coverage" not in told
    assert found.ranges_note[1:] in answer.proof
    assert "Coverage" not in [tile.label for tile in answer.tiles] and "errs" not in answer.lead
    assert after.model is before.model
    assert after.kept.panel.end == before.kept.panel.end + 4


def test_members_that_would_be_worse_are_refused_and_change_nothing(model, tables, monkeypatch):
    before = model.forecast_
    worsen(monkeypatch, lambda one: one is not before.model)
    with pytest.raises(CatalogueError, match=r"no worse than the old one.*got pinball .* as it"):
        model.update(None, weeks(tables[1], TRAINED, 30), how="retrain")
    assert model.forecast_ is before


def test_a_forecast_that_keeps_nothing_cannot_be_updated(model, tables):
    model.forecast_ = replace(model.forecast_, kept=None)
    with pytest.raises(CatalogueError, match=r"must keep its histories.*keep_histories = true"):
        model.update(None, weeks(tables[1], TRAINED, TRAINED + 1))
    with pytest.raises(ConfigError, match="how must be one of recalibrate, retrain, got 'anew'"):
        model.update(None, weeks(tables[1], TRAINED, TRAINED + 1), how="anew")


@pytest.mark.skipif(os.name == "nt", reason="needs fork")
def test_a_killed_update_leaves_the_old_or_the_new_forecast(model, tables, tmp_path):
    place = tmp_path / "forecast"
    ends, updated = [model.forecast_.kept.panel.end], model.forecast_
    spec = spec_as_trained(updated.sales, updated.kept.panel)
    for number, delay in enumerate((0.0, 0.01, 0.03, 0.1)):
        week = weeks(tables[1], TRAINED + number, TRAINED + number + 1)
        rows = NewRows(NewSales(frame_parts(week), spec), None, ContentSpec())
        updated = update_forecast(updated, rows).trained
        run_until(partial(save_forecast, updated, place), delay)
        found = load_forecast(place).kept.panel.end
        assert found in (ends[-1], updated.kept.panel.end)
        ends.append(found)
    save_forecast(updated, place)
    assert load_forecast(place).kept.panel.end == ends[0] + 4
    assert [path.name for path in tmp_path.iterdir()] == ["forecast"]


def test_items_that_sold_and_have_no_row_any_more_are_counted(model, tables):
    week = weeks(tables[1], TRAINED, TRAINED + 1)
    found = model.update(None, week[week["item_id"].isin(IDS[-3:])])
    assert (found.n_told_items, len(found.silent_items), found.n_usual_items) == (3, 21, 24)
    assert found.silent_note.startswith("21 of 24 items that sold lately have no row")
    assert "such as 'i00', 'i01', 'i02'; 24 or more had one in each period" in found.silent_note


def test_as_many_items_as_usual_are_no_cause_to_ask(model, tables):
    rows = weeks(tables[1], TRAINED, TRAINED + 2)
    is_kept = ~rows["item_id"].isin(IDS[:3]) | (rows["date"] == WEEKS[TRAINED])
    assert model.update(None, rows[is_kept]).silent_note == ""
    week = weeks(tables[1], TRAINED + 2, TRAINED + 3)
    found = model.update(None, week[week["item_id"].isin(IDS[:12])])
    assert "12 of 24 items" in found.silent_note and "21 or more" in found.silent_note


def test_an_item_whose_earlier_sales_were_left_out_begins_with_its_new_rows(tables, caplog):
    items, sales = tables
    items = items.assign(launch="2024-01-01")
    model = FusionForecaster(horizon=2, launch="launch", members=["classical"], random_state=0)
    model.fit(items[items["item_id"] != "i00"], weeks(sales, 0, TRAINED))
    week = weeks(sales, TRAINED, TRAINED + 1)
    model.update(items, week)
    panel = model.forecast_.kept.panel
    place = panel.ids.index("i00")
    units = panel.units[panel.offsets[place] : panel.offsets[place + 1]]
    assert units.tolist() == week.loc[week["item_id"] == "i00", "units"].tolist()
    assert "1 item ('i00') had sales that were left out before and are not kept" in caplog.text


def test_rows_of_an_item_that_was_left_out_say_nothing_of_the_past(tables):
    items, sales = tables
    few = items[items["item_id"].isin(IDS[:20])]
    model = FusionForecaster(horizon=2, members=["classical"], random_state=0)
    model.fit(few, weeks(sales, 0, TRAINED))
    both = pd.concat([weeks(sales, TRAINED - 1, TRAINED), weeks(sales, TRAINED, TRAINED + 1)])
    is_other = both["item_id"].isin(IDS[20:]) | (both["date"] >= WEEKS[TRAINED])
    with pytest.raises(CatalogueError, match="kept already, with the same values") as told:
        model.update(None, both[is_other])
    assert "change the past" not in str(told.value)
    found = model.update(None, weeks(sales, TRAINED, TRAINED + 1))
    assert found.n_rows == 20


def test_an_item_that_was_dropped_for_its_faults_is_left_out_of_updates_too(tables):
    items, sales = tables
    faulty = items[items["item_id"] != "n1"].assign(cost=lambda one: one["cost"].astype(object))
    faulty.loc[faulty["item_id"] == "i03", "cost"] = "a lot"
    model = FusionForecaster(
        horizon=2, members=["classical"], random_state=0, on_bad_rows="record",
        columns={"numeric": ["cost"]},
    )  # fmt: skip
    model.fit(faulty, weeks(sales, 0, TRAINED))
    assert "i03" in model.forecast_.kept.panel.left_out
    found = model.update(None, weeks(sales, TRAINED, TRAINED + 1))
    assert found.n_rows == 23
    again = model.update(items, weeks(sales, TRAINED + 1, TRAINED + 2))
    assert "i03" in model.forecast_.kept.panel.ids and again.n_new_items == 2
    assert "i03" not in model.forecast_.kept.panel.left_out


def test_a_launch_before_1970_is_saved_and_loaded(tables, tmp_path):
    items, sales = tables
    dated = items[items["item_id"] != "n1"].assign(launch="2024-01-01")
    dated.loc[dated["item_id"] == "i00", "launch"] = "1965-03-01"
    dated.loc[dated["item_id"] == "i01", "launch"] = None
    model = FusionForecaster(horizon=2, members=["classical"], random_state=0, launch="launch")
    model.fit(dated, weeks(sales, 0, TRAINED)).save(tmp_path / "forecast")
    again = FusionForecaster.load(tmp_path / "forecast")
    first, second = model.forecast_.kept.launches, again.forecast_.kept.launches
    np.testing.assert_array_equal(first, second)
    assert (first == NO_LAUNCH).sum() == 1 and -300 < first[0] < -200

"""A forecast that is updated tells whether its own errors are still what they were."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion import FusionForecaster
from fusion.errors import CatalogueError
from fusion.forecasting.drift import of_forecast
from fusion.forecasting.drift.of_forecast import reference_of
from fusion.report import UpdateReport, render_update
from fusion.report.update_view import update_answer

WEEKS = pd.date_range("2023-01-02", periods=84, freq="7D")
TRAINED = 80
"""Weeks that the forecast is trained on: so many that a dozen of them are held out."""
IDS = [f"i{row:02}" for row in range(24)]


def sales_of(weeks, factor=1.0):
    draw = np.random.default_rng(len(weeks))
    rows = [
        (item, week, draw.poisson(factor * (8 + place)))
        for place, item in enumerate(IDS)
        for week in weeks
    ]
    return pd.DataFrame(rows, columns=["item_id", "date", "units"])


@pytest.fixture(scope="module")
def before():
    return sales_of(WEEKS[:TRAINED])


@pytest.fixture(scope="module")
def fitted(before):
    items = pd.DataFrame({"item_id": IDS, "cost": np.arange(24.0)})
    return FusionForecaster(horizon=2, members=["classical"], random_state=0).fit(items, before)


@pytest.fixture
def model(fitted, tmp_path):
    fitted.save(tmp_path / "forecast")
    return FusionForecaster.load(tmp_path / "forecast")


def columns(report):
    return {(one.column, one.measure) for one in report.findings}


def test_stable_weeks_say_nothing_and_the_errors_are_among_what_is_watched(model):
    found = model.update(None, sales_of(WEEKS[TRAINED:]))
    assert found.drift.findings == ()
    assert ("forecast", "error") in {(one.column, one.measure) for one in found.drift.readings}


def test_a_forecast_that_is_off_is_told_until_it_is_retrained(model, before):
    doubled = sales_of(WEEKS[TRAINED : TRAINED + 2], factor=2.0)
    found = model.update(None, doubled)
    assert ("forecast", "error") in columns(found.drift)
    (told, *_) = [one for one in found.drift.findings if one.column == "forecast"]
    assert "too low: train anew" in told.advice and told.since == str(WEEKS[TRAINED].date())
    items = pd.DataFrame({"item_id": IDS, "cost": np.arange(24.0)})
    again = model.drift(items, pd.concat([before, doubled]))
    assert ("forecast", "error") in columns(again)
    later = model.update(
        None, sales_of(WEEKS[TRAINED + 2 : TRAINED + 3], factor=2.0), how="retrain"
    )
    assert ("forecast", "error") in columns(later.drift)
    assert reference_of(model.forecast_).until == model.forecast_.kept.learned_until
    calm = model.update(None, sales_of(WEEKS[TRAINED + 3 :], factor=2.0))
    assert calm.drift.n_periods == 1


def test_a_forecast_of_prices_is_not_asked_and_says_so(before, monkeypatch):
    items = pd.DataFrame({"item_id": IDS, "cost": np.arange(24.0)})
    sales = before[before["date"] >= WEEKS[TRAINED - 30]]
    sales = sales.assign(units=1, price=sales["units"] + 1.0)
    names = {"price": "price"}
    model = FusionForecaster(
        horizon=2, members=["classical"], head="price_path", sales=names, random_state=0
    ).fit(items, sales[sales["date"] < WEEKS[TRAINED - 2]])
    monkeypatch.setattr(of_forecast, "grown_pool", lambda *given: pytest.fail("it was asked"))
    report = model.drift(items, sales)
    assert {one.column for one in report.readings} == {"price", "units_sold"}
    assert any("it is one of prices" in note for note in report.notes)


def test_an_update_of_which_nothing_can_be_watched_is_not_called_good(model):
    found = model.update(None, sales_of(WEEKS[TRAINED : TRAINED + 1]))
    nothing = replace(found, drift=replace(found.drift, readings=()))
    answer = update_answer(nothing)
    assert answer.tone == "open" and "nothing could be watched" in answer.lead
    assert [one.label for one in answer.tiles] == ["Coverage"]
    assert update_answer(found).tone == "good"


def test_new_weeks_without_the_past_are_refused(model):
    items = pd.DataFrame({"item_id": IDS, "cost": np.arange(24.0)})
    with pytest.raises(CatalogueError, match="sales must hold the past too, from 2024-05-20 on"):
        model.drift(items, sales_of(WEEKS[TRAINED:]))


def test_the_page_of_an_update_shows_what_moved_and_escapes_it(model):
    found = model.update(None, sales_of(WEEKS[TRAINED:], factor=3.0))
    text = render_update(UpdateReport("<b>Coats", "new <i>.csv", found))
    assert f"{len(found.drift.findings)} measures drifted" in text
    assert "&lt;b&gt;Coats" in text and "new &lt;i&gt;.csv" in text and "<i>.csv" not in text
    assert text.count("train anew") >= 1 and "Since 15 Jul 2024, seen by 21 Jul 2024" in text

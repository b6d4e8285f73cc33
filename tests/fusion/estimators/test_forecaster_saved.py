"""A forecaster that is saved and loaded again forecasts the same, from the same tables."""

import json

import numpy as np
import pandas as pd
import pytest

from fusion import BundleError, CatalogueError, ConfigError
from fusion.data.panel.columns import SalesColumns
from fusion.estimators.forecaster import FusionForecaster
from fusion.forecasting.members.classical import ClassicalMember
from fusion.forecasting.saved.folder import save_forecast


@pytest.fixture(scope="module")
def items():
    return pd.DataFrame({"sku": ["a", "b", "c"], "title": ["red hat", "wool hat", "belt"]})


@pytest.fixture(scope="module")
def sales():
    weeks = pd.date_range("2024-01-07", periods=20, freq="W-SUN")
    rows = [(sku, week) for sku in "ab" for week in weeks]
    units = np.random.default_rng(0).poisson(5, len(rows))
    return pd.DataFrame(rows, columns=["sku", "week"]).assign(sold=units)


def forecaster(**options):
    columns = SalesColumns(item="sku", date="week", units="sold")
    given = {"columns": {"text": ["title"]}, "encoders": {"text": "tfidf"}, "random_state": 1}
    return FusionForecaster(
        horizon=2, sales=columns, **{"members": ["classical"], **given, **options}
    )


@pytest.fixture(scope="module")
def fitted(items, sales):
    return forecaster().fit(items, sales)


@pytest.fixture(scope="module")
def folder(fitted, tmp_path_factory):
    place = tmp_path_factory.mktemp("forecaster") / "forecast"
    fitted.save(place)
    return place


def test_a_loaded_forecaster_gives_the_same_table(fitted, items, sales, folder):
    loaded = FusionForecaster.load(folder)
    pd.testing.assert_frame_equal(loaded.predict(items, sales), fitted.predict(items, sales))


def test_a_loaded_forecaster_has_its_parameters_and_can_be_fitted_again(
    fitted, items, sales, folder
):
    loaded = FusionForecaster.load(folder)
    assert loaded.get_params()["horizon"] == 2 and loaded.get_params()["members"] == ["classical"]
    table = loaded.fit(items, sales).predict(items, sales)
    pd.testing.assert_frame_equal(table, fitted.predict(items, sales))


def test_what_is_given_to_load_wins_and_an_unknown_name_is_refused(folder, tmp_path):
    assert FusionForecaster.load(folder, store=tmp_path).store == tmp_path
    with pytest.raises(ConfigError, match=r"got 'horizn'\. Did you mean 'horizon'"):
        FusionForecaster.load(folder, horizn=3)


def test_a_place_of_weights_that_no_encoder_has_is_refused(folder):
    with pytest.raises(BundleError, match=r"encoders\.image\.weights must be left out"):
        FusionForecaster.load(folder, encoders={"image": {"weights": "imagenet"}})


def test_a_member_of_ones_own_answers_after_loading_and_is_asked_for_by_fit(items, sales, tmp_path):
    own = forecaster(members={"mine": ClassicalMember()}).fit(items, sales)
    own.save(tmp_path / "forecast")
    loaded = FusionForecaster.load(tmp_path / "forecast")
    pd.testing.assert_frame_equal(loaded.predict(items, sales), own.predict(items, sales))
    with pytest.raises(ConfigError, match=r"members must be given to fit a loaded .*Classical"):
        loaded.fit(items, sales)
    with pytest.raises(ConfigError, match="members must be given"):
        loaded.backtest(items, sales)


def test_a_forecast_that_no_estimator_saved_answers_too(fitted, items, sales, tmp_path):
    save_forecast(fitted.forecast_, tmp_path / "forecast")
    loaded = FusionForecaster.load(tmp_path / "forecast")
    pd.testing.assert_frame_equal(loaded.predict(items, sales), fitted.predict(items, sales))
    with pytest.raises(ConfigError, match="made by the command line"):
        loaded.fit(items, sales)


def test_parameters_that_were_crafted_are_a_bundle_error(folder, write_crafted, tmp_path):
    document = json.loads((folder / "forecast.json").read_text())
    kept = (folder / "forecast.json").read_bytes()
    document["info"]["parameters"] = ["horizon"]
    write_crafted(folder, document)
    with pytest.raises(BundleError, match="parameters of the bundle must be an estimator"):
        FusionForecaster.load(folder)
    write_crafted(folder, kept)


def test_weeks_that_begin_on_another_day_than_in_training_are_refused(fitted, items, sales):
    moved = sales.assign(week=sales["week"] + pd.Timedelta(days=1))
    with pytest.raises(CatalogueError, match=r"weeks that begin as in training, such as 2024-05-2"):
        fitted.predict(items, moved)
    with pytest.raises(CatalogueError, match="weeks that begin as in training"):
        fitted.similar(items, moved, items.iloc[0, 0])


def test_an_answer_that_is_no_number_is_an_error(fitted, items, sales, monkeypatch):
    model = fitted.forecast_.model
    raw = model.raw
    monkeypatch.setattr(model, "raw", lambda examples: raw(examples) * np.nan)
    with pytest.raises(BundleError, match="answers must be finite numbers"):
        fitted.predict(items, sales)

"""A forecaster of prices, from tables to answers, saved forecasts and pages."""

import json
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest

from fusion import BundleError, ConfigError, FusionForecaster
from fusion.cli.backtest_table import show_backtest
from fusion.data.panel.columns import SalesColumns
from fusion.forecasting.backtest.baselines import PRICE_RULES, RULES
from fusion.forecasting.heads import head_mistakes
from fusion.forecasting.saved.folder import load_forecast
from fusion.report.backtest_view import backtest_view
from heads.price_path import PricePathHead

WEEKS = pd.date_range("2024-01-01", periods=26, freq="7D")
NAMES = {"item": "item_id", "date": "date", "price": "price", "promotion": "promotion"}


@pytest.fixture(scope="module")
def items():
    return pd.DataFrame({"item_id": [*"abcdefgh", "new"], "cost": range(9)})


@pytest.fixture(scope="module")
def sales():
    """Each item has one price, and a fifth less in every fourth week, in which it is promoted."""
    rows = [
        (item, week, 1 + (place + nth) % 3, (5.0 + nth) * (0.8 if is_low else 1.0), is_low)
        for nth, item in enumerate("abcdefgh")
        for place, week in enumerate(WEEKS)
        for is_low in [int((place + nth) % 4 == 0)]
    ]
    return pd.DataFrame(rows, columns=["item_id", "date", "units", "price", "promotion"])


def forecaster(**options):
    given = {"head": "price_path", "horizon": 2, "sales": NAMES, "members": ["classical"]}
    return FusionForecaster(**{**given, "random_state": 0, **options})


@pytest.fixture(scope="module")
def fitted(items, sales):
    return forecaster().fit(items, sales)


@pytest.fixture(scope="module")
def table(fitted, items, sales):
    return fitted.predict(items, sales)


@pytest.fixture(scope="module")
def result(items, sales):
    return forecaster().backtest(items, sales, origins=1)


def test_the_table_tells_prices_their_mean_and_their_direction(table):
    assert table["window"].unique().tolist() == ["step", "mean"]
    assert "hot_probability" not in table.columns
    prices = table[["mean", "p10", "p50", "p90"]].to_numpy()
    assert (prices > 0).all()
    of_a = table[table["id"] == "a"].set_index("window")
    assert of_a.loc["mean", "mean"] == pytest.approx(of_a.loc["step", "mean"].mean())
    assert of_a.loc["step", "p50"].to_list() == [5.0, 5.0]  # to the cent: it does not move
    whole = table[table["window"] == "mean"]
    assert (
        set(whole["trend"].dropna()) <= {"up", "flat", "down"} and whole["trend"].isna().sum() == 1
    )
    shares = whole[["probability_up", "probability_flat", "probability_down"]].dropna()
    assert np.allclose(shares.sum(axis=1), 1.0)


def test_what_comes_later_changes_no_answer(fitted, items, sales):
    day = WEEKS[-3]
    later = sales.assign(price=sales["price"].where(sales["date"] < day, 777.0))
    asked = [fitted.predict(items, one, as_of=str(day.date())) for one in (sales, later)]
    pd.testing.assert_frame_equal(*asked)


def test_prices_must_be_there_and_not_be_known_ahead(items, sales):
    with pytest.raises(ConfigError, match=r"must name a column for price where head is price"):
        forecaster(sales={"item": "item_id"}).fit(items, sales)
    with pytest.raises(ConfigError, match=r"known must not name the price .* got price: what is"):
        forecaster(sales={**NAMES, "known": ["price"]}).fit(items, sales)
    columns = {**NAMES, "past": ["units_sold"]}
    with pytest.raises(ConfigError, match=r"must not name a covariate units_sold"):
        forecaster(sales=columns).fit(items, sales.assign(units_sold=1))
    known = SalesColumns(price="price", known=("price",))
    assert head_mistakes("sales_path", known) == [] != head_mistakes("price_path", known)


def test_a_saved_forecast_keeps_its_head_and_answers_alike(fitted, table, items, sales, tmp_path):
    fitted.save(tmp_path / "saved")
    again = FusionForecaster.load(tmp_path / "saved")
    assert again.head == "price_path" and type(again.forecast_.model.head) is PricePathHead
    pd.testing.assert_frame_equal(again.predict(items, sales), table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": {"name": "sales_path"}}, "hot must be given for units"),
        ({"hot": {"threshold": 3.0}}, "hot must be given for units and for nothing else"),
        ({"sales": {"price": None}}, "with a price that is not known ahead"),
        ({"sales": {"known": ["price"]}}, "with a price that is not known ahead"),
        ({"head": {"units": {"family": "poisson"}}}, "units must be left out of a head of prices"),
    ],
)
def test_a_crafted_forecast_of_prices_is_refused(fitted, tmp_path, change, message):
    folder = tmp_path / "crafted"
    fitted.save(folder)
    document = merged(json.loads((folder / "forecast.json").read_text()), change)
    text = json.dumps(document).encode()
    (folder / "forecast.json").write_bytes(text)
    (folder / "forecast.sha256").write_text(sha256(text).hexdigest())
    with pytest.raises(BundleError, match=message):
        load_forecast(folder)


def merged(document, change):
    for name, value in change.items():
        inner = isinstance(value, dict) and isinstance(document.get(name), dict)
        document[name] = merged(document[name], value) if inner else value
    return document


def test_a_backtest_holds_prices_against_the_last_one_and_its_drift(result):
    methods = list(result.forecasts)
    assert methods[1:3] == ["last price", "drift"]
    assert not {"zero", "TSB", "trees on lags", "ratio by age"} & set(methods)
    assert set(RULES) - set(PRICE_RULES) == {"zero", "last value", "TSB"}
    paths = result.actual.paths
    assert np.allclose(paths[:, -1], paths[:, :-1].mean(axis=1))
    assert [table.by for table in result.tables][-1] == "price"


def test_pages_and_terminal_name_the_winner_and_speak_of_prices(result, capsys):
    view = backtest_view(result)
    said = f"{view.answer.lead} {view.answer.sentence}"
    assert "of all prices (WAPE); the best simple method" in said
    assert [tile.label for tile in view.answer.tiles][1] == "WAPE of the mean"
    show_backtest(result)
    printed = capsys.readouterr()
    told = " ".join((printed.out + printed.err).split())
    assert view.answer.lead in told and "sum of units" not in told

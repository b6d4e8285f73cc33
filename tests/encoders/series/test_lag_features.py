"""Lag features tell what was known before a date, each under its own name."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encoders.series.example import example_windows
from encoders.series.lag_columns import LagColumns
from encoders.series.lag_features import LagFeaturesEncoder
from encoders.series.windows import Calendar, Windows

WITH_DATES = LagFeaturesEncoder(
    columns={
        **LagColumns.of(example_windows()).config,
        "reads_dates": True,
    }
)


def one_series(units: list[float], *, n_steps: int = 2, **changes: Any) -> Windows:
    """One weekly series that is asked about behind its last value; 2024-01-01 is the first step."""
    n = len(units)
    windows = Windows(
        columns={"units": np.array(units, dtype=np.float32)},
        series=np.zeros(1, dtype=np.int64),
        begin=np.zeros(1, dtype=np.int64),
        end=np.full(1, n),
        stop=np.full(1, n),
        is_cut=np.zeros(1, dtype=bool),
        period=np.full(1, 2817),
        calendar=Calendar("week", shift=4),
        n_steps=n_steps,
        series_end=2817,
        market={"units": np.array(units, dtype=np.float32)},
        market_start=2817 - n,
    )
    return replace(windows, **changes)


def told(windows: Windows, encoder: LagFeaturesEncoder | None = None) -> dict[str, float]:
    """The features of the first example by name, not standardised."""
    encoder = encoder or LagFeaturesEncoder(columns=LagColumns.of(windows).config)
    numbers = encoder.preprocess(windows)["numbers"][0].tolist()
    return dict(zip(encoder.names, numbers, strict=True))


def test_units_are_told_by_their_recent_level() -> None:
    found = told(one_series([0.0, 6.0, 3.0, 0.0, 0.0, 9.0, 3.0, 3.0, 0.0]))
    level = 24 / 8 + 1  # of the last 8, the first is out
    assert found["units_level"] == pytest.approx(np.log(level))
    assert found["units_lag_1"] == 0.0
    assert found["units_lag_2"] == pytest.approx(np.log1p(3 / level))
    assert np.isnan(found["units_lag_10"])
    assert found["units_mean_4"] == pytest.approx(np.log1p(15 / 4 / level))
    assert found["units_median_8"] == pytest.approx(np.log1p(3 / level))
    assert found["units_max_8"] == pytest.approx(np.log1p(9 / level))
    assert found["units_trend"] == pytest.approx(np.log1p(3.75 / level) - np.log1p(2.25 / level))
    assert found["units_zero_share_8"] == pytest.approx(3 / 8)
    assert found["units_since_last"] == pytest.approx(np.log1p(1))
    assert found["age"] == pytest.approx(np.log1p(9))
    assert found["units_amount"] == 0.0


def test_an_old_series_is_not_told_from_an_older_one() -> None:
    assert told(one_series([1.0] * 60))["age"] == told(one_series([1.0] * 90))["age"]
    assert told(one_series([1.0] * 9))["age"] < told(one_series([1.0] * 20))["age"]


def test_a_year_ago_is_told_where_it_is_known() -> None:
    units = np.ones(60)
    units[[8, 9]] = 21.0  # 52 weeks before the two steps
    found = told(one_series(units.tolist()))
    assert found["units_year_ago"] == pytest.approx(np.log1p(21 / 2))
    assert found["units_year_ago_rise"] == pytest.approx(np.log1p(21 / 2) - np.log1p(1 / 2))
    assert np.isnan(told(one_series([1.0] * 40))["units_year_ago"])


def test_past_columns_are_told_by_their_own_level() -> None:
    windows = one_series([4.0, 4.0, 8.0])
    orders = np.array([1.0, np.nan, 3.0], dtype=np.float32)
    found = told(replace(windows, columns={**windows.columns, "orders": orders}))
    assert found["orders_lag_1"] == pytest.approx(np.log1p(3 / 2))
    assert np.isnan(found["orders_lag_2"])
    assert found["orders_known_share"] == pytest.approx(2 / 8)
    assert found["orders_level"] == pytest.approx(np.log(3))
    assert found["units_per_orders_1"] == pytest.approx(np.log(9 / 4))
    assert found["units_per_orders_4"] == pytest.approx(np.log1p(16 / 3) - np.log(3))


@pytest.mark.parametrize("price", [0.01, 40.0])
def test_the_size_of_a_number_is_told_once_and_else_its_changes_alone(price: float) -> None:
    windows = one_series([1.0] * 12)
    prices = np.array([price] * 11 + [price / 2], dtype=np.float32)
    found = told(replace(windows, columns={**windows.columns, "price": prices}))
    assert found["price_lag_1"] == pytest.approx(np.log1p(0.5 / (7.5 / 8)))
    assert found["price_mean_8"] == pytest.approx(np.log(2))
    assert found["price_level"] == pytest.approx(np.log1p(price * 7.5 / 8))


def test_the_last_known_number_is_told_where_later_ones_are_unknown() -> None:
    windows = one_series([1.0] * 12)
    price = np.array([7.0] + [np.nan] * 11, dtype=np.float32)
    found = told(replace(windows, columns={**windows.columns, "price": price}))
    assert found["price_level"] == pytest.approx(np.log(8))
    assert found["price_last_relative"] == pytest.approx(np.log(2))


def test_what_is_known_ahead_is_told_of_each_step() -> None:
    price = np.array([3.0, 3.0, 3.0, 6.0, np.nan], dtype=np.float32)
    units = np.ones(5, dtype=np.float32)
    windows = one_series([1.0] * 5)
    windows = replace(
        windows,
        columns={"units": units, "price": price},
        end=np.full(1, 3),
        period=windows.period - 2,
        known=frozenset({"price"}),
    )
    found = told(windows)
    assert found["price_step_1"] == pytest.approx(np.log1p(6 / 3))
    assert (found["price_step_1_known"], found["price_step_2_known"]) == (1.0, 0.0)
    past_alone = told(replace(windows, known=frozenset()))
    assert not [name for name in past_alone if "_step_" in name]


def test_numbers_of_the_market_that_were_given_are_told() -> None:
    windows = one_series([1.0] * 3)
    index = np.array([0.0, 1.0, 2.0, 5.0, 5.0], dtype=np.float32)
    market = {**windows.market, "index": index}
    found = told(replace(windows, market=market, known=frozenset({"index"})))
    assert found["market_index_lag_1"] == pytest.approx(np.log1p(2 / 1))
    assert found["market_index_step_2"] == pytest.approx(np.log1p(5 / 1))


def test_what_tells_the_date_alone_is_read_only_where_training_covers_years() -> None:
    units = [1.0] * 100
    dates = {"market_units_lag_1", "year_sin", "before_christmas_step_1"}
    short, long = (asked_twice(one_series(units), weeks_before=weeks) for weeks in (77, 78))
    assert not dates & set(LagFeaturesEncoder.fitted(short).names)
    encoder = LagFeaturesEncoder.fitted(long)
    assert dates <= set(encoder.names)
    found = told(one_series(units), encoder)
    assert found["year_cos"] == 1.0  # the first of January
    assert found["after_christmas_step_1"] == pytest.approx(1 - 7 / 56)
    assert found["after_christmas_step_2"] == pytest.approx(1 - 14 / 56)


def asked_twice(windows: Windows, *, weeks_before: int) -> Windows:
    """The only example, and once more that of an earlier date."""
    earlier = windows.period - weeks_before
    twice = windows.take(np.zeros(2, dtype=np.int64))
    return replace(twice, period=np.concatenate([earlier, windows.period]))


@pytest.mark.parametrize(("unit", "name"), [("day", "units_lag_28"), ("month", "units_lag_12")])
def test_spans_follow_the_frequency(unit: Any, name: str) -> None:
    windows = replace(one_series([1.0] * 30), calendar=Calendar(unit))
    found = told(windows)
    assert found[name] == pytest.approx(np.log1p(1 / 2))
    assert ("weekday_3" in found) == (unit == "day")
    if unit == "day":
        assert found[f"weekday_{(2817 + 3) % 7}"] == 1.0


def test_features_are_standardised_over_training_windows_and_cut() -> None:
    windows = example_windows(240, seed=1)
    encoder = LagFeaturesEncoder.fitted(windows)
    found = encoder.encode(windows)
    raw = encoder.preprocess(windows)["numbers"].numpy()
    level = encoder.names.index("units_level")
    assert abs(found[:, level].mean()) < 1e-4 and abs(found[:, level].std() - 1) < 1e-3
    assert np.abs(found).max() == 5.0
    assert (found[np.isnan(raw)] == 0).all()


def test_a_feature_that_never_changed_in_training_stays_silent() -> None:
    windows = example_windows(24)
    index = np.full_like(windows.market["index"], 3.0)
    encoder = LagFeaturesEncoder.fitted(replace(windows, market={**windows.market, "index": index}))
    found = encoder.encode(windows)
    assert (found[:, encoder.names.index("market_index_lag_1")] == 0).all()


def test_an_empty_history_is_finite_and_alike_in_all_series() -> None:
    windows = example_windows(24)
    found = LagFeaturesEncoder.fitted(windows).encode(windows)
    prices = ["price" in name for name in LagFeaturesEncoder.fitted(windows).names]
    empty = found[windows.lengths == 0][:, ~np.array(prices)]  # prices are known ahead
    assert np.isfinite(found).all() and len(empty) == 4
    assert (empty == empty[0]).all()


def test_a_shortened_history_equals_a_short_one() -> None:
    windows = example_windows(24)
    cut = WITH_DATES.preprocess(windows.recent(np.full(24, 3)))["numbers"]
    begin = np.maximum(windows.begin, windows.end - 3)
    short = WITH_DATES.preprocess(replace(windows, begin=begin))["numbers"]
    assert np.array_equal(cut.numpy(), short.numpy(), equal_nan=True)


@settings(max_examples=30, deadline=None)
@given(row=st.integers(0, 11), seed=st.integers(0, 2**16), is_known=st.booleans())
def test_nothing_from_the_first_step_on_moves_a_feature(
    row: int, seed: int, is_known: bool
) -> None:
    windows = example_windows(12).take(np.array([row]))
    later = changed_later(windows, seed, set() if is_known else {"price"})
    known = windows.known if is_known else frozenset[str]()
    encoder = LagFeaturesEncoder(columns={**WITH_DATES.columns.config, "known": sorted(known)})
    before = told(replace(windows, known=known), encoder)
    after = told(replace(later, known=known), encoder)
    assert not [
        name for name in before if not np.array_equal(before[name], after[name], equal_nan=True)
    ]


def test_a_plan_that_changes_moves_the_features_of_its_steps_alone() -> None:
    windows = example_windows(12).take(np.array([5]))
    before = told(windows, WITH_DATES)
    after = told(changed_later(windows, 0, {"price"}), WITH_DATES)
    moved = {
        name for name in before if before[name] != after[name] and before[name] == before[name]
    }
    assert "price_step_1" in moved
    assert all(name.startswith("price_step_") for name in moved)


def changed_later(windows: Windows, seed: int, also: set[str]) -> Windows:
    """The same, but other numbers from the first step of the only row on, some unknown."""
    rng = np.random.default_rng(seed)

    def changed(values: Any, place: int) -> Any:
        drawn = np.where(rng.random(len(values)) < 0.3, np.nan, 50 * rng.normal(size=len(values)))
        later = np.arange(len(values)) >= place
        return np.where(later, drawn, values).astype(np.float32)

    end, period = int(windows.end[0]), int(windows.period[0])
    columns = {
        name: changed(values, end) if name in {"units", "visitors"} | also else values
        for name, values in windows.columns.items()
    }
    market = {
        name: changed(values, period - windows.market_start)
        for name, values in windows.market.items()
    }
    return replace(windows, columns=columns, market=market)


def test_many_windows_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = example_windows(24)
    encoder = LagFeaturesEncoder.fitted(windows)
    whole = encoder.encode(windows)
    monkeypatch.setattr("encoders.series.lag_features.CHUNK_NUMBERS", 5 * encoder.columns.length)
    assert np.array_equal(encoder.encode(windows), whole)


def test_the_configuration_rebuilds_what_was_learned() -> None:
    windows = example_windows(24)
    encoder = LagFeaturesEncoder.fitted(windows)
    again = LagFeaturesEncoder(**json.loads(json.dumps(encoder.config)))
    assert np.array_equal(again.encode(windows), encoder.encode(windows))
    assert encoder.feature_blocks(encoder.preprocess(windows))[0].dim == len(encoder.names)
    assert len(set(encoder.names)) == encoder.embedding_dim


def test_other_windows_and_configurations_are_refused() -> None:
    encoder = LagFeaturesEncoder.tiny()
    windows = example_windows()
    without = replace(windows, columns={"units": windows.columns["units"]})
    with pytest.raises(ValueError, match="must have the columns price, visitors"):
        encoder.preprocess(without)
    with pytest.raises(ValueError, match="must ask for 4 steps, got 2"):
        encoder.preprocess(example_windows(n_steps=2))
    with pytest.raises(ValueError, match="must count by the week, got the day"):
        encoder.preprocess(replace(windows, calendar=Calendar("day")))
    with pytest.raises(ValueError, match=r"std must be \d+ finite numbers"):
        LagFeaturesEncoder(std=[1.0])
    with pytest.raises(ValueError, match="unit must be one of day, week, month"):
        LagFeaturesEncoder(columns={"unit": "hour"})
    for names in ("price", ["price"] * 1001):
        with pytest.raises(ValueError, match="columns must be a list of at most 1,000 names"):
            LagFeaturesEncoder(columns={"columns": names})

"""Levels: what numbers of a series are measured by, and what of it features see."""

from dataclasses import replace

import numpy as np
import pytest

from encoders.series.example import example_windows
from encoders.series.lag_columns import LagColumns
from encoders.series.levels import levels_of
from encoders.series.windows import UNITS

NAN = np.nan


@pytest.mark.parametrize(
    ("past", "mean", "last"),
    [
        ([2.0, 4.0], 4.0, 4.0),
        ([NAN, 2.0, NAN], 3.0, 2.0),
        ([-5.0, -3.0], 1.0, -3.0),
        ([NAN, NAN], NAN, NAN),
        ([], NAN, NAN),
        ([100.0, *[1.0] * 8], 2.0, 1.0),
    ],
)
def test_a_level_is_the_recent_mean_and_1_or_the_last_known_number(past, mean, last):
    rows = np.array([past], dtype=np.float64)
    found = [levels_of(rows)[0], levels_of(rows, "last")[0]]
    assert np.array_equal(found, [mean, last], equal_nan=True)


def test_windows_find_the_same_last_numbers_as_their_pasts_tell():
    windows = replace(example_windows(), measure="last")
    longest = int(windows.lengths.max())
    wanted = levels_of(windows.past(UNITS, longest).astype(np.float64), "last")
    assert np.array_equal(windows.levels(), wanted, equal_nan=True)
    short = windows.recent(np.full(len(windows), 2))
    wanted = levels_of(short.past(UNITS, 2).astype(np.float64), "last")
    assert np.array_equal(short.levels(), wanted, equal_nan=True)
    assert np.isnan(windows.recent(np.zeros(len(windows), dtype=np.int64)).levels()).all()


def test_features_of_prices_are_shares_of_the_last_one_whatever_the_currency():
    windows = replace(example_windows(), measure="last")
    units = windows.columns[UNITS]
    priced = np.where(units > 0, units + np.float32(0.25), np.float32(NAN))
    dear = replace(windows, columns={**windows.columns, UNITS: priced * 64})
    cheap = replace(windows, columns={**windows.columns, UNITS: priced})
    columns = LagColumns.of(windows)
    told, other = columns.numbers(cheap), columns.numbers(dear)
    for name in ("units_lag_2", "units_mean_8", "units_median_13", "units_trend"):
        assert np.allclose(told[name], other[name], equal_nan=True), name
        assert np.isfinite(told[name]).any()
    difference = (other["units_level"] - told["units_level"])[~np.isnan(cheap.levels())]
    assert np.allclose(difference, np.log(64))

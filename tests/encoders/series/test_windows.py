"""Windows show what was known before a date, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from encoders.series.example import example_windows


def test_the_last_entry_of_the_past_is_the_last_known_period():
    windows = example_windows(6)
    past = windows.past("price", 3)
    row = 3  # 8 periods
    assert np.array_equal(past[row], windows.columns["price"][windows.end[row] - 3 :][:3])
    assert np.isnan(past[0]).all()
    assert np.isnan(past[1]).tolist() == [True, True, False]


def test_a_masked_history_is_one_of_a_series_that_began_later():
    windows = example_windows(6)
    short = windows.recent(np.full(6, 2))
    assert short.lengths.tolist() == [0, 1, 2, 2, 2, 2]
    assert np.isnan(short.past("price", 4)[5]).tolist() == [True, True, False, False]
    assert windows.is_cut[5] and not short.is_cut[5]


def test_only_what_is_known_ahead_is_read_of_the_steps_to_come():
    windows = example_windows(6)
    row = 4
    wanted = windows.columns["price"][windows.end[row] :][:4]
    assert np.array_equal(windows.future("price")[row], wanted)
    with pytest.raises(ValueError, match=r"visitors must be known ahead .* Known ahead: price"):
        windows.future("visitors")


def test_a_plan_goes_on_behind_the_end_of_the_series():
    windows = example_windows(6)
    begin = windows.stop - windows.lengths
    at_end = replace(windows, end=windows.stop, begin=begin, period=windows.period + 4)
    assert np.isnan(at_end.future("price")).all()
    plan = np.arange(12, dtype=np.float32).reshape(6, 2)
    found = replace(at_end, planned={"price": plan}).future("price")
    assert np.array_equal(found[:, :2], plan)
    assert np.isnan(found[:, 2:]).all()


def test_steps_have_dates_by_the_calendar():
    windows = example_windows(1)
    dates = windows.step_dates()[0]
    assert np.array_equal(np.diff(dates), np.full(3, np.timedelta64(7, "D")))
    assert dates[0].astype(object).weekday() == 0


def test_the_market_ends_where_the_history_does():
    windows = example_windows(2)
    assert np.array_equal(windows.past_market("index", 40)[0], windows.market["index"][:40])
    known = replace(windows, known=frozenset({"index"}))
    assert np.array_equal(known.future_market("index")[0], windows.market["index"][40:44])

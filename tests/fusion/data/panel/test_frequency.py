"""Days, weeks and months are found in dates, numbered without gaps, and told by name."""

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.frequency import (
    UNITS,
    Frequency,
    check_unit,
    chosen_frequency,
    find_frequency,
)
from fusion.errors import CatalogueError, ConfigError


def days(*dates):
    return np.array(dates, dtype="datetime64[D]")


def found(dates, asked=None):
    dates = np.sort(np.asarray(pd.DatetimeIndex(dates), dtype="datetime64[D]"))
    rows = np.arange(len(dates))
    return find_frequency(dates, rows) if asked is None else chosen_frequency(dates, rows, asked)


@pytest.mark.parametrize(
    ("dates", "frequency"),
    [
        (pd.date_range("2024-01-01", periods=9, freq="7D"), Frequency("week", 0)),
        (pd.date_range("2024-01-07", periods=9, freq="21D"), Frequency("week", 6)),
        (pd.date_range("2024-01-01", periods=9, freq="MS"), Frequency("month")),
        (pd.date_range("2024-01-31", periods=9, freq="ME"), Frequency("month")),
        (pd.date_range("2024-01-01", periods=30, freq="D"), Frequency("day")),
        (pd.date_range("2024-01-01", periods=30, freq="B"), Frequency("day")),
        (days("2024-01-01"), Frequency("week", 0)),
    ],
)
def test_the_frequency_is_that_of_the_dates(dates, frequency):
    assert found(dates) == frequency


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("7D", "D", r"between 2024-02-26 \(row 9\) and 2024-03-05 \(row 10\)"),
        ("D", "7D", r"between 2024-01-08 \(row 8\) and 2024-01-09 \(row 9\)"),
        ("MS", "W", r"between 2024-08-01 \(row 8\) and 2024-09-01 \(row 9\)"),
    ],
)
def test_a_frequency_that_changes_is_refused_with_the_rows(before, after, told):
    first = pd.date_range("2024-01-01", periods=9, freq=before)
    begin = max(pd.Timestamp("2024-03-05"), first[-1] + pd.Timedelta(days=1))
    dates = first.append(pd.date_range(begin, periods=9, freq=after))
    with pytest.raises(CatalogueError, match=f"must have one frequency, .*{told}"):
        found(dates)
    assert found(dates, "day") == Frequency("day")


def test_weeks_that_go_over_to_another_weekday_are_refused():
    mondays = pd.date_range("2024-01-01", periods=8, freq="7D")
    sundays = pd.date_range("2024-03-03", periods=3, freq="7D")
    with pytest.raises(CatalogueError, match=r"between 2024-02-19 .* and 2024-03-03"):
        found(mondays.append(sundays))


def test_days_are_asked_for_by_week_or_month_and_weeks_by_nothing_else():
    daily = pd.date_range("2024-01-03", periods=40, freq="D")
    assert found(daily, "week") == Frequency("week", 0)
    assert found(daily, "month") == Frequency("month")
    weekly = pd.date_range("2024-01-04", periods=9, freq="7D")
    assert found(weekly, "week") == Frequency("week", 3)
    with pytest.raises(CatalogueError, match=r"frequency must be week, .* got month"):
        found(weekly, "month")


@pytest.mark.parametrize(
    ("given", "meant"), [("W", "week"), ("W-SUN", "week"), ("MS", "month"), ("daily", "day")]
)
def test_a_frequency_that_is_none_is_refused_with_the_one_that_was_meant(given, meant):
    with pytest.raises(ConfigError, match=rf"got '{given}'\. Did you mean '{meant}'\?"):
        check_unit(given)
    with pytest.raises(ConfigError, match=r"frequency must be one of day, week, month, got 7\."):
        check_unit(7)


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("anchor", [0, 2, 6])
def test_periods_follow_each_other_without_gap_or_overlap(unit, anchor):
    frequency = Frequency(unit, anchor)
    dates = np.arange("1969-11-20", "1970-04-02", dtype="datetime64[D]")
    periods = frequency.period(dates)
    assert set(np.diff(periods)) <= {0, 1}
    assert (frequency.first_day(periods) <= dates).all()
    assert (frequency.first_day(periods + 1) > dates).all()
    whole = frequency.next_whole(dates)
    assert (frequency.first_day(whole) >= dates).all()
    assert (frequency.first_day(whole - 1) < dates).all()
    if unit == "week":
        begins = pd.DatetimeIndex(frequency.first_day(periods))
        assert set(begins.day_of_week) == {anchor}


def test_periods_have_names_for_people():
    assert Frequency("day").name(0) == "1970-01-01"
    assert Frequency("month").name(649) == "the month 2024-02"
    weeks = Frequency("week", 6)
    assert weeks.name(int(weeks.period(np.datetime64("2024-02-14")))) == "the week of 2024-02-11"

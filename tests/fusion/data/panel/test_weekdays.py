"""Weekdays without any row are known as closed, and weeks that they alone end are whole."""

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.frequency import Frequency
from fusion.data.panel.reading import read_panel
from fusion.data.panel.weekdays import RowPeriods, open_weekdays, weekdays_of

ALL = tuple(range(7))
WORKDAYS = "Mon Tue Wed Thu Fri"
NONE = np.zeros(0, dtype="datetime64[D]")


def days(begin, end, *, mask="Mon Tue Wed Thu Fri Sat"):
    """Days of some weekdays, the last one included."""
    found = pd.bdate_range(begin, end, freq="C", weekmask=mask)
    return np.asarray(found, dtype="datetime64[D]")


def panel_of(dates, frequency="week"):
    frame = pd.DataFrame({"item_id": "a", "date": dates.astype(str), "units": 1})
    return read_panel(frame_parts(frame), columns=SalesColumns(), frequency=frequency)


@pytest.mark.parametrize(
    ("dates", "found"),
    [
        (days("2024-01-01", "2024-03-30"), (0, 1, 2, 3, 4, 5)),
        (days("2024-01-01", "2024-03-29", mask=WORKDAYS), (0, 1, 2, 3, 4)),
        (days("2024-01-01", "2024-02-10"), ALL[:6]),
        (days("2024-01-01", "2024-02-10", mask="Mon Tue Wed Fri"), (0, 1, 2, 4)),
        (days("2024-01-01", "2024-01-13"), ALL),  # two weeks: may be chance
        (np.delete(days("2024-01-01", "2024-02-10"), [3, 9]), ALL[:6]),  # two holidays
        (np.delete(days("2024-01-01", "2024-02-10"), [3, 9, 15]), ALL),  # three Thursdays
        (days("2024-01-01", "2024-03-30")[::5], ALL),  # few days of any kind
        (np.append(days("2024-01-01", "2024-03-30"), np.datetime64("2024-03-31")), ALL[:6]),
        (
            np.append(
                days("2024-01-01", "2024-02-24"), days("2024-02-25", "2024-03-03", mask="Sun")
            ),
            ALL,
        ),
        (days("2024-01-01", "2024-03-31", mask="Mon Tue Wed Thu Fri Sat Sun")[:-1:2], ALL),
    ],
    ids=[
        "no Sunday",
        "workdays",
        "six weeks",
        "four days",
        "two weeks",
        "holidays",
        "gaps",
        "sparse",
        "one of 13 Sundays",
        "two of 9",
        "each other",
    ],
)
def test_a_weekday_without_rows_is_closed_where_that_is_no_chance(dates, found):
    assert open_weekdays(dates) == found


def test_a_week_that_closed_days_alone_end_is_whole(caplog):
    panel = panel_of(days("2024-01-01", "2024-03-30"))
    assert panel.units.tolist() == [6.0] * 13 and panel.open_weekdays == (0, 1, 2, 3, 4, 5)
    assert "left out" not in caplog.text
    assert len(panel_of(days("2024-01-02", "2024-03-29")).units) == 11
    assert "begins on 2024-01-02" in caplog.text and "ends on 2024-03-29" in caplog.text


def test_a_month_that_ends_on_closed_days_is_whole():
    assert len(panel_of(days("2024-01-01", "2024-03-30"), "month").units) == 3
    assert len(panel_of(days("2024-01-01", "2024-03-29"), "month").units) == 2


def test_closed_days_alone_behind_an_earlier_table_are_periods_too():
    day, saturday = Frequency("day"), np.datetime64("2024-03-23")
    since = int(day.period(saturday)) + 1
    on = RowPeriods(day, ALL[:6], since=since)
    assert on.whole(saturday + np.arange(2, 4)) == (since, since + 3)  # from Sunday on
    assert on.whole(saturday + np.arange(3, 5)) == (since + 2, since + 4)  # Monday is missing
    assert RowPeriods(day, since=since).whole(saturday + np.arange(2, 4)) == (since + 1, since + 3)


def test_only_days_are_closed():
    periods = Frequency("day").period(days("2024-01-05", "2024-01-08", mask="Fri Sat Sun Mon"))
    closed = RowPeriods(Frequency("day"), (0, 1, 2, 3, 4)).is_closed(periods)
    assert closed.tolist() == [False, True, True, False]
    assert not RowPeriods(Frequency("week"), (0, 1)).is_closed(np.arange(3)).any()
    assert not RowPeriods(Frequency("day")).is_closed(np.arange(9)).any()  # nothing is known


def test_weekdays_are_those_of_numpy():
    dates = days("2023-12-01", "2024-03-01", mask="Mon Tue Wed Thu Fri Sat Sun")
    assert weekdays_of(dates).tolist() == pd.DatetimeIndex(dates).day_of_week.tolist()
    assert len(weekdays_of(NONE)) == 0

"""Feasts by rule."""

from datetime import date

import numpy as np
import pytest

from encoders.series.holidays import easter, nearness


def test_easter_is_that_of_the_church() -> None:
    known = pytest.importorskip("dateutil.easter")
    years = np.arange(1900, 2100)
    assert easter(years).tolist() == [known.easter(year) for year in years.tolist()]


@pytest.mark.parametrize(
    ("day", "name", "wanted"),
    [
        (date(2024, 12, 25), "before_christmas", 1.0),
        (date(2024, 12, 11), "before_christmas", 0.75),
        (date(2024, 12, 26), "before_christmas", 0.0),
        (date(2025, 1, 8), "after_christmas", 0.75),
        (date(2024, 12, 31), "after_christmas", 1 - 6 / 56),
        (date(2024, 7, 1), "after_christmas", 0.0),
        (date(2024, 3, 24), "before_easter", 1 - 7 / 56),
        (date(2024, 4, 7), "after_easter", 1 - 7 / 56),
        (date(2024, 4, 7), "before_easter", 0.0),
    ],
)
def test_feasts_are_nearer_the_fewer_days_there_are(day: date, name: str, wanted: float) -> None:
    found = nearness(np.array([[day]], dtype="datetime64[D]"))[name]
    assert found.shape == (1, 1)
    assert found[0, 0] == pytest.approx(wanted)

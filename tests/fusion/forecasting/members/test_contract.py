"""Every member of a forecast keeps the contract."""

import importlib.util

import pytest

from fusion.forecasting.members.check import check_forecast_member
from fusion.forecasting.members.registry import FORECAST_MEMBERS

MARKS = {
    "fracast": (
        pytest.mark.slow,  # seconds for a hundred examples
        pytest.mark.skipif(importlib.util.find_spec("fracast") is None, reason="needs the extra"),
    ),
    "chronos": pytest.mark.skip(reason="needs weights; see test_chronos.py"),
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=MARKS.get(name, ())) for name in FORECAST_MEMBERS]
)
def test_member_keeps_the_contract(name):
    check_forecast_member(FORECAST_MEMBERS[name].tiny)


@pytest.mark.parametrize("name", FORECAST_MEMBERS)
def test_registry_name_is_the_file_name(name):
    assert FORECAST_MEMBERS[name].__module__ == f"fusion.forecasting.members.{name}"

"""Which question a forecast answers: told by name, refused with the nearest names."""

import pytest

from fusion import ConfigError
from fusion.data.panel.columns import SalesColumns
from fusion.estimators.forecaster import FusionForecaster
from fusion.forecasting.heads import FORECAST_HEADS, head_mistakes, head_name
from heads.registry import HEADS


@pytest.mark.parametrize("name", FORECAST_HEADS)
def test_a_head_of_a_forecast_stands_in_the_registry_of_heads_under_the_same_name(name):
    assert HEADS[name] is FORECAST_HEADS[name]
    assert head_name(HEADS[name].tiny()) == name


@pytest.mark.parametrize("name", ["sale_path", 3, ["sales_path"]])
def test_a_head_that_is_none_is_refused_with_those_that_are(name):
    (told,) = head_mistakes(name, SalesColumns())
    assert told.startswith("head must be one of ") and "sales_path" in told


def test_a_forecaster_refuses_a_head_that_is_none_before_it_reads_tables():
    with pytest.raises(ConfigError, match=r"head must be one of .* Did you mean 'sales_path'"):
        FusionForecaster(head="salespath").fit(None, None)

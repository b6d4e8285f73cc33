"""Members on a panel of prices, of which many are unknown and most do not move."""

from dataclasses import replace

import numpy as np
import pytest

from fusion.data.panel.priced import priced
from fusion.forecasting.examples import past_examples
from fusion.forecasting.fit import new_level, training_of
from fusion.forecasting.members.example import HORIZON, example_content, example_panel
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from heads.price_path import PricePathHead

MEMBERS = [name for name in FORECAST_MEMBERS if name not in ("fracast", "chronos")]


@pytest.fixture(scope="module")
def examples():
    panel = priced(replace(example_panel(), known=frozenset()))
    asked = past_examples(panel, horizon=HORIZON, until=panel.end)
    rows = np.arange(panel.n_series)
    asked = replace(asked, content=example_content(), content_rows=rows)
    return replace(asked, new_level=new_level(asked))


def test_new_items_are_measured_by_what_new_items_cost(examples):
    assert 6.0 <= examples.new_level <= 9.0
    assert (examples.levels() >= 6.0).all() and (examples.levels() <= 9.0).all()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_answers_prices_about_the_last_one(examples, name):
    head = PricePathHead.fitted(examples.paths())
    member = FORECAST_MEMBERS[name].tiny()
    member.fit(examples, head=head, training=training_of(examples), seed=0)
    raw, known = member.raw(examples), member.knows(examples)
    assert np.isfinite(raw).all() and known.any()
    prices = head.distribution(raw[known], examples.levels()[known], stages=examples.stages())
    median = prices.quantile([0.5])[..., 0]
    assert (median > 3.0).all() and (median < 18.0).all()
    assert np.mean((median > 5.5) & (median < 9.5)) > 0.8  # every price is 6 or 9

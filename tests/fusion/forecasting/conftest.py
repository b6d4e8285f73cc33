"""A trained forecast in which every kind of member counts."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.cells import frame_parts
from fusion.data.panel.columns import SalesColumns
from fusion.forecasting.blending import StageBlend
from fusion.forecasting.calibration import PathCalibration
from fusion.forecasting.content import ContentSpec, check_items, content_of_items
from fusion.forecasting.examples import STAGES, Examples, past_examples
from fusion.forecasting.fit import training_of
from fusion.forecasting.history import SalesSpec, frames_reader, read_history, sales_of_items
from fusion.forecasting.members.registry import FORECAST_MEMBERS
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.trained import TrainedForecast, with_content
from heads.sales_path import SalesPathHead
from heads.sales_units import SalesUnits
from heads.trend import HotRule

MEMBERS = [name for name in FORECAST_MEMBERS if name not in ("fracast", "chronos")]
"""Members that need no weights from elsewhere."""
COLUMNS = SalesColumns(price="price_eur", past=("searches",), known=("price_eur", "index"))


@pytest.fixture(scope="session")
def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Items, their sales week by week with prices that are known ahead, and numbers of the market.

    Items come one after the other.
    """
    draw = np.random.default_rng(0)
    weeks = pd.date_range("2024-01-01", periods=24, freq="W-MON")
    items = pd.DataFrame(
        {
            "item_id": [f"i{number}" for number in range(12)],
            "brand": draw.choice(["north", "south"], 12),
            "cost": draw.uniform(5, 50, 12),
        }
    )
    rows = [(item, day) for number, item in enumerate(items["item_id"]) for day in weeks[number:]]
    sales = pd.DataFrame(rows, columns=["item_id", "date"])
    sales["units"] = draw.poisson(6, len(sales))
    sales["price_eur"] = draw.choice([6.0, 9.0], len(sales))
    sales["searches"] = draw.poisson(20, len(sales))
    market = pd.DataFrame({"date": weeks, "index": draw.uniform(0, 1, len(weeks))})
    return items, sales, market


@pytest.fixture(scope="session")
def every_member(
    tables: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame],
) -> tuple[TrainedForecast, Examples]:
    """A forecast of all kinds of members that count alike, and examples that it can answer."""
    items, sales, market = tables
    spec = ContentSpec(columns={"id": ["item_id"]})
    reading = SalesSpec(COLUMNS, market=market)
    found = sales_of_items(items, frames_reader(frame_parts(sales), reading), reading)
    history = read_history(found, check_items(items, spec), spec)
    content = content_of_items(history.ready, np.arange(len(items)), spec, seed=0)
    examples = past_examples(history.panel, horizon=2, until=history.panel.end)
    examples = replace(with_content(examples, history, content), new_level=5.0)
    head = SalesPathHead.fitted(examples.paths(), levels=(0.1, 0.5, 0.9))
    head.units = SalesUnits(rounding=[[0.5] * len(head.grid), [0.25] * len(head.grid)])
    members = {name: FORECAST_MEMBERS[name].tiny() for name in MEMBERS}
    for member in members.values():
        member.fit(examples, head=head, training=training_of(examples), seed=0)
    alike = dict.fromkeys(members, 1.0 / len(members))
    stretch = np.random.default_rng(1).uniform(0.5, 2.0, size=(len(STAGES), 3, len(head.grid)))
    model = ForecastModel(
        head,
        members=members,
        blend=StageBlend(dict.fromkeys(STAGES, alike)),
        calibration=PathCalibration(stretch, (0.9, 1.0, 1.2)),
        new_level=5.0,
        hot=HotRule(12.0),
    )
    trained = TrainedForecast(
        model,
        encoders=content.encoders,
        schema=content.schema,
        sales=COLUMNS,
        frequency=history.panel.frequency,
        info={"note": "old"},
    )
    return trained, examples


@pytest.fixture(scope="session")
def noted(
    every_member: tuple[TrainedForecast, Examples],
) -> Callable[[object], TrainedForecast]:
    """The same forecast, of one small member, with a note that tells it apart."""
    trained, _ = every_member
    one = {"classical": trained.model.members["classical"]}
    head = SalesPathHead(**trained.model.head.config)
    stages = [[0.5] * 3, [0.3] * 3, [0.1] * 3]
    head.units = SalesUnits("zero_inflated", dispersion=stages, zeros=stages)
    model = ForecastModel(
        head,
        members=one,
        blend=StageBlend({stage: {"classical": 1.0} for stage in STAGES}),
        calibration=trained.model.calibration,
        new_level=trained.model.new_level,
        hot=trained.model.hot,
    )
    return lambda note: replace(trained, model=model, info={"note": note})

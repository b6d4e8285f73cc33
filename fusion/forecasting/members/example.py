"""A made-up panel with content that members of a forecast are tested on."""

from collections.abc import Mapping

import numpy as np
import torch

from encoders.blocks import Block
from fusion.data.batch import ModelInputs
from fusion.data.panel.frequency import Frequency
from fusion.data.panel.panel import Panel, ragged
from fusion.forecasting.examples import Examples, past_examples
from fusion.members.view import View

START, N_PERIODS = 2800, 44
"""The first week and their number."""
HORIZON = 3
N_SERIES = 24


def example_panel(*, seed: int = 0, n_series: int = N_SERIES) -> Panel:
    """Weekly sales of some items that came one after the other, with a price known ahead.

    Units follow a level of the item, its promotions and the season; some are unknown.
    """
    rng = np.random.default_rng(seed)
    first = START + np.sort(rng.integers(0, N_PERIODS - 2, n_series))
    first[: n_series // 3] = START
    offsets, series = ragged(START + N_PERIODS - first)
    place = np.arange(len(series)) - offsets[series]
    period = first[series] + place
    price = np.where(rng.random(len(series)) < 0.2, 6.0, 9.0)
    level = np.exp(np.linspace(0.5, 3.0, n_series))[rng.permutation(n_series)]
    season = 1.0 + 0.3 * np.sin(period / 8.0)
    units = rng.poisson(level[series] * season * np.where(price < 8.0, 1.6, 1.0)).astype(np.float32)
    units[rng.random(len(series)) < 0.02] = np.nan
    return Panel(
        frequency=Frequency("week"),
        start=START,
        ids=tuple(f"item{row:02}" for row in range(n_series)),
        shops=None,
        first=first,
        offsets=offsets,
        units=units,
        given=np.ones(len(units), dtype=bool),
        reported=np.ones(N_PERIODS, dtype=bool),
        columns={
            "price": price.astype(np.float32),
            "visitors": rng.poisson(20.0, len(units)).astype(np.float32),
        },
        market={"index": rng.random(N_PERIODS).astype(np.float32)},
        known=frozenset({"price"}),
    )


def example_content(n_items: int = N_SERIES, *, seed: int = 0) -> View:
    """Vectors, numbers and a category of items; some lack some of them, and the last lacks all."""
    rng = np.random.default_rng(seed)
    present = {name: rng.random(n_items) < 0.8 for name in ("text", "numeric", "numeric.brand")}
    for mask in present.values():
        mask[-1] = False
    blocks: Mapping[str, Block] = {
        "text": Block("", "vectors", rng.normal(size=(n_items, 8)).astype(np.float32)),
        "numeric": Block("", "numbers", rng.normal(size=(n_items, 2)).astype(np.float32)),
        "numeric.brand": Block("brand", "category", rng.integers(1, 4, n_items), n_levels=4),
    }
    inputs = ModelInputs({"text": torch.from_numpy(present["text"])})
    return View(blocks, present, inputs, {})


def example_examples(*, seed: int = 0) -> Examples:
    """Every question about the example panel, with the content of its items."""
    from dataclasses import replace

    panel = example_panel(seed=seed)
    asked = past_examples(panel, horizon=HORIZON, until=panel.end)
    rows = np.arange(panel.n_series)
    return replace(asked, content=example_content(seed=seed), content_rows=rows, new_level=4.0)

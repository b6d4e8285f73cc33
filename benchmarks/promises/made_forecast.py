"""A made-up forecast with its backtest: no model, real tables and charts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from fusion.data.batch import ModelInputs
from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.infer import infer_schema
from fusion.data.panel.panel import Panel
from fusion.forecasting.asked import asked_examples
from fusion.forecasting.backtest.breakdown import Grouping, breakdown, example_groupings
from fusion.forecasting.backtest.forecasts import Actual, Forecasts
from fusion.forecasting.backtest.paired import paired_gains
from fusion.forecasting.backtest.result import FORECAST, BacktestResult
from fusion.forecasting.examples import STAGES, Examples, Floats, examples_at
from fusion.forecasting.history import History
from fusion.forecasting.ledger.choice import EntryState
from fusion.forecasting.ledger.score import LedgerScore
from fusion.forecasting.ledger.value_added import value_added
from fusion.forecasting.members.example import example_content, example_panel
from fusion.ready import ReadyItems
from fusion.report import BacktestReport, ForecastReport, ScoreReport
from heads.sales_distribution import LearnedSales

HORIZON, LEVELS = 4, (0.1, 0.5, 0.9)
KNOWN_STEPS = 3
"""Periods of the horizon that are over by now."""
SEED = 4
"""Of a panel with a new item and some young ones."""


def forecast_report(
    photos: Sequence[Path] = (), *, word: str = "", shops: bool = False
) -> ForecastReport:
    """A report with new, young and known items, a page of each kind, and a backtest.

    Args:
        photos: Photos of the items, from the first on.
        word: What stands in every text of somebody else; empty for texts that fit.
        shops: Whether items are sold in two shops.
    """
    history = _history(photos, word, shops)
    panel = history.panel
    asked = asked_examples(history, panel.end - KNOWN_STEPS, horizon=HORIZON)
    items = np.unique(np.array(panel.ids, dtype=object), return_inverse=True)[1]
    content = example_content(len(set(panel.ids)))
    rows = items.max() - items  # nothing is known of the last row, so of the oldest item
    asked = replace(asked, content=content, content_rows=rows, new_level=4.0)
    order = asked.windows.lengths.argsort(kind="stable")
    pages = dict.fromkeys(panel.ids[row] for row in order[[0, len(order) // 3, -1]].tolist())
    mean, points = _answers(asked)
    member = word or "trees"
    return ForecastReport(
        title=word or "Shop: the next 4 weeks",
        source=word or "items.csv and sales.csv",
        history=history,
        asked=asked,
        answers=LearnedSales(mean, points, LEVELS),
        levels=LEVELS,
        weights={stage: {member: 0.7, "analogues": 0.3} for stage in ("new", "young", "known")},
        backtest=made_backtest(panel, word=word),
        pages=tuple(pages),
        table=word or "forecast.csv",
        made_with={word or "product-fusion": word or "1.0"},
    )


def backtest_report() -> BacktestReport:
    """The backtest on a page of its own."""
    backtest = made_backtest(example_panel(seed=SEED))
    return BacktestReport("Shop", "items.csv and sales.csv", backtest, table="backtest.csv")


def score_report(*, word: str = "") -> ScoreReport:
    """Sealed forecasts of two dates beside a planner, and an entry that waits."""
    backtest = made_backtest(example_panel(seed=SEED), word=word)
    asked = backtest.examples
    days = asked.panel.frequency.first_day(np.unique(asked.as_of)).astype(str).tolist()
    states = [
        EntryState(place, f"{day}T09:30:00+00:00", day, place == 1, "scored")
        for place, day in enumerate(days, start=1)
    ]
    states.append(EntryState(3, "2026-01-31T09:30:00+00:00", days[-1], False, "waiting", word))
    entries = Grouping(
        "entry",
        tuple(f"{one.number} ({one.as_of})" for one in states[:2]),
        np.searchsorted(np.unique(asked.as_of), asked.as_of),
    )
    groupings = [entries, Grouping("life stage", STAGES, asked.stages())]
    backtest = replace(
        backtest, tables=breakdown(backtest.actual, backtest.forecasts, groupings), weights={}
    )
    planned = np.nan_to_num(backtest.actual.steps * 1.3, nan=1.0)
    added = value_added(
        backtest.actual,
        backtest.forecasts,
        planned,
        blocks=asked.windows.series,
        groupings=groupings,
    )
    score = LedgerScore("5e1f" * 16, tuple(states), backtest, added, (word or "One item waits.",))
    return ScoreReport(word or "Shop", word or "ledger and sales.csv", score, word or "score.csv")


def made_backtest(panel: Panel, *, word: str = "") -> BacktestResult:
    """Two dates, the forecast and two simple methods, of which the forecast is the best."""
    origins = np.repeat(panel.end - np.array([3 * HORIZON, HORIZON]), panel.n_series)
    series = np.tile(np.arange(panel.n_series), 2)
    there = panel.first[series] <= origins
    asked = examples_at(panel, series[there], origins[there], horizon=HORIZON)
    actual = Actual.of_examples(asked)
    sold = np.nan_to_num(actual.paths, nan=8.0)
    rival = word or "mean of last 8"
    forecasts = {
        name: _around(sold, error=error, seed=seed)
        for seed, (name, error) in enumerate({FORECAST: 0.2, rival: 0.6, "last value": 0.9}.items())
    }
    shops = Grouping(word or "category", ("dresses", word or "shoes"), asked.windows.series % 2)
    return BacktestResult(
        asked,
        actual,
        forecasts,
        breakdown(actual, forecasts, [*example_groupings(asked), shops]),
        paired_gains(actual, forecasts, blocks=asked.windows.series, reference=FORECAST),
        {word or "seasonal naive": word or "no item has a year of sales"},
        {},
    )


def _around(sold: Floats, *, error: float, seed: int) -> Forecasts:
    """Forecasts that are off by a share of what was sold."""
    noise = np.random.default_rng(seed).normal(1.0, error, sold.shape)
    median = sold * np.abs(noise)
    quantiles = median[..., None] * np.array([0.5, 1.0, 1.6])
    return Forecasts(median * 1.05, quantiles, LEVELS)


def _answers(asked: Examples) -> tuple[Floats, Floats]:
    """Means of steps, and quantiles of steps and window, of about the level of each item."""
    level = np.maximum(asked.levels(), 1.0)[:, None]
    growth = np.linspace(0.6, 1.6, len(asked))[:, None]
    steps = level * growth * np.linspace(1.0, 1.2, asked.horizon)
    median = np.concatenate([steps, steps.sum(axis=1, keepdims=True)], axis=1)
    return steps * 1.1, median[..., None] * np.array([0.5, 1.0, 1.7])


def _history(photos: Sequence[Path], word: str, shops: bool) -> History:
    panel = example_panel(seed=SEED)
    names = [f"{word or 'item'} {row:02}" for row in range(panel.n_series)]
    catalogue = _catalogue(names, photos, word)
    rows = np.arange(panel.n_series)
    if shops:
        rows = rows // 2
        kinds = [word or "north", f"{word or 'south'} 2"]
        panel = replace(panel, shops=tuple(kinds[row % 2] for row in range(panel.n_series)))
    panel = replace(panel, ids=tuple(names[row] for row in rows.tolist()))
    launches = np.full(panel.n_series, -1, dtype=np.int64)
    return History(ReadyItems(catalogue, {}, ModelInputs({})), rows, panel, launches)


def _catalogue(names: Sequence[str], photos: Sequence[Path], word: str) -> Catalogue:
    n, brand = len(names), word or "brand"
    frame = pd.DataFrame(
        {
            "item_id": list(names),
            "title": [word or f"Ember jumper with a very long collar {row}" for row in range(n)],
            "description": [word or "Clean seams and combed cotton. " * 3] * n,
            "photo": [*(path.name for path in photos[:n]), *[None] * (n - len(photos[:n]))],
            brand: [word or "Strickwaren- und Bekleidungswerke"] * n,
        }
    )
    given = {"id": ["item_id"], "text": ["title", "description"], "categorical": [brand]}
    folder = photos[0].parent if photos else None
    given["image"] = ["photo"] if photos else []
    schema = infer_schema(frame, photos=folder, given=given, source="items")
    return build_catalogue(frame, schema, photos=folder, source="items")

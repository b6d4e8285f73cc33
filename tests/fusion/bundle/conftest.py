"""Tiny bundles."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fusion import BundleError, ConfigError, FusionClassifier, FusionRegressor
from fusion.bundle.document import FORMAT

FROZEN = Path(__file__).parent / "frozen"
SMALL = {"width": 8, "depth": 1, "n_networks": 2, "projection_dim": 8}


@pytest.fixture(scope="session")
def some_items() -> Callable[[int], pd.DataFrame]:
    """Makes a table of items with a text, a number, a category and a date."""

    def make(n: int) -> pd.DataFrame:
        draw = np.random.default_rng(0).choice
        return pd.DataFrame(
            {
                "title": draw(["soft wool scarf", "thin belt", "leather belt, wide"], n),
                "cost": np.random.default_rng(1).uniform(5, 50, n),
                "brand": draw(["north", "south"], n),
                "launch": draw(["2024-01-02", "2024-06-05", "2025-02-03", "2025-09-30"], n),
            }
        )

    return make


@pytest.fixture(scope="session")
def small_model(some_items: Callable[[int], pd.DataFrame]) -> FusionRegressor:
    """A model of numbers, categories, dates and TF-IDF texts with three networks."""
    items = some_items(60)
    model = FusionRegressor(
        columns={"text": ["title"], "dates": ["launch"]},
        encoders={"text": "tfidf"},
        members=["network", "kernel", "trees"],
        strategy_options=SMALL,
        training={"epochs": 2, "folds": 3},
        random_state=1,
    )
    return model.fit(items, items["cost"].to_numpy() ** 2)


@pytest.fixture(scope="session")
def small_classifier(some_items: Callable[[int], pd.DataFrame]) -> FusionClassifier:
    """A classifier of a number and a category with one network."""
    items = some_items(60)[["cost", "brand"]]
    settings = {"training": {"epochs": 1, "folds": 1}, "strategy_options": SMALL}
    return FusionClassifier(**settings, random_state=1).fit(items, (items["cost"] > 20).to_numpy())


@pytest.fixture
def folder(small_model: FusionRegressor, tmp_path: Path) -> Path:
    """A bundle of the small model."""
    small_model.save(tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def every_member(tmp_path: Path) -> Path:
    """A bundle in which every member counts."""
    shutil.copytree(FROZEN / f"format_{FORMAT}" / "bundle", tmp_path / "every")
    return tmp_path / "every"


@pytest.fixture(scope="session")
def complaint_about(
    some_items: Callable[[int], pd.DataFrame],
) -> Callable[..., Callable[[Path], str | None]]:
    """Gives, for a kind of estimator, what tells what is wrong with what became of a bundle."""
    return lambda kind=FusionRegressor: partial(_complaint, kind, some_items(3))


def _complaint(kind: Any, items: pd.DataFrame, folder: Path) -> str | None:
    """What is wrong with what became of a bundle: nothing for a BundleError or answers."""
    try:
        model = kind.load(folder)
    except BundleError as error:
        return "a message without end" if len(str(error)) > 5000 else None
    rows = items.reindex(columns=list(model.bundle_.schema.all_columns)).astype(object)
    if model.bundle_.schema.id is not None:
        rows[model.bundle_.schema.id] = ["a", "b", "c"]
    try:
        table = model.set_params(on_bad_rows="absent", store=None).predict_table(rows)
    except (ConfigError, BundleError):
        return None  # a parameter of the estimator, which `set_params` changes; or of some rows
    wrong = len(table) != 3 or not np.isfinite(table[model._predictor().columns()]).all(axis=None)
    return f"answers {table.to_dict()}" if wrong else None

"""The sets that models are measured on: rows, target and split of each."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from babies_r_us import DROPPED
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split
from visuelle2_550 import SCHEMA, Launches
from womens_clothing import CATEGORIES, NUMBERS, TEXT, Reviews
from womens_clothing import TARGET as RECOMMENDED

from fusion.jobs.demo import demo_folder

Floats = NDArray[np.float64]
DEMO_TARGET = "units_next_8w"


@dataclass(frozen=True)
class Case:
    """Training and test rows of one set with one split.

    Args:
        name: Of the set.
        frame: All rows.
        target: `[n]`, in its own unit.
        training: Positions of the training rows.
        test: Positions of the test rows.
        options: Of the estimator.
    """

    name: str
    frame: pd.DataFrame
    target: Floats
    training: NDArray[np.int64]
    test: NDArray[np.int64]
    options: Mapping[str, Any]


def prices(data: Path, seed: int) -> Case:
    """babies_r_us, a random tenth held out: the published folds."""
    frame = pd.read_csv(data / "babies_r_us" / "babies_r_us.csv").drop(columns=DROPPED)
    target = frame.pop("price").to_numpy(dtype=np.float64)
    rows = np.arange(len(frame))
    split = train_test_split(rows, test_size=int(len(rows) * 0.1), random_state=42 + seed)
    return Case("babies_r_us", frame, target, *split, {})


def launches(data: Path, seed: int) -> Case:
    """visuelle2_550, split by season, whatever the seed."""
    del seed
    made = Launches(data / "visuelle2_550", store=Path(), training={})
    frame = pd.concat([made.training, made.test], ignore_index=True)
    target = np.concatenate([made.units_training, made.units_test])
    columns = {role: list(SCHEMA.columns_of(role)) for role in ("text", "image", "categorical")}
    options = {"photos": made.photos, "encoders": made.options["encoders"], "columns": columns}
    rows = np.split(np.arange(len(frame)), [len(made.training)])
    return Case("visuelle2_550", frame, target, *rows, options)


def mixed_launches(data: Path, seed: int) -> Case:
    """visuelle2_550, a random fifth held out: launches of a later season are not like these."""
    case = launches(data, seed)
    return _drawn(case.name, case.frame, case.target, seed=seed, options=case.options)


def demo_items(data: Path, seed: int) -> Case:
    """The demo catalogue, a random fifth held out."""
    del data
    folder = demo_folder()
    frame = pd.read_csv(folder / "items.csv").dropna(subset=[DEMO_TARGET], ignore_index=True)
    target = frame.pop(DEMO_TARGET).to_numpy(dtype=np.float64)
    columns = tomllib.loads((folder / "train.toml").read_text())["data"]["columns"]
    options = {"photos": folder / "photos", "on_bad_rows": "absent", "columns": columns}
    return _drawn("demo_data", frame, target, seed=seed, options=options)


def reviews(data: Path, seed: int) -> Case:
    """womens_clothing, published split: probabilities."""
    made = Reviews(data / "womens_clothing", limit=None)
    frame = made.frame[[*TEXT, *NUMBERS, *CATEGORIES]]
    target = made.frame[RECOMMENDED].to_numpy(dtype=np.float64)
    return Case("womens_clothing", frame, target, made.known, made.test, {})


def _drawn(
    name: str, frame: pd.DataFrame, target: Floats, *, seed: int, options: Mapping[str, Any]
) -> Case:
    training, test = train_test_split(np.arange(len(frame)), test_size=0.2, random_state=seed)
    return Case(name, frame, target, training, test, options)

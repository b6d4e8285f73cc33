"""Missing modalities: any subset may be missing in any row; the answer is finite and says so."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.promises.base import Outcome, Promise, Settings
from fusion import FusionClassifier, FusionRegressor

COLUMNS = {
    "text": ["title"],
    "image": ["photo"],
    "numeric": ["price", "brand", "launch"],
    "history": ["units_last_4w", "units_last_8w"],
}
ROWS = 40
ASKED = 64


def subsets() -> list[tuple[str, ...]]:
    """Every set of modalities that may be missing, none and all among them."""
    return [some for size in range(len(COLUMNS) + 1) for some in combinations(COLUMNS, size)]


def shop(folder: Path) -> pd.DataFrame:
    """Items with everything; photos are drawn."""
    draw = np.random.default_rng(0)
    for number in range(8):
        Image.new("RGB", (24, 24), (30 * number, 90, 90)).save(folder / f"{number}.png")
    return pd.DataFrame(
        {
            "title": draw.choice(["red wool coat", "blue hat", "long green dress"], ROWS),
            "photo": [f"{number % 8}.png" for number in range(ROWS)],
            "price": draw.uniform(5, 50, ROWS),
            "brand": draw.choice(["north", "south"], ROWS),
            "launch": [f"2024-0{1 + number % 9}-01" for number in range(ROWS)],
            "units_last_4w": draw.poisson(5, ROWS).astype(float),
            "units_last_8w": draw.poisson(9, ROWS).astype(float),
        }
    )


def models(folder: Path) -> dict[str, Any]:
    """Every strategy under a trained head, the linear head, and the classifier."""
    options: dict[str, Any] = {
        "photos": folder,
        "columns": {
            "text": ["title"],
            "image": ["photo"],
            "numeric": ["price"],
            "categorical": ["brand"],
            "dates": ["launch"],
            "history": COLUMNS["history"],
        },
        "encoders": {"text": "tfidf", "image": "colour_texture"},
        "random_state": 0,
    }
    small: dict[str, Any] = {
        "training": {"epochs": 2, "folds": 2},
        "strategy_options": {"n_networks": 1, "width": 8},
    }
    found: dict[str, Any] = {"linear head": FusionRegressor(head="linear", **options)}
    for name in ("concat", "gated"):
        found[f"{name}, units"] = FusionRegressor(
            head="sales_volume", strategy=name, **small, **options
        )
    return found | {"classifier": FusionClassifier(**small, **options)}


def run(settings: Settings) -> Outcome:
    """Each subset of each model, all subsets in one table."""
    outcome = Outcome()
    frame = shop(settings.folder)
    draw = np.random.default_rng(1)
    units = draw.poisson(6, ROWS)
    for name, model in settings.some(list(models(settings.folder).items())):
        model.fit(frame, np.where(units > 5, "hot", "cold") if name == "classifier" else units)
        missing = [subsets()[row % len(subsets())] for row in range(settings.n(ASKED, least=16))]
        asked = frame.iloc[draw.integers(0, ROWS, len(missing))].reset_index(drop=True)
        asked = asked.astype(object)
        for row, some in enumerate(missing):
            asked.loc[row, [column for part in some for column in COLUMNS[part]]] = None
        table = model.predict_table(asked)
        for row, some in enumerate(missing):
            outcome.case(f"{name}, without {'+'.join(some)}", _broken(table, row, set(some)))
    return outcome


def _broken(table: pd.DataFrame, row: int, missing: set[str]) -> str:
    answers = table.drop(columns=["id", "present", "error"]).select_dtypes("number")
    wanted = set(COLUMNS) - missing
    present = {name for name in table["present"][row].split("+") if name}
    if table["error"][row]:
        return f"the row is refused: {table['error'][row]}"
    if present != wanted:
        return f"present must be {sorted(wanted)}, got {sorted(present)}"
    finite = np.isfinite(answers.iloc[row].to_numpy(dtype=float)).all()
    return "" if finite else f"the answer is not finite: {answers.iloc[row].to_dict()}"


PROMISE = Promise("any subset of modalities missing: finite answers, presence recorded", run)

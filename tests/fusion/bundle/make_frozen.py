"""Makes the frozen bundle of the format that is written now, once: `python make_frozen.py`.

A model that somebody has trained must answer the same after an update. So each format keeps one
small bundle here, with every member and what it answered, and `test_frozen.py` asks it again. It is
never made anew: where the test fails, what has changed is at fault.
"""

import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd

from fusion import FusionRegressor, load_bundle
from fusion.bundle.document import FORMAT
from fusion.members import MEMBERS
from fusion.predictor import Predictor
from fusion.stack import Stack

FROZEN = Path(__file__).parent / "frozen"
TITLES = ["soft wool scarf", "thin belt", "leather belt, wide", "red scarf"]


def items(n_items: int) -> pd.DataFrame:
    """Items with a text, a number, a category and a date; what they cost is what they sell for."""
    draw = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [f"a{item}" for item in range(n_items)],
            "title": draw.choice(TITLES, n_items),
            "size": draw.integers(1, 9, n_items).astype(float),
            "brand": draw.choice(["north", "south"], n_items),
            "launch": draw.choice(["2024-01-02", "2024-06-05", "2025-02-03"], n_items),
        }
    )


def asked() -> pd.DataFrame:
    """Items to ask about: known ones, one of a new brand, one without a text, one without all."""
    known = items(4).astype(object)
    known.loc[4] = ["b0", "wool hat", 3.0, "west", "2025-03-04"]
    known.loc[5] = ["b1", None, 12.0, "north", None]
    known.loc[6] = ["b2", "red scarf", None, None, None]
    known.loc[7] = ["b3", None, None, None, None]
    return known


def equal_stack(heads: Any, training: Any, raws: Any, **about: Any) -> Any:
    """All members count alike, so that each of them is asked."""
    stack = Stack({name: dict.fromkeys(raws, 1.0 / len(raws)) for name in heads})
    return stack, stack.blend(raws, about["knows"], about["is_new"])


def main() -> None:
    """Trains, saves and asks.

    Raises:
        FileExistsError: If the format has its bundle.
    """
    folder = FROZEN / f"format_{FORMAT}"
    folder.mkdir(parents=True)
    table = items(48)
    target = 3.0 * table["size"] + table["title"].str.len() + 5.0 * (table["brand"] == "north")
    tfidf = {"name": "tfidf", "embedding_dim": 4, "min_count": 20}
    model = FusionRegressor(
        columns={"id": ["id"], "text": ["title"], "numeric": ["size"], "dates": ["launch"]},
        encoders={"text": tfidf, "row_text": tfidf},
        members=list(MEMBERS),
        strategy_options={"width": 4, "depth": 1, "n_networks": 1, "projection_dim": 4},
        training={"epochs": 2, "folds": 2},
        random_state=0,
    )
    with patch("fusion.fitting.fit.fit_stack", equal_stack):
        model.fit(table, target)
    model.save(folder / "bundle")
    (folder / "items.json").write_text(asked().to_json(orient="records", indent=1) + "\n")
    answers = Predictor(load_bundle(folder / "bundle")).predict(asked())
    told = answers.drop(columns=["present", "error"]).set_index("id").to_dict("index")
    (folder / "answers.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Where no column names the items, a row has one number in all that a training writes."""

import numpy as np
import pandas as pd

from fusion import load_bundle
from fusion.jobs.config import TrainConfig
from fusion.jobs.train import train


def test_items_without_ids_keep_the_row_number_of_their_table(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"price": draw.uniform(1, 9, 40)})
    frame["units"] = np.arange(40)  # so that the target tells the row
    frame.to_csv(tmp_path / "items.csv", index=False)
    config = TrainConfig.from_dict(
        {
            "data": {"items": str(tmp_path / "items.csv")},
            "heads": [{"head": "regression", "target": "units"}],
            "training": {"epochs": 1, "folds": 1},
            "model": {"options": {"width": 8, "n_members": 1}},
            "evaluation": {"modalities": False},
        }
    )
    train(config, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "test_predictions.csv")
    assert (table["id"] == table["actual_units"]).all()
    learned = {int(name) for name in load_bundle(tmp_path / "out" / "bundle").reference_ids}
    assert learned == set(range(40)) - set(table["id"])

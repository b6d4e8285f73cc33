"""What a training writes of rows and columns: numbers of rows without ids, forms of cells."""

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


def test_a_report_shows_the_form_of_each_column_and_names_the_target(tmp_path):
    prices = [f"{row // 2},{row % 2}5" for row in range(40)]
    frame = pd.DataFrame({"price": prices, "units": range(40)})
    frame.to_csv(tmp_path / "items.csv", sep=";", index=False)
    config = TrainConfig.from_dict(
        {
            "data": {"items": str(tmp_path / "items.csv")},
            "heads": [{"head": "linear", "target": "units"}],
            "evaluation": {"modalities": False},
        }
    )
    train(config, tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert "numeric, written as 1234,5" in page
    assert "<dt><bdi>units</bdi></dt><dd>the target</dd>" in page

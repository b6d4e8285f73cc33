"""What a training writes of rows and columns: numbers of rows without ids, forms of cells."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fusion import FusionRegressor, load_bundle, read_table
from fusion.choices.encoders import EncoderChoices
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.source import ItemSource
from fusion.jobs.predict import predict
from fusion.jobs.train import train
from fusion.shards import DataPaths, InProcessEngine, JobSettings, embed_catalogue


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
            "model": {"options": {"width": 8, "n_networks": 1}},
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


FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-A12", "@home", "\t8", "=HYPERLINK(A1)"]


@pytest.mark.parametrize("name", ["out.csv", "out.parquet"])
def test_ids_of_predictions_join_back_though_a_spreadsheet_would_run_them(tmp_path, name):
    frame = pd.DataFrame({"item_id": FORMULAS, "price": np.arange(1.0, 7.0)})
    frame.to_csv(tmp_path / "items.csv", index=False)
    items = read_table(tmp_path / "items.csv")
    model = FusionRegressor(head="linear", columns={"numeric": ["price"]}).fit(
        items, np.arange(6.0)
    )
    model.save(tmp_path / "bundle")
    predict(tmp_path / "bundle", ItemSource(tmp_path / "items.csv"), tmp_path / name)
    assert read_table(tmp_path / name)["id"].tolist() == items["item_id"].tolist() == FORMULAS


def test_ids_of_embeddings_and_error_records_join_back_though_a_spreadsheet_would_run_them(
    tmp_path,
):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    photos = ["a.png", "gone.png"] * 3
    frame = pd.DataFrame({"item_id": FORMULAS, "photo": photos})
    frame.to_csv(tmp_path / "items.csv", index=False)
    asked = JobSettings(encoders=EncoderChoices({"image": "colour_texture"}))
    paths = DataPaths(tmp_path / "items.csv", tmp_path)
    embed_catalogue(paths, tmp_path / "out", asked, engine=InProcessEngine())
    for kind, ids in {"embeddings": FORMULAS[::2], "errors": FORMULAS[1::2]}.items():
        assert pd.read_parquet(tmp_path / "out" / kind)["id"].tolist() == ids

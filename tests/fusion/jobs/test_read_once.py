"""A training reads its tables, its cells and its photos once, however many models it trains."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fusion.data.readers
from fusion.data.cells import read_cells
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.items import labelled_items
from fusion.jobs.train import build_experiment, train
from fusion.predictor import Predictor

N = 40
WORDS = ["red wool", "blue silk", "green cotton", "grey linen"]


@pytest.fixture
def config(tmp_path):
    """Items with titles, photos, numbers and categories."""
    random = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for row, pixels in enumerate(random.integers(0, 256, (N, 12, 12, 3), dtype=np.uint8)):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{row}.png")
    frame = pd.DataFrame(
        {
            "item_id": [f"A{row}" for row in range(N)],
            "title": [
                f"{random.choice(WORDS)} coat with {row * 7919} stitches" for row in range(N)
            ],
            "brand": random.choice(["north", "south"], N),
            "photo": [f"{row}.png" for row in range(N)],
            "weight": random.uniform(1, 9, N).round(2),
            "units": random.integers(1, 60, N),
        }
    )
    frame.to_csv(tmp_path / "items.csv", index=False)
    return TrainConfig.from_dict(
        {
            "data": {"items": "items.csv", "photos": "photos", "columns": {"text": ["title"]}},
            "heads": [{"head": "linear", "target": "units"}],
            "encoders": {"text": "tfidf", "image": "colour_texture"},
        },
        base=tmp_path,
    )


@pytest.fixture
def opened(monkeypatch):
    """How often each file was opened."""
    counts = Counter()
    by_number, by_path = os.open, Path.open

    def number_of(path, *arguments, **options):
        counts[Path(path).name] += 1
        return by_number(path, *arguments, **options)

    def file_of(path, *arguments, **options):
        counts[path.name] += 1
        return by_path(path, *arguments, **options)

    monkeypatch.setattr(os, "open", number_of)
    monkeypatch.setattr(Path, "open", file_of)
    return counts


def test_photos_and_cells_are_read_once_for_all_models(config, tmp_path, opened, monkeypatch):
    n_cells = Counter()

    def counted(column, read):
        n_cells[column.name] += len(column)
        return read_cells(column, read)

    monkeypatch.setattr(fusion.data.readers, "read_cells", counted)
    result = train(config, tmp_path / "out")
    kinds = {score.kind for score in result.evaluations["linear"].scores}
    assert {"alone", "without"} <= kinds  # photos are in four of the models
    photos = [opened[f"{row}.png"] for row in range(N)]
    # One look embeds them, one finds near-duplicates, one shows some on the page.
    assert min(photos) == 2 and max(photos) <= 3
    assert opened["items.csv"] == 1
    # Photo names are read once; texts once more for the row text of each set of modalities.
    assert n_cells["photo"] == N


def test_ready_rows_are_answered_as_new_items_are(config, tmp_path):
    items = labelled_items(config, store=None)
    experiment = build_experiment(config, items, folder=tmp_path / "out")
    others = dict.fromkeys(("text", "image", "dates", "history", "row_text"), ())
    table = {"numeric": ["weight"], "categorical": ["brand"]}
    for one in (experiment, experiment.narrowed({**others, **table})):
        bundle = one.fit().bundle
        rows = one.split.test
        frame = items.catalogue.frame.iloc[rows].reset_index(drop=True)
        asked = Predictor(bundle, photos=config.data.photos).predict(frame)
        pd.testing.assert_frame_equal(one.predict(bundle), asked)
        assert bundle.reference_ids == [items.catalogue.ids[row] for row in one.known]


def test_a_narrower_row_text_holds_no_column_that_was_left_out(config, tmp_path):
    experiment = build_experiment(config, labelled_items(config, store=None), folder=tmp_path)
    whole = experiment.catalogue
    assert set(whole.schema.columns_of("row_text")) == {"title", "brand", "weight"}
    roles = ("image", "numeric", "categorical", "dates", "history")
    narrow = experiment.narrowed(
        {**dict.fromkeys(roles, ()), "text": ["title"], "row_text": ["title"]}
    )
    assert set(narrow.catalogue.values) == {"text", "row_text"}
    assert narrow.ready.encoders == {} and narrow.ready.inputs.embeddings == {}
    assert narrow.catalogue.values["row_text"][0] == f"title: {whole.frame['title'][0]}"


def test_a_modality_is_left_out_whole(config, tmp_path):
    experiment = build_experiment(config, labelled_items(config, store=None), folder=tmp_path)
    roles = ("text", "image", "dates", "history", "categorical", "row_text")
    with pytest.raises(ValueError, match="columns of numeric must be those of the catalogue"):
        experiment.narrowed({**dict.fromkeys(roles, ()), "numeric": ["weight"]})

from types import SimpleNamespace

import numpy as np
import pandas as pd

from fusion.data import Schema
from fusion.jobs.config import SplitSection, TrainConfig
from fusion.jobs.items import labelled_items
from fusion.jobs.train import build_experiment, split_rows

FRAME = pd.DataFrame(
    {
        "brand": np.repeat([f"b{i}" for i in range(20)], 5),
        "launch": pd.date_range("2025-01-01", periods=100).astype(str),
    }
)


def split(n_folds=4, **section):
    items = SimpleNamespace(frame=FRAME, catalogue=SimpleNamespace(values={}, schema=Schema()))
    return split_rows(SplitSection(**section), items, n_folds=n_folds, seed=0)


def test_folds_take_turns_so_no_row_is_kept_aside_for_validation():
    rows, validation = split()
    assert len(rows.validation) == 0 and len(rows.train) == 80
    assert validation.rows is None and len(validation.groups) == 100


def test_groups_stay_on_one_side_and_in_one_fold():
    rows, validation = split(kind="group", column="brand")
    brands = FRAME["brand"].to_numpy()
    assert not set(brands[rows.train]) & set(brands[rows.test])
    assert pd.Series(validation.groups).groupby(brands).nunique().eq(1).all()


def test_a_split_by_date_stops_by_the_latest_known_rows():
    rows, validation = split(kind="date", column="launch", validation=0.1)
    assert validation.rows.tolist() == rows.validation.tolist() == list(range(70, 80))
    assert rows.test.min() == 80


def test_a_single_network_has_validation_rows_of_its_own():
    rows, validation = split(n_folds=1, validation=0.2)
    assert len(rows.validation) == 20
    assert validation.rows.tolist() == rows.validation.tolist()


def test_the_share_of_stopping_rows_is_the_configured_one_for_tuning_too(tmp_path):
    """`tuning.folds = 1` beside several training folds draws its own stopping rows."""
    table = pd.DataFrame({"title": [f"coat {row}" for row in range(20)], "units": range(20)})
    table.to_csv(tmp_path / "items.csv", index=False)
    config = TrainConfig.from_dict(
        {
            "data": {"items": str(tmp_path / "items.csv"), "text": ["title"]},
            "heads": [{"head": "regression", "target": "units"}],
            "encoders": {"text": "tfidf"},
            "tuning": {"folds": 1},
            "split": {"validation": 0.3},
        }
    )
    items = labelled_items(config, store=None)
    assert build_experiment(config, items, folder=tmp_path).recipe.validation_fraction == 0.3

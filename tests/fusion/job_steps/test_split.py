from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fusion.data import Schema
from fusion.errors import CatalogueError
from fusion.job_steps.config import SplitSection, TrainConfig
from fusion.job_steps.items import labelled_items
from fusion.job_steps.split import row_groups, split_rows
from fusion.jobs.train import build_experiment

FRAME = pd.DataFrame(
    {
        "brand": np.repeat([f"b{i}" for i in range(20)], 5),
        "launch": pd.date_range("2025-01-01", periods=100).astype(str),
    }
)


def split(n_folds=4, **section):
    section = SplitSection(**section)
    groups = row_groups(section, catalogue_of())
    return split_rows(section, catalogue_of(), groups=groups, n_folds=n_folds, seed=0)


def catalogue_of(**values):
    return SimpleNamespace(frame=FRAME, values=values, schema=Schema())


def test_folds_take_turns_so_no_row_is_kept_aside_for_validation():
    rows, options = split()
    assert len(rows.validation) == 0 and len(rows.train) == 80
    assert options.validation is None and len(options.groups) == 100


def test_groups_stay_on_one_side_and_in_one_fold():
    rows, options = split(kind="group", column="brand")
    brands = FRAME["brand"].to_numpy()
    assert not set(brands[rows.train]) & set(brands[rows.test])
    assert pd.Series(options.groups).groupby(brands).nunique().eq(1).all()


def test_a_split_by_date_stops_by_the_latest_known_rows():
    rows, options = split(kind="date", column="launch", validation=0.1)
    assert options.validation.tolist() == rows.validation.tolist() == list(range(70, 80))
    assert rows.test.min() == 80


def test_a_single_network_has_validation_rows_of_its_own():
    rows, options = split(n_folds=1, validation=0.2)
    assert len(rows.validation) == 20
    assert options.validation.tolist() == rows.validation.tolist()


def test_the_share_of_stopping_rows_is_the_configured_one_for_tuning_too(tmp_path):
    """`tuning.folds = 1` beside several training folds draws its own stopping rows."""
    table = pd.DataFrame({"title": [f"coat {row}" for row in range(20)], "units": range(20)})
    table.to_csv(tmp_path / "items.csv", index=False)
    config = TrainConfig.from_dict(
        {
            "data": {"items": str(tmp_path / "items.csv"), "columns": {"text": ["title"]}},
            "heads": [{"head": "regression", "target": "units"}],
            "encoders": {"text": "tfidf"},
            "tuning": {"mode": "none", "folds": 1},
            "split": {"validation": 0.3},
        }
    )
    items = labelled_items(config, store=None)
    assert build_experiment(config, items, folder=tmp_path).spec.validation_fraction == 0.3


def dated_items(folder, *, launch, on_bad_rows="raise"):
    """Items of a configuration that splits by `launch`, 20 of them and 2 whose date is wrong."""
    lines = [f"{day},{row}.5,{row % 7}" for row, day in enumerate(launch)]
    (folder / "items.csv").write_text("\n".join(["launch,price,weight", *lines]))
    values = {
        "data": {"items": "items.csv", "exclude": ["launch"], "on_bad_rows": on_bad_rows},
        "heads": [{"head": "linear", "target": "price"}],
        "split": {"kind": "date", "column": "launch"},
    }
    return labelled_items(TrainConfig.from_dict(values, base=folder), store=None)


def test_day_first_dates_split_by_time_and_not_by_month(tmp_path):
    days = pd.date_range("2025-01-20", periods=40)
    items = dated_items(tmp_path, launch=days.strftime("%d.%m.%Y"))
    section = SplitSection(kind="date", column="launch")
    groups = np.arange(40)
    rows, _ = split_rows(section, items.catalogue, groups=groups, n_folds=4, seed=0)
    assert days[rows.train].max() < days[rows.validation].min() < days[rows.test].min()


def test_a_wrong_date_of_the_split_is_a_problem_with_row_and_value(tmp_path):
    launch = [*pd.date_range("2025-01-20", periods=20).strftime("%Y-%m-%d"), "soon", ""]
    with pytest.raises(CatalogueError) as caught:
        dated_items(tmp_path, launch=launch)
    for part in (
        "row 21 (id 20), column launch: must be a date",
        "got 'soon'",
        "row 22",
        "got none",
    ):
        assert part in str(caught.value)
    items = dated_items(tmp_path, launch=launch, on_bad_rows="absent")
    assert list(items.dropped) == [20, 21]
    with pytest.raises(CatalogueError, match="cannot be told apart"):
        dated_items(tmp_path, launch=[f"0{1 + row % 9}/05/2024" for row in range(20)])


def test_near_duplicates_are_one_group_whatever_the_split():
    texts = [f"{pair * 7919:x} {pair * 104729:x}" for pair in np.arange(100) // 2]
    for section in (SplitSection(), SplitSection(kind="date", column="launch")):
        groups = row_groups(section, catalogue_of(text=texts))
        assert 20 < len(np.unique(groups)) <= 50 and (groups[::2] == groups[1::2]).all()
    brands = row_groups(SplitSection(kind="group", column="brand"), catalogue_of(text=texts))
    assert len(np.unique(brands)) == 20

"""Questions of one training are told apart, in the configuration and in every table."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from fusion import ConfigError
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.head_sections import head_choices
from fusion.jobs.train import train


def config(*heads, **sections):
    return TrainConfig.from_dict({"data": {"items": "items.csv"}, "heads": list(heads), **sections})


def head(kind, target="units", **more):
    return {"head": kind, "target": target, **more}


HOT = [head("hot_item", options={"quantile": quantile}) for quantile in (0.5, 0.75)]


@pytest.mark.parametrize(
    ("heads", "names"),
    [
        ([head("hot_item"), head("regression")], ["hot_item", "regression"]),
        ([head("hot_item"), head("hot_item", "reads")], ["hot_item_units", "hot_item_reads"]),
        (HOT, ["hot_item_0_5", "hot_item_0_75"]),
        ([head("hot_item"), HOT[1]], ["hot_item", "hot_item_0_75"]),
        (
            [*HOT, head("hot_item", "reads")],
            ["hot_item_units_0_5", "hot_item_units_0_75", "hot_item_reads"],
        ),
        ([HOT[0] | {"name": "half"}, HOT[1]], ["half", "hot_item"]),
    ],
)
def test_heads_are_named_by_what_tells_them_apart(heads, names):
    assert list(head_choices(config(*heads).heads)) == names


@pytest.mark.parametrize(
    "heads", [[HOT[0], HOT[0]], [HOT[0] | {"name": "a"}, head("regression", name="a")]]
)
def test_heads_that_cannot_be_told_apart_are_refused(heads):
    with pytest.raises(ConfigError, match="heads: names must differ, got"):
        config(*heads)


def test_two_hot_items_on_one_target_are_both_trained_measured_and_written(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"price": draw.uniform(1, 9, 60), "weight": draw.uniform(1, 9, 60)})
    frame["units"] = (10 * frame["price"]).round()
    frame.to_csv(tmp_path / "items.csv", index=False)
    settings = config(
        *HOT,
        training={"epochs": 1, "folds": 1},
        model={"options": {"width": 8, "n_networks": 1}},
        evaluation={"modalities": False},
    )
    settings.data.items = tmp_path / "items.csv"
    result = train(settings, tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert list(result.evaluations) == list(metrics) == ["hot_item_0_5", "hot_item_0_75"]
    half, quarter = (found["scores"][0]["metrics"]["prevalence"] for found in metrics.values())
    assert half > quarter
    table = pd.read_csv(tmp_path / "out" / "test_predictions.csv")
    columns = ["hot_item_0_5_hot_probability", "hot_item_0_75_hot_probability"]
    assert [name for name in table if "probability" in name] == columns
    assert not table[columns[0]].equals(table[columns[1]])


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("price", 'price stands under [sales]: price = "NAME".'),
        ("units", 'units stands under [sales]: units = "NAME".'),
        ("known", 'known stands under [sales]: known = ["NAME"].'),
        ("market", 'market stands under [sales]: market = "FILE".'),
        ("frequency", 'frequency stands under [sales]: frequency = "week".'),
        ("as_of", 'as_of stands under [sales]: as_of = "2024-01-31".'),
        ("duckdb", "duckdb stands under [sales]: duckdb = true."),
        ("text", 'Roles of columns stand under [data.columns]: text = ["NAME"].'),
    ],
)
def test_a_key_under_data_that_belongs_elsewhere_is_told_where(key, place):
    with pytest.raises(ConfigError, match=re.escape(f"data.{key}: key must be one of")) as error:
        TrainConfig.from_dict({"data": {"items": "a.csv", key: "x"}, "heads": [head("regression")]})
    assert place in str(error.value) and "Did you mean" not in str(error.value)

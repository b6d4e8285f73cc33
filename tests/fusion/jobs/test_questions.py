"""Labels, quantiles and several target columns, from the table to what people and programs get."""

import json
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fusion import CatalogueError, ConfigError
from fusion.bundle import load_bundle
from fusion.job_steps.config import TrainConfig
from fusion.job_steps.source import ItemSource
from fusion.jobs.evaluate import evaluate
from fusion.jobs.predict import predict
from fusion.jobs.similar import similar
from fusion.jobs.train import train
from heads import HEADS

N = 90
LABELS = ("down", "flat", "up")


def items() -> pd.DataFrame:
    random = np.random.default_rng(0)
    price = random.uniform(5, 50, N).round(2)
    units = (100 - 2 * price + random.normal(0, 5, N)).clip(min=0).round()
    return pd.DataFrame(
        {
            "item_id": [f"A{row}" for row in range(N)],
            "price": price,
            "size": random.integers(1, 9, N),
            "trend": np.array(LABELS)[np.digitize(units, np.quantile(units, [1 / 3, 2 / 3]))],
            "week_1": units,
            "week_2": (units * 1.5).round(),
        }
    )


HEADS_ASKED = [
    {"head": "multiclass", "target": "trend"},
    {"head": "quantiles", "target": "week_1", "options": {"levels": [0.25, 0.5, 0.75]}},
    {"head": "steps", "target": ["week_1", "week_2"], "name": "weeks"},
]


def config(folder, frame, heads=HEADS_ASKED):
    frame.to_csv(folder / "items.csv", index=False)
    return TrainConfig.from_dict(
        {
            "data": {"items": str(folder / "items.csv")},
            "heads": list(heads),
            "training": {"epochs": 2, "folds": 1},
            "evaluation": {"modalities": False},
        }
    )


@pytest.fixture(scope="module")
def registered(steps_head):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HEADS, "steps", steps_head)
        yield


@pytest.fixture(scope="module")
def job(tmp_path_factory, registered):
    folder = tmp_path_factory.mktemp("job")
    frame = items()
    frame.loc[[3, 4], "trend"] = None
    return train(config(folder, frame), folder / "out")


def test_every_question_is_measured_against_the_simple_methods(job):
    found = json.loads((job.folder / "metrics.json").read_text())
    assert {name: each["primary_metric"] for name, each in found.items()} == {
        "multiclass": "log_loss",
        "quantiles": "pinball",
        "weeks": "wape",
    }
    for each in found.values():
        names = {score["name"] for score in each["scores"]}
        assert {"fusion", "median", "nearest neighbours", "numbers only (boosted trees)"} <= names
        assert all(np.isfinite(score["low"]) for score in each["scores"][1:])
    assert found["weeks"]["target"] == "week_1 to week_2"
    assert any("trend: " in note and "have no target" in note for note in job.notes)


def test_classes_are_written_as_labels_beside_what_came(job):
    table = pd.read_csv(job.folder / "test_predictions.csv")
    chances = table[[f"probability_{label}" for label in LABELS]]
    told = np.array(LABELS)[chances.to_numpy().argmax(axis=1)]
    assert table["predicted_class"].tolist() == told.tolist()
    assert set(table["actual_trend"].dropna()) <= set(LABELS)
    assert (table["prediction_p25"] <= table["prediction_p75"]).all()
    assert {"prediction_step_1", "prediction_step_2"} <= set(table.columns)


def test_the_report_shows_each_kind_of_question(job):
    page = job.report.read_text()
    for text in ("Which trend?", "Which class is taken for which?", "Do the ranges hold?"):
        assert text in page
    rows = re.search(r'<table class="plain steps".*?</table>', page, re.DOTALL)[0]
    assert rows.count('role="rowheader"') == 2 and "week 2" in rows


def test_a_saved_model_knows_its_labels_and_steps(job, registered):
    bundle = load_bundle(job.bundle)
    assert bundle.target_labels == {"trend": LABELS}
    assert bundle.targets["weeks"] == ("week_1", "week_2")
    assert set(bundle.reference_targets) == {"trend", "week_1", "week_2"}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_of_predictions_holds_labels(job, suffix, registered, tmp_path):
    frame = items().drop(columns=["trend", "week_1", "week_2"])
    frame.to_csv(tmp_path / "new.csv", index=False)
    out, page = tmp_path / f"out{suffix}", tmp_path / "page.html"
    predict(job.bundle, ItemSource(items=tmp_path / "new.csv"), out, page=page)
    table = pd.read_csv(out) if suffix == ".csv" else pq.read_table(out).to_pandas()
    assert set(table["predicted_class"]) <= set(LABELS)
    text = page.read_text()
    assert "the surest class first" in text
    chance = table[[f"probability_{label}" for label in LABELS]].max(axis=1)
    surest = table.iloc[chance.argmax()]
    first = re.search(r'<td role="cell" class="answered">.*?</span>(.*?)</td>', text)[1]
    assert f">{surest['predicted_class']} (" in first


def test_similar_items_are_told_by_their_labels_and_steps(job, registered, tmp_path):
    items().drop(columns="trend").to_csv(tmp_path / "new.csv", index=False)
    found = similar(job.bundle, ItemSource(items=tmp_path / "new.csv"), k=1)
    assert set(found.table["actual_trend"].dropna()) <= set(LABELS)
    assert found.table["actual_week_2"].notna().all()


def test_a_model_is_measured_on_labels_it_knows_and_refuses_others(job, registered, tmp_path):
    frame = items()
    frame.to_csv(tmp_path / "known.csv", index=False)
    metrics = evaluate(job.bundle, ItemSource(items=tmp_path / "known.csv"))
    assert metrics["multiclass"]["n_rows"] == metrics["weeks"]["n_rows"] == N
    frame.loc[[5, 9], "trend"] = "sideways"
    frame.to_csv(tmp_path / "new.csv", index=False)
    told = "(?s)row 6.*must be one of down, flat, up, got 'sideways'.*row 10"
    with pytest.raises(CatalogueError, match=told):
        evaluate(job.bundle, ItemSource(items=tmp_path / "new.csv"))


def test_labels_that_cannot_be_learned_from_are_refused_before_the_work(
    registered, tmp_path, monkeypatch
):
    monkeypatch.setattr("fusion.job_steps.items.usable_items", None)  # the work would begin there
    one = HEADS_ASKED[:1]
    frame = items()
    with pytest.raises(ConfigError, match="trend must hold at least two labels, got 1"):
        train(config(tmp_path, frame.assign(trend="up"), one), tmp_path / "out")
    frame.loc[0, "trend"] = "once"
    with pytest.raises(ConfigError, match="2 or more rows of each label, got fewer of once"):
        train(config(tmp_path, frame, one), tmp_path / "out")
    listed = [{**one[0], "options": {"labels": ["up", "flat", "down"]}}]
    with pytest.raises(CatalogueError, match="must be one of up, flat, down, got 'once'"):
        train(config(tmp_path, frame, listed), tmp_path / "out")
    both = [one[0], {"head": "hot_item", "target": "trend"}]
    with pytest.raises(ConfigError, match="trend must be read as labels or as numbers, got both"):
        train(config(tmp_path, items(), both), tmp_path / "out")


def test_another_number_of_target_columns_than_a_head_answers_is_refused(registered, tmp_path):
    heads = [{"head": "regression", "target": ["week_1", "week_2"]}]
    with pytest.raises(ConfigError, match=r"must be one column, not a list, got \['week_1'"):
        train(config(tmp_path, items(), heads), tmp_path / "out")
    twice = [{"head": "steps", "target": ["week_1", "week_1"]}]
    with pytest.raises(ConfigError, match="must be one column, or different ones in a list"):
        config(tmp_path, items(), twice)
    unknown = [{"head": "regression", "target": "week_1", "decoder": "lineer"}]
    with pytest.raises(ConfigError, match="Did you mean 'linear'"):
        config(tmp_path, items(), unknown)

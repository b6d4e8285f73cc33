"""A training on a table in which some rows lack one of several targets."""

import json

import numpy as np
import pandas as pd
import pytest

from fusion import CatalogueError, ConfigError
from fusion.job_steps.config import TrainConfig
from fusion.jobs.evaluate import evaluate
from fusion.jobs.predict import ItemSource
from fusion.jobs.train import train

N = 120
LACK = [*range(1, N, 4)]


@pytest.fixture
def job(tmp_path):
    def run(units=(), price=LACK, cell=None, **more):
        frame = items()
        frame.loc[list(units), "units"] = None
        frame.loc[list(price), "price_eur"] = cell
        frame.to_csv(tmp_path / "items.csv", index=False)
        heads = [
            {"head": "linear", "target": name, "name": name} for name in ("units", "price_eur")
        ]
        config = {
            "data": {"items": str(tmp_path / "items.csv")},
            "heads": heads,
            "evaluation": {"modalities": False},
            **more,
        }
        return train(TrainConfig.from_dict(config), tmp_path / "out")

    return run


def items():
    random = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "item_id": [f"A{row}" for row in range(N)],
            "weight": random.uniform(1, 9, N).round(2),
            "length": random.uniform(1, 9, N).round(2),
            "day": pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d"),
        }
    )
    noise = random.normal(0, 1, (2, N))
    return frame.assign(
        units=(20 + 3 * frame["weight"] + noise[0]).round(2),
        price_eur=(5 + 2 * frame["length"] + noise[1]).round(2),
    ).astype({"units": object, "price_eur": object})


def test_a_row_without_one_target_is_left_out_for_its_heads_alone_and_told(job):
    result = job()
    table = pd.read_csv(result.folder / "test_predictions.csv")
    known = table["actual_price_eur"].notna()
    n_learned = N - len(table)
    n_missing = len(LACK) - int((~known).sum())
    note = (
        f"price_eur: {n_missing} of {n_learned} training rows have no target and are left out for "
        "this target alone."
    )
    assert note in result.notes and note in result.report.read_text()
    assert not result.dropped and 0 < known.sum() < len(known)
    for name, rows in (("units", known | True), ("price_eur", known)):
        evaluation = result.evaluations[name]
        assert evaluation.n_test == rows.sum()
        actual = table.loc[rows, f"actual_{name}"]
        errors = actual - table.loc[rows, f"{name}_prediction"]
        r2 = 1 - (errors**2).sum() / ((actual - actual.mean()) ** 2).sum()
        assert evaluation.scores[0].metrics["r2"] == pytest.approx(r2)
        assert all(np.isfinite(score.metrics["r2"]) for score in evaluation.scores)


def test_known_items_without_a_target_say_so_and_are_measured_by_the_others(job, tmp_path):
    result = job()
    source = ItemSource(items=tmp_path / "items.csv")
    metrics = evaluate(result.bundle, source)
    assert metrics["price_eur"]["n_left_out"] == len(LACK)
    assert metrics["units"]["n_left_out"] == 0
    saved = json.loads((result.folder / "metrics.json").read_text())
    assert saved["price_eur"]["n_test"] < saved["units"]["n_test"]


def test_a_row_without_any_target_is_left_out_for_all_and_a_faulty_target_stays_a_fault(job):
    result = job(units=[1, 2])
    assert result.dropped == {1: "units and price_eur must be given, got none"}
    for cell, rule in (("many", "must be a number, got 'many'"), ("inf", "must be a finite")):
        with pytest.raises(CatalogueError, match=rf"row 6 .*price_eur: {rule}") as caught:
            job(units=[5, 7], price=[5], cell=cell)
        assert "row 8" not in str(caught.value)  # it has a price


@pytest.mark.parametrize("n_known", [0, 5])
def test_a_target_that_too_few_rows_have_is_refused_before_the_work(job, n_known):
    with pytest.raises(ConfigError, match=rf"price_eur must be known in 6 or more .*got {n_known}"):
        job(price=range(n_known, N))


@pytest.mark.parametrize(
    ("price", "message"),
    [
        (range(90, N), "1 or more test rows, got 0"),
        (range(4, 115), "5 or more rows to learn from, got 4"),
    ],
)
def test_a_split_that_leaves_a_target_on_one_side_alone_is_refused(job, price, message):
    split = {"kind": "date", "column": "day", "test": 0.2}
    with pytest.raises(ConfigError, match=f"price_eur must be known in {message}"):
        job(price=price, split=split)

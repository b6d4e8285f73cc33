"""A made-up report: three heads, drawn photos, every kind of data problem."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fusion.data.problems import Problem
from fusion.evaluation.result import Evaluation, Score
from fusion.report import (
    ColumnSummary,
    DataSummary,
    HeadResult,
    Losses,
    ModalitySummary,
    ReportItem,
    TrainingReport,
)


def scores(metric, *, own=0.31, rival=0.38, gain=0.07, low=0.02, high=0.12):
    return (
        Score("fusion", "fusion", {metric: own, "bias": -0.043}),
        Score("median", "baseline", {metric: 0.92, "bias": float("nan")}, 0.61, 0.5, 0.7),
        Score("boosted trees", "baseline", {metric: rival, "bias": 0.01}, gain, low, high),
        Score("text alone", "alone", {metric: 0.55, "bias": 0.02}, 0.24, 0.2, 0.3),
        Score("without image", "without", {metric: 0.33, "bias": 0.03}, 0.02, -0.01, 0.05),
    )


def evaluation(*, head="sales_volume", task="regression", metric="wape", n_test=60, **numbers):
    return Evaluation(
        head=head,
        target="units_13_weeks",
        statement="Units sold in the first 13 weeks.",
        task=task,
        primary_metric=metric,
        higher_is_better=metric != "wape",
        n_test=n_test,
        scores=scores(metric, **numbers),
    )


def volume_head(photos=(), *, n=60, **numbers):
    rng = np.random.default_rng(0)
    actual = rng.negative_binomial(1.2, 1.2 / 91.2, n).astype(float)
    predicted = np.maximum(0, (actual + 1) * np.exp(rng.normal(0, 0.4, n)) - 1)
    items = tuple(
        ReportItem(
            id=f"P{row:03d}",
            title=f"Shirt {row}",
            photo=photos[row] if row < len(photos) else None,
            actual=float(actual[row]),
            predicted=float(predicted[row]),
            details={"brand": "Nordhem", "price": "24.99 €"},
        )
        for row in range(n)
    )
    columns = {"sales_units": predicted, "sales_units_p50": predicted}
    return HeadResult(evaluation(n_test=n, **numbers), actual, columns, items)


def hot_head(*, n=60):
    rng = np.random.default_rng(1)
    probability = rng.random(n)
    actual = (rng.random(n) < probability).astype(float)
    items = tuple(
        ReportItem(f"H{row}", f"Coat {row}", None, float(actual[row]), float(probability[row]))
        for row in range(n)
    )
    found = evaluation(
        head="hot_item", task="classification", metric="pr_auc", n_test=n, own=0.61, rival=0.55
    )
    return HeadResult(found, actual, {"hot_probability": probability}, items)


def price_head(*, n=60):
    rng = np.random.default_rng(2)
    actual = rng.normal(40, 10, n)
    found = evaluation(head="price", metric="r2", n_test=n, own=0.8, rival=0.7)
    return HeadResult(found, actual, {"prediction": actual + rng.normal(0, 3, n)})


def data_summary():
    return DataSummary(
        source="items.csv",
        n_rows=304,
        n_train=180,
        n_validation=60,
        n_test=60,
        split="Rows were split by launch date.",
        modalities={"text": ModalitySummary(("title",), "minilm", 1.0)},
        columns=(ColumnSummary("title", "text", 0.002, "Linen shirt"),),
        ignored={"supplier_code": "every row has a value of its own"},
        problems=tuple(
            Problem("number_not_read", "must be a number, got 'x'", row, f"P{row}", "price")
            for row in range(7)
        ),
        dropped={3: "the target is missing", 7: "the target is missing"},
    )


def training_report(*heads):
    return TrainingReport(
        title="Spring catalogue",
        summary=data_summary(),
        heads=heads,
        losses=(Losses([1.0, 0.7, 0.5], [1.0, 0.8, 0.9], 2),),
        made_with={"torch": "2.15.0"},
    )


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> list[Path]:
    paths, folder = [], tmp_path_factory.mktemp("photos")
    for row in range(60):
        path = folder / f"{row}.jpg"
        Image.effect_noise((400, 500), 60).convert("RGB").save(path)
        paths.append(path)
    return paths


@pytest.fixture(scope="session")
def make():
    """The makers above, for tests that run with importlib and cannot import this file."""
    return Makers


class Makers:
    volume = staticmethod(volume_head)
    hot = staticmethod(hot_head)
    price = staticmethod(price_head)
    evaluation = staticmethod(evaluation)
    report = staticmethod(training_report)
    summary = staticmethod(data_summary)

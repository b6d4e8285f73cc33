"""A made-up report: three heads, drawn photos, every kind of data problem."""

from dataclasses import replace
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
    TuningCost,
    TuningSummary,
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
    n_groups = numbers.pop("n_groups", n_test)
    return Evaluation(
        head=head,
        target="units_13_weeks",
        statement="Units sold in the first 13 weeks.",
        task=task,
        primary_metric=metric,
        higher_is_better=metric != "wape",
        n_test=n_test,
        n_groups=n_groups,
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


def tuned(head, *, value=0.334, gain=0.024, low=0.006, high=0.041):
    """The same head, compared with encoders as they were."""
    fusion, *others = head.evaluation.scores
    metrics = {head.evaluation.primary_metric: value, "bias": 0.02}
    original = Score("encoders as they were", "original", metrics, gain, low, high)
    return replace(head, evaluation=replace(head.evaluation, scores=(fusion, original, *others)))


def tuning_summary():
    return TuningSummary(
        statement="The head learned from encoders tuned on the other 2 of 3 parts of the rows.",
        how="The last 2 layers of text and image, at most 3 epochs, step size 0.0003.",
        costs=(
            TuningCost("encoders as they were", 42.0, 1.32),
            TuningCost("encoders tuned", 537.0, 2.81),
        ),
        runs=(
            Losses([0.92, 0.74, 0.6], [0.88, 0.81, 0.83], 2),
            Losses([0.95, 0.78, 0.63], [0.9, 0.84, 0.8], 3),
            Losses([0.93, 0.75], [0.87, 0.79], 2),
            Losses([0.91, 0.72], [], 2),
        ),
        n_changed=3_551_000,
        n_weights=33_890_000,
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
    tuned = staticmethod(tuned)
    tuning = staticmethod(tuning_summary)

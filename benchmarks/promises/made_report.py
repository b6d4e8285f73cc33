"""A made-up report: three heads, drawn photos, every kind of data problem."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fusion.data.problems import Problem
from fusion.evaluation.result import Evaluation, Score
from fusion.report import (
    ColumnSummary,
    DataSummary,
    HeadResult,
    Losses,
    ModalitySummary,
    NewItem,
    NewItems,
    ReportItem,
    SimilarItem,
    TrainingReport,
    TuningCost,
    TuningSummary,
)
from heads import Column


def scores(
    metric: str,
    *,
    own: float = 0.31,
    rival: float = 0.38,
    gain: float = 0.07,
    low: float = 0.02,
    high: float = 0.12,
) -> tuple[Score, ...]:
    """Scores of a fusion and of others."""
    return (
        Score("fusion", "fusion", {metric: own, "bias": -0.043}),
        Score("median", "baseline", {metric: 0.92, "bias": float("nan")}, 0.61, 0.5, 0.7),
        Score("boosted trees", "baseline", {metric: rival, "bias": 0.01}, gain, low, high),
        Score("text alone", "alone", {metric: 0.55, "bias": 0.02}, 0.24, 0.2, 0.3),
        Score("without image", "without", {metric: 0.33, "bias": 0.03}, 0.02, -0.01, 0.05),
    )


def evaluation(
    *,
    head: str = "sales_volume",
    task: Any = "regression",
    metric: str = "wape",
    n_test: int = 60,
    **numbers: Any,
) -> Evaluation:
    """An evaluation of one head."""
    n_groups = numbers.pop("n_groups", n_test)
    return Evaluation(
        head=head,
        target="units_13_weeks",
        description="Units sold in the first 13 weeks.",
        task=task,
        primary_metric=metric,
        higher_is_better=metric != "wape",
        n_test=n_test,
        n_groups=n_groups,
        scores=scores(metric, **numbers),
    )


def volume_head(photos: Sequence[Path] = (), *, n: int = 60, **numbers: Any) -> HeadResult:
    """A head of units, with photos for some items."""
    rng = np.random.default_rng(0)
    actual = rng.negative_binomial(1.2, 1.2 / 91.2, n).astype(float)
    predicted = np.maximum(0, (actual + 1) * np.exp(rng.normal(0, 0.4, n)) - 1)
    items = tuple(
        ReportItem(
            id=f"P{row:03d}",
            title=f"Shirt {row}",
            photo=photos[row] if row < len(photos) else None,
            details={"brand": "Nordhem", "price": "24.99 €"},
        )
        for row in range(n)
    )
    described = (
        Column("sales_units", "mean", unit="units"),
        Column("sales_units_p50", "quantile", level=0.5, unit="units"),
    )
    columns = {column.name: predicted for column in described}
    return HeadResult(evaluation(n_test=n, **numbers), described, actual, columns, items)


def hot_head(*, n: int = 60) -> HeadResult:
    """A head of probabilities."""
    rng = np.random.default_rng(1)
    probability = rng.random(n)
    actual = (rng.random(n) < probability).astype(float)
    items = tuple(ReportItem(f"H{row}", f"Coat {row}", None) for row in range(n))
    found = evaluation(
        head="hot_item", task="classification", metric="pr_auc", n_test=n, own=0.61, rival=0.55
    )
    described = (Column("hot_probability", "probability", label="hot"),)
    return HeadResult(found, described, actual, {"hot_probability": probability}, items)


def price_head(*, n: int = 60) -> HeadResult:
    """A head of prices, without items."""
    rng = np.random.default_rng(2)
    actual = rng.normal(40, 10, n)
    found = evaluation(head="price", metric="r2", n_test=n, own=0.8, rival=0.7)
    described = (Column("prediction", "mean"),)
    return HeadResult(found, described, actual, {"prediction": actual + rng.normal(0, 3, n)})


def class_head(labels: Sequence[str] = ("down", "flat", "up"), *, n: int = 60) -> HeadResult:
    """A head of several classes."""
    rng = np.random.default_rng(3)
    chances = rng.dirichlet(np.ones(len(labels)), n)
    actual = np.array([rng.choice(len(labels), p=each) for each in chances], dtype=np.float64)
    described = (
        Column("predicted_class", "class"),
        *(Column(f"probability_{label}", "probability", label=label) for label in labels),
    )
    names = [column.name for column in described]
    predicted = dict(
        zip(names, [chances.argmax(axis=1).astype(np.float64), *chances.T], strict=True)
    )
    found = evaluation(
        head="multiclass", task="classification", metric="log_loss", n_test=n, own=0.7, rival=0.9
    )
    items = tuple(ReportItem(f"C{row}", f"Coat {row}", None) for row in range(n))
    return HeadResult(found, described, actual, predicted, items, title="Which trend?")


def quantile_head(*, n: int = 60) -> HeadResult:
    """A head of quantiles alone."""
    rng = np.random.default_rng(4)
    middle = rng.normal(40, 10, n)
    shifts = {0.5: 0.0, 0.1: -5.0, 0.9: 5.0}
    described = tuple(
        Column(f"prediction_p{100 * level:g}", "quantile", level=level) for level in shifts
    )
    predicted = {each.name: middle + shifts[each.level or 0.5] for each in described}
    found = evaluation(head="quantiles", metric="pinball", n_test=n, own=1.2, rival=1.4)
    return HeadResult(found, described, middle + rng.normal(0, 4, n), predicted)


def steps_head(*, n_steps: int = 6, n: int = 60) -> HeadResult:
    """A head whose target has several steps, each with a range."""
    rng = np.random.default_rng(5)
    actual = rng.poisson(20 + 3 * np.arange(n_steps), (n, n_steps)).astype(np.float64)
    described, predicted = [], {}
    for step in range(1, n_steps + 1):
        for name, kind, level, shift in (
            ("mean", "mean", None, 1.0),
            ("p10", "quantile", 0.1, -6.0),
            ("p90", "quantile", 0.9, 6.0),
        ):
            column = Column(
                f"units_step_{step}_{name}",
                kind,  # type: ignore[arg-type]
                level=level,
                step=step,
                window=f"week {step}",
                unit="units",
            )
            described.append(column)
            predicted[column.name] = actual[:, step - 1] + rng.normal(shift, 4, n)
    items = tuple(ReportItem(f"S{row}", f"Shirt {row}", None) for row in range(n))
    found = evaluation(head="weeks", n_test=n)
    return HeadResult(found, tuple(described), actual, predicted, items, title="Units by week")


def data_summary() -> DataSummary:
    """What a table is like, with every kind of problem."""
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


def training_report(*heads: HeadResult) -> TrainingReport:
    """A report of some heads."""
    return TrainingReport(
        title="Spring catalogue",
        summary=data_summary(),
        heads=heads,
        losses=(Losses([1.0, 0.7, 0.5], [1.0, 0.8, 0.9], 2),),
        made_with={"torch": "2.15.0"},
    )


def tuned(
    head: HeadResult,
    *,
    value: float = 0.334,
    gain: float = 0.024,
    low: float = 0.006,
    high: float = 0.041,
) -> HeadResult:
    """The same head, compared with original encoders."""
    fusion, *others = head.evaluation.scores
    metrics = {head.evaluation.primary_metric: value, "bias": 0.02}
    original = Score("original encoders", "original", metrics, gain, low, high)
    return replace(head, evaluation=replace(head.evaluation, scores=(fusion, original, *others)))


def tuning_summary() -> TuningSummary:
    """What tuning did."""
    return TuningSummary(
        description="The head learned from encoders tuned on the other 2 of 3 parts of the rows.",
        how="The last 2 layers of text and image, at most 3 epochs, step size 0.0003.",
        costs=(
            TuningCost("original encoders", 42.0, 1.32),
            TuningCost("tuned encoders", 537.0, 2.81),
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


def new_items(photos: Sequence[Path] = ()) -> NewItems:
    """Items without an outcome: one answered, one that could not be read."""
    answered = NewItem(
        rank=1,
        id="N001",
        title="Linen shirt",
        photo=photos[0] if photos else None,
        details={"category": "shirts", "brand": "Nordhem"},
        answers=("about 120, likely 80 to 190",),
        is_hot=True,
        similar=(SimilarItem("P001", "Cotton shirt", "sold 118"),),
        unknown=("brand: Nordhem",),
    )
    failed = NewItem(None, "N002", "N002", answers=("–",), error="number_not_read: got 'x'")
    notes = ("Medians do not add up.",)
    return NewItems("new.csv", 2, ("units_13_weeks",), (answered, failed), notes, hot="hot")


def poisoned_new_items(text: str) -> NewItems:
    """New items in which everything is the payload."""
    item = NewItem(
        rank=1,
        id=text,
        title=text,
        details={text: text},
        answers=(text,),
        is_hot=True,
        similar=(SimilarItem(text, text, text),),
        unknown=(text,),
    )
    failed = replace(item, rank=None, error=text)
    return NewItems(text, 2, (text,), (item, failed), (text,), hot=text)


def poisoned(text: str) -> TrainingReport:
    """A report in which everything that comes from a table or a person is the payload."""
    head = tuned(volume_head(n=4))
    scores = tuple(
        replace(score, name=text, metrics={**score.metrics, text: 0.5})
        for score in head.evaluation.scores
    )
    found = replace(head.evaluation, head=text, target=text, description=text, scores=scores)
    items = tuple(replace(item, id=text, title=text, details={text: text}) for item in head.items)
    summary = replace(
        data_summary(),
        source=text,
        split=text,
        modalities={text: ModalitySummary((text,), text, 0.5)},
        columns=(ColumnSummary(text, text, 0.5, text),),
        ignored={text: text},
        problems=(Problem(text, text, 1, text, text),),
        dropped={1: text},
    )
    classes = replace(class_head((text, f"{text} too", "up")), title=text)
    steps = steps_head()
    windows = tuple(replace(column, window=text, label=text) for column in steps.columns)
    others = (classes, replace(steps, columns=windows, title=text))
    report = training_report(replace(head, evaluation=found, items=items), *others)
    costs = (TuningCost(text, 1.0, 1.0), TuningCost(text, 2.0, 1.0))
    tuning = replace(tuning_summary(), description=text, how=text, costs=costs)
    return replace(
        report,
        title=text,
        summary=summary,
        made_with={text: text},
        tuning=tuning,
        new_items=poisoned_new_items(text),
    )

import numpy as np
import pytest

from fusion.evaluation import primary_metric
from fusion.evaluation.primary import quick_pr_auc, quick_r2
from heads import HEADS, Floats, Head, RegressionHead, metrics


def drawn(head: Head, seed: int, n: int = 100) -> dict[str, Floats]:
    """Columns that a head may give: probabilities of several classes sum to 1."""
    draw = np.random.default_rng(seed)
    columns = {column.name: draw.random(n).round(1) for column in head.columns}
    chances = [column.name for column in head.columns if column.kind == "probability"]
    if len(chances) > 1:
        shares = draw.dirichlet(np.ones(len(chances)), n)
        columns |= dict(zip(chances, shares.T, strict=True))
    return columns | {
        column.name: draw.integers(0, len(chances), n).astype(float)
        for column in head.columns
        if column.kind == "class"
    }


def targets(head: Head, n: int = 100) -> Floats:
    draw, labels = np.random.default_rng(0), getattr(head, "labels", ())
    if labels:
        return draw.integers(0, len(labels), n).astype(np.float64)
    return draw.poisson(8, (n, *head.target_shape)).astype(np.float64)


@pytest.mark.parametrize("name", HEADS)
def test_the_primary_metric_alone_is_the_same_number_and_looks_at_few_columns(name: str) -> None:
    head = HEADS[name].tiny()
    target, pair = targets(head), [drawn(head, 1), drawn(head, 2)]
    metric, used = primary_metric(head, target, pair)
    rows = np.random.default_rng(3).integers(100, size=100)
    for columns in pair:
        few = {column: columns[column][rows] for column in used}
        whole = {column: values[rows] for column, values in columns.items()}
        wanted = head.metrics(target[rows], whole)[head.primary_metric]
        assert metric(target[rows], few) == pytest.approx(wanted, abs=1e-9)
    assert metric.__name__ == "metric"  # quick: not the metrics of the head


def test_steps_are_measured_together(steps_head) -> None:
    head = steps_head.tiny()
    target, columns = targets(head), drawn(head, 1)
    metric, used = primary_metric(head, target, [columns])
    assert metric(target, columns) == pytest.approx(head.metrics(target, columns)["wape"])
    assert used == head.column_names


def test_a_head_of_ones_own_is_measured_by_its_own_metrics() -> None:
    class Upside(RegressionHead):
        def metrics(self, target: Floats, prediction: dict[str, Floats]) -> dict[str, float]:
            return {"r2": -super().metrics(target, prediction)["r2"]}

    head: Head = Upside()
    target, prediction = np.random.default_rng(0).random((2, 20))
    columns = dict.fromkeys(head.column_names, prediction)
    metric, used = primary_metric(head, target, [columns])
    assert used == tuple(columns)
    assert metric(target, columns) == -metrics.r2(target, prediction)


def test_quick_metrics_are_those_of_the_heads() -> None:
    draw = np.random.default_rng(0)
    for n in (1, 2, 3, 50):
        for _ in range(20):
            labels = draw.integers(0, 2, n).astype(np.float64)
            score = draw.integers(0, 5, n) / 4  # many ties
            same = pytest.approx(metrics.pr_auc(labels, score), abs=1e-12, nan_ok=True)
            assert quick_pr_auc(labels, score[:, None], ()) == same
            same = pytest.approx(metrics.r2(labels, score), abs=1e-12, nan_ok=True)
            assert quick_r2(labels, score[:, None], ()) == same

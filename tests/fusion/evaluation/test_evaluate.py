import io
import json

import numpy as np
import pytest
from rich.console import Console

from fusion.evaluation import FUSION, Evaluation, evaluate_head, format_table
from heads import Floats, HotItemHead, RegressionHead, SalesVolumeHead

TARGET = np.random.default_rng(0).gamma(2.0, 10.0, 120)


def guess(noise: float) -> dict[str, Floats]:
    return {"prediction": TARGET + np.random.default_rng(1).normal(size=120) * noise}


def evaluation(name: str = "regression") -> Evaluation:
    return evaluate_head(
        RegressionHead.fitted(TARGET),
        name=name,
        target_column="price",
        target=TARGET,
        answers={
            FUSION: guess(3.0),
            ("without text", "without"): guess(3.0),
            ("text alone", "alone"): guess(1.0),
            ("median", "baseline"): {"prediction": np.full(120, np.median(TARGET))},
        },
    )


def rendered(found: Evaluation) -> str:
    console = Console(file=io.StringIO(), width=140, force_terminal=False)
    console.print(format_table(found))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_groups_of_the_test_rows_decide_the_intervals_and_are_counted() -> None:
    def found(**options: object) -> Evaluation:
        head = RegressionHead.fitted(TARGET)
        return evaluate_head(
            head,
            name="price",
            target_column="price",
            target=TARGET,
            answers={FUSION: guess(3.0), ("text alone", "alone"): guess(1.0)},
            **options,  # type: ignore[arg-type]
        )

    rows, groups = found(), found(groups=np.arange(120) // 40)
    assert (rows.n_groups, groups.n_groups) == (120, 3)
    assert groups.to_dict()["n_groups"] == 3
    assert (rows.scores[1].low, rows.scores[1].high) != (
        groups.scores[1].low,
        groups.scores[1].high,
    )
    assert "120 test rows in 3 groups" in rendered(groups)
    assert "groups" not in rendered(rows)


def test_scores_stand_in_order_with_gains_against_the_fusion() -> None:
    found = evaluation()
    assert [score.name for score in found.scores] == [
        "fusion",
        "median",
        "text alone",
        "without text",
    ]
    fusion, median, alone, without = found.scores
    assert (fusion.gain, fusion.low, fusion.high, fusion.verdict) == (None, None, None, "")
    assert median.gain == pytest.approx(fusion.metrics["r2"] - median.metrics["r2"])
    assert median.low is not None and median.high is not None and median.gain is not None
    assert 0 < median.low < median.gain < median.high
    assert [score.verdict for score in (median, alone, without)] == [
        "fusion better",
        "fusion worse",
        "no clear difference",
    ]
    assert (without.gain, without.low, without.high) == (0.0, 0.0, 0.0)


def test_original_encoders_stand_between_the_fusion_and_the_baselines() -> None:
    found = evaluate_head(
        RegressionHead.fitted(TARGET),
        name="regression",
        target_column="price",
        target=TARGET,
        answers={
            FUSION: guess(1.0),
            ("median", "baseline"): {"prediction": np.full(120, np.median(TARGET))},
            ("original encoders", "original"): guess(3.0),
        },
    )
    assert [score.kind for score in found.scores] == ["fusion", "original", "baseline"]
    original = found.scores[1]
    assert (original.name, original.verdict) == ("original encoders", "fusion better")
    assert original.gain == pytest.approx(found.scores[0].metrics["r2"] - original.metrics["r2"])
    assert json.loads(json.dumps(found.to_dict()))["scores"][1]["kind"] == "original"


def test_what_was_asked_travels_with_the_scores() -> None:
    found = evaluation()
    assert (found.head, found.target, found.n_test) == ("regression", "price", 120)
    assert (found.task, found.primary_metric, found.higher_is_better) == ("regression", "r2", True)
    assert found.description.startswith("prediction =")
    assert json.loads(json.dumps(found.to_dict()))["scores"][1]["verdict"] == "fusion better"


def test_a_lower_error_is_a_gain() -> None:
    target = np.array([4.0, 0.0, 8.0, 4.0] * 10)
    columns = SalesVolumeHead.tiny().column_names
    found = evaluate_head(
        SalesVolumeHead.tiny(),
        name="sales_volume",
        target_column="units",
        target=target,
        answers={
            FUSION: dict.fromkeys(columns, target + 1),
            ("median", "baseline"): {"units": target + 3},
        },
    )
    fusion, median = found.scores
    assert fusion.metrics["wape"] == 0.25
    assert median.metrics["wape"] == 0.75  # one column stands for all of them
    assert median.metrics["wape_mean"] == 0.75
    assert np.isnan(median.metrics["width_p10_p90"])  # it gives no range
    assert median.gain == 0.5
    assert median.verdict == "fusion better"


def test_hot_items_are_compared_by_the_rule_of_the_head() -> None:
    head = HotItemHead.fitted(TARGET)
    found = evaluate_head(
        head,
        name="hot_item",
        target_column="units",
        target=TARGET,
        answers={
            FUSION: {"hot_probability": TARGET / TARGET.max()},
            ("median", "baseline"): {"hot_probability": np.full(120, 0.25)},
        },
    )
    fusion, median = found.scores
    assert fusion.metrics["pr_auc"] == pytest.approx(1.0)
    assert median.metrics["pr_auc"] == pytest.approx(0.25)
    assert median.gain == pytest.approx(0.75)
    assert median.verdict == "fusion better"


def test_missing_and_broken_columns_are_named() -> None:
    def evaluated(columns: dict[str, Floats]) -> None:
        evaluate_head(
            SalesVolumeHead.tiny(),
            name="sales_volume",
            target_column="units",
            target=np.ones(3),
            answers={FUSION: columns},
        )

    two = {name: np.ones(3) for name in ("sales_units", "sales_units_p50")}
    with pytest.raises(ValueError, match=r"'fusion' must hold .* none of sales_units_p10"):
        evaluated(two)
    with pytest.raises(ValueError, match=r"sales_units of 'fusion' .* 1 are not finite"):
        evaluated({"sales_units": np.array([1.0, np.nan, 2.0])})
    with pytest.raises(ValueError, match="must be 3 finite numbers, got 2"):
        evaluated({"sales_units": np.ones(2)})


def test_the_table_shows_the_primary_metric_first_with_gain_and_verdict() -> None:
    text = rendered(evaluation())
    heading = next(line for line in text.splitlines() if "predicted by" in line)
    assert heading.index("r2") < heading.index("gain of the fusion") < heading.index("verdict")
    assert "mae" not in heading  # 80 columns hold one metric
    assert text.index("fusion") < text.index("median") < text.index("text alone")
    assert "fusion better" in text and "fusion worse" in text and "no clear difference" in text
    assert "0.000 [0.000, 0.000]" in text
    assert "higher is better" in text
    assert "120 test rows" in text


def test_the_table_shows_names_as_they_are_and_undefined_numbers_as_dashes() -> None:
    assert "[red]head" in rendered(evaluation("[red]head"))
    found = evaluate_head(
        HotItemHead(),
        name="hot_item",
        target_column="hot",
        target=np.zeros(4),
        answers={
            FUSION: {"hot_probability": np.array([0.1, 0.2, 0.3, 0.4])},
            ("median", "baseline"): {"hot_probability": np.full(4, 0.5)},
        },
    )
    text = rendered(found)
    assert "nan" not in text
    assert "- [-, -]" in text

import functools
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from encoders.text.tfidf import TfidfEncoder
from fusion.data.batch import ModelInputs
from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.schema import Schema
from fusion.evaluation import BASELINES, baseline_rows, trees
from fusion.ready import ReadyItems
from heads import (
    Floats,
    Head,
    HotItemHead,
    LinearHead,
    MulticlassHead,
    QuantilesHead,
    RegressionHead,
    SalesVolumeHead,
)

SCHEMA = Schema(
    columns={
        "text": ("title",),
        "numeric": ("size", "empty"),
        "categorical": ("colour", "noise"),
        "dates": ("launched",),
        "history": ("units_last_4w",),
    }
)
WORDS = ("cotton shirt", "silk dress", "leather boot", "wool scarf")
COLOURS = np.array(["red", "green", "blue", "black"])
HEADS_TO_TRY = (RegressionHead, LinearHead, SalesVolumeHead, HotItemHead)
N_TRAIN, N_TEST = 160, 60


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    """Boosted trees of at most 60 trees, in larger steps: quick, and still good on these items."""
    quick = functools.partial(trees.Growth, max_trees=60, learning_rate=0.2)
    monkeypatch.setattr(trees, "Growth", quick)


def items(n: int = N_TRAIN + N_TEST, seed: int = 0) -> tuple[pd.DataFrame, Floats]:
    """Items whose units depend on size, colour, kind and past units."""
    draw = np.random.default_rng(seed)
    size, colour, kind = draw.uniform(1, 9, n), draw.integers(0, 4, n), draw.integers(0, 4, n)
    past = draw.poisson(8, n).astype(float)
    mean = 6 * size + 5 * colour + 8 * kind + past
    frame = pd.DataFrame(
        {
            "title": [f"{WORDS[k]} number {i}" for i, k in enumerate(kind)],
            "size": np.where(draw.random(n) < 0.1, np.nan, size),
            "empty": np.full(n, np.nan),
            "colour": COLOURS[colour],
            "noise": draw.choice(["a", "b", "c"], n),
            "launched": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 99, n), "D"),
            "units_last_4w": past,
        }
    )
    return frame, draw.poisson(mean).astype(np.float64)


def catalogue(frame: pd.DataFrame, schema: Schema = SCHEMA) -> Catalogue:
    return build_catalogue(frame, schema, photos=None)


def parts(frame: pd.DataFrame, schema: Schema = SCHEMA) -> tuple[Catalogue, Catalogue]:
    whole = catalogue(frame, schema)
    n_test = min(N_TEST, len(whole) // 2)
    return whole.take(range(len(whole) - n_test)), whole.take(
        range(len(whole) - n_test, len(whole))
    )


def ready(catalogue: Catalogue) -> ReadyItems:
    """Rows whose texts were embedded: the kind of each item, and the length of its title."""
    texts = catalogue.values.get("text")
    if texts is None:
        return ReadyItems(catalogue, {}, ModelInputs({}))
    vectors = [[float(word in (text or "")) for word in WORDS] for text in texts]
    present = torch.from_numpy(catalogue.present["text"].copy())
    inputs = ModelInputs({"text": present}, embeddings={"text": torch.tensor(vectors)})
    return ReadyItems(catalogue, {"text": TfidfEncoder()}, inputs)


def answers_of(
    name: str, training: Catalogue, target: Floats, test: Catalogue, head: Head
) -> dict[str, Floats] | None:
    """Columns of one head by a baseline; folds are every other row."""
    known, rows = baseline_rows(ready(training), ready(test))
    folds = [np.arange(start, len(training), 2) for start in (0, 1)]
    found = BASELINES[name](
        known, {"head": target}, rows, heads={"head": head}, folds=folds, seed=0
    )
    return None if found is None else found["head"]


def predict(name: str, frame: pd.DataFrame, target: Floats, **options: Any) -> dict[str, Floats]:
    training, test = parts(frame, options.get("schema", SCHEMA))
    head = options.get("head", RegressionHead)
    fitted = head.fitted(target[: len(training)])
    columns = answers_of(name, training, target[: len(training)], test, fitted)
    assert columns is not None
    return columns


@functools.cache
def usual(name: str, head_class: type[Head] = RegressionHead) -> dict[str, Floats]:
    return predict(name, *items(), head=head_class)


def primary(head: Head, target: Floats, columns: dict[str, Floats]) -> float:
    return head.metrics(target, columns)[head.primary_metric]


@pytest.mark.parametrize("head_class", HEADS_TO_TRY)
@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_fills_every_column_with_possible_numbers(
    name: str, head_class: type[Head]
) -> None:
    columns = usual(name, head_class)
    assert tuple(columns) == head_class.tiny().column_names
    for column, values in columns.items():
        assert values.shape == (N_TEST,)
        assert values.dtype == np.float64
        assert np.isfinite(values).all()
        assert (values >= 0).all()
        if column == "hot_probability":
            assert (values <= 1).all()
    if head_class is SalesVolumeHead:
        assert (columns["sales_units_p10"] <= columns["sales_units_p50"]).all()
        assert (columns["sales_units_p50"] <= columns["sales_units_p90"]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_the_same_seed_gives_the_same_predictions(name: str) -> None:
    again = predict(name, *items())
    np.testing.assert_array_equal(usual(name)["prediction"], again["prediction"])


@pytest.mark.parametrize("name", BASELINES)
def test_a_test_row_changes_no_prediction_of_another_row(name: str) -> None:
    frame, target = items()
    other = frame.copy()
    other.loc[N_TRAIN, ["title", "colour"]] = ["unheard of words", "purple"]
    other.loc[N_TRAIN, ["size", "units_last_4w"]] = [1e9, np.nan]
    again = predict(name, other, target)
    np.testing.assert_array_equal(usual(name)["prediction"][1:], again["prediction"][1:])


def test_baselines_that_read_more_predict_better() -> None:
    _, target = items()
    head = RegressionHead.fitted(target[:N_TRAIN])
    names = ("median", "category median", "numbers only (boosted trees)", "TF-IDF + boosted trees")
    found = [primary(head, target[N_TRAIN:], usual(name)) for name in names]
    assert found == sorted(found)
    assert found[0] < 0.05
    assert found[-1] > 0.4
    assert primary(head, target[N_TRAIN:], usual("nearest neighbours")) > 0.2


@pytest.mark.parametrize("name", BASELINES)
def test_a_shuffled_target_falls_to_chance(name: str) -> None:
    frame, target = items(500)
    target = np.random.default_rng(1).permutation(target)
    whole = catalogue(frame)
    training, test = whole.take(range(250)), whole.take(range(250, 500))
    known, asked = target[:250], target[250:]
    for head_class, chance in ((RegressionHead, 0.0), (HotItemHead, None)):
        head = head_class.fitted(known)
        columns = answers_of(name, training, known, test, head)
        assert columns is not None
        found = head.metrics(asked, columns)
        expected = found["prevalence"] if chance is None else chance
        assert found[head.primary_metric] < expected + 0.15


def test_median_is_the_best_constant_of_each_column() -> None:
    frame, _ = items(10)
    target = np.array([0.0, 1, 2, 3, 94, 0, 0, 0, 0, 0])
    sales = predict("median", frame, target, head=SalesVolumeHead)
    assert sales["sales_units"].tolist() == [20.0] * 5
    assert sales["sales_units_p50"].tolist() == [2.0] * 5
    assert sales["sales_units_p10"].tolist() == [0.4] * 5
    numbers = predict("median", frame, target)
    assert numbers["prediction"].tolist() == [20.0] * 5
    assert numbers["prediction_p50"].tolist() == [2.0] * 5
    labels = np.array([0.0, 1, 0, 0, 0, 0, 0, 0, 0, 0])
    hot = predict("median", frame, labels, head=HotItemHead)
    assert hot["hot_probability"].tolist() == [0.2] * 5


def small(colours: Sequence[str | None], target: list[float], asked: Sequence[str | None]) -> Any:
    schema = Schema(columns={"categorical": ("constant", "colour")})
    known, test = (
        catalogue(pd.DataFrame({"constant": "x", "colour": np.array(part, dtype=object)}), schema)
        for part in (colours, asked)
    )
    values = np.array(target)
    kind = HotItemHead if np.isin(values, (0.0, 1.0)).all() else RegressionHead
    head = kind.fitted(values)
    columns = answers_of("category median", known, values, test, head)
    assert columns is not None
    name = "hot_probability" if kind is HotItemHead else "prediction_p50"
    return columns[name].tolist()


def test_category_median_takes_the_column_that_explains_most() -> None:
    colours = ["red", "red", "red", "blue", "blue", "blue", None, None, None]
    target = [1.0, 2, 6, 30, 31, 32, 100, 101, 105]
    found = small(colours, target, ["blue", "red", None, "never seen"])
    assert found == [31.0, 2.0, 101.0, 31.0]  # the last one: the median of all rows


def test_category_prevalence_leans_on_the_overall_prevalence() -> None:
    colours = ["red"] * 5 + ["blue"] * 5
    found = small(colours, [1.0] * 5 + [0.0] * 5, ["red", "blue", "never seen"])
    assert found == [0.75, 0.25, 0.5]  # (5 + 5 * .5) / 10, (0 + 5 * .5) / 10, overall


def test_nearest_neighbours_average_the_nearest_rows() -> None:
    schema = Schema(columns={"numeric": ("size",)})
    known = catalogue(pd.DataFrame({"size": np.repeat([0.0, 10.0], 10)}), schema)
    target = np.concatenate([np.arange(10.0), np.arange(100.0, 110.0)])
    test = catalogue(pd.DataFrame({"size": [1.0, 9.0]}), schema)
    columns = answers_of("nearest neighbours", known, target, test, LinearHead.fitted(target))
    assert columns is not None
    np.testing.assert_allclose(columns["prediction"], [4.5, 104.5])


def test_nearest_neighbours_tell_mean_and_median_apart_where_the_head_does() -> None:
    schema = Schema(columns={"numeric": ("size",)})
    known = catalogue(pd.DataFrame({"size": [1.0] * 3}), schema)
    target = np.array([1.0, 10.0, 100.0])
    head = RegressionHead(scale="log", mean=2.0)
    columns = answers_of("nearest neighbours", known, target, known, head)
    assert columns is not None
    np.testing.assert_allclose(columns["prediction"], [37.0] * 3)
    np.testing.assert_allclose(columns["prediction_p50"], [10.0] * 3)


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_targets_as_large_as_a_head_takes_do_no_harm(name: str, sign: float) -> None:
    frame, target = items(60)
    columns = predict(name, frame, sign * 1e96 * (target + 1.0))
    assert all(np.isfinite(values).all() for values in columns.values())


NEEDS: dict[str, Callable[[], Schema]] = {
    "category median": lambda: Schema(columns={"text": ("title",), "numeric": ("size",)}),
    "nearest neighbours": lambda: Schema(columns={"categorical": ("colour",)}),
    "numbers only (boosted trees)": lambda: Schema(columns={"text": ("title",)}),
    "TF-IDF + boosted trees": lambda: Schema(columns={"numeric": ("size",)}),
    "embeddings + boosted trees": lambda: Schema(columns={"numeric": ("size",)}),
}


@pytest.mark.parametrize("name", NEEDS)
def test_a_baseline_without_its_columns_does_not_apply(name: str) -> None:
    frame, target = items(40)
    training, test = parts(frame, NEEDS[name]())
    head = RegressionHead.fitted(target)
    assert answers_of(name, training, target[: len(training)], test, head) is None


@pytest.mark.parametrize("name", BASELINES)
def test_columns_without_a_value_are_no_columns(name: str) -> None:
    frame, target = items(40)
    empty = frame.assign(**{name: None for name in frame.columns})
    training, test = parts(empty)
    head = RegressionHead.fitted(target)
    found = answers_of(name, training, target[: len(training)], test, head)
    assert (found is None) == (name != "median")


@pytest.mark.parametrize("name", BASELINES)
def test_test_rows_without_any_value_get_a_prediction(name: str) -> None:
    frame, target = items()
    frame = frame.astype({"title": object, "colour": object, "noise": object})
    frame.loc[N_TRAIN:] = None
    for head_class in (RegressionHead, HotItemHead):
        columns = predict(name, frame, target, head=head_class)
        assert all(np.isfinite(values).all() for values in columns.values())


@pytest.mark.parametrize("name", ["numbers only (boosted trees)", "TF-IDF + boosted trees"])
def test_trees_take_more_categories_than_they_have_levels(name: str) -> None:
    frame, target = items(600)
    codes = [f"code {i // 2}" for i in range(520)] + [f"new {i}" for i in range(80)]
    columns = predict(name, frame.assign(colour=codes), target)
    assert np.isfinite(columns["prediction"]).all()


@pytest.mark.parametrize("head_class", [RegressionHead, SalesVolumeHead])
@pytest.mark.parametrize("name", BASELINES)
def test_a_constant_target_is_predicted_as_it_is(name: str, head_class: type[Head]) -> None:
    frame, target = items(60)
    constant = 3.0 if head_class is RegressionHead else 0.0
    columns = predict(name, frame, np.full_like(target, constant), head=head_class)
    for values in columns.values():
        np.testing.assert_allclose(values, constant, atol=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_huge_numbers_and_equal_texts_do_no_harm(name: str) -> None:
    frame, target = items(60)
    frame["size"] = np.where(np.arange(60) % 2, 1e308, -1e308)
    frame["title"] = "the same words"
    assert np.isfinite(predict(name, frame, target)["prediction"]).all()


@pytest.mark.parametrize("name", BASELINES)
def test_few_rows_are_enough(name: str) -> None:
    frame, target = items(10)
    assert np.isfinite(predict(name, frame, target)["prediction"]).all()
    labels = np.array([1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    assert predict(name, frame, labels, head=HotItemHead)["hot_probability"].max() <= 1


@pytest.mark.parametrize("shift", [0.0, -60.0])
def test_trees_answer_every_quantile_level_and_never_cross(shift: float) -> None:
    frame, target = items()
    head = functools.partial(QuantilesHead.fitted, levels=(0.1, 0.5, 0.9))
    columns = predict(
        "numbers only (boosted trees)", frame, target + shift, head=SimpleNamespace(fitted=head)
    )
    low, middle, high = (columns[f"prediction_p{level}"] for level in (10, 50, 90))
    assert (low <= middle).all() and (middle <= high).all()
    inside = np.mean((low <= target[-N_TEST:] + shift) & (target[-N_TEST:] + shift <= high))
    assert 0.55 <= inside <= 0.95


def test_trees_tell_the_mean_beside_the_median() -> None:
    columns = usual("numbers only (boosted trees)", SalesVolumeHead)
    assert (columns["sales_units"] != columns["sales_units_p50"]).any()


LABELS = ("down", "flat", "up")


def trend(target: Floats) -> Floats:
    """Positions of labels: terciles of the targets."""
    return np.searchsorted(np.quantile(target, [1 / 3, 2 / 3]), target).astype(np.float64)


@functools.cache
def classes(name: str) -> dict[str, Floats]:
    frame, target = items()
    head = functools.partial(MulticlassHead.fitted, labels=LABELS)
    return predict(name, frame, trend(target), head=SimpleNamespace(fitted=head))


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_gives_each_class_a_probability_and_names_the_likeliest(name: str) -> None:
    columns = classes(name)
    assert list(columns) == ["predicted_class", *(f"probability_{label}" for label in LABELS)]
    chances = np.stack(list(columns.values())[1:], axis=1)
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    assert (chances > 0).all()  # a class that occurs later was not impossible
    np.testing.assert_array_equal(columns["predicted_class"], chances.argmax(axis=1))


def test_trees_know_classes_better_than_their_shares() -> None:
    truth = trend(items()[1])[-N_TEST:]
    constant, trees = classes("median"), classes("numbers only (boosted trees)")
    head = MulticlassHead(labels=LABELS)
    known, guessed = (head.metrics(truth, columns) for columns in (trees, constant))
    assert known["log_loss"] < guessed["log_loss"]
    assert known["accuracy"] > guessed["accuracy"]


def test_shares_of_classes_are_those_of_the_training_rows_with_one_more_of_each() -> None:
    known = catalogue(
        pd.DataFrame({"size": np.arange(7.0)}), Schema(columns={"numeric": ("size",)})
    )
    target = np.array([0.0, 0, 0, 0, 1, 1, 1])
    head = MulticlassHead(labels=LABELS)
    columns = answers_of("median", known, target, known, head)
    assert columns is not None
    found = [columns[f"probability_{label}"][0] for label in LABELS]
    np.testing.assert_allclose(found, [5 / 10, 4 / 10, 1 / 10])


@pytest.mark.parametrize("name", BASELINES)
def test_each_step_is_answered_as_if_it_stood_alone(name: str, steps_head: Any) -> None:
    frame, target = items()
    steps = np.stack([target, 2 * target + 1], axis=1)
    both = predict(name, frame, steps, head=steps_head)
    for place, answers in enumerate(both.values()):
        alone = predict(name, frame, steps[:, place], head=LinearHead)
        np.testing.assert_array_equal(answers, alone["prediction"])

"""Estimators whose answers are classes, quantiles or several steps."""

import numpy as np
import pandas as pd
import pytest

from fusion import BundleError, CatalogueError, ConfigError, FusionClassifier, FusionRegressor
from fusion.job_steps.source import ItemSource
from fusion.jobs.evaluate import evaluate
from heads import HEADS

N = 90
LABELS = np.array(["up", "flat", "down"])
QUICK = {"training": {"epochs": 3, "folds": 1}, "random_state": 0}


@pytest.fixture(scope="module")
def items():
    random = np.random.default_rng(0)
    return pd.DataFrame({"price": random.uniform(1, 50, N), "size": random.uniform(1, 9, N)})


@pytest.fixture(scope="module")
def places(items):
    """0 for the cheapest third, 2 for the dearest."""
    return np.digitize(items["price"], items["price"].quantile([1 / 3, 2 / 3]))


@pytest.fixture(scope="module")
def model(items, places):
    return FusionClassifier(**QUICK).fit(items, pd.Series(LABELS[places], name="trend"))


def test_probabilities_of_all_classes_sum_to_one_and_the_likeliest_is_told(model, items, places):
    found = model.predict_proba(items)
    assert model.classes_.tolist() == ["down", "flat", "up"]
    assert found.shape == (N, 3)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert model.predict(items).tolist() == model.classes_[found.argmax(axis=1)].tolist()
    assert model.score(items, LABELS[places]) > 0.5


def test_the_table_of_answers_and_similar_items_tell_labels(model, items):
    table = model.predict_table(items)
    assert table["predicted_class"].tolist() == model.predict(items).tolist()
    assert set(model.similar(items, 1)["actual_trend"]) <= set(LABELS)


def test_a_saved_classifier_has_its_classes_again(model, items, tmp_path):
    model.save(tmp_path / "bundle")
    again = FusionClassifier.load(tmp_path / "bundle")
    assert again.classes_.tolist() == model.classes_.tolist()
    np.testing.assert_array_equal(again.predict_proba(items), model.predict_proba(items))


@pytest.mark.parametrize("classes", [[], ["down", "up"], ["a", "b", None]])
def test_a_bundle_whose_classes_are_not_those_of_its_head_is_refused(model, tmp_path, classes):
    kept = model.bundle_.info["classes"]
    model.bundle_.info["classes"] = classes
    model.save(tmp_path / "bundle")
    model.bundle_.info["classes"] = kept
    with pytest.raises(BundleError, match="must be that of a classifier with 3 classes"):
        FusionClassifier.load(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("values", "wanted"),
    [(np.array([10, 2, 1]), [1, 2, 10]), (np.array([3.0, 2.0, -1.0]), [-1.0, 2.0, 3.0])],
)
def test_classes_may_be_numbers(items, places, values, wanted):
    model = FusionClassifier(**QUICK).fit(items, values[places])
    assert model.classes_.tolist() == wanted
    assert set(model.predict(items).tolist()) <= set(wanted)


def test_two_classes_stay_a_hot_item_unless_another_head_is_asked_for(items, places):
    two = pd.Series(np.where(places == 2, "hot", "cold"), name="kind")
    usual = FusionClassifier(**QUICK).fit(items, two)
    asked = FusionClassifier(head="multiclass", **QUICK).fit(items, two)
    assert list(usual.predict_table(items)) != list(asked.predict_table(items))
    for model in (usual, asked):
        found = model.predict_proba(items)
        assert found.shape == (N, 2)
        np.testing.assert_allclose(found.sum(axis=1), 1.0)


def test_a_regressor_answers_labels_quantiles_and_steps_together(
    items, places, steps_head, monkeypatch
):
    monkeypatch.setitem(HEADS, "steps", steps_head)
    targets = pd.DataFrame(
        {"trend": LABELS[places], "w1": items["price"], "w2": 2 * items["price"]}
    )
    heads = {"trend": "multiclass", "w1": "quantiles", ("w1", "w2"): "steps"}
    model = FusionRegressor(head=heads, **QUICK).fit(items, targets)
    assert set(model.predict(items)) <= set(LABELS)
    table = model.predict_table(items)
    assert (table["prediction_p10"] <= table["prediction_p90"]).all()
    assert table["prediction_step_2"].notna().all()
    assert 0 < model.score(items, targets) <= 1
    with pytest.raises(CatalogueError, match="must be one of down, flat, up, got 'sideways'"):
        model.score(items, targets.assign(trend="sideways"))


def test_a_head_with_steps_alone_answers_one_column_a_step(items, steps_head, monkeypatch):
    monkeypatch.setitem(HEADS, "steps", steps_head)
    targets = pd.DataFrame({"w1": items["price"], "w2": 2 * items["price"]})
    model = FusionRegressor(head={("w1", "w2"): "steps"}, **QUICK).fit(items, targets)
    assert model.predict(items).shape == (N, 2)


@pytest.mark.parametrize(
    ("estimator", "told"),
    [(FusionRegressor, "must be a list of two or more"), (FusionClassifier, "must be left out")],
)
def test_listed_labels_that_cannot_be_are_refused(items, places, estimator, told):
    asked = estimator(head="multiclass", head_options={"multiclass": {"labels": ["up", "up"]}})
    with pytest.raises(ConfigError, match=f"option labels .*{told}"):
        asked.fit(items, pd.Series(LABELS[places], name="trend"))


def test_a_list_of_targets_is_refused_by_a_head_of_one(items, places):
    target = pd.DataFrame({"one": LABELS[places], "two": LABELS[places]})
    asked = FusionRegressor(head={("one", "two"): "multiclass"})
    with pytest.raises(ConfigError, match=r"must be one column, not a list, got \['one', 'two'\]"):
        asked.fit(items, target)


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        ([1, "1", "x"], "of one type, .* got int and str"),
        ([True, 2, "x"], "of one type, .* got bool and int and str"),
        ([pd.Timestamp(2024, 1, day) for day in (1, 2, 3)], "got Timestamp"),
    ],
)
def test_labels_of_several_types_or_of_none_that_can_be_kept_are_refused(
    items, places, classes, told
):
    labels = np.array(classes, dtype=object)[places]
    with pytest.raises(ValueError, match=told):
        FusionClassifier().fit(items, labels)


def test_numbers_are_labels_of_one_form_whatever_type_they_came_as(items, places, tmp_path):
    for target in (places * 1.0, places.astype(object), pd.Series(places).astype("Int64")):
        model = FusionClassifier(**QUICK).fit(items, pd.Series(target, name="place"))
        assert model.classes_.tolist() == [0, 1, 2]
        assert next(iter(model.bundle_.target_labels.values())) == ("0", "1", "2")
    model.save(tmp_path / "bundle")
    items.assign(place=places * 1.0).to_csv(tmp_path / "later.csv", index=False)
    found = evaluate(tmp_path / "bundle", ItemSource(tmp_path / "later.csv"))
    assert found["place"]["n_rows"] == N

"""Rows as programs hand them over: dicts, tables without some columns, several targets."""

import logging
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score

from fusion import CatalogueError, FusionRegressor, Predictor
from fusion.data import Catalogue
from fusion.data.batch import ModelInputs

TINY = {
    "members": ["network"],
    "encoders": {"text": "tfidf"},
    "strategy_options": {"n_networks": 1, "width": 8},
    "training": {"epochs": 2, "folds": 2},
    "random_state": 0,
}


@pytest.fixture(scope="module")
def items():
    random = np.random.default_rng(0)
    n = 30
    frame = pd.DataFrame(
        {
            "sku": [f"A{i}" for i in range(n)],
            "title": [f"a {random.choice(['warm', 'soft'])} coat {i}" for i in range(n)],
            "price": random.uniform(5, 50, n).round(2),
            "weight": random.integers(1, 50, n),
        }
    )
    return frame.assign(units=(frame["price"] * 2).round(), hot=(frame["price"] > 25).astype(int))


@pytest.fixture(scope="module")
def inputs(items):
    return items.drop(columns=["units", "hot"])


@pytest.fixture(scope="module")
def model(items, inputs):
    heads = {"units": "regression", "hot": "hot_item"}
    return FusionRegressor(head=heads, **TINY).fit(inputs, items[["units", "hot"]])


@pytest.fixture(scope="module")
def loaded(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    model.save(folder)
    return FusionRegressor.load(folder)


@pytest.fixture(params=["model", "loaded"])
def estimator(request):
    return request.getfixturevalue(request.param)


def test_dicts_get_the_answers_of_their_frame(estimator, inputs):
    new = inputs.head(4)
    records = new.to_dict("records")
    shuffled = [dict(reversed(row.items())) for row in records]
    whole = estimator.predict_table(new)
    for rows in (records, tuple(records), shuffled):
        pd.testing.assert_frame_equal(estimator.predict_table(rows), whole)
    one = estimator.predict_table(records[2]).iloc[0]
    assert one["id"] == "A2" and np.isclose(one["prediction"], whole["prediction"][2])
    similar = estimator.similar(records, k=2)
    pd.testing.assert_frame_equal(similar, estimator.similar(new, k=2))
    predictor = Predictor(estimator.bundle_)
    pd.testing.assert_frame_equal(predictor.predict(records), predictor.predict(new))


def test_a_key_that_a_dict_lacks_is_a_missing_value(estimator, inputs):
    new = inputs.head(3).astype(object)
    new.loc[1, "price"] = None
    new["weight"] = None
    rows = [{"sku": row.sku, "title": row.title} for row in new.itertuples()]
    for place in (0, 2):
        rows[place]["price"] = new["price"][place]
    table = estimator.predict_table(rows)
    assert (table["error"] == "").all()
    pd.testing.assert_frame_equal(table, estimator.predict_table(new))


def test_an_answer_to_sound_rows_copies_neither_table_nor_inputs(loaded, inputs, monkeypatch):
    table = loaded.predict_table(inputs.head(4))
    for kind in (Catalogue, ModelInputs):
        monkeypatch.delattr(kind, "take")
    pd.testing.assert_frame_equal(loaded.predict_table(inputs.head(4)), table)


def test_models_learn_from_dicts_as_from_their_frame(items, inputs):
    fits = [
        FusionRegressor(**TINY).fit(rows, items["units"])
        for rows in (inputs, inputs.to_dict("records"))
    ]
    assert fits[0].bundle_.schema == fits[1].bundle_.schema
    answers = [each.predict(inputs.head(3)) for each in fits]
    np.testing.assert_array_equal(*answers)


def test_a_column_that_is_not_there_is_absent_where_bad_values_are(
    estimator, inputs, monkeypatch, caplog
):
    monkeypatch.setattr(estimator, "on_bad_rows", "absent")
    new = inputs.head(3)
    with caplog.at_level(logging.WARNING, "fusion"):
        table = estimator.predict_table(new.drop(columns=["title", "weight"]))
    blank = estimator.predict_table(new.assign(title=None, weight=None))
    pd.testing.assert_frame_equal(table, blank)
    assert "text" not in table["present"][0]
    with pytest.raises(CatalogueError, match="sku"):
        estimator.predict_table(new.drop(columns="sku"))


def test_without_that_policy_a_missing_column_is_refused_by_name(loaded, inputs):
    with pytest.raises(CatalogueError, match=r"column price: must be a column of the table"):
        loaded.predict_table(inputs.drop(columns="price"))


def test_the_score_of_several_targets_is_the_mean_of_theirs(estimator, items, inputs):
    table = estimator.predict_table(inputs)
    expected = (
        r2_score(items["units"], table["prediction"])
        + r2_score(items["hot"], table["hot_probability"])
    ) / 2
    assert estimator.score(inputs, items[["hot", "units"]]) == pytest.approx(expected)


def test_a_row_without_a_target_counts_for_the_other_targets(model, items, inputs):
    y = items[["units", "hot"]].astype(float)
    y.loc[:9, "hot"] = np.nan
    table = model.predict_table(inputs)
    expected = (
        r2_score(items["units"], table["prediction"])
        + r2_score(items["hot"][10:], table["hot_probability"][10:])
    ) / 2
    assert model.score(inputs, y) == pytest.approx(expected)


def test_weights_of_rows_count_in_the_score(model, items, inputs):
    weights = np.r_[np.zeros(10), np.ones(20)]
    y = items[["units", "hot"]]
    weighted = model.score(inputs, y, sample_weight=weights)
    assert weighted == pytest.approx(model.score(inputs[10:], y[10:]))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda y: y["units"], "y must be a frame with a column for each target (units, hot)"),
        (lambda y: y.rename(columns={"hot": "Hot"}), "column hot: must be a column of the table, "
         "got none of that name. Did you mean 'Hot'?"),
        (lambda y: y.assign(hot=np.nan), "hot must be known in at least two rows, got 0"),
    ],
)  # fmt: skip
def test_targets_that_cannot_be_scored_are_refused(model, items, inputs, change, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        model.score(inputs, change(items[["units", "hot"]]))

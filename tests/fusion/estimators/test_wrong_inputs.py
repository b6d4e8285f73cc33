"""What new users give by mistake: each is refused with its name, rule, value, place and a way out.

The table goes on in `tests/test_wrong_commands.py`, for the command line.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fusion import FusionClassifier, FusionRegressor, Predictor, load_bundle, read_table
from fusion.estimators.asked import training_paths

TINY = {
    "members": ["network"],
    "encoders": {"text": "tfidf"},
    "strategy_options": {"n_networks": 1, "width": 8},
    "training": {"epochs": 1, "folds": 2},
    "random_state": 0,
}
N = 20
Y = [float(row % 7) for row in range(N)]
X = pd.DataFrame(
    {
        "sku": [f"A{row}" for row in range(N)],
        "title": [f"a warm coat, cut number {row}" for row in range(N)],
        "price": [9.5 + row for row in range(N)],
    }
)


def regressor(**parameters):
    return FusionRegressor(**{**TINY, **parameters})


def classifier(**parameters):
    return FusionClassifier(**{**TINY, **parameters})


FITS = [
    (lambda: regressor().fit("items.csv", Y), "X must be a table", "'items.csv'", "read_table"),
    (lambda: regressor().fit(Path("items.csv"), Y), "X must be a table", "read_table"),
    (lambda: regressor().fit(None, Y), "X must be a table", "None"),
    (lambda: regressor().fit(X["price"], Y), "X must be a table", "a Series", "frame[[name]]"),
    (lambda: regressor().fit(X, "units"), "one target for each row", "'units'", "frame[name]"),
    (lambda: regressor().fit(X, Y[:5]), "must have 20 rows as X, got 5", "one target for each"),
    (lambda: regressor().fit(X, [None, *Y[1:]]), "contains NaN, in 1 of 20 rows (1)", "Leave"),
    (lambda: classifier().fit(X, [np.nan] * 7 + [1.0] * 13), "7 of 20 rows (1, 2, 3, 4, 5, ...)"),
    (lambda: regressor().fit(X, ["many", *Y[1:]]), "row 1", "must be a number, got 'many'"),
    (lambda: regressor(head="sales_volume").fit(X, [-3.0, *Y[1:]]), "row 1", "got -3", "Correct"),
    (lambda: regressor(head="sales_volum").fit(X, Y), "got 'sales_volum'. Did you mean"),
    (lambda: regressor(head="Regression").fit(X, Y), "Did you mean 'regression'?"),
    (lambda: regressor(head=["regression"]).fit(X, Y), "head must be one of", "['regression']"),
    (
        lambda: regressor(head_options={"regression": 3}, head="regression").fit(X, Y),
        "head_options of regression must be names and values, got 3",
    ),
    (
        lambda: regressor(members={"kernel": {"exact_rows": True}}).fit(X, Y),
        "exact_rows must be a whole number",
        "True",
    ),
    (lambda: regressor(encoders={"text": "TF-IDF"}).fit(X, Y), "Did you mean 'tfidf'?"),
    (lambda: regressor(on_bad_rows="skip").fit(X, Y), "absent, raise, record, got 'skip'"),
    (
        lambda: regressor(columns={"numeric": ["Price "]}).fit(X, Y),
        "column Price ",
        "Did you mean 'price'?",
    ),
    (
        lambda: regressor(photos="fotos", columns={"image": ["sku"]}).fit(X, Y),
        "'fotos'",
        "--photos FOLDER",
    ),
    (lambda: regressor().fit(X[["sku"]].assign(a="x"), Y), "a has one value in every row: 'x'"),
    (lambda: regressor().fit(X[:4], Y[:4]), "at least 5 usable rows, got n_samples=4"),
    (lambda: regressor().fit(X.assign(target=Y), Y), "'target' with the very values", "Drop it"),
    (lambda: regressor().fit(pd.concat([X, X[["price"]]], axis=1), Y), "column price", "a name"),
    (lambda: regressor().fit({"price": [1, 2]}, Y), "one value for each column", "DataFrame"),
    (
        lambda: classifier(head="hot_item").fit(X, [row % 3 for row in range(N)]),
        "two classes for the head hot_item, got 3",
        "join them",
    ),
    (
        lambda: regressor(head={"units": "regression"}).fit(X, Y),
        "a frame with a column for each target (units), got list",
    ),
    (
        lambda: regressor(head={"units": "regression"}).fit(X, pd.DataFrame({"Units": Y})),
        "y: column units: must be a column",
        "Did you mean 'Units'?",
    ),
    (
        lambda: regressor(columns={"numeric": ["size"]}, on_bad_rows="record").fit(mixed(5), Y[:5]),
        "got n_samples=4",
        "1 row was left out:",
        "- row 3: number_not_read: must be a number, got 'XL' (column size)",
    ),
    (
        lambda: regressor(columns={"numeric": ["size"]}).fit(mixed(5), Y[:5]),
        "row 3 (id 2), column size: must be a number, got 'XL'",
        "Write these numbers as the others",
    ),
    (
        lambda: regressor().fit(mixed(5)[["size"]], Y[:5]),
        "size holds numbers but for 'XL' in row 3; write numbers there or leave the cells empty, "
        "or name the column among the categorical ones",
    ),
    (lambda: FusionRegressor.load("nowhere"), "nowhere must be a bundle", "Give the folder"),
    (lambda: FusionRegressor.load("a", photo="photos"), "got 'photo'. Did you mean 'photos'"),
    (lambda: Predictor("coats"), "bundle must be a Bundle, got 'coats'", "load_bundle(folder)"),
    (lambda: load_bundle("nowhere"), "nowhere must be a bundle", "Give the folder"),
    (lambda: read_table("nowhere.csv"), "must be a file, got none", "Check the name"),
]


def mixed(n):
    sizes = ["XL" if row % 5 == 2 else row for row in range(n)]
    return pd.DataFrame({"price": X["price"][:n], "size": sizes})


def message_of(call):
    with pytest.raises((ValueError, TypeError, OSError)) as error:
        call()
    return str(error.value)


@pytest.mark.parametrize(("call", "told"), [(call, told) for call, *told in FITS])
def test_a_wrong_call_says_what_to_do(call, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = message_of(call)
    assert [each for each in told if each not in message] == [], message


@pytest.fixture(scope="module")
def fitted():
    return regressor().fit(X, Y)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda m: m.predict("new.csv"), ["X must be a table", "'new.csv'"]),
        (lambda m: m.predict(X.iloc[0]), ["a Series", "frame.loc[[label]]"]),
        (lambda m: m.predict(X.drop(columns="price")), ["now missing", "- price"]),
        (lambda m: m.similar(X, 0), ["k must be a whole number in 1..20, got 0"]),
        (lambda m: m.similar(X, "3"), ["k must be a whole number in 1..20, got '3'"]),
        (lambda m: Predictor(m.bundle_).predict("new.csv"), ["items must be a table"]),
        (
            lambda m: Predictor(m.bundle_).predict(X.rename(columns={"price": "PRICE"})),
            ["column price: must be a column of the table", "Did you mean 'PRICE'?"],
        ),
        (
            lambda m: Predictor(m.bundle_).predict(X.to_numpy()),
            ["column sku", "column title", "column price", "Correct the name"],
        ),
        (lambda m: m.score(X, Y[:4]), ["inconsistent numbers of samples"]),
    ],
)
def test_a_wrong_question_to_a_model_says_what_to_do(fitted, ask, told):
    message = message_of(lambda: ask(fitted))
    assert [each for each in told if each not in message] == [], message
    assert message.count("Correct the name") <= 1


def test_the_home_folder_may_be_written_as_a_tilde(fitted, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    fitted.save("~/coats")
    assert (tmp_path / "coats" / "bundle.json").is_file()
    loaded = FusionRegressor.load("~/coats", store="~/kept")
    assert training_paths(loaded).store == tmp_path / "kept"
    X.to_csv(tmp_path / "items.csv", index=False)
    assert len(read_table("~/items.csv")) == N


def test_a_wrong_name_of_a_table_gets_the_nearest(tmp_path):
    X.to_csv(tmp_path / "items.csv", index=False)
    assert "Did you mean" in message_of(lambda: read_table(tmp_path / "itms.csv"))
    folder = message_of(lambda: read_table(tmp_path))
    assert "must be a file, got a folder" in folder and "items.csv?" in folder

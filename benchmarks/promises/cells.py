"""Hostile texts and numbers in tables: a defined result or a named error, 2,000 an estimator."""

import gc
import re
import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from benchmarks.promises.base import Outcome, Promise, Settings
from fusion import FusionClassifier, FusionError, FusionRegressor

CASES = 2_000
ROWS = 12
TEXTS = (
    *("", " ", "red coat", "a\0b", "lone \ud800", "\udfff", "e" + "\u0301" * 100_000),
    *("\u202e\u2066rtl", "\ufeffbom", "a\r\nb\tc", "=1+1", "1e999", "nan", "None", "\U0010ffff"),
    *("0" * 5_000, "a " * 300, "\u00df\u0130\u0149", "#N/A", "-", "True"),
)
NUMBERS = (
    *(None, np.nan, np.inf, -np.inf, 0, -0.0, 1e308, -1e308, 5e-324, 1e-310, 2**63 - 1, -(2**63)),
    *(2**64, 10**30, True, "12,90", "1e308", "", "many", "0x10", "1_000", "\u0663", "NaN", "inf"),
)
KEYS = (None, "", "a", "A", "a\0", "\ud800", 7, 7.0, True, "x" * 10_000, np.nan, "7", "=cmd")
DATES = (
    *(None, "", "2024-01-31", "31.01.2024", "0001-01-01", "9999-12-31", "2024-02-30", "soon"),
    *(pd.Timestamp("1677-09-22"), pd.NaT, 20240101, -1, 1e18, "2024-01-01T00:00:00+14:00"),
)
ODD = {"title": TEXTS, "price": NUMBERS, "stock": NUMBERS, "brand": KEYS, "launch": DATES}
PLAIN = {
    "title": ("red coat", "blue coat", "green shoe"),
    "price": (1.5, 2.0, 30.0),
    "stock": (1, 2, 3),
    "brand": ("a", "b"),
    "launch": ("2024-01-31", "2024-03-01"),
}
RULES = r" must |Input (y )?contains|Unknown label type"
"""What a named error says: a rule of ours, or the words that scikit-learn's contract asks for."""
ROLES = {
    "text": ["title"],
    "numeric": ["price", "stock"],
    "categorical": ["brand"],
    "dates": ["launch"],
}
SMALL = {
    "encoders": {"text": "tfidf"},
    "training": {"epochs": 1, "folds": 2},
    "strategy_options": {"n_networks": 1, "width": 8},
    "random_state": 0,
}


def columns(draw: Any, cells: tuple[Any, ...], plain: tuple[Any, ...], n_rows: int) -> list[Any]:
    """One column: odd throughout, odd here and there, constant, or empty."""
    kind = draw(st.sampled_from(("plain", "few", "odd", "constant", "empty")))
    usual = [plain[row % len(plain)] for row in range(n_rows)]
    if kind == "few":
        for row in draw(st.lists(st.integers(0, n_rows - 1), min_size=1, max_size=2)):
            usual[row] = draw(st.sampled_from(cells))
    elif kind == "odd":
        usual = draw(st.lists(st.sampled_from(cells), min_size=n_rows, max_size=n_rows))
    elif kind == "constant":
        usual = [draw(st.sampled_from(cells))] * n_rows
    elif kind == "empty":
        usual = [None] * n_rows
    return usual


@st.composite
def tables(draw: Any, *, n_rows: int = ROWS) -> pd.DataFrame:
    """Tables of all roles with odd cells, typed by pandas or not."""
    cells = {name: columns(draw, odd, PLAIN[name], n_rows) for name, odd in ODD.items()}
    frame = pd.DataFrame({name: pd.Series(some, dtype=object) for name, some in cells.items()})
    return frame.apply(inferred) if draw(st.booleans()) else frame


def inferred(cells: pd.Series) -> pd.Series:
    """A column with the type that pandas finds; as it was where pandas itself cannot hold it."""
    try:
        return cells.infer_objects()
    except UnicodeEncodeError:
        return cells


@st.composite
def targets(draw: Any, cells: tuple[Any, ...], plain: tuple[Any, ...]) -> list[Any]:
    """Targets, most of them plain; odd ones are errors with a name."""
    if draw(st.integers(0, 4)):
        return [plain[row % len(plain)] for row in range(ROWS)]
    return columns(draw, cells, plain, ROWS)


def run(settings: Settings) -> Outcome:
    """Fits and asks both estimators with drawn tables."""
    import_module("transformers.trainer")
    gc.freeze()  # each training collects: seconds, with so many modules loaded
    outcome = Outcome()
    count = settings.n(CASES)
    for name, attempt, wanted in (
        ("FusionRegressor", _regress, targets(NUMBERS, (1.0, 4.0, 9.5))),
        ("FusionClassifier", _classify, targets(KEYS, ("no", "yes"))),
    ):
        _draw(outcome, name, attempt, wanted, count=count)
    gc.unfreeze()
    return outcome


def _draw(
    outcome: Outcome, name: str, attempt: Callable[..., str], wanted: Any, *, count: int
) -> None:
    results = {"answered": 0, "refused": 0}

    @hypothesis_settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(tables(), wanted, tables(n_rows=4), st.sampled_from(("raise", "record", "absent")))
    def tried(x: pd.DataFrame, y: list[Any], new: pd.DataFrame, policy: str) -> None:
        number = sum(results.values())
        outcome.attempt(f"{name} {policy} {number}", lambda: attempt(x, y, new, policy, results))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of numbers that overflow: what counts is the answer
        tried()
    told = ", ".join(f"{key} {number:,}" for key, number in results.items())
    outcome.detail.append(f"{name}: {told}")


def _regress(
    x: pd.DataFrame, y: list[Any], new: pd.DataFrame, policy: str, results: dict[str, int]
) -> str:
    model = FusionRegressor(**SMALL, columns=ROLES, on_bad_rows=policy)
    return _answer(model, x, inferred(pd.Series(y, dtype=object)), new, results)


def _classify(
    x: pd.DataFrame, y: list[Any], new: pd.DataFrame, policy: str, results: dict[str, int]
) -> str:
    model = FusionClassifier(**SMALL, columns=ROLES, on_bad_rows=policy)
    return _answer(model, x, inferred(pd.Series(y, dtype=object)), new, results)


def _answer(model: Any, x: Any, y: Any, new: Any, results: dict[str, int]) -> str:
    """What is wrong with the answers to new rows; a refusal with a name is none."""
    try:
        model.fit(x, y)
        table = model.predict_table(new)
    except (FusionError, ValueError) as error:
        results["refused"] += 1
        named = isinstance(error, FusionError) or re.search(RULES, str(error))
        return "" if named else f"{type(error).__name__} without a rule: {error}"
    results["answered"] += 1
    numbers = table.drop(columns=["id", "present", "error"]).select_dtypes("number")
    finite = np.isfinite(numbers.to_numpy(dtype=float)).all(axis=1)
    wrong = ~finite & (table["error"] == "").to_numpy()
    if len(table) != len(new):
        return f"{len(new)} rows were asked for, {len(table)} came"
    return f"no finite answer and no error in rows {np.flatnonzero(wrong)}" if wrong.any() else ""


PROMISE = Promise("hostile texts and numbers: a defined result or a named error", run)

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fusion.data import Catalogue, Problem, Schema, apply_policy, build_catalogue
from fusion.data.policy import dropped_rows
from fusion.errors import CatalogueError, ConfigError

SCHEMA = Schema(
    id="id",
    columns={
        "text": ("title",),
        "image": ("photo",),
        "numeric": ("price",),
        "categorical": ("colour",),
        "dates": ("launch",),
        "history": ("units_last_4w",),
    },
)
FAULTS: list[tuple[int, str, Any]] = [
    (1, "photo", "../x.jpg"),
    (3, "title", b"bytes"),
    (4, "price", "cheap"),
    (5, "colour", ["red"]),
    (6, "launch", "soon"),
    (7, "units_last_4w", float("inf")),
    (8, "id", "A0"),
    (8, "price", "dear"),
]


def table(tmp_path: Path, *, faults: bool) -> Catalogue:
    rows = range(10)
    for row in rows:
        (tmp_path / f"{row}.jpg").touch()
    frame = pd.DataFrame(
        {
            "id": [f"A{row}" for row in rows],
            "title": [f"title {row}" for row in rows],
            "photo": [f"{row}.jpg" for row in rows],
            "price": [str(row) for row in rows],
            "colour": ["red"] * 10,
            "launch": ["2024-01-01"] * 10,
            "units_last_4w": [1.5] * 10,
        },
        dtype=object,
    )
    for row, column, cell in FAULTS if faults else []:
        frame.at[row, column] = cell
    return build_catalogue(frame, SCHEMA, photos=tmp_path)


def assert_same_rows(left: Catalogue, right: Catalogue) -> None:
    assert left.ids == right.ids
    for name, values in left.values.items():
        if isinstance(values, pd.DataFrame):
            pd.testing.assert_frame_equal(values, right.values[name])
        else:
            assert values == right.values[name]
        np.testing.assert_array_equal(left.present[name], right.present[name])


def test_raise_names_every_row_and_column_in_one_message(tmp_path: Path) -> None:
    target = Problem("target_missing", "must be given, got none", 9, column="units")
    with pytest.raises(CatalogueError) as caught:
        apply_policy(table(tmp_path, faults=True), [target], on_bad_rows="raise")
    message = str(caught.value)
    assert "9 problems in 8 rows" in message
    for row, column, _ in FAULTS:
        assert f"row {row + 1} (id" in message
        assert f"column {column}" in message
    assert "row 10 (id A9), column units" in message


def test_record_leaves_faulty_rows_out_and_the_others_as_they_are(tmp_path: Path) -> None:
    target = Problem("target_missing", "must be given, got none", 9, column="units")
    kept, dropped = apply_policy(table(tmp_path, faults=True), [target], on_bad_rows="record")
    assert list(dropped) == [1, 3, 4, 5, 6, 7, 8, 9]
    assert dropped[9] == "target_missing: must be given, got none (column units)"
    assert dropped[8].count(";") == 1
    assert kept.problems == []
    assert_same_rows(kept, table(tmp_path, faults=False).take([0, 2]))


def test_absent_keeps_rows_with_one_bad_value_and_records_the_others(tmp_path: Path) -> None:
    kept, dropped = apply_policy(table(tmp_path, faults=True), on_bad_rows="absent")
    assert list(dropped) == [8]
    assert kept.ids == ["A0", "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A9"]
    assert kept.values["image"][1] is None
    assert kept.values["text"][3] is None
    numeric = kept.values["numeric"]
    assert isinstance(numeric, pd.DataFrame)
    assert numeric.isna().sum().to_dict() == {"price": 1, "colour": 1, "launch": 1}
    assert numeric["price"].isna()[4]
    assert numeric["colour"][5] is None
    assert kept.present["history"].tolist() == [True] * 7 + [False, True]
    clean = table(tmp_path, faults=False)
    assert_same_rows(kept.take([0, 2, 8]), clean.take([0, 2, 9]))


def test_a_photo_that_failed_to_decode_later_becomes_absent_too(tmp_path: Path) -> None:
    clean = table(tmp_path, faults=False)
    later = [
        Problem("photo_unreadable", "must be a picture", 2, column="photo", modality="image"),
        Problem("number_not_read", "must be below 1", 3, column="price", modality="numeric"),
        Problem("category_not_text", "must be known", 4, column="colour", modality="numeric"),
        Problem("date_not_read", "must be past", 5, column="launch", modality="numeric"),
    ]
    kept, dropped = apply_policy(clean, later, on_bad_rows="absent")
    assert dropped == {}
    assert kept.present["image"].tolist() == [row != 2 for row in range(10)]
    numeric = kept.values["numeric"]
    assert isinstance(numeric, pd.DataFrame)
    assert np.argwhere(numeric.isna().to_numpy()).tolist() == [[3, 0], [4, 1], [5, 2]]
    assert numeric["colour"][4] is None
    assert clean.present["image"].all()
    assert clean.values["numeric"].notna().all(axis=None)


@pytest.mark.parametrize("policy", ["raise", "record", "absent"])
def test_a_clean_catalogue_is_the_same_under_every_policy(tmp_path: Path, policy: Any) -> None:
    clean = table(tmp_path, faults=False)
    kept, dropped = apply_policy(clean, on_bad_rows=policy)
    assert dropped == {}
    assert_same_rows(kept, clean)


@pytest.mark.parametrize("policy", ["record", "absent"])
def test_rows_left_out_are_known_without_a_new_table(
    tmp_path: Path, policy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    faulty = table(tmp_path, faults=True)
    _, dropped = apply_policy(faulty, on_bad_rows=policy)
    monkeypatch.delattr(Catalogue, "take")
    assert dropped and dropped_rows(faulty, on_bad_rows=policy) == dropped


@pytest.mark.parametrize("policy", ["raise", "record", "absent"])
def test_a_problem_of_the_whole_table_always_stops(tmp_path: Path, policy: Any) -> None:
    with pytest.raises(CatalogueError, match="too small"):
        apply_policy(
            table(tmp_path, faults=False), [Problem("rows", "too small")], on_bad_rows=policy
        )


def test_an_unknown_policy_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'record'"):
        apply_policy(table(tmp_path, faults=False), on_bad_rows="records")  # type: ignore[arg-type]


def test_absent_takes_the_faulty_cell_alone_out_of_the_row_text() -> None:
    frame = pd.DataFrame(
        {"title": ["Hat", "Cap"], "price": ["12,9O", "5"], "note": ["new", b"x"]}, dtype=object
    )
    schema = Schema(
        columns={"text": ("title",), "numeric": ("price",), "row_text": ("title", "price", "note")}
    )
    catalogue = build_catalogue(frame, schema, photos=None)
    kept, dropped = apply_policy(catalogue, on_bad_rows="absent")
    assert dropped == {}
    assert kept.values["row_text"] == ["title: Hat\nnote: new", "title: Cap\nprice: 5"]
    assert kept.present["numeric"].tolist() == [False, True]
    assert kept.values["text"] == ["Hat", "Cap"]

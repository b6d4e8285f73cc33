from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from fusion.data import Schema, build_catalogue, target_values
from fusion.data.cells import MAX_TEXT
from fusion.errors import CatalogueError

NAN = float("nan")


def column(*cells: Any) -> pd.DataFrame:
    return pd.DataFrame({"x": pd.Series(list(cells), dtype=object)})


def codes(catalogue: Any) -> list[tuple[int | None, str]]:
    return [(problem.row, problem.code) for problem in catalogue.problems]


def test_missing_columns_and_the_missing_photo_folder_are_one_message(tmp_path: Path) -> None:
    schema = Schema(
        id="id", columns={"text": ("titel",), "image": ("photo",), "numeric": ("price",)}
    )
    frame = pd.DataFrame({"title": ["a"], "photo": ["b"]})
    for photos in (None, tmp_path / "none"):
        with pytest.raises(CatalogueError) as caught:
            build_catalogue(frame, schema, photos=photos, source="shop.csv")
        for part in ("shop.csv has 4 problems", "column id", "'title'", "price", "photo folder"):
            assert part in str(caught.value)


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("a\ud800b", "text_lone_surrogate"),
        ("a\0b", "text_nul"),
        (b"bytes", "text_not_text"),
        (["list"], "text_not_text"),
        ("x" * (MAX_TEXT + 1), "text_too_long"),
        ("x" * 10_000_000, "text_too_long"),
    ],
)
def test_a_bad_text_is_absent_and_named(cell: object, code: str) -> None:
    catalogue = build_catalogue(
        column("good", cell, ""), Schema(columns={"text": ("x",)}), photos=None
    )
    assert catalogue.values["text"] == ["good", None, None]
    assert catalogue.present["text"].tolist() == [True, False, False]
    assert codes(catalogue) == [(1, code)]
    assert len(str(catalogue.problems[0])) < 250
    str(catalogue.problems[0]).encode()


def test_several_text_columns_are_joined_with_their_names() -> None:
    frame = pd.DataFrame(
        {"title": ["Shirt", None, " "], "colour": ["red", "blue", None], "size": [1.0, 2.0, NAN]}
    )
    schema = Schema(columns={"text": ("title", "colour", "size"), "categorical": ("colour",)})
    catalogue = build_catalogue(frame, schema, photos=None)
    joined = ["title: Shirt\ncolour: red\nsize: 1", "colour: blue\nsize: 2", None]
    assert catalogue.values["text"] == joined
    assert catalogue.problems == []


def test_one_text_column_is_the_text_itself_with_any_valid_character() -> None:
    texts = ["  two  spaces ", "e" + "\u0301" * 100_000, "x" * MAX_TEXT]
    catalogue = build_catalogue(column(*texts), Schema(columns={"text": ("x",)}), photos=None)
    assert catalogue.values["text"] == texts
    assert catalogue.problems == []


def test_numbers_of_every_type_are_read() -> None:
    cells = (1, 2.5, True, "3", " -4.5e1 ", Decimal("1.5"), np.int64(2**53), None, "", "N/A", pd.NA)
    expected = [1, 2.5, 1, 3, -45, 1.5, 2**53, NAN, NAN, NAN, NAN]
    catalogue = build_catalogue(column(*cells), Schema(columns={"numeric": ("x",)}), photos=None)
    values = catalogue.values["numeric"]
    np.testing.assert_array_equal(values["x"], expected)
    assert values["x"].dtype == np.float64
    assert catalogue.problems == []
    np.testing.assert_array_equal(catalogue.present["numeric"], ~np.isnan(expected))


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "int64[pyarrow]", "decimal128(9,2)", "int8"])
def test_number_types_of_pandas_are_read(dtype: str) -> None:
    pa = pytest.importorskip("pyarrow")
    kind = pd.ArrowDtype(pa.decimal128(9, 2)) if dtype.startswith("decimal") else dtype
    cells = [Decimal(1), Decimal(2)] if dtype.startswith("decimal") else [1, 2]
    missing = [] if dtype == "int8" else [None]
    frame = pd.DataFrame({"x": pd.Series([*cells, *missing], dtype=kind)})
    values = build_catalogue(frame, Schema(columns={"numeric": ("x",)}), photos=None).values[
        "numeric"
    ]
    np.testing.assert_array_equal(values["x"], [1.0, 2.0, NAN][: len(frame)])


def test_text_in_a_number_column_and_infinite_numbers_are_named_with_the_value() -> None:
    cells = (1e308, "abc", float("inf"), "-inf", 10**400, "1e999", b"1", "1_0", "1,5", "0x1F", 2j)
    catalogue = build_catalogue(column(*cells), Schema(columns={"numeric": ("x",)}), photos=None)
    bad, infinite = "number_not_read", "number_infinite"
    expected = [bad, infinite, infinite, infinite, infinite, bad, bad, bad, bad, bad]
    assert codes(catalogue) == list(enumerate(expected, start=1))
    assert catalogue.problems[0].message == "must be a number, got 'abc'"
    assert catalogue.values["numeric"]["x"].notna().tolist() == [True, *[False] * 10]
    fast = build_catalogue(
        pd.DataFrame({"x": [1.0, -np.inf]}), Schema(columns={"numeric": ("x",)}), photos=None
    )
    assert codes(fast) == [(1, infinite)]
    assert "got -inf" in fast.problems[0].message


def test_a_constant_column_is_read_as_it_is() -> None:
    frame = pd.DataFrame({"x": [7.0, 7.0, 7.0]})
    catalogue = build_catalogue(frame, Schema(columns={"numeric": ("x",)}), photos=None)
    assert catalogue.values["numeric"]["x"].tolist() == [7.0, 7.0, 7.0]
    assert catalogue.problems == []


def test_categories_have_one_form_whatever_their_type() -> None:
    cells = (
        1,
        1.0,
        Decimal(1),
        "1",
        " red ",
        2.5,
        True,
        None,
        " ",
        date(2024, 1, 2),
        b"b",
        "\ud800",
    )
    catalogue = build_catalogue(
        column(*cells), Schema(columns={"categorical": ("x",)}), photos=None
    )
    expected = ["1"] * 4 + ["red", "2.5", "True", None, None, "2024-01-02", None, None]
    assert catalogue.values["numeric"]["x"].tolist() == expected
    assert codes(catalogue) == [(10, "category_not_text"), (11, "category_lone_surrogate")]
    floats = pd.DataFrame({"x": [1.0, NAN]})
    values = build_catalogue(floats, Schema(columns={"categorical": ("x",)}), photos=None).values[
        "numeric"
    ]
    assert values["x"].tolist() == ["1", None]


def test_a_date_is_the_one_on_the_wall_whatever_its_zone() -> None:
    berlin = pd.Timestamp("2024-07-01 02:00", tz="Europe/Berlin")
    noon = datetime(2024, 7, 1, 12, tzinfo=UTC)
    cells = ("2024-07-01", "2024-07-01T02:00+02:00", berlin, noon, date(2024, 7, 1), None, "NaT")
    catalogue = build_catalogue(column(*cells), Schema(columns={"dates": ("x",)}), photos=None)
    values = catalogue.values["numeric"]["x"]
    assert values.dtype == "datetime64[us]"
    day = pd.Timestamp("2024-07-01")
    late, noon_there = day + pd.Timedelta("2h"), day + pd.Timedelta("12h")
    expected = [day, late, late, noon_there, day]
    assert values.head(5).tolist() == expected
    assert catalogue.present["numeric"].tolist() == [True] * 5 + [False] * 2
    aware = pd.DataFrame({"x": pd.Series([berlin])})
    assert (
        build_catalogue(aware, Schema(columns={"dates": ("x",)}), photos=None).values["numeric"][
            "x"
        ][0]
        == late
    )


def test_what_is_no_date_is_named() -> None:
    cells = ("2024-13-01", "01/02/2024", 20241301, "soon", "2024-01-01")
    catalogue = build_catalogue(column(*cells), Schema(columns={"dates": ("x",)}), photos=None)
    assert codes(catalogue) == [(row, "date_not_read") for row in range(4)]
    assert "got '01/02/2024'" in catalogue.problems[1].message


def test_ids_are_text_and_every_later_duplicate_is_named() -> None:
    cells = ("A", "B", "A", None, "", " A ", 7, 7.0, b"x")
    catalogue = build_catalogue(column(*cells), Schema(id="x"), photos=None)
    assert catalogue.ids == ["A", "B", "A", "", "", " A ", "7", "7", ""]  # as they came in
    twice, none = "id_duplicate", "id_missing"
    expected = [(2, twice), (3, none), (4, none), (5, twice), (7, twice), (8, "id_not_text")]
    assert codes(catalogue) == expected
    assert "of row 1 again" in catalogue.problems[0].message
    assert catalogue.problems[0].id == "A"


def test_without_an_id_column_rows_are_counted() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0]}, index=[7, 7])
    catalogue = build_catalogue(frame, Schema(columns={"numeric": ("x",)}), photos=None)
    assert catalogue.ids == ["0", "1"]
    assert len(catalogue) == 2


def test_photos_of_several_columns_are_one_list_and_one_bad_photo_makes_it_absent(
    tmp_path: Path,
) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).touch()
    front = ["a.jpg", None, "a.jpg", None]
    frame = pd.DataFrame({"front": front, "back": ["b.jpg", "b.jpg", "../b.jpg", None]})
    catalogue = build_catalogue(
        frame, Schema(columns={"image": ("front", "back")}), photos=tmp_path
    )
    a, b = tmp_path.resolve() / "a.jpg", tmp_path.resolve() / "b.jpg"
    assert catalogue.values["image"] == [[a, b], [b], None, None]
    assert catalogue.photos == [a, b, None, None]
    assert codes(catalogue) == [(2, "photo_outside")]
    assert catalogue.faulty_rows() == {
        2: "photo_outside: must be a path inside the photo folder, got '../b.jpg' (column back)"
    }


def test_take_moves_values_and_problems_together() -> None:
    frame = pd.DataFrame({"id": list("abc"), "x": ["1", "bad", "3"], "t": ["u", "v", "w"]})
    schema = Schema(id="id", columns={"numeric": ("x",), "text": ("t",)})
    taken = build_catalogue(frame, schema, photos=None).take([2, 1, 1])
    assert taken.ids == ["c", "b", "b"]
    assert taken.values["text"] == ["w", "v", "v"]
    assert taken.frame["t"].tolist() == ["w", "v", "v"]
    assert taken.values["numeric"]["x"].fillna(-1).tolist() == [3.0, -1.0, -1.0]
    assert taken.present["numeric"].tolist() == [True, False, False]
    assert list(taken.faulty_rows()) == [1, 2]
    assert len(taken.take([])) == 0


def test_a_target_that_is_no_number_or_infinite_is_named_and_a_missing_one_is_nan() -> None:
    frame = column(3, None, "many", float("inf"), "NaN", "4")
    values, problems = target_values(frame, "x", source="shop.csv")
    np.testing.assert_array_equal(values, [3, NAN, NAN, NAN, NAN, 4])
    assert [(problem.row, problem.code) for problem in problems] == [
        (2, "target_not_number"),
        (3, "target_infinite"),
    ]
    with pytest.raises(CatalogueError, match=r"(?s)shop.csv.*Did you mean 'xx1'"):
        target_values(pd.DataFrame({"x": [1], "xx1": [1]}), "xx", source="shop.csv")


def test_an_empty_table_is_a_catalogue_of_no_items() -> None:
    schema = Schema(
        columns={"text": ("a",), "numeric": ("x",), "categorical": ("c",), "dates": ("d",)}
    )
    frame = pd.DataFrame({name: [] for name in "axcd"})
    catalogue = build_catalogue(frame, schema, photos=None)
    assert len(catalogue) == 0
    assert {name: mask.shape for name, mask in catalogue.present.items()} == {
        "text": (0,),
        "numeric": (0,),
    }

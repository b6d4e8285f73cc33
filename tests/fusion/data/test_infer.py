from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fusion.data import Schema, build_catalogue, infer_schema
from fusion.errors import CatalogueError


def items(n: int = 40) -> pd.DataFrame:
    rows = range(n)
    return pd.DataFrame(
        {
            "sku": [f"A{row:03d}" for row in rows],
            "title": [f"Blue cotton shirt number {row}" for row in rows],
            "photo": [f"{row}.jpg" for row in rows],
            "price": [9.5 + row for row in rows],
            "weight": [str(row / 2) for row in rows],
            "sale": [row % 2 == 0 for row in rows],
            "colour": ["red", "blue", "green", "black"] * (n // 4),
            "launch": ["2024-01-31", "2024-02-01"] * (n // 2),
            "units_last_4w": [float(row) for row in rows],
            "units_next_4w": [float(row) for row in rows],
            "code": [f"Q{row * 7919}Z" for row in rows],
            "currency": ["EUR"] * n,
            "empty": [None] * n,
            "brand_id": [row % 5 for row in rows],
        }
    )


def test_every_kind_of_column_gets_its_role(tmp_path: Path) -> None:
    schema = infer_schema(items(), photos=tmp_path, exclude=["units_next_4w"])
    assert schema == Schema(
        id="sku",
        columns={
            "text": ("title",),
            "image": ("photo",),
            "numeric": ("price", "weight", "sale"),
            "categorical": ("colour", "brand_id"),
            "dates": ("launch",),
            "history": ("units_last_4w",),
            "row_text": ("title", "price", "weight", "sale", "colour", "brand_id"),
        },
    )
    assert schema.ignored == {
        "units_next_4w": "excluded",
        "code": "holds single words of which 40 of 40 differ: codes",
        "currency": "has one value in every row: 'EUR'",
        "empty": "has no value in any row",
    }


def test_a_future_target_is_never_an_input_even_if_not_excluded(tmp_path: Path) -> None:
    schema = infer_schema(items(), photos=tmp_path)
    assert schema.ignored["units_next_4w"] == "is a target made from future sales"


def test_photo_names_without_a_folder_are_ignored_and_existing_files_are_found(
    tmp_path: Path,
) -> None:
    assert "no folder" in infer_schema(items(), photos=None).ignored["photo"]
    frame = pd.DataFrame({"picture": [f"p{row}" for row in range(30)]})
    for name in frame["picture"]:
        (tmp_path / name).touch()
    assert infer_schema(frame, photos=tmp_path).columns_of("image") == ("picture",)


def test_web_addresses_are_no_photos(tmp_path: Path) -> None:
    frame = pd.DataFrame({"url": [f"https://shop.example/{row}.jpg" for row in range(30)]})
    assert "web addresses" in infer_schema(frame, photos=tmp_path).ignored["url"]


def test_listed_columns_are_taken_as_they_are_and_an_empty_list_means_none() -> None:
    listed = {"text": ["code", "colour"], "numeric": [], "id": "sku", "dates": None}
    schema = infer_schema(items(), photos=None, given=listed)
    assert schema.columns_of("text") == ("code", "colour")
    assert schema.columns_of("numeric") == ()
    assert schema.columns_of("dates") == ("launch",)
    assert schema.ignored["price"] == (
        "seems numeric, but numeric columns are named, so no others are looked for"
    )
    assert infer_schema(items(), photos=None, given={"id": []}).id is None


def test_all_missing_columns_are_in_one_message_with_the_nearest_names() -> None:
    listed = {"text": ["titel"], "numeric": ["prize", "price"]}
    with pytest.raises(CatalogueError) as caught:
        infer_schema(items(), photos=None, given=listed, exclude=["unts_next_4w"])
    for part in ("titel", "'title'", "prize", "'price'", "'units_next_4w'", "3 problems"):
        assert part in str(caught.value)


def test_a_listed_and_excluded_column_and_an_unknown_role_are_refused() -> None:
    with pytest.raises(CatalogueError, match="it may be the target"):
        infer_schema(items(), photos=None, given={"numeric": ["price"]}, exclude=["price"])
    with pytest.raises(CatalogueError, match=r"Did you mean .*'numeric'"):
        infer_schema(items(), photos=None, given={"numbers": ["price"]})


def test_arrays_and_unnamed_columns_become_x0_x1() -> None:
    array = np.arange(12.0).reshape(6, 2)
    for table in (array, pd.DataFrame(array)):
        assert infer_schema(table, photos=None).columns_of("numeric") == ("x0", "x1")
    odd = pd.DataFrame(array, columns=[(1, 2), 7])
    assert infer_schema(odd, photos=None).columns_of("numeric") == ("1_2", "7")


def test_one_word_in_a_number_column_does_not_change_its_role() -> None:
    frame = items()
    frame["weight"] = frame["weight"].where(frame.index != 7, "heavy")
    schema = infer_schema(frame, photos=None)
    assert "weight" in schema.columns_of("numeric")
    problems = build_catalogue(frame, schema, photos=None).problems
    assert [(problem.row, problem.column) for problem in problems] == [(7, "weight")]


def test_texts_alone_are_written_as_a_row_too_so_that_their_words_count() -> None:
    frame = items()[["title", "price"]]
    assert infer_schema(frame, photos=None).columns_of("row_text") == ("title", "price")
    numbers = infer_schema(items()[["price", "colour"]], photos=None)
    assert not numbers.columns_of("row_text")


def test_duplicate_ids_do_not_hide_the_id_column() -> None:
    frame = items()
    frame.loc[3, "sku"] = "A000"
    assert infer_schema(frame, photos=None).id == "sku"


def test_three_rows_and_no_rows_have_a_schema() -> None:
    assert infer_schema(items(4).head(3), photos=None).columns_of("numeric") == (
        "price",
        "weight",
        "sale",
    )
    assert set(infer_schema(items().head(0), photos=None).ignored) == set(items().columns)


CELL: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.complex_numbers(),
    st.text(max_size=12),
    st.text(alphabet=st.characters(codec=None), max_size=4),
    st.binary(max_size=4),
    st.dates(),
    st.datetimes(),
    st.timedeltas(),
    st.lists(st.integers(), max_size=2),
    st.sampled_from(
        ["a.jpg", "1", "2024-01-31", "nan", "", " ", "inf", "C:\\x.png", pd.NaT, pd.NA]
    ),
)


@example({"id": [None, None, "", b"MM\x00*"]})  # an empty name beside bytes asks for no folder
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.one_of(st.sampled_from(["id", "sku", "brand_id", "units_last_4w"]), st.text(max_size=4)),
        st.lists(CELL, min_size=4, max_size=4) | CELL.map(lambda cell: [cell] * 4),
        max_size=5,
    )
)
def test_every_column_has_one_role_or_a_reason_and_is_then_readable(
    table: dict[str, list[Any]],
) -> None:
    frame = pd.DataFrame(index=range(4))
    columns = [pd.Series(cells, dtype=object) for cells in table.values()]
    if columns:
        frame = pd.concat(columns, axis=1)
        frame.columns = pd.Index(list(table), dtype=object)
    schema = infer_schema(frame, photos=None)
    roles = [
        *([schema.id] if schema.id is not None else []),
        *(*schema.columns_of("text"), *schema.columns_of("image"), *schema.columns_of("numeric")),
        *(
            *schema.columns_of("categorical"),
            *schema.columns_of("dates"),
            *schema.columns_of("history"),
            *schema.ignored,
        ),
    ]
    assert sorted(roles) == sorted(table)
    assert all(schema.ignored.values())
    catalogue = build_catalogue(frame, schema, photos=None)
    assert all(len(mask) == 4 for mask in catalogue.present.values())


def test_a_column_of_codes_is_offered_as_the_id_where_there_is_none() -> None:
    frame = items()[["code", "price"]]
    reason = infer_schema(frame, photos=None).ignored["code"]
    assert reason.endswith("codes; if they name the items, say that this column is the id")
    assert infer_schema(frame, photos=None, given={"id": ["code"]}).id == "code"

import json

import pytest

from fusion.data.schema import Schema, missing_columns


def test_schema_survives_json() -> None:
    schema = Schema(
        id="sku", columns={"text": ("title",), "numeric": ("price",)}, ignored={"x": "constant"}
    )
    again = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert again == schema
    assert again.ignored == schema.ignored
    assert hash(again) == hash(schema)


def test_numbers_categories_and_dates_are_one_modality_and_history_another() -> None:
    schema = Schema(
        columns={
            "text": ("t",),
            "image": ("i",),
            "categorical": ("c",),
            "dates": ("d",),
            "history": ("h",),
        }
    )
    kinds = {"text": "text", "image": "image", "numeric": "table", "history": "table"}
    assert schema.modalities == kinds
    assert schema.tables == {"numeric": ("c", "d"), "history": ("h",)}
    assert Schema().modalities == {}


def test_a_column_may_be_text_and_category_but_not_number_and_category() -> None:
    assert Schema(columns={"text": ("colour",), "categorical": ("colour",)}).all_columns == (
        "colour",
    )
    with pytest.raises(ValueError, match="colour twice"):
        Schema(columns={"numeric": ("colour",), "categorical": ("colour",)})


@pytest.mark.parametrize(
    "values",
    [
        {"txt": []},
        {"columns": {"text": "title"}},
        {"columns": ["title"]},
        {"id": 3},
        {"columns": {"numeric": [1]}},
        {"ignored": []},
    ],
)
def test_damaged_schema_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="schema key"):
        Schema.from_dict(values)


def test_an_unknown_role_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ValueError, match="got 'txt'\\. Did you mean 'text'"):
        Schema(columns={"txt": ("title",)})


def test_missing_columns_come_with_the_nearest_names() -> None:
    problems = missing_columns(["titel", "price", "zzz"], ["title", "price"])
    assert [problem.column for problem in problems] == ["titel", "zzz"]
    assert "Did you mean 'title'?" in problems[0].message
    assert "Did you mean" not in problems[1].message


def test_a_name_that_differs_in_case_or_spaces_alone_is_the_one_that_was_meant() -> None:
    (problem,) = missing_columns(["price"], [" Price", "prices", "pride"])
    assert problem.message.endswith("Did you mean ' Price'?")


def test_missing_columns_of_past_sales_name_the_sales_table() -> None:
    (problem,) = missing_columns(["units_last_4w"], ["price", "units"])
    assert "--sales FILE --as-of DATE" in problem.message
    assert "fusion.data.add_history" in problem.message

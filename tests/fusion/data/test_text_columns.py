"""Numbers in texts as a modality of a table: which ones are found, read, kept and left out."""

import numpy as np
import pandas as pd
import pytest

from encoders import NumericEncoder
from fusion.data.catalogue import build_catalogue, narrowed_catalogue
from fusion.data.infer import infer_schema
from fusion.data.policy import apply_policy
from fusion.data.schema import Schema
from fusion.errors import CatalogueError
from fusion.job_steps.measure import modality_columns

N_ROWS = 60


def items() -> pd.DataFrame:
    words = ["quilt for the crib", "soft toy with a bell", "wooden high chair", "bath towel, white"]
    return pd.DataFrame(
        {
            "title": [
                f"{words[row % 4]}, set of {2 + row % 3}, style {row:02}a"
                if row % 2
                else f"{words[row % 4]} {row}x"
                for row in range(N_ROWS)
            ],
            "length": [['28"', '52"', None][row % 3] for row in range(N_ROWS)],
            "colour": [["red", "blue 2"][row % 2] for row in range(N_ROWS)],
            "price": np.arange(N_ROWS) / 4 + 1,
        }
    )


def schema_of(frame: pd.DataFrame, **given: list[str]) -> Schema:
    roles = {"text": ["title"], "categorical": ["length", "colour"], "numeric": ["price"]}
    return infer_schema(frame, photos=None, given={**roles, **given})


def test_numbers_that_enough_rows_have_become_columns_and_a_number_of_a_category_needs_a_unit():
    schema = schema_of(items())
    assert schema.columns_of("text_numbers") == ("title", "length")
    assert schema.text_numbers == {"title": ("count",), "length": ("length cm",)}
    assert schema.modalities["text_numbers"] == "table"
    assert Schema.from_dict(schema.to_dict()) == schema
    few = items().iloc[:30]
    assert schema_of(few).text_numbers == {"length": ("length cm",)}


def test_a_text_without_a_number_is_missing_and_not_zero():
    catalogue = build_catalogue(frame := items(), schema_of(items()), photos=None)
    numbers = catalogue.values["text_numbers"]
    assert list(numbers) == ["title: count", "length: length cm"]
    assert numbers["title: count"][1] == 3 and np.isnan(numbers["title: count"][0])
    assert numbers["length: length cm"][1] == pytest.approx(52 * 2.54)
    assert (catalogue.present["text_numbers"] == numbers.notna().any(axis=1)).all()
    assert catalogue.present["text_numbers"].sum() < len(frame)


def test_the_encoder_of_tables_reads_them_as_it_reads_any_number():
    numbers = build_catalogue(items(), schema_of(items()), photos=None).values["text_numbers"]
    encoder = NumericEncoder.fitted(numbers, numeric=list(numbers), transform="linear")
    raw = {block.name: block for block in encoder.feature_blocks(encoder.preprocess(numbers))}[
        "raw"
    ]
    assert raw.labels == ("title: count", "length: length cm")
    assert np.isnan(raw.values[0, 0]) and raw.values[1, 0] == 3


def test_a_new_row_is_read_as_the_training_rows_were_and_an_absent_column_is_missing():
    schema = schema_of(items())
    new = pd.DataFrame(
        {"title": ["12 count, 3 kg"], "length": [None], "colour": ["red"], "price": [1]}
    )
    read = build_catalogue(new, schema, photos=None).values["text_numbers"]
    assert read.iloc[0].tolist()[0] == 12 and np.isnan(read.iloc[0, 1])


def test_columns_that_are_listed_are_read_from_two_rows_on_and_an_empty_list_switches_it_off():
    few = items().iloc[:8]
    assert schema_of(few).text_numbers == {}
    assert schema_of(few, text_numbers=["title"]).text_numbers["title"][0] == "count"
    assert "text_numbers" not in schema_of(items(), text_numbers=[]).modalities
    with pytest.raises(CatalogueError, match=r"column colour: must hold texts with numbers"):
        schema_of(items(), text_numbers=["colour"])


def test_ablations_hold_no_number_of_a_column_that_is_left_out():
    schema = schema_of(items())
    assert modality_columns(schema, ("text",))["text_numbers"] == ["title"]
    assert modality_columns(schema, ("numeric",))["text_numbers"] == ["length"]
    assert modality_columns(schema, ("text", "numeric"))["text_numbers"] == ["title", "length"]


def test_a_narrowed_catalogue_takes_the_numbers_that_were_read():
    schema = schema_of(items())
    catalogue = build_catalogue(items(), schema, photos=None)
    columns = {role: tuple(names) for role, names in modality_columns(schema, ("text",)).items()}
    less = Schema(schema.id, columns, formats=schema.formats, text_numbers=schema.text_numbers)
    narrowed = narrowed_catalogue(catalogue, less)
    pd.testing.assert_frame_equal(
        narrowed.values["text_numbers"], catalogue.values["text_numbers"][["title: count"]]
    )
    assert narrowed.schema.text_numbers == {"title": ("count",)}


def test_a_faulty_text_is_told_once_and_has_no_number():
    frame = items().astype(object)
    frame.loc[1, "title"] = "set of 9\0"
    catalogue = build_catalogue(frame, schema_of(items()), photos=None)
    assert [problem.modality for problem in catalogue.problems] == ["text"]
    kept, dropped = apply_policy(catalogue, on_bad_rows="absent")
    assert not dropped and np.isnan(kept.values["text_numbers"]["title: count"][1])


def test_a_schema_refuses_labels_that_no_text_has():
    values = schema_of(items()).to_dict()
    for wrong in ({"title": ["weight"]}, {"title": ["count", "count"]}, ["title"]):
        with pytest.raises(ValueError, match="text_numbers must be an object of columns and lists"):
            Schema.from_dict({**values, "text_numbers": wrong})

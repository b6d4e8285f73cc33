"""Rows as dicts, and columns that a table lacks."""

import logging

import numpy as np
import pandas as pd
import pytest

from fusion.data.absent import with_absent_columns
from fusion.data.frames import as_frame
from fusion.data.records import frame_of_records, is_records
from fusion.data.schema import Schema
from fusion.errors import CatalogueError

SCHEMA = Schema(
    id="sku",
    columns={"text": ("title",), "numeric": ("price", "weight"), "history": ("units_last_4w",)},
)


def test_one_dict_is_a_row_and_a_list_of_dicts_are_rows():
    assert is_records({"a": 1}) and is_records([{"a": 1}]) and is_records(({"a": 1},))
    for other in ([], [[1]], [{"a": 1}, 2], "a", np.zeros((2, 2)), pd.DataFrame({"a": [1]}), None):
        assert not is_records(other)
    assert as_frame({"a": 1, "b": "x"}).to_dict("records") == [{"a": 1, "b": "x"}]


def test_a_key_that_a_row_lacks_is_a_missing_cell_and_whole_numbers_stay_whole():
    frame = as_frame([{"sku": 7, "price": 1}, {"sku": 8}, {}])
    assert frame["sku"].tolist() == [7, 8, None] and frame["price"].tolist() == [1, None, None]
    assert len(frame_of_records([{}, {}])) == 2


@pytest.mark.parametrize("values", [[1, 2], (1, 2), np.array([1, 2]), pd.Series([1, 2])])
def test_a_dict_of_columns_is_refused_with_what_to_give(values):
    with pytest.raises(TypeError, match=r"one value for each column.*'price'.*DataFrame"):
        as_frame({"sku": "A", "price": values})


@pytest.mark.parametrize("other", ["items.csv", None, pd.Series([1.0])])
def test_what_is_no_table_is_refused(other):
    with pytest.raises(TypeError, match="must be a table with one row an item"):
        as_frame(other)


def test_columns_that_a_table_lacks_are_absent_and_told_in_one_line(caplog):
    frame = pd.DataFrame({"sku": ["A", "B"], "title": ["x", "y"], "price": [1.0, 2.0]})
    with caplog.at_level(logging.WARNING, "fusion"):
        whole = with_absent_columns(frame, SCHEMA, source="new.csv")
        with_absent_columns(frame, SCHEMA, source="new.csv")
    assert whole[["weight", "units_last_4w"]].isna().all(axis=None)
    assert whole[["sku", "title", "price"]].equals(frame)
    (line,) = [record.getMessage() for record in caplog.records]
    assert line.startswith("new.csv has no columns weight, units_last_4w: absent")
    assert "--sales FILE --as-of DATE" in line


@pytest.mark.parametrize("kept", [["title", "price"], ["sku"], ["sku", "colour"]])
def test_an_id_or_everything_that_is_missing_is_refused(kept):
    frame = pd.DataFrame({name: ["A", "B"] for name in kept})
    with pytest.raises(CatalogueError, match="must be a column of the table"):
        with_absent_columns(frame, SCHEMA, source="new.csv")

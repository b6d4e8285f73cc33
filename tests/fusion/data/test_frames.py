from datetime import date

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from fusion.data import Schema, as_frame, build_catalogue, infer_schema, target_values
from fusion.errors import CatalogueError

TABLE = {"sku": ["a", "b", "c"], "price": [27.4, 13.2, 1.0], "stock": [3, 1, 2]}


def duck(table: dict[str, list[object]]) -> object:
    arrow = pa.table(table)
    return duckdb.from_arrow(arrow)


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, pa.record_batch, duck])
def test_frames_of_every_package_keep_names_and_cells(make) -> None:
    frame = as_frame(make(TABLE))
    assert {name: frame[name].tolist() for name in frame.columns} == TABLE
    assert infer_schema(make(TABLE), photos=None).id == "sku"
    catalogue = build_catalogue(
        make(TABLE), Schema(id="sku", columns={"numeric": ("stock", "price")}), photos=None
    )
    assert catalogue.ids == ["a", "b", "c"]
    assert catalogue.values["numeric"]["price"].tolist() == TABLE["price"]
    assert target_values(make(TABLE), "stock")[0].tolist() == [3, 1, 2]


def test_integers_of_arrow_frames_stay_exact_beside_missing_cells() -> None:
    n = [2**60 + 1, None, 3]
    for table in (pl.DataFrame({"n": n}), pa.table({"n": n}), pa.table({"n": pa.array(n, "u8")})):
        frame = as_frame(table)
        assert frame["n"].isna().tolist() == [False, True, False]
        assert [int(cell) for cell in frame["n"].dropna()] == [2**60 + 1, 3]


def test_columns_without_names_are_numbered() -> None:
    values = np.array([[1, 2, 3]])
    for data in (values, values.tolist(), pd.DataFrame(values), pd.DataFrame(values)[[0, 1, 2]]):
        assert list(as_frame(data).columns) == ["x0", "x1", "x2"]


def test_names_that_are_no_text_become_text() -> None:
    labels = pd.Index([2024, ("units", "next"), date(2024, 1, 31), "a", 1.0], dtype=object)
    frame = as_frame(pd.DataFrame([[1, 2, 3, 4, 5]], columns=labels))
    assert list(frame.columns) == ["2024", "units_next", "2024-01-31", "a", "1"]
    levels = pd.MultiIndex.from_tuples([("units", "sum"), ("units", "mean"), ("sku", "")])
    frame = as_frame(pd.DataFrame([[1, 2, "a"]], columns=levels))
    assert list(frame.columns) == ["units_sum", "units_mean", "sku"]


def test_names_that_say_nothing_are_refused_all_at_once() -> None:
    labels = pd.Index([None, "a", np.nan, b"x", "a", 1, "1"], dtype=object)
    with pytest.raises(CatalogueError) as caught:
        as_frame(pd.DataFrame([range(7)], columns=labels))
    for wrong in ("column 1 must be text, got None", "column 3 must be text, got nan", "column 4"):
        assert f"the name of {wrong}" in str(caught.value)


def test_two_columns_of_one_name_are_refused() -> None:
    for labels in ([1, "1"], [("a", "b"), "a_b"]):
        with pytest.raises(CatalogueError, match="must be the name of one column"):
            as_frame(pd.DataFrame([[1, 2]], columns=pd.Index(labels, dtype=object)))
    twice = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    with pytest.raises(CatalogueError, match="column a: must be the name of one column"):
        as_frame(twice)


def test_index_levels_with_a_name_are_columns() -> None:
    frame = pd.DataFrame(TABLE)
    assert as_frame(frame.set_index("sku")).equals(as_frame(frame))
    assert list(as_frame(frame.set_index(["sku", "stock"])).columns) == ["sku", "stock", "price"]
    assert as_frame(frame.set_index("sku", drop=False)).equals(as_frame(frame))
    assert as_frame(frame.sample(3, random_state=0)).columns.tolist() == list(TABLE)
    other = frame.assign(sku="z").set_index(pd.Index(["a", "b", "c"], name="sku"))
    with pytest.raises(CatalogueError, match="column sku: must be the name of one column"):
        as_frame(other)


def test_levels_of_several_are_columns_also_without_names() -> None:
    index = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    frame = as_frame(pd.DataFrame({"price": [1.0, 2.0]}, index=index))
    assert list(frame.columns) == ["level_0", "level_1", "price"]
    assert frame["level_0"].tolist() == ["a", "b"]

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fusion.data import Schema, build_catalogue, infer_schema, target_values
from fusion.data.numbers import Amount, _doubt, find_number_format


def prices(*cells: Any, **columns: Any) -> pd.DataFrame:
    return pd.DataFrame({"price": pd.Series(cells, dtype=object), **columns})


def read(frame: pd.DataFrame, schema: Schema) -> list[float]:
    catalogue = build_catalogue(frame, schema, photos=None)
    return pd.DataFrame(catalogue.values["numeric"])["price"].tolist()


@pytest.mark.parametrize(
    ("cells", "written", "values"),
    [
        (("12,90", "5", "0,5"), "1234,5", [12.9, 5.0, 0.5]),
        (("EUR 12.90", "EUR 5"), "1234.5 EUR", [12.9, 5.0]),
        (("12,90 €", "-1,50 €", "7,00 €"), "1234,5 €", [12.9, -1.5, 7.0]),
        (("$1,234.50", "$7.25"), "1,234.5 $", [1234.5, 7.25]),
        (("1.234,50", "999,99"), "1.234,5", [1234.5, 999.99]),
        (("1,234,567", "12"), "1,234.5", [1234567.0, 12.0]),
        (("1\u202f234,50 zł", "7,00 zł"), "1 234,5 zł", [1234.5, 7.0]),
        (("CHF 1’234.50", "CHF 7.00"), "1'234.5 CHF", [1234.5, 7.0]),
        (("12 %", "7.5%"), "1234.5 %", [12.0, 7.5]),
    ],
)
def test_numbers_in_one_style_are_read_and_the_style_is_kept(
    cells: tuple[str, ...], written: str, values: list[float]
) -> None:
    schema = infer_schema(prices(*cells), photos=None)
    assert schema.columns_of("numeric") == ("price",)
    assert schema.formats == {"price": written}
    again = Schema.from_dict(schema.to_dict())
    assert again == schema
    assert read(prices(*cells), again) == values
    for cell, value in zip(cells, values, strict=True):
        assert read(prices(cell), again) == [value]


def test_a_new_row_is_read_in_the_style_of_the_training_rows() -> None:
    schema = infer_schema(prices("1.234,50", "999,99", "1.000"), photos=None)
    assert read(prices("1.234"), schema) == [1234.0]
    assert read(prices(1.234, "N/A", None), schema)[0] == 1.234
    small = infer_schema(prices("12,90", "5,00"), photos=None)
    assert read(prices("1.234,50"), small) == [1234.5]
    catalogue = build_catalogue(prices("1.234", "12.90", "12,90 kg"), small, photos=None)
    assert [problem.code for problem in catalogue.problems] == ["number_not_read"] * 3
    assert catalogue.problems[1].message == "must be a number such as '1234,5', got '12.90'"


def test_the_row_text_has_the_number_that_was_read() -> None:
    schema = Schema(
        columns={"numeric": ("price",), "row_text": ("price",)}, formats={"price": "1.234,5 €"}
    )
    catalogue = build_catalogue(prices("1.234,50 €", "7", 7.5, "x"), schema, photos=None)
    assert catalogue.values["row_text"] == ["price: 1234.5", "price: 7", "price: 7.5", None]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("1,234", "5,678"), "'1,234' that may be read in two ways; write them as 1234.5"),
        (("€ 1.234", "€ 5.678"), "'€ 1.234' that may be read in two ways"),
        (("12,90", "12.90"), "that may be read in two ways"),
        (("12,90", "1,234.50") * 3, "that may be read in two ways"),
        (("EUR 12.90", "USD 12.90"), "several units (EUR, USD); write them in one"),
    ],
)
def test_numbers_that_may_be_read_in_two_ways_are_told_with_what_to_do(
    cells: tuple[str, ...], said: str
) -> None:
    schema = infer_schema(prices(*cells), photos=None)
    assert schema.columns_of("numeric") == () and schema.formats == {}
    assert said in schema.ignored["price"]
    assert schema.unread == schema.ignored


@pytest.mark.parametrize(
    "cells",
    [
        ("1.5", "2", "heavy"),
        ("95 cm", "12 cm"),
        ("120 200", "100 200"),
        ("1.2.3", "1.10.4"),
        ("XL", "M"),
        ("100 % wool", "50 % silk"),
        ("12-90", "3/4"),
        ("007", "12"),
    ],
)
def test_plain_numbers_measures_and_words_have_no_format(cells: tuple[str, ...]) -> None:
    assert find_number_format(cells) == ("", "")


def test_one_faulty_cell_does_not_hide_the_style_of_a_column() -> None:
    frame = prices(*["12,90", "5,50"] * 20, "12,9O")
    schema = infer_schema(frame, photos=None)
    assert schema.formats == {"price": "1234,5"}
    problems = build_catalogue(frame, schema, photos=None).problems
    assert [(problem.row, problem.code) for problem in problems] == [(40, "number_not_read")]


def test_a_few_written_cells_do_not_decide_about_a_typed_column() -> None:
    frame = prices(*[1.5] * 39, "31.01.2024", other=range(40))
    schema = infer_schema(frame, photos=None)
    assert schema.columns_of("numeric") == ("price", "other")


def test_a_target_and_a_listed_column_are_read_in_their_style_too() -> None:
    frame = prices("1.234,50", "7,00", units=["1.000", "1.234.567"])
    schema = infer_schema(frame, photos=None, exclude=["units"], given={"numeric": ["price"]})
    assert schema.formats == {"price": "1.234,5", "units": "1.234,5"}
    assert "units" not in schema.all_columns
    style = schema.format_of("units", "numeric")
    values, problems = target_values(frame.head(1), "units", number_format=style)
    np.testing.assert_array_equal(values, [1000.0])
    assert problems == []


@pytest.mark.parametrize("written", ["1234", "", "DD.MM", "1234,5 furlongs", 3])
def test_a_damaged_format_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="schema key formats"):
        Schema.from_dict({"columns": {"numeric": ["x"]}, "formats": {"x": written}})


def test_columns_are_counted_once_however_many_rows_they_have() -> None:
    counted = []

    class Column(list[float | None]):
        def count(self, value: float | None, /) -> int:
            counted.append(value)
            return super().count(value)

    amounts = [Amount(f"{n},50", f"{n},50", "") for n in range(50)]
    read = {"1234,5": Column(n + 0.5 for n in range(50)), "1234.5": Column([None] * 50)}
    assert _doubt(amounts, read, "1234,5") == ""
    assert len(counted) < len(amounts)

from typing import Any

import numpy as np
import pandas as pd
import pytest

from fusion.data import Schema, build_catalogue, infer_schema
from fusion.data.dates import read_date_column


def dates(*cells: Any) -> pd.DataFrame:
    return pd.DataFrame({"launch": pd.Series(cells, dtype=object)})


def read(frame: pd.DataFrame, schema: Schema) -> list[str]:
    values = pd.DataFrame(build_catalogue(frame, schema, photos=None).values["numeric"])["launch"]
    return [str(day) for day in values.to_numpy().astype("datetime64[m]")]


@pytest.mark.parametrize(
    ("cells", "written"),
    [
        (("31.01.2024", "1.2.2024"), "DD.MM.YYYY"),
        (("01.02.2024", "03.02.2024"), "DD.MM.YYYY"),
        (("31/01/2024", "01/02/2024"), "DD/MM/YYYY"),
        (("1/31/2024", "2/1/2024 9:05"), "MM/DD/YYYY"),
        (("31-01-2024", "01-02-2024"), "DD-MM-YYYY"),
        (("2024/01/31", "2024/2/1"), "YYYY/MM/DD"),
    ],
)
def test_dates_in_one_form_are_read_and_the_form_is_kept(
    cells: tuple[str, ...], written: str
) -> None:
    schema = infer_schema(dates(*cells), photos=None)
    assert schema.columns_of("dates") == ("launch",)
    assert schema.formats == {"launch": written}
    again = Schema.from_dict(schema.to_dict())
    assert read(dates(*cells), again) == [read(dates(cell), again)[0] for cell in cells]
    assert read(dates("2024-05-06"), again) == ["2024-05-06T00:00"]


def test_a_day_of_a_new_row_never_becomes_a_month() -> None:
    schema = infer_schema(dates("31/01/2024", "05/02/2024"), photos=None)
    assert read(dates("03/04/2024"), schema) == ["2024-04-03T00:00"]
    catalogue = build_catalogue(dates("04/13/2024", "03.04.2024"), schema, photos=None)
    assert [problem.code for problem in catalogue.problems] == ["date_not_read"] * 2
    assert "2024-01-31 or DD/MM/YYYY" in catalogue.problems[0].message


@pytest.mark.parametrize(
    "cells",
    [("01/02/2024", "03/02/2024"), ("13/01/2024", "01/13/2024"), ("1-2-2024", "2-2-2024")],
)
def test_dates_whose_day_and_month_cannot_be_told_apart_are_told_with_what_to_do(
    cells: tuple[str, ...],
) -> None:
    schema = infer_schema(dates(*cells), photos=None)
    assert schema.columns_of("dates") == ()
    assert "cannot be told apart; write them as 2024-01-31" in schema.ignored["launch"]


def test_eight_digits_are_a_date_as_text_and_as_a_number() -> None:
    for cells in ((20240131, 20240201), ("20240131", "20240201"), (20240131.0, 20240201.0, None)):
        frame = pd.DataFrame({"launch": cells})
        schema = infer_schema(frame, photos=None)
        assert schema.columns_of("dates") == ("launch",)
        assert read(frame, schema)[:2] == ["2024-01-31T00:00", "2024-02-01T00:00"]
    assert infer_schema(pd.DataFrame({"n": [20240131, 29999999]}), photos=None).columns_of(
        "numeric"
    ) == ("n",)


def test_months_and_quarters_are_their_first_day() -> None:
    schema = Schema(columns={"dates": ("launch",)})
    cells = ("2024-03", "2024Q2", pd.Period("2024-03"), pd.Period("2024Q2"))
    assert read(dates(*cells), schema) == ["2024-03-01T00:00", "2024-04-01T00:00"] * 2


def test_offsets_and_zones_never_change_the_day() -> None:
    cells = ("2024-07-01T00:30+02:00", "2024-07-01T23:30-05:00", "2024-07-01T12:00Z")
    expected = ["2024-07-01T00:30", "2024-07-01T23:30", "2024-07-01T12:00"]
    assert read(dates(*cells), Schema(columns={"dates": ("launch",)})) == expected
    zoned = pd.Series(pd.date_range("2024-07-01", periods=2, tz="Pacific/Auckland"))
    values, problems = read_date_column(zoned)
    assert problems == []
    np.testing.assert_array_equal(values, np.array(["2024-07-01", "2024-07-02"], "datetime64[us]"))


@pytest.mark.parametrize(
    "cells", [("31.12.24", "01.02.24"), ("12/31/24", "1/2/24"), ("1-2-24", "2-2-24")]
)
def test_years_of_two_digits_are_told_with_what_to_do(cells: tuple[str, ...]) -> None:
    schema = infer_schema(dates(*cells).assign(price=range(len(cells))), photos=None)
    assert schema.columns_of("dates") == schema.columns_of("categorical") == ()
    assert "write years with four digits" in schema.ignored["launch"]


def test_sizes_that_are_no_dates_stay_labels() -> None:
    assert infer_schema(dates(*("40-30-20", "10-15-12") * 4), photos=None).columns_of("categorical")

"""What a cell means never depends on its neighbours, its file or its type."""

import csv
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fusion.data import Catalogue, Schema, build_catalogue, infer_schema, read_table
from fusion.shards.shard import Shard
from fusion.shards.tables import read_rows, scan_file

SCHEMA = Schema(
    id="sku",
    columns={
        "text": ("title",),
        "numeric": ("price", "sale"),
        "categorical": ("size",),
        "dates": ("launch",),
        "history": ("units_last_4w",),
        "row_text": ("title", "size", "price", "sale"),
    },
)
CSV_CELLS = {
    "title": ["Shirt", "1.0", "007", "true", ""],
    "price": ["1.50", "2", "3.0", "12,9O", "1e3", "N/A", "true", "-0.0", ""],
    "sale": ["true", "False", "1", ""],
    "size": ["1.0", "2.0", "1.50", "XL", "007", "TRUE", "true", "2024-01-02 00:00", "nan", ""],
    "launch": ["2024-01-01", "2024-01-01T23:30-05:00", "20240101", "2024-02", "soon", ""],
    "units_last_4w": ["3", "4.0", "many", ""],
}
TYPED_CELLS: dict[str, tuple[pa.DataType, list[Any]]] = {
    "title": (pa.string(), ["Shirt", "1.0", None]),
    "price": (pa.decimal128(9, 2), [Decimal("1.50"), Decimal("2.00"), None]),
    "sale": (pa.bool_(), [True, False, None]),
    "size": (pa.int64(), [1, 2, 2**62 + 1, None]),
    "launch": (pa.timestamp("us", "Europe/Berlin"), [datetime(2024, 7, 1, 2), None]),
    "units_last_4w": (pa.float32(), [0.5, 3.0, None]),
}


def tables(cells: dict[str, list[Any]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    row = st.fixed_dictionaries({name: st.sampled_from(some) for name, some in cells.items()})
    return st.lists(row, min_size=1, max_size=6)


def written(rows: list[dict[str, Any]], path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.DictWriter(file, ["sku", *CSV_CELLS])
        lines.writeheader()
        lines.writerows(rows)
    return path


def written_typed(rows: list[dict[str, Any]], path: Path) -> Path:
    types = {"sku": pa.string(), **{name: kind for name, (kind, _) in TYPED_CELLS.items()}}
    columns = {name: pa.array([row[name] for row in rows], kind) for name, kind in types.items()}
    pq.write_table(pa.table(columns), path, row_group_size=4)
    return path


def meaning(catalogue: Catalogue) -> list[Any]:
    """Everything that is known of each row, comparable."""
    values = {
        name: value.astype(object).where(value.notna(), None).to_numpy().tolist()
        if isinstance(value, pd.DataFrame)
        else value
        for name, value in catalogue.values.items()
    }
    faults: list[list[Any]] = [[] for _ in range(len(catalogue))]
    for problem in catalogue.problems:
        faults[problem.row or 0].append((problem.code, problem.column, problem.message))
    return [
        (catalogue.ids[row], {name: value[row] for name, value in values.items()}, faults[row])
        for row in range(len(catalogue))
    ]


def means(frame: pd.DataFrame) -> list[Any]:
    return meaning(build_catalogue(frame, SCHEMA, photos=None))


def shards_of(path: Path, *, shard_rows: int) -> list[Any]:
    columns = SCHEMA.all_columns
    found: list[Any] = []
    scanned = scan_file(path, shard_rows=shard_rows, columns=columns, id_column="sku")
    for number, piece in enumerate(scanned.pieces):
        shard = Shard(number, 0, len(found), *piece)
        found += means(read_rows(path, shard, file=scanned.file, columns=columns)[0])
    return found


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data(), st.integers(1, 4))
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_row_means_the_same_alone_among_others_and_in_any_shard(
    tmp_path: Path, kind: str, data: st.DataObject, shard_rows: int
) -> None:
    typed = {name: some for name, (_, some) in TYPED_CELLS.items()}
    rows = data.draw(tables(CSV_CELLS if kind == "csv" else typed))
    rows = [{"sku": f"{row}.0", **cells} for row, cells in enumerate(rows)]
    write = written if kind == "csv" else written_typed
    whole = means(read_table(write(rows, tmp_path / f"all.{kind}")))
    alone = [means(read_table(write([row], tmp_path / f"one.{kind}")))[0] for row in rows]
    assert whole == alone
    assert shards_of(tmp_path / f"all.{kind}", shard_rows=shard_rows) == whole


def test_a_frame_and_its_csv_file_mean_the_same(tmp_path: Path) -> None:
    stamps = pd.Series([pd.Timestamp("2024-01-31"), pd.Timestamp("2024-02-01 10:30")])
    columns: list[Any] = [
        pd.Series([1.0, None]),
        pd.Series([1, 2]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1.5, 0.1], dtype="float32"),
        pd.Series([True, False]),
        pd.Series([True, None], dtype=object),
        pd.Series([Decimal("1.50"), Decimal("2")], dtype=object),
        pd.Series([2**63 + 11, 7], dtype="uint64"),
        pd.Series([1e16, 1e-7]),
        stamps,
        stamps.dt.to_period("M"),
        stamps.dt.to_period("Q"),
        pd.cut(pd.Series([1.0, 3.0]), [0, 2, 4]),
        pd.Series(pd.to_timedelta(["36h", "2 days"])),
        pd.Series(["1.50", "XL"]),
        pd.Series([UUID(int=7), UUID(int=8)]),
    ]
    frame = pd.DataFrame({f"c{place}": column for place, column in enumerate(columns)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    again = read_table(tmp_path / "t.csv")
    for schema in (
        Schema(columns={"categorical": tuple(frame.columns), "row_text": tuple(frame.columns)}),
        Schema(
            columns={
                "numeric": ("c0", "c1", "c2", "c4", "c5", "c6", "c7", "c8", "c13"),
                "row_text": ("c7", "c8"),
            }
        ),
        Schema(columns={"dates": ("c9", "c10", "c11")}),
    ):
        catalogues = [build_catalogue(table, schema, photos=None) for table in (frame, again)]
        assert catalogues[0].problems == catalogues[1].problems == []
        assert meaning(catalogues[0]) == meaning(catalogues[1])


@pytest.mark.parametrize(
    ("cells", "label"),
    [
        ((2, 2.0, np.float32(2), Decimal("2.00"), "2", "2.0", " 2.00 "), "2"),
        ((1.5, Decimal("1.50"), "1.5", "1.50"), "1.5"),
        ((0.1, np.float32(0.1), "0.1", "0.10"), "0.1"),
        ((0.0, -0.0, "-0.0", "0", "0.0"), "0"),
        ((1e16, 10**16, "1e+16"), "10000000000000000"),
        ((True, np.True_, "true", "True", "TRUE"), "True"),
        (
            (date(2024, 1, 2), datetime(2024, 1, 2), "2024-01-02", "2024-01-02 00:00:00"),
            "2024-01-02",
        ),
        ((pd.Interval(0, 2), "(0, 2]"), "(0, 2]"),
        ((timedelta(days=3), np.timedelta64(72, "h"), "3 days 00:00:00"), "3 days 00:00:00"),
        (("007",), "007"),
        (("+5",), "+5"),
        (("1E5",), "1E5"),
        (("1.2.30",), "1.2.30"),
        (("2024-13-01 00:00",), "2024-13-01 00:00"),
    ],
)
def test_a_label_has_one_form_and_a_code_is_not_touched(cells: tuple[Any, ...], label: str) -> None:
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object)})
    catalogue = build_catalogue(
        frame, Schema(columns={"categorical": ("x",), "row_text": ("x",)}), photos=None
    )
    assert catalogue.problems == []
    assert set(pd.DataFrame(catalogue.values["numeric"])["x"]) == {label}
    assert set(catalogue.values["row_text"]) == {f"x: {label}"}


BIG = [2**53 + 1, 2**53 + 2, 2**62 + 1, 2**62 + 2]


@pytest.mark.parametrize("kind", ["int64", "uint64", "decimal128(25, 0)", "Int64", "object"])
def test_integers_keep_every_digit_in_ids_labels_and_the_row_text(
    tmp_path: Path, kind: str
) -> None:
    wide = [*BIG, None]
    if kind in ("Int64", "object"):
        frame = pd.DataFrame({"id": pd.Series(BIG, dtype=kind), "x": pd.Series(BIG, dtype=kind)})
        frame.loc[4] = [pd.NA if kind == "Int64" else None] * 2
    else:
        arrow = pa.decimal128(25, 0) if kind.startswith("decimal") else getattr(pa, kind)()
        pq.write_table(
            pa.table({"id": pa.array(wide, arrow), "x": pa.array(wide, arrow)}),
            tmp_path / "t.parquet",
        )
        frame = read_table(tmp_path / "t.parquet")
    schema = Schema(id="id", columns={"categorical": ("x",), "row_text": ("x",)})
    catalogue = build_catalogue(frame, schema, photos=None)
    exact = [str(value) for value in BIG]
    assert catalogue.ids[:4] == exact
    assert pd.DataFrame(catalogue.values["numeric"])["x"].tolist() == [*exact, None]
    assert catalogue.values["row_text"][:4] == [f"x: {text}" for text in exact]
    assert [problem.code for problem in catalogue.problems] == ["id_missing"]
    numbers = build_catalogue(
        frame, Schema(columns={"numeric": ("x",), "row_text": ("x",)}), photos=None
    )
    assert numbers.values["row_text"][:4] == [f"x: {text}" for text in exact]


def test_ids_that_lost_digits_as_floats_are_named_instead_of_being_duplicates() -> None:
    frame = pd.DataFrame({"id": [float(2**53 + 1), float(2**53 + 2), 7.0]})
    catalogue = build_catalogue(frame, Schema(id="id"), photos=None)
    assert [(p.row, p.code) for p in catalogue.problems] == [(0, "id_rounded"), (1, "id_rounded")]
    assert catalogue.ids[2] == "7"


def test_scalars_of_pandas_are_read_as_what_they_are_or_refused_by_name() -> None:
    n = 40
    month = pd.period_range("2021-01", periods=n, freq="M")
    frame = pd.DataFrame(
        {
            "price": [Decimal(row) / 4 for row in range(n)],
            "band": pd.cut(pd.Series(range(n)), 4),
            "band_type": pd.arrays.IntervalArray.from_breaks(range(n + 1)),
            "month": month,
            "year": [pd.Period(str(1990 + row)) for row in range(n)],
            "age": pd.to_timedelta(range(n), unit="h"),
            "tags": [{"a", row} for row in range(n)],
            "sizes": [[row] for row in range(n)],
        }
    )
    frame["band_type"] = frame["band_type"].where(frame.index % 4 == 0, frame["band_type"][0])
    schema = infer_schema(frame, photos=None)
    assert schema.columns_of("categorical") == ("band", "band_type")
    assert schema.columns_of("dates") == ("month",)
    assert schema.columns_of("numeric") == ("price", "year", "age")
    assert set(schema.ignored) == {"tags", "sizes"}
    assert all("no text, number or date" in reason for reason in schema.ignored.values())
    catalogue = build_catalogue(frame, schema, photos=None)
    assert catalogue.problems == []
    values = pd.DataFrame(catalogue.values["numeric"])
    np.testing.assert_allclose(values["age"], np.arange(n) / 24)
    assert values["year"][0] == 1990.0
    assert values["month"][1] == pd.Timestamp("2021-02-01")
    assert values["band_type"][0] == "(0, 1]"
    listed = build_catalogue(
        frame, Schema(columns={"categorical": ("tags",), "numeric": ("sizes",)}), photos=None
    )
    assert {(p.column, p.code) for p in listed.problems} == {
        ("tags", "category_not_text"),
        ("sizes", "number_not_read"),
    }


def test_a_faulty_cell_leaves_the_row_text_alone_and_a_fault_of_the_row_itself_is_told() -> None:
    frame = pd.DataFrame(
        {"t": ["Hat", "Cap"], "price": ["12,9O", "5"], "note": [b"x", "new"], "d": ["soon", None]}
    )
    schema = Schema(
        columns={
            "text": ("t",),
            "numeric": ("price",),
            "dates": ("d",),
            "row_text": ("t", "price", "note", "d"),
        }
    )
    catalogue = build_catalogue(frame, schema, photos=None)
    assert catalogue.values["row_text"] == ["t: Hat", "t: Cap\nprice: 5\nnote: new"]
    assert [problem.code for problem in catalogue.problems] == [
        "number_not_read",
        "date_not_read",
        "row_not_text",
    ]

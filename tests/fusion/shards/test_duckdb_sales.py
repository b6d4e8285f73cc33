"""Sales that DuckDB summed up give the panel that the table itself gives."""

import sys

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.cells import COUNT
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.errors import CatalogueError, MissingExtraError
from fusion.job_steps.config import SalesSection
from fusion.job_steps.panel import panel_of
from fusion.progress import notices
from fusion.shards.duckdb_sales import duckdb_parts
from fusion.shards.history import sales_parts

COLUMNS = SalesColumns(
    "my item", "date", "units", price="price", stock="stock", shop="shop", past=("searches",),
    known=("price",),
)  # fmt: skip


def rows_of(n=4000):
    draw = np.random.default_rng(0)
    stamps = pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 70 * 86400, n), "s")
    units = np.where(draw.random(n) < 0.05, -1, draw.integers(0, 4, n))
    stock = np.where(draw.random(n) < 0.9, np.nan, draw.integers(0, 2, n))
    return pd.DataFrame(
        {
            "my item": [f"it'em-{item}" for item in draw.integers(0, 3, n)],
            "date": stamps,
            "units": np.where(stock == 0, 0, units),
            "price": np.where(draw.random(n) < 0.1, np.nan, draw.integers(2, 4, n) / 2),
            "stock": stock,
            "shop": draw.integers(0, 2, n),
            "searches": draw.integers(0, 2, n),
        }
    )


@pytest.fixture
def said(monkeypatch):
    monkeypatch.setattr(notices, "_SAID", lines := set())
    return lines


def read(parts, said, columns=COLUMNS):
    said.clear()
    panel = read_panel(parts, columns=columns, frequency="week")
    return panel, set(said)


def written(folder, kind):
    frame = rows_of()
    planned = pd.DataFrame({"my item": ["it'em-0"], "date": [pd.Timestamp("2024-04-01")]})
    frame = pd.concat([frame, planned.assign(price=9.5, shop=0)], ignore_index=True)
    if kind == "parquet":
        frame.to_parquet(folder / "sales.parquet", index=False)
        return folder / "sales.parquet"
    if kind == "csv":
        frame.to_csv(folder / "sales.csv", index=False, sep=";")
        return folder / "sales.csv"
    (folder / "sales").mkdir()
    frame[:1500].to_csv(folder / "sales" / "1.csv", index=False)
    frame[1500:].to_csv(folder / "sales" / "2.csv", index=False, quoting=1)
    return folder / "sales"


@pytest.mark.parametrize("kind", ["csv", "parquet", "folder"])
def test_the_panel_is_the_same_and_so_is_what_is_told(tmp_path, said, kind):
    table = written(tmp_path, kind)
    expected, told = read(sales_parts(table, COLUMNS), said)
    with duckdb_parts(table, COLUMNS, memory_mb=100) as parts:
        frames = list(parts())
        found, told_by_it = read(parts, said)
    assert sum(len(frame) for frame in frames) < 3000
    assert sum(frame[COUNT].sum() for frame in frames) == 4001
    assert told_by_it == told and len(told) == 2  # repeated rows, returns
    assert found.ids == expected.ids and found.shops == expected.shops
    for name in ("first", "offsets", "given", "reported"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    np.testing.assert_allclose(found.units, expected.units, rtol=1e-6)
    assert set(found.columns) == {"price", "stock", "in_stock", "searches"}
    for name, values in expected.columns.items():
        np.testing.assert_allclose(found.columns[name], values, rtol=1e-6)
    np.testing.assert_array_equal(found.planned["price"], expected.planned["price"])
    assert np.nanmax(found.planned["price"]) == 9.5


@pytest.mark.parametrize("units", ["1e2", "NA", "many"])
def test_cells_that_are_not_plain_are_read_without_it_and_told(tmp_path, said, units):
    frame = rows_of(50).astype(object)
    frame.loc[7, "units"] = units
    frame.to_csv(tmp_path / "sales.csv", index=False)
    columns = SalesColumns("my item")
    with duckdb_parts(tmp_path / "sales.csv", columns) as parts:
        assert COUNT not in next(iter(parts())).columns
        if units == "1e2":
            assert read(parts, said, columns)[0].n_series
        else:
            with pytest.raises(CatalogueError, match="row 8, column units"):
                read(parts, said, columns)


def section_of(table):
    return SalesSection(
        table=table, item="my item", as_of="2024-02-05", duckdb=True, frequency="week"
    )


def test_a_section_asks_for_it_and_faults_have_their_rows_of_the_table(tmp_path, monkeypatch):
    frame = rows_of(500)
    items = pd.DataFrame({"my item": frame["my item"].unique()})
    frame.to_parquet(tmp_path / "sales.parquet")
    expected = read_panel(
        lambda: [frame],
        columns=SalesColumns("my item"),
        frequency="week",
        items=set(items["my item"]),
    )
    asked = []
    monkeypatch.setattr(
        "fusion.job_steps.panel.sales_parts", lambda *given: asked.append(1) or sales_parts(*given)
    )
    panel = panel_of(section_of(tmp_path / "sales.parquet"), items)
    np.testing.assert_allclose(panel.units, expected.units, rtol=1e-6)
    assert not asked
    frame = frame.assign(date=frame["date"].astype(str))
    frame.loc[400, "date"] = "soon"
    frame.to_parquet(tmp_path / "sales.parquet")
    with pytest.raises(CatalogueError, match="row 401, column date"):
        panel_of(section_of(tmp_path / "sales.parquet"), items)


def test_without_the_package_its_install_line_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    table = written(tmp_path, "csv")
    with pytest.raises(MissingExtraError, match=r'pip install "product-fusion\[duckdb\]"'):
        panel_of(section_of(table), pd.DataFrame({"my item": ["a"]}))

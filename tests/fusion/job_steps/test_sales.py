"""Sales tables of a configuration: read in parts, joined to items, told by their frequency."""

import numpy as np
import pandas as pd
import pytest

from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.reading import read_panel
from fusion.errors import CatalogueError, ConfigError
from fusion.job_steps.config import SalesSection, TrainConfig
from fusion.job_steps.sales import horizons, join_history, join_sales, not_launched, sales_target
from fusion.shards.history import sales_parts

ITEMS = pd.DataFrame({"item_id": ["a", "b", "new"]})


@pytest.fixture
def daily(tmp_path):
    days = pd.date_range("2024-01-01", "2024-04-30", freq="D")
    rows = [(item, day, n % 5, 0.5 * n) for n, day in enumerate(days) for item in ("a", "b")]
    frame = pd.DataFrame(rows, columns=["item_id", "date", "units", "price"])
    frame.to_csv(tmp_path / "sales.csv", index=False)
    return tmp_path / "sales.csv"


def section_of(table, **given):
    return SalesSection(table=table, as_of="2024-04-01", **given)


def test_the_frequency_that_is_found_names_columns_and_horizon(daily):
    section = section_of(daily, horizon=10)
    joined, note = join_sales(ITEMS, section)
    assert section.frequency == "day" and note == ""
    assert sales_target(section) == "units_next_10d"
    assert horizons(section) == {"units_next_10d": "10 days"}
    assert not_launched(section) == "not launched yet: no sale up to 10 day(s) after 2024-04-01"
    units = [n % 5 for n in range(91, 101)]
    np.testing.assert_array_equal(joined["units_next_10d"], [sum(units), sum(units), np.nan])
    assert {"units_last_28d", "days_on_sale"} <= set(joined.columns)
    assert list(join_history(ITEMS, section).columns) == list(joined.columns[:-1])


def test_days_are_joined_by_week_where_the_configuration_says_so(daily):
    joined, _ = join_sales(ITEMS, section_of(daily, frequency="week", horizon=2, price="price"))
    assert joined["units_next_2w"].tolist()[:2] == [sum(n % 5 for n in range(91, 105))] * 2
    assert joined["mean_price_last_4w"].notna().tolist() == [True, True, False]


def test_shops_of_a_table_are_added_up(daily):
    frame = pd.read_csv(daily)
    both = pd.concat([frame.assign(shop="north"), frame.assign(shop="south")])
    both.to_csv(daily, index=False)
    alone, _ = join_sales(ITEMS, section_of(daily, shop="shop"))
    mixed, _ = join_sales(ITEMS, section_of(daily))
    pd.testing.assert_frame_equal(alone, mixed)


def test_a_key_of_former_names_is_refused_with_the_names_there_are(daily):
    values = {"data": {"items": "items.csv"}, "heads": [{"head": "regression", "target": "x"}]}
    sales = {"table": "s.csv", "as_of": "2024-04-01"}
    with pytest.raises(ConfigError, match=r"sales\.horizons.*Did you mean 'horizon'"):
        TrainConfig.from_dict(values | {"sales": sales | {"horizons": 4}})
    with pytest.raises(ConfigError, match=r"stock and in_stock must be one column"):
        TrainConfig.from_dict(values | {"sales": sales | {"stock": "s", "in_stock": "i"}})
    with pytest.raises(ConfigError, match=r"sales\.frequency"):
        TrainConfig.from_dict(values | {"sales": sales | {"frequency": "weeks"}})


@pytest.mark.parametrize("block", [2**22, 200])
def test_a_line_that_is_no_row_is_told_with_its_row_wherever_the_quick_reader_stops(
    daily, monkeypatch, block
):
    monkeypatch.setattr("fusion.data.panel.files.BLOCK_BYTES", block)
    section = section_of(daily)
    whole, _ = join_sales(ITEMS, section)
    lines = daily.read_text().splitlines()
    lines[150] += ",more"
    daily.write_text("\n".join(lines) + "\n")
    with pytest.raises(CatalogueError, match=r"row 150.*4 cells, got 5"):
        join_sales(ITEMS, section)
    cells = [f'"{cell}"' for cell in lines[150].removesuffix(",more").split(",")]
    lines[150] = ",".join(cells)
    daily.write_text("\n".join(lines) + "\n")
    joined, _ = join_sales(ITEMS, section)
    pd.testing.assert_frame_equal(joined, whole)


def test_every_kind_of_file_gives_the_same(daily, monkeypatch):
    monkeypatch.setattr("fusion.data.panel.files.PART_ROWS", 30)
    whole, _ = join_sales(ITEMS, section_of(daily, price="price"))
    frame = pd.read_csv(daily, parse_dates=["date"])
    frame["units"] = frame["units"].astype("Int64")
    frame.set_index("item_id").to_parquet(daily.with_suffix(".parquet"), row_group_size=70)
    frame.to_feather(daily.with_suffix(".feather"))
    (daily.parent / "folder").mkdir()
    frame[:100].to_csv(daily.parent / "folder" / "1.csv", index=False)
    frame[100:].to_csv(daily.parent / "folder" / "2.csv", index=False)
    for name in ("sales.parquet", "sales.feather", "folder"):
        joined, _ = join_sales(ITEMS, section_of(daily.parent / name, price="price"))
        pd.testing.assert_frame_equal(joined, whole)


@pytest.mark.parametrize("name", ["gone.csv", "gone.parquet", "broken.parquet", "sales.csv"])
def test_a_table_that_cannot_be_read_or_lacks_a_column_is_refused_by_name(daily, name):
    (daily.parent / "broken.parquet").write_bytes(b"PAR1 nothing PAR1")
    told = "column sold: must be a column" if name == "sales.csv" else name
    with pytest.raises(CatalogueError, match=told):
        join_sales(ITEMS, section_of(daily.parent / name, units="sold"))


def test_a_table_of_a_header_alone_is_refused(daily):
    daily.write_text("item_id,date,units\n")
    columns = SalesColumns()
    with pytest.raises(CatalogueError, match="must hold rows"):
        read_panel(sales_parts(daily, columns), columns=columns)

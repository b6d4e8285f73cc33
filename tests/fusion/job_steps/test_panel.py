"""All that `[sales]` says reaches the panel: prices, promotions, market, launches and plan."""

import numpy as np
import pandas as pd
import pytest

from fusion.errors import CatalogueError, ConfigError
from fusion.job_steps.config import SalesSection, TrainConfig
from fusion.job_steps.panel import own_parts, panel_of
from fusion.job_steps.sales import join_sales, trained_section
from fusion.shards.history import sales_columns, write_history
from fusion.shards.predict_settings import PastSales

NAN = float("nan")
WEEKS = pd.date_range("2024-01-01", periods=8, freq="7D").strftime("%Y-%m-%d").tolist()
ITEMS = pd.DataFrame(
    {"item_id": ["a", "b", "new"], "since": ["2023-12-20", "2024-01-08", None], "size": [1, 2, 3]}
)


@pytest.fixture
def folder(tmp_path):
    rows = [(item, week, 1 + n, n, n % 2, 10 * n) for n, week in enumerate(WEEKS[:5])
            for item in ("a", "b") if (item, n) not in {("b", 0), ("b", 1)}]  # fmt: skip
    names = ["item_id", "date", "units", "price", "promo", "searches"]
    sales = pd.DataFrame(rows, columns=names).assign(note="fair")
    sales.to_csv(tmp_path / "sales.csv", index=False)
    market = pd.DataFrame({"date": WEEKS, "rain": range(8), "holidays": range(8)})
    market.to_csv(tmp_path / "market.csv", index=False)
    plan = pd.DataFrame(
        [
            ("a", WEEKS[5], 7, 1), ("a", WEEKS[6], 8, 0), ("new", WEEKS[6], 3, 1),
            ("b", WEEKS[2], 9, 1),
        ],
        columns=["item_id", "date", "price", "shelf"],
    )  # fmt: skip
    plan.to_parquet(tmp_path / "plan.parquet")
    return tmp_path


def section_of(folder, **given):
    values = {
        "table": folder / "sales.csv", "market": folder / "market.csv", "as_of": WEEKS[3],
        "planned": folder / "plan.parquet", "launch": "since", "horizon": 2, "price": "price",
        "promotion": "promo", "past": ["searches", "rain"], "known": ["price", "holidays", "shelf"],
    }  # fmt: skip
    return SalesSection(**{**values, **given})


def test_all_tables_and_columns_of_a_section_reach_the_panel(folder):
    panel = panel_of(section_of(folder), ITEMS)
    assert panel.ids == ("a", "b", "new") and panel.end - panel.start == 5
    assert panel.units.tolist() == [1, 2, 3, 4, 5, 0, 3, 4, 5]  # b: on sale since its launch
    assert set(panel.columns) == {"price", "promotion", "searches", "shelf"}
    assert panel.known == {"price", "holidays", "shelf"}
    assert panel.columns["promotion"][:5].tolist() == [0, 1, 0, 1, 0]
    assert panel.columns["searches"][:5].tolist() == [0, 10, 20, 30, 40]
    assert len(panel.market["rain"]) == 5 and len(panel.market["holidays"]) == 8
    expected = [[7, 8], [NAN, NAN], [NAN, 3]]
    np.testing.assert_array_equal(panel.planned["price"], expected)
    np.testing.assert_array_equal(panel.columns["shelf"], [NAN] * 6 + [1, NAN, NAN])


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"promotion": "promotions"}, "column promotions: must be a column.*'promo'"),
        ({"past": ["searches", "rain", "snow"]}, "column snow: must be a column of the table"),
        ({"past": ["searches"]}, "market has 1 problem(.|\n)*rain: must be named in past or known"),
        ({"launch": "launched"}, "items has 1 problem(.|\n)*column launched: must be a column"),
        ({"launch": "size"}, "items has 3 problems(.|\n)*column size: must be a date"),
        ({"past": ["searches", "rain", "note"]}, "column note: must be a number, got 'fair'"),
        ({"market": "gone.csv"}, r"gone\.csv"),
        ({"item": "size"}, "column size: must be a column of the table"),
    ],
)
def test_columns_that_are_not_there_or_no_numbers_are_refused(folder, given, told):
    with pytest.raises(CatalogueError, match=told):
        panel_of(section_of(folder, **given), ITEMS)


def test_a_plan_with_text_or_without_a_known_column_is_refused(folder):
    (folder / "plan.csv").write_text(f"item_id,date,price,shelf\na,{WEEKS[5]},dear,1\n")
    with pytest.raises(CatalogueError, match=r"planned has 1 problem(.|\n)*row 1, column price"):
        panel_of(section_of(folder, planned=folder / "plan.csv"), ITEMS)
    with pytest.raises(CatalogueError, match="planned must have a column that is known ahead"):
        panel_of(section_of(folder, known=["holidays"]), ITEMS)


def test_paths_beside_the_sales_start_at_the_file(folder):
    (folder / "c.toml").write_text(
        '[data]\nitems = "items.csv"\n[sales]\ntable = "sales.csv"\nas_of = "2024-01-01"\n'
        'market = "market.csv"\nplanned = "plan.parquet"\npast = ["rain"]\nknown = ["holidays"]\n'
        '[[heads]]\nhead = "regression"\ntarget = "x"\n'
    )
    sales = TrainConfig.from_file(folder / "c.toml").sales
    assert sales.market == folder / "market.csv" and sales.planned == folder / "plan.parquet"
    (folder / "c.toml").write_text(
        (folder / "c.toml").read_text().replace('known = ["holidays"]', 'known = ["rain"]')
    )
    with pytest.raises(ConfigError, match="past and known must differ, got rain in both"):
        TrainConfig.from_file(folder / "c.toml")


def test_a_model_is_asked_later_with_the_sales_table_alone_planned_rows_and_all(folder):
    section = section_of(folder)
    joined, _ = join_sales(ITEMS, section)
    known = trained_section(section)
    for name in ("market.csv", "plan.parquet"):
        (folder / name).unlink()
    frame = pd.read_csv(folder / "sales.csv")
    planned = pd.DataFrame({"item_id": ["a"], "date": [WEEKS[7]], "price": [9.0]})
    pd.concat([frame, planned]).to_csv(folder / "later.csv", index=False)
    later = PastSales(folder / "later.csv", WEEKS[3])
    columns = sales_columns({"sales": known}, later)
    assert columns.past == ("searches",) and columns.known == ("price",)
    assert columns.promotion == "promo"
    again, _ = join_sales(ITEMS, SalesSection(**later.as_trained({"sales": known})))
    pd.testing.assert_frame_equal(again, joined)
    write_history(folder, later, columns=columns, unit="week")
    found = pd.read_parquet(folder / "history.parquet").set_index("item")
    assert found.loc["a", "units_last_4w"] == joined["units_last_4w"][0] == 6


@pytest.mark.parametrize(
    ("name", "of"), [("table", "rows of what was sold"), ("planned", "rows of what is planned")]
)
def test_a_header_alone_says_which_rows_are_to_be_added(folder, name, of):
    header = "item_id,date,units,price,promo,searches,shelf\n"
    (folder / "empty.csv").write_text(header)
    told = rf"empty\.csv must hold rows, got a header alone\. Add {of}\."
    with pytest.raises(CatalogueError, match=told):
        panel_of(section_of(folder, **{name: folder / "empty.csv"}), ITEMS)


def test_where_a_column_that_is_known_ahead_may_stand_is_told_by_all_that_read_sales(folder):
    """`own_parts` is what an update reads by, `panel_of` what a training does."""
    told = r"column shelf: must be a (.|\n)*known ahead and stands neither"
    section = section_of(folder, planned=None)
    with pytest.raises(CatalogueError, match=told):
        own_parts(section)
    sales = pd.read_csv(folder / "sales.csv")
    sales.to_json(folder / "sales.jsonl", orient="records", lines=True)
    for name in ("sales.csv", "sales.jsonl"):
        with pytest.raises(CatalogueError, match=told):
            panel_of(section.model_copy(update={"table": folder / name}), ITEMS)

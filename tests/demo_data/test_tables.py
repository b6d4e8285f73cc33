"""What README.md says of the tables, held against the tables."""

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

TARGET = "units_next_8w"
HISTORY = ["units_last_4w", "units_last_13w", "units_last_52w"]


def columns_in_readme(demo: Path, heading: str) -> list[str]:
    text = (demo / "README.md").read_text(encoding="utf-8")
    section = text.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)


def test_readme_names_the_columns_of_every_table(
    demo: Path, items: pd.DataFrame, new_items: pd.DataFrame, sales: pd.DataFrame
) -> None:
    named = columns_in_readme(demo, "Columns of items.csv and new_items.csv")
    assert sorted(named) == sorted(items.columns)
    assert sorted(new_items.columns) == sorted(set(named) - {TARGET})
    assert columns_in_readme(demo, "Columns of sales.csv") == list(sales.columns)


def test_numbers_lie_in_their_stated_ranges(items: pd.DataFrame, sales: pd.DataFrame) -> None:
    assert len(items) == 2000
    assert items["item_id"].is_unique
    ranges = {
        "promo_weeks_planned": (0, 5),
        "n_sizes": (1, 8),
        "supplier_rating": (1, 5),
        "weight_g": (50, 3000),
        "mean_discount_13w": (0, 1),
        "weeks_out_of_stock_13w": (0, 13),
        TARGET: (0, 10**5),
    }
    for column, (low, high) in ranges.items():
        assert items[column].dropna().between(low, high).all(), column
    assert not (items["price_eur"] > items["list_price_eur"]).any()
    assert items["length"].dropna().str.fullmatch(r"\d+ cm").all()
    assert pd.api.types.is_integer_dtype(items[TARGET])
    assert sales["promotion"].isin([0, 1]).all() and sales["in_stock"].isin([0, 1]).all()
    assert (sales.loc[sales["in_stock"] == 0, "units"] == 0).all()


def test_empty_cells_have_their_stated_shares(items: pd.DataFrame) -> None:
    stated = {"description": 0.03, "photo": 0.04, "photo_2": 0.90, "price_eur": 0.02}
    stated |= {"weight_g": 0.05, "supplier_rating": 0.12, "length": 0.06}
    for column, share in stated.items():
        assert items[column].isna().mean() == pytest.approx(share, abs=0.02), column
    history = {*HISTORY, "weeks_out_of_stock_13w", "mean_discount_13w"}
    for column in history:
        assert (items[column].isna() == (items["weeks_on_sale"] == 0)).all(), column
    full = set(items.columns) - set(stated) - history
    assert not items[sorted(full)].isna().any().any()


def test_weeks_are_mondays_since_launch(
    items: pd.DataFrame, sales: pd.DataFrame, process: dict[str, Any]
) -> None:
    assert (sales["week"].dt.day_of_week == 0).all()
    assert sales["week"].nunique() == process["n_weeks"] >= 70
    assert not sales.duplicated(["item_id", "week"]).any()
    launch = pd.to_datetime(items.set_index("item_id")["launch_date"])
    assert (launch.dt.day_of_week == 0).all()
    first = sales.groupby("item_id")["week"].min()
    expected = launch.clip(lower=pd.Timestamp(process["first_week"]))
    pd.testing.assert_series_equal(first, expected.loc[first.index], check_names=False)


def test_target_is_what_the_sales_table_gives(
    items: pd.DataFrame, sales: pd.DataFrame, process: dict[str, Any]
) -> None:
    cutoff = pd.Timestamp(process["cutoff_date"])
    end = cutoff + pd.Timedelta(weeks=process["horizon_weeks"])
    inside = sales[(sales["week"] >= cutoff) & (sales["week"] < end)]
    units = inside.groupby("item_id")["units"].sum()
    assert (items.set_index("item_id")[TARGET] == units).all()
    assert (inside.groupby("item_id").size() == 8).all()
    promo = inside.groupby("item_id")["promotion"].sum()
    assert (items.set_index("item_id")["promo_weeks_planned"] == promo).all()


def test_history_is_what_the_sales_table_gives(
    items: pd.DataFrame, sales: pd.DataFrame, process: dict[str, Any]
) -> None:
    cutoff = pd.Timestamp(process["cutoff_date"])
    past = sales[sales["week"] < cutoff]
    table = items.set_index("item_id")
    for weeks in (4, 13, 52):
        window = past[past["week"] >= cutoff - pd.Timedelta(weeks=weeks)]
        units = window.groupby("item_id")["units"].sum()
        assert (table[f"units_last_{weeks}w"].dropna() == units.sort_index()).all()
    window = past[past["week"] >= cutoff - pd.Timedelta(weeks=13)]
    empty = (1 - window["in_stock"]).groupby(window["item_id"]).sum()
    assert (table["weeks_out_of_stock_13w"].dropna() == empty).all()
    list_price = window["item_id"].map(table["list_price_eur"])
    discount = (1 - window["price_eur"] / list_price).groupby(window["item_id"]).mean()
    told = table["mean_discount_13w"].dropna()
    assert told.to_numpy() == pytest.approx(discount.loc[told.index].to_numpy(), abs=1e-4)
    age = (cutoff - pd.to_datetime(table["launch_date"])).dt.days // 7
    assert (table["weeks_on_sale"] == age).all()


def test_about_15_percent_have_little_or_no_history(items: pd.DataFrame) -> None:
    assert (items["weeks_on_sale"] <= 6).mean() == pytest.approx(0.15, abs=0.03)
    assert (items["weeks_on_sale"] == 0).sum() >= 5


def test_new_items_have_photos_and_no_history(new_items: pd.DataFrame, sales: pd.DataFrame) -> None:
    assert len(new_items) == 60
    assert new_items["photo"].notna().all() and new_items["description"].notna().all()
    assert new_items[HISTORY].isna().all().all()
    assert not new_items["item_id"].isin(sales["item_id"]).any()

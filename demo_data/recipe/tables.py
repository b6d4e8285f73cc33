"""Turns what the process made into the tables that are written to disk."""

import numpy as np
import pandas as pd

from recipe.process import CUTOFF, HORIZON_WEEKS, N_HISTORY_WEEKS, N_WEEKS, START, Sales

ITEM_COLUMNS = [
    *("item_id", "title", "description", "photo", "photo_2", "category", "brand", "season"),
    *("price_eur", "list_price_eur", "promo_weeks_planned", "n_sizes", "launch_date", "weight_g"),
    *("supplier_rating", "length", "weeks_on_sale", "units_last_4w", "units_last_13w"),
    *("units_last_52w", "weeks_out_of_stock_13w", "mean_discount_13w", "units_next_8w"),
]
HISTORY_WINDOWS = (4, 13, 52)  # weeks before the cutoff


def sales_table(item_ids: list[str], sales: Sales) -> pd.DataFrame:
    """Return one row for each product and week since its launch, new products left out."""
    weeks = pd.date_range(START, periods=N_WEEKS, freq="7D").strftime("%Y-%m-%d").to_numpy()
    old = np.array([not item.startswith("N") for item in item_ids])
    on_sale = (np.arange(N_WEEKS) >= sales.launch_week[:, None]) & old[:, None]
    row, week = np.nonzero(on_sale)
    return pd.DataFrame(
        {
            "item_id": np.array(item_ids)[row],
            "week": weeks[week],
            "units": sales.units[row, week],
            "price_eur": sales.price[row, week],
            "promotion": sales.promo[row, week].astype(int),
            "in_stock": sales.in_stock[row, week].astype(int),
        }
    )


def history_columns(sales: Sales, list_price: np.ndarray) -> pd.DataFrame:
    """Return what was known of each product at the cutoff; empty where it had not sold a week."""
    age = N_HISTORY_WEEKS - sales.launch_week
    on_sale = np.arange(N_WEEKS) >= sales.launch_week[:, None]
    columns: dict[str, pd.Series] = {"weeks_on_sale": pd.Series(age)}
    for n in HISTORY_WINDOWS:
        span = slice(max(N_HISTORY_WEEKS - n, 0), N_HISTORY_WEEKS)
        units = (sales.units * on_sale)[:, span].sum(axis=1)
        columns[f"units_last_{n}w"] = pd.Series(units, dtype="Int64").mask(age == 0)
    last = slice(N_HISTORY_WEEKS - 13, N_HISTORY_WEEKS)
    counted = on_sale[:, last]
    empty = (~sales.in_stock[:, last] & counted).sum(axis=1)
    columns["weeks_out_of_stock_13w"] = pd.Series(empty, dtype="Int64").mask(age == 0)
    discount = np.where(counted, 1 - sales.price[:, last] / list_price[:, None], 0.0).sum(axis=1)
    mean = np.divide(discount, counted.sum(axis=1), out=np.full(len(age), np.nan), where=age > 0)
    columns["mean_discount_13w"] = pd.Series(mean.round(4))
    return pd.DataFrame(columns)


def items_table(clean: pd.DataFrame, sales: Sales) -> pd.DataFrame:
    """Return all products, old and new, with price, launch date, history and target.

    Args:
        clean: `products.clean_table` with the columns "photo" and "photo_2" added.
        sales: of the same products, in the same order.
    """
    launch = START + pd.to_timedelta(sales.launch_week * 7, unit="D")
    table = clean.assign(
        price_eur=sales.regular_price,
        weight_g=clean["weight_g"].astype("Int64"),
        launch_date=launch.strftime("%Y-%m-%d"),
        units_next_8w=sales.units[:, N_HISTORY_WEEKS:].sum(axis=1),
    )
    history = history_columns(sales, clean["list_price_eur"].to_numpy())
    return pd.concat([table, history], axis=1)[ITEM_COLUMNS]


def latents_table(item_ids: list[str], sales: Sales) -> pd.DataFrame:
    """Return the true part of each product's log sales that text, photo, ... carry."""
    parts = {f"{name}_part": part.round(4) for name, part in sales.parts.items()}
    expected = sales.expected_units_8w.round(2)
    return pd.DataFrame({"item_id": item_ids, **parts, "expected_units_8w": expected})


def dates() -> dict[str, str | int]:
    """Return the calendar of the process."""
    return {
        "first_week": f"{START:%Y-%m-%d}",
        "cutoff_date": f"{CUTOFF:%Y-%m-%d}",
        "horizon_weeks": HORIZON_WEEKS,
        "n_weeks": N_WEEKS,
    }

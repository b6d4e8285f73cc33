"""Puts the products together: one look, one text and one row of table columns each."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from recipe.looks import FAMILIES, Look, draw_look, photo_score
from recipe.writing import Words, write

FAMILY_ODDS = (0.15, 0.11, 0.12, 0.11, 0.08, 0.10, 0.11, 0.08, 0.08, 0.06)
# family: median list price (EUR), weight (g), shortest and longest length (cm)
FAMILY_FACTS: dict[str, tuple[float, float, float, float]] = {
    "t-shirts": (24, 170, 54, 78),
    "shirts": (45, 230, 62, 82),
    "dresses": (69, 380, 78, 135),
    "trousers": (59, 480, 84, 112),
    "skirts": (48, 300, 36, 92),
    "jackets": (119, 950, 52, 108),
    "knitwear": (65, 420, 48, 74),
    "bags": (89, 620, 18, 42),
    "shoes": (95, 840, 24, 31),
    "hats": (32, 120, 54, 61),
}
BRANDS = (
    *("Nordlys", "Maison Élan", "Harbour & Co", "Linnea", "Okami", "Tern", "Vela", "Basalt"),
    *("Casa Lume", "Fjord Nine", "Mirabel", "Søndag", "Weft", "Tannery Row", "Oak & Ivy", "Pomelo"),
    *("Kestrel", "Atelier Brun", "Blue Door", "Hanami", "Lark", "Mistral", "Odd Socks", "Quay"),
    "Zinnia",
)
SEASONS = ("all-year", "spring", "summer", "autumn", "winter")


@dataclass(frozen=True)
class Product:
    """One product: what its photo, its words and its table columns are made from."""

    item_id: str
    look: Look
    words: Words
    columns: dict[str, str | float | int]


def brand_odds() -> np.ndarray:
    """Return how likely each brand is: few are common, some rare; sums to 1."""
    odds = 1 / (np.arange(len(BRANDS)) + 1.5) ** 1.1
    odds[-4:] *= 0.25
    return np.asarray(odds / odds.sum())


def draw_columns(rng: np.random.Generator, look: Look) -> dict[str, str | float | int]:
    """Return brand, season, list price, sizes, weight, rating and length of one product."""
    price, weight, short, long = FAMILY_FACTS[look.family]
    cents = float(rng.choice([0.0, 0.05, 0.5]))
    list_price = max(5.0, np.ceil(price * np.exp(rng.normal(0, 0.38)))) - cents
    return {
        "brand": str(rng.choice(BRANDS, p=brand_odds())),
        "season": str(rng.choice(SEASONS, p=[0.32, 0.2, 0.2, 0.15, 0.13])),
        "list_price_eur": round(float(list_price), 2),
        "promo_weeks_planned": int(rng.choice(6, p=[0.42, 0.2, 0.14, 0.1, 0.08, 0.06])),
        "n_sizes": 1 if look.family in ("bags", "hats") else int(rng.integers(3, 9)),
        "weight_g": round(weight * float(np.exp(rng.normal(0, 0.18)))),
        "supplier_rating": round(float(np.clip(rng.normal(4.0, 0.5), 1, 5)), 1),
        "length": f"{short + (long - short) * look.length:.0f} cm",
    }


def draw_product(seed: int, number: int, *, item_id: str) -> Product:
    """Return one product; it depends on the seed and its own number alone."""
    rng = np.random.default_rng([seed, number])
    family = str(rng.choice(FAMILIES, p=FAMILY_ODDS))
    look = draw_look(rng, family=family)
    return Product(item_id, look, write(rng, family=family), draw_columns(rng, look))


def draw_products(seed: int, *, n_items: int, n_new: int) -> list[Product]:
    """Return the catalogue's products P0001..., then the new ones N0001..."""
    names = [f"P{i + 1:04d}" for i in range(n_items)] + [f"N{i + 1:04d}" for i in range(n_new)]
    return [draw_product(seed, number, item_id=name) for number, name in enumerate(names)]


def copy_near_duplicates(products: list[Product], pairs: list[dict[str, str]]) -> list[Product]:
    """Return the products with the planned ones showing or telling the same as their original.

    Args:
        products: all products.
        pairs: each with "item_id", "copy_of" and "same" ("photo", "description" or "both").
    """
    by_id = {product.item_id: product for product in products}
    for pair in pairs:
        here, there = by_id[pair["item_id"]], by_id[pair["copy_of"]]
        if pair["same"] in ("photo", "both"):
            here = replace(here, look=there.look)
        if pair["same"] in ("description", "both"):
            here = replace(here, words=replace(there.words, title=here.words.title))
        by_id[here.item_id] = here
    return [by_id[product.item_id] for product in products]


def clean_table(products: list[Product]) -> pd.DataFrame:
    """Return the table as it would be without any mess, the scores of photo and text included."""
    rows = [
        {
            "item_id": p.item_id,
            "title": p.words.title,
            "description": p.words.description,
            "category": p.look.family,
            **p.columns,
            "text_score": p.words.score,
            "photo_score": photo_score(p.look),
        }
        for p in products
    ]
    return pd.DataFrame(rows)

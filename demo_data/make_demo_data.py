"""Makes the demo catalogue: a made-up fashion shop with photos, texts, numbers and sales.

    python demo_data/make_demo_data.py --out DIR --seed 7

Writes items.csv, new_items.csv, sales.csv, latents.csv, process.json and photos/ under DIR.
The same seed gives the same bytes on one machine. Needs numpy, pandas and pillow only.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from recipe.drawing import draw_photo
from recipe.looks import BACKGROUNDS, COLOURS, PATTERNS, WEIGHTS, Look, second_shot
from recipe.mess import (
    GAPS,
    add_gaps,
    add_table_mess,
    photo_suffix,
    plan_duplicates,
    plan_mess,
    save_options,
)
from recipe.process import Effects, Parameters, Sales, simulate, variance_shares
from recipe.products import Product, clean_table, copy_near_duplicates, draw_products
from recipe.tables import dates, items_table, latents_table, sales_table

FORMULA = (
    "log(expected units in a week) = base + family + brand"
    " + elasticity * log(regular price / median list price of the family)"
    " + rating_effect * (supplier_rating - 4) + size_effect * (n_sizes - 4)"
    " + season curve + promo_uplift * promotion + launch ramp"
    " + campaign factor * (text_part + photo_part)"
    " + word of mouth + momentum + block noise + week noise;"
    " units ~ negative binomial(mean, count_dispersion), 0 when out of stock"
)
SECOND_PHOTO_EVERY = 10


def has_second_photo(number: int) -> bool:
    """Return whether the product at this place of the catalogue has a second photo."""
    return number % SECOND_PHOTO_EVERY == 3


def save_photo(look: Look, path: Path, *, kind: str) -> None:
    """Draw one photo and write it, in an odd form where `kind` names one."""
    photo, options = save_options(kind, draw_photo(look))
    photo.save(path, **options)


def save_photos(products: list[Product], plan: dict[str, list[str]], folder: Path) -> pd.DataFrame:
    """Write all photos; return the file names, in the columns "photo" and "photo_2"."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = {item: kind for kind, items in plan.items() for item in items if "photo_" in kind}
    names: list[tuple[str, str | None]] = []
    for number, product in enumerate(products):
        item, second = product.item_id, None
        name = item + photo_suffix(item, plan)
        if item not in plan["missing_photo"]:
            save_photo(product.look, folder / name, kind=kinds.get(item, ""))
            if has_second_photo(number):
                second = f"{item}_2.jpg"
                save_photo(second_shot(product.look), folder / second, kind="")
        names.append((name, second))
    return pd.DataFrame(names, columns=["photo", "photo_2"])


def describe(sales: Sales, effects: Effects, *, seed: int, n_items: int) -> dict[str, object]:
    """Return the true process as plain values: calendar, formula, parameters, variance shares."""
    target = sales.units[:n_items, -int(dates()["horizon_weeks"]) :].sum(axis=1)
    parts = {name: part[:n_items] for name, part in sales.parts.items()}
    shares = variance_shares(parts, target)
    return {
        "warning": "True values for tests. Never use them, or latents.csv, as inputs of a model.",
        "seed": seed,
        "n_items": n_items,
        **dates(),
        "target": "units_next_8w",
        "formula": FORMULA,
        "parameters": asdict(Parameters()),
        "effects": effects,
        "photo_score_weights": WEIGHTS,
        "photo_scores": {
            "colour": {name: colour[3] for name, colour in COLOURS.items()},
            "pattern": PATTERNS,
            "background": BACKGROUNDS,
        },
        "variance_shares": {name: round(share, 4) for name, share in shares.items()},
        "ordinary_gaps": GAPS,
    }


def write_json(content: dict[str, object], path: Path) -> None:
    """Write readable UTF-8 JSON."""
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write UTF-8 CSV with Unix line ends."""
    table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")


def make_demo_data(out: Path, *, seed: int, n_items: int, n_new: int) -> dict[str, float]:
    """Write the whole catalogue under `out`.

    Args:
        out: folder to write to; made where it does not exist.
        seed: of everything.
        n_items: products with sales, 20 or more.
        n_new: products to predict, without sales.

    Returns:
        Share of the variance of log(1 + target) that each part explains; they sum to 1.

    Raises:
        ValueError: `n_items` is below 20, too few for every kind of mess.
    """
    if n_items < 20:
        raise ValueError(f"n_items must be 20 or more, got {n_items}. Ask for a larger catalogue.")
    products = draw_products(seed, n_items=n_items, n_new=n_new)
    old = [product.item_id for product in products[:n_items]]
    plan = plan_mess(old, seed=seed)
    families = {p.item_id: p.look.family for p in products[:n_items]}
    pairs = plan_duplicates(plan, families, seed=seed)
    products = copy_near_duplicates(products, pairs)
    clean = clean_table(products)
    sales, effects = simulate(clean, seed=seed, parameters=Parameters())
    photos = save_photos(products, plan, out / "photos")
    items = items_table(pd.concat([clean, photos], axis=1), sales)
    items = add_table_mess(add_gaps(items, seed=seed), plan)
    ids = list(clean["item_id"])
    write_csv(items[:n_items], out / "items.csv")
    write_csv(items[n_items:].drop(columns="units_next_8w"), out / "new_items.csv")
    write_csv(sales_table(ids, sales), out / "sales.csv")
    write_csv(latents_table(ids, sales), out / "latents.csv")
    facts = describe(sales, effects, seed=seed, n_items=n_items)
    write_json({**facts, "mess": {**plan, "near_duplicate": pairs}}, out / "process.json")
    return variance_shares_of(facts)


def variance_shares_of(facts: dict[str, object]) -> dict[str, float]:
    """Return the variance shares out of what `describe` gave."""
    shares = facts["variance_shares"]
    assert isinstance(shares, dict)
    return {str(name): float(share) for name, share in shares.items()}


def main() -> None:
    """Read the command line, write the catalogue and print the variance shares."""
    parser = argparse.ArgumentParser(description="Make the demo catalogue.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--items", type=int, default=2000, help="products with sales")
    parser.add_argument("--new-items", type=int, default=60, help="products to predict")
    given = parser.parse_args()
    shares = make_demo_data(given.out, seed=given.seed, n_items=given.items, n_new=given.new_items)
    print("share of the variance of log(1 + units_next_8w):")
    for name, share in shares.items():
        print(f"  {name:8s} {share:6.1%}")


if __name__ == "__main__":
    main()

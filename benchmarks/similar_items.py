"""Which known items are most like a new one: by content, by fused vectors, by text or photo alone.

python benchmarks/similar_items.py [--data FOLDER_WITH_products.csv_AND_images] --store STORE

Without --data the demo catalogue, asked as if its test items were new: without history.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from results import write_section

from fusion import FusionRegressor, Predictor
from fusion.bundle import Content, content_of
from fusion.data import read_table
from fusion.jobs.demo import demo_folder

N_NEAREST = 3
TAGS = ["category", "color", "fabric"]
TRAINING_SEASONS = ("SS17", "AW17", "SS18", "AW18")


@dataclass(frozen=True)
class Shop:
    """Known items, items that are asked about, and the roles of their columns."""

    name: str
    known: pd.DataFrame
    asked: pd.DataFrame
    target: str
    photos: Path
    roles: Mapping[str, list[str]]


def demo(folder: Path, *, seed: int = 0) -> Shop:
    """The demo catalogue; a fifth of it is asked about as if it were new."""
    items = read_table(folder / "items.csv")
    history = [name for name in items if str(name).startswith(("units_last", "weeks_o", "mean_d"))]
    order = np.random.default_rng(seed).permutation(len(items))
    cut = len(items) // 5
    asked, known = (items.iloc[rows].reset_index(drop=True) for rows in (order[:cut], order[cut:]))
    roles = {
        "text": ["title", "description"],
        "image": ["photo", "photo_2"],
        "categorical": ["category", "brand", "season"],
        "dates": ["launch_date"],
        "history": history,
        "id": ["item_id"],
    }
    asked = asked.assign(**dict.fromkeys(history))
    return Shop("demo", known, asked, "units_next_8w", folder / "photos", roles)


def launches(folder: Path) -> Shop:
    """Fashion launches: the last two seasons are asked about."""
    products = read_table(folder / "products.csv")
    products = products[products["in_catalog"].astype(float) == 1]
    tags = products["category"] + ", " + products["color"] + " " + products["fabric"]
    frame = products[["image", *TAGS, "total12"]].assign(text=tags)
    is_known = products["season"].isin(TRAINING_SEASONS)
    known, asked = (frame[rows].reset_index(drop=True) for rows in (is_known, ~is_known))
    roles = {"text": ["text"], "image": ["image"], "categorical": TAGS}
    return Shop(folder.name, known, asked, "total12", folder / "images", roles)


def measure(shop: Shop, **options: object) -> list[dict[str, object]]:
    """A row for each way: how often the nearest are of the same category, and how they predict."""
    units = shop.known[shop.target].astype(float)
    model = FusionRegressor(
        head="sales_volume", photos=shop.photos, random_state=0, on_bad_rows="absent",
        columns=shop.roles, **options,
    ).fit(shop.known.drop(columns=shop.target), units)  # fmt: skip
    places = {"photos": shop.photos, "store": model.store}
    predictor = Predictor(model.bundle_, on_bad_rows="absent", **places)
    known, asked = (
        content_of(model.bundle_.model, predictor.read(frame).inputs)
        for frame in (shop.known, shop.asked)
    )
    fused = [_unit(predictor.embed(frame)) for frame in (shop.known, shop.asked)]
    ways = {
        "content": _scores(known, asked),
        "fused vectors": fused[1] @ fused[0].T,
        **{
            f"{name} alone": asked.vectors[name] @ known.vectors[name].T
            for name in ("text", "image")
        },
    }
    category, truth = shop.asked["category"].to_numpy(), shop.asked[shop.target].astype(float)
    rows = []
    for name, scores in ways.items():
        nearest = np.argsort(-np.nan_to_num(scores, nan=-2.0), axis=1, kind="stable")[:, :N_NEAREST]
        same = shop.known["category"].to_numpy()[nearest] == category[:, None]
        errors = np.abs(units.to_numpy()[nearest].mean(axis=1) - truth)
        rows.append(
            {
                "catalogue": shop.name,
                "nearest by": name,
                "same category": f"{100 * same.mean():.0f} %",
                "WAPE of their mean": f"{errors.sum() / truth.sum():.3f}",
            }
        )
    return rows


def _scores(known: Content, asked: Content) -> NDArray[np.float32]:
    return np.concatenate(list(known.similarity(asked)))


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.where(lengths > 0, lengths, 1.0)
    return unit


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes the section of one catalogue."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="visuelle2_550; the demo where not given")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--epochs", type=int, help="of training, to try the script")
    given = parser.parse_args(arguments)
    training = {} if given.epochs is None else {"epochs": given.epochs}
    shop = demo(demo_folder()) if given.data is None else launches(given.data)
    option = "" if given.data is None else " --data FOLDER"
    write_section(
        f"Items most like a new one: {shop.name}",
        command=f"python benchmarks/similar_items.py{option} --store STORE",
        workload=f"{len(shop.asked)} items are asked about, {len(shop.known)} are known; MiniLM "
        f"and ResNet-18 with `clothing18`; the {N_NEAREST} nearest by each way.",
        rows=measure(shop, store=given.store, training=training),
        trial=given.epochs is not None,
    )


if __name__ == "__main__":
    main()

"""A loaded model in a loop: seconds of a call, for few and many items, in one and four threads.

python benchmarks/serving.py
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from results import write_section

from fusion import FusionRegressor
from fusion.jobs.demo import demo_folder

TARGET = "units_next_8w"
ROLES: dict[str, Any] = {
    "id": ["item_id"],
    "text": ["title", "description"],
    "image": ["photo"],
    "categorical": ["category", "brand", "season"],
}
WORDS: dict[str, Any] = {**ROLES, "image": []}
"""No photos: a role that is left out would be found in the table, and photos with it."""
CACHED = "MiniLM, texts in a store"
MODELS: dict[str, dict[str, Any]] = {
    "TF-IDF, numbers": {"columns": WORDS, "encoders": {"text": "tfidf"}},
    CACHED: {"columns": WORDS},
    "TF-IDF, colours": {
        "columns": ROLES,
        "encoders": {"text": "tfidf", "image": "colour_texture"},
    },
    "MiniLM, ResNet-18": {"columns": ROLES},
}
CALLS = {1: 40, 10: 20, 100: 8, 1000: 3}
"""Items of a call -> calls."""
AIMS = {1: "20 ms", 1000: "1,000 ms"}
"""Items of a call -> what the median of a model without photos is to stay below."""
THREADS = 4


def fitted(items: pd.DataFrame, **options: Any) -> FusionRegressor:
    """A small model of the demo catalogue: what is measured does not depend on what it learned."""
    model = FusionRegressor(
        photos=demo_folder() / "photos",
        head="sales_volume",
        on_bad_rows="absent",
        random_state=0,
        training={"epochs": 3},
        **options,
    )
    return model.fit(items.drop(columns=TARGET), items[TARGET])


def seconds_of(
    ask: Callable[[pd.DataFrame], object], tables: Sequence[pd.DataFrame]
) -> list[float]:
    """Seconds of each call."""
    found = []
    for table in tables:
        start = time.perf_counter()
        ask(table)
        found.append(time.perf_counter() - start)
    return found


def measured(name: str, folder: Path, items: pd.DataFrame, *, most: int) -> list[dict[str, object]]:
    """Rows of the table for one loaded model, with at most so many calls of a size."""
    rows: list[dict[str, object]] = []
    start = time.perf_counter()
    store = folder.with_name("store") if name == CACHED else None
    model = FusionRegressor.load(folder, photos=demo_folder() / "photos", store=store)
    loading = time.perf_counter() - start
    ask = model.predict
    ask(items if name == CACHED else items[:1])
    for size, wanted in CALLS.items():
        calls = min(wanted, most)
        starts = [n * size % max(1, len(items) - size) for n in range(calls)]
        rows_of_call = [np.arange(first, first + size) % len(items) for first in starts]
        tables = [
            items.iloc[rows].assign(item_id=[f"n{place}" for place in range(size)])
            for rows in rows_of_call
        ]
        alone = np.array(seconds_of(ask, tables)) * 1e3
        start = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            answers = list(pool.map(ask, tables))
        together = time.perf_counter() - start
        assert all(np.array_equal(a, ask(t)) for a, t in zip(answers[:3], tables, strict=False))
        rows.append(
            {
                "encoders": name,
                "items a call": size,
                "median": f"{np.median(alone):,.1f} ms",
                "aim": "" if model.bundle_.schema.columns_of("image") else AIMS.get(size, ""),
                "95 %": f"{np.percentile(alone, 95):,.1f} ms",
                "items a second": f"{size * 1e3 / alone.mean():,.0f}",
                f"in {THREADS} threads": f"{size * calls / together:,.0f}",
                "loading": f"{loading:.1f} s",
            }
        )
        print(rows[-1], flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="rows to learn from and calls, to try the script")
    options = parser.parse_args(arguments)
    limit = options.limit
    torch.set_num_threads(1)
    items = pd.read_csv(demo_folder() / "items.csv").head(limit or 400)
    most = 40 if limit is None else 3
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for number, (encoders, chosen) in enumerate(MODELS.items()):
            folder = Path(name) / str(number)
            fitted(items, **chosen).save(folder)
            rows += measured(encoders, folder, items, most=most)
    write_section(
        "Serving: a loaded model in a loop",
        command="python benchmarks/serving.py",
        workload=f"Models of {len(items)} items of the demo catalogue (title, description, "
        "numbers, three labels, and one photo where photos are read), every member, saved, loaded, "
        f"without a store but for {CACHED!r}, which embedded all texts before. `model.predict` of "
        "tables of 1, 10, 100 and 1,000 items, 40, 20, 8 and 3 calls, torch on one thread. The "
        "medians have aims where no photo is read. Then the same calls from "
        f"{THREADS} threads of one process; answers are equal to those of one.",
        rows=rows,
        notes="Loading: `FusionRegressor.load`, imports done before.",
        trial=limit is not None,
    )


if __name__ == "__main__":
    main()

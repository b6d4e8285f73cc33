"""Batch embedding jobs: overhead, repeated photos, a warm second run.

python benchmarks/embed_job.py
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from photo_embedding import draw_photos
from results import write_section
from text_embedding import product_texts

from benchmarks.promises.memory import run_job, write_items
from encoders.text.bert import BertEncoder
from fusion.store import embed_values

TEXTS = 50_000
WARM_UP = 64
PHOTOS = 200
USES = 5


def commits(events: list[dict[str, float]]) -> float:
    """Seconds that all workers together spent on writing and checking shards."""
    return sum(event["commit_seconds"] for event in events if event["event"] == "shard_done")


def library_seconds(texts: list[str]) -> float:
    """Seconds of `embed_values` alone, the model loaded and warm."""
    encoder = BertEncoder("minilm")
    embed_values(encoder, texts[:WARM_UP])
    start = time.perf_counter()
    embed_values(encoder, texts)
    return time.perf_counter() - start


def overhead(folder: Path, n_texts: int) -> dict[str, object]:
    """Plan and commits as a share of a job with MiniLM, and its rate beside the library's own."""
    texts = product_texts(n_texts, seed=1)
    write_items(folder / "texts.csv", texts)
    seconds, most, events = run_job(
        folder / "minilm", "--items", folder / "texts.csv", "--workers", 1
    )
    work = [event["seconds"] for event in events if event["event"] == "shard_done"]
    plan = events[0]["plan_seconds"]
    share = (plan + commits(events)) / (plan + sum(work))
    alone = library_seconds(texts)
    return {
        "job": f"{n_texts:,} texts, MiniLM, 1 worker",
        "seconds": f"{seconds:.0f}",
        "peak MiB": f"{most:,.0f}",
        "result": f"plan {plan:.2f} s and commits {commits(events):.2f} s: {share:.2%} of the "
        f"work; {n_texts / (plan + sum(work)):.0f} texts/s, {alone / (plan + sum(work)):.0%} of "
        f"the {n_texts / alone:.0f} of `embed_values` (aim: 90%)",
    }


def repeated_photos(folder: Path, n_photos: int) -> list[dict[str, object]]:
    """Each photo five times, scattered: without and with a store, and once more with it filled."""
    paths = draw_photos(folder, size=(800, 600), n=n_photos, seed=0)
    order = np.random.default_rng(0).permutation(np.repeat(np.arange(n_photos), USES))
    names = [paths[place].name for place in order]
    frame = pd.DataFrame({"sku": np.arange(len(names)), "photo": names})
    frame.to_csv(folder / "photos.csv", index=False)
    frame[:1].to_csv(folder / "one.csv", index=False)
    base = ("--photos", folder, "--shard-rows", 250, "--workers", 2)
    store = ("--store", folder / "store")
    start_up, _, _ = run_job(folder / "one", "--items", folder / "one.csv", *base)
    rows: list[dict[str, object]] = []
    plain = 0.0
    for name, options in {
        "shards alone": (),
        "empty store": store,
        "filled store, new job": store,
    }.items():
        out = folder / name.replace(" ", "_")
        seconds, most, events = run_job(out, "--items", folder / "photos.csv", *base, *options)
        n_encoded = sum(e["encoded"] for e in events if e["event"] == "shard_done")
        work = sum(e["seconds"] for e in events if e["event"] == "shard_done")
        plain = plain or work
        rows.append(
            {
                "job": f"{len(names):,} rows, {n_photos} photos {USES} times each, {name}",
                "seconds": f"{seconds:.0f}",
                "peak MiB": f"{most:,.0f}",
                "result": f"{n_encoded} encoded, work {work:.1f} s, {plain / work:.1f} times as "
                f"fast as shards alone; starting takes {start_up:.0f} s",
            }
        )
        print(rows[-1], flush=True)
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="rows of the largest job, to try the script")
    options = parser.parse_args(arguments)
    limit = options.limit
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [overhead(folder, TEXTS if limit is None else min(limit, 200))]
        print(rows[-1], flush=True)
        rows += repeated_photos(folder, PHOTOS if limit is None else min(limit, 20))
    write_section(
        "Batch embedding jobs: overhead, repetition",
        command="python benchmarks/embed_job.py",
        workload="`fusion embed` as a whole process. Memory: the largest sum over all its "
        "processes of what they alone use. Texts of product words, MiniLM. Photos: JPEGs of "
        "800 x 600, ResNet-18, 250 rows a shard, so that a shard alone sees few repetitions.",
        rows=rows,
        notes="Seconds are of the whole process, loading included; work is the sum over shards. "
        "The texts' rate is that of plan and shards, once the model is loaded.",
        trial=limit is not None,
    )


if __name__ == "__main__":
    main()

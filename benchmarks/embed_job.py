"""Batch embedding jobs: memory at growing sizes, overhead, repeated photos, a warm second run.

python benchmarks/embed_job.py
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
from photo_embedding import draw_photos
from results import write_section
from text_embedding import product_texts

from encoders.tiny_bert import tiny_checkpoint

SIZES = (10_000, 100_000, 1_000_000)
PHOTOS = 200
USES = 5
FUSION = Path(sys.executable).with_name("fusion")


def run_job(folder: Path, *options: object) -> tuple[float, float, list[dict[str, float]]]:
    """Seconds, largest memory of all processes together in MiB, and events of `fusion embed`."""
    start = time.perf_counter()
    command = [FUSION, "embed", "--quiet", "--out", folder, *options]
    process = psutil.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        most = max(most, _memory(process))
        time.sleep(0.1)
    if process.returncode:
        raise SystemExit(f"fusion embed ended with {process.returncode}")
    lines = (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    return time.perf_counter() - start, most, [json.loads(line) for line in lines]


def _memory(process: psutil.Process) -> float:
    """Memory that only these processes use, in MiB: shared pages are counted once."""
    total = 0.0
    try:
        for one in (process, *process.children(recursive=True)):
            total += one.memory_full_info().uss / 2**20
    except psutil.Error:  # it ended between two looks
        pass
    return total


def write_items(path: Path, texts: list[str]) -> None:
    """An items table of ids and texts."""
    ids = np.arange(len(texts))
    pd.DataFrame({"sku": ids, "title": texts}).to_csv(path, index=False)


def flat_memory(folder: Path, sizes: tuple[int, ...]) -> list[dict[str, object]]:
    """The same job on 10,000, 100,000 and a million rows, with a tiny text encoder."""
    words = product_texts(2_000, seed=0)
    rows: list[dict[str, object]] = []
    first = 0.0
    for size in sizes:
        items = folder / f"{size}.csv"
        write_items(items, [f"{words[row % len(words)][:60]} {row}" for row in range(size)])
        seconds, most, events = run_job(
            folder / f"job{size}", "--items", items, "--text-encoder", tiny_checkpoint(),
            "--workers", 2,
        )  # fmt: skip
        first = first or most
        rows.append(
            {
                "job": f"{size:,} rows, tiny text encoder, 2 workers",
                "seconds": f"{seconds:.0f}",
                "peak MiB": f"{most:,.0f}",
                "result": f"memory {most / first:.2f} of the first; "
                f"plan {events[0]['plan_seconds']:.1f} s, commits {commits(events):.1f} s",
            }
        )
        print(rows[-1], flush=True)
    return rows


def commits(events: list[dict[str, float]]) -> float:
    """Seconds that all workers together spent on writing and checking shards."""
    return sum(event["commit_seconds"] for event in events if event["event"] == "shard_done")


def overhead(folder: Path, n_texts: int) -> dict[str, object]:
    """Plan and commits as a share of a job with MiniLM."""
    write_items(folder / "texts.csv", product_texts(n_texts, seed=1))
    seconds, most, events = run_job(
        folder / "minilm", "--items", folder / "texts.csv", "--workers", 1
    )
    work = [event["seconds"] for event in events if event["event"] == "shard_done"]
    plan = events[0]["plan_seconds"]
    share = (plan + commits(events)) / (plan + sum(work))
    return {
        "job": f"{n_texts:,} texts, MiniLM, 1 worker",
        "seconds": f"{seconds:.0f}",
        "peak MiB": f"{most:,.0f}",
        "result": f"plan {plan:.2f} s and commits {commits(events):.2f} s: {share:.2%} of the work",
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
    sizes = SIZES if limit is None else (limit // 10, limit)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [overhead(folder, 4_000 if limit is None else min(limit, 200))]
        print(rows[-1], flush=True)
        rows += repeated_photos(folder, PHOTOS if limit is None else min(limit, 20))
        rows += flat_memory(folder, sizes)
    write_section(
        "Batch embedding jobs: memory, overhead, repetition",
        command="python benchmarks/embed_job.py",
        workload="`fusion embed` as a whole process. Memory: the largest sum over all its "
        "processes of what they alone use. Texts: a few product words and a number, read by a "
        "two-layer BERT of 32 dimensions, so that all but the model is seen; MiniLM for the share "
        "of plan and commits. Photos: JPEGs of 800 x 600, ResNet-18, 250 rows a shard, so that a "
        "shard alone sees few repetitions.",
        rows=rows,
        notes="Seconds are of the whole process, loading included; work is the sum over shards.",
        trial=limit is not None,
    )


if __name__ == "__main__":
    main()

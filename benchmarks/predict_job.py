"""Predictions as a job: memory by rows, a filled store, a small table, and what a cut changes.

python benchmarks/predict_job.py
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from results import write_section
from text_embedding import product_texts

from benchmarks.promises.memory import run_job
from encoders.dtype import SWITCH
from fusion import FusionRegressor, load_bundle
from fusion.data.tables import read_table, write_table
from fusion.predictor import Predictor
from fusion.shards import DataPaths, InProcessEngine, PredictSettings, predict_catalogue

SIZES = (10_000, 100_000, 1_000_000)
STORED_ROWS = 100_000
SMALL_ROWS = 1_000
CUT_ROWS = 2_000
CUTS = (4096, 500, 64)
TRAIN_ROWS = 2_000
ROUNDS = 9
MOST_GAP = 1e-5
"""Of the target's standard deviation: what docs/predicting.md states for both precisions."""


def items_of(path: Path, texts: Sequence[str], *, n_rows: int) -> Path:
    """An items table: ids, titles that repeat with a number behind them, and two numbers."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sku": np.arange(n_rows),
            "title": [f"{texts[row % len(texts)]} {row // len(texts)}" for row in range(n_rows)],
            "price": draw.uniform(5, 50, n_rows).round(2),
            "weight_g": draw.integers(50, 5_000, n_rows),
        }
    )
    frame.to_csv(path, index=False)
    return path


def trained(folder: Path, texts: Sequence[str], *, text_encoder: str, n_rows: int) -> Path:
    """A model of a title and two numbers, saved."""
    items = read_table(items_of(folder / "train.csv", texts, n_rows=n_rows))
    columns = {"id": ["sku"], "text": ["title"], "numeric": ["price", "weight_g"]}
    small = {"training": {"epochs": 2, "folds": 1}, "encoders": {"text": text_encoder}}
    target = np.random.default_rng(1).lognormal(3, 1, n_rows)
    bundle = folder / f"bundle-{text_encoder.replace('/', '-')[-20:]}"
    FusionRegressor(columns=columns, **small, random_state=0).fit(items, target).save(bundle)
    return bundle


def memory_by_rows(
    folder: Path, bundle: Path, texts: Sequence[str], *, limit: int | None
) -> list[dict[str, object]]:
    """The same job on three sizes, with two workers."""
    rows: list[dict[str, object]] = []
    first = 0.0
    for size in SIZES:
        n_rows = size if limit is None else min(size, limit * (1 + len(rows)))
        items = items_of(folder / "items.csv", texts, n_rows=n_rows)
        out = folder / f"out{size}"
        seconds, most, _ = run_job(out, "--items", items, "--workers", 2, verb=("predict", bundle))
        first = first or most
        words = f"{n_rows / seconds:,.0f} rows/s, {most / first:.2f} of the smallest"
        job = f"{n_rows:,} rows, TF-IDF and numbers, 2 workers"
        rows.append(row_of(job, seconds, most, words))
    return rows


def filled_store(
    folder: Path, bundle: Path, texts: Sequence[str], *, n_rows: int
) -> list[dict[str, object]]:
    """A job of MiniLM with an empty store, and another one with the store that it filled."""
    items = items_of(folder / "stored.csv", texts, n_rows=n_rows)
    rows: list[dict[str, object]] = []
    slow = 0.0
    for name in ("empty", "filled"):
        seconds, most, events = run_job(
            folder / f"{name}-store", "--items", items, "--workers", 2, "--store", folder / "store",
            verb=("predict", bundle),
        )  # fmt: skip
        slow = slow or seconds
        n_encoded = sum(event["encoded"] for event in events if event["event"] == "shard_done")
        words = f"{n_encoded:,} texts encoded, {slow / seconds:.1f} times the empty store's rate"
        rows.append(row_of(f"{n_rows:,} rows, MiniLM, {name} store", seconds, most, words))
    return rows


def small_table(
    folder: Path, bundle: Path, texts: Sequence[str], *, n_rows: int, rounds: int
) -> dict[str, object]:
    """A table of one shard as a job, and in memory, in turns; the loaded model is kept by both."""
    items = items_of(folder / "small.csv", texts, n_rows=n_rows)
    predictor = Predictor(load_bundle(bundle), on_bad_rows="record")

    def in_memory() -> None:
        write_table(predictor.predict(read_table(items)), folder / "memory.csv")

    def as_job() -> None:
        paths = DataPaths(items, bundle=bundle)
        predict_catalogue(paths, folder / "job.csv", engine=InProcessEngine())

    as_job()  # which loads the model
    in_memory()
    turns = [[times_of(as_job), times_of(in_memory)] for _ in range(rounds)]
    pairs = np.asarray(turns)  # [round, way, (wall, CPU)]
    job, memory = np.median(pairs[:, :, 0], axis=0)
    wall, cpu = np.median(pairs[:, 0] / pairs[:, 1], axis=0)
    words = f"{memory:.3f} s in memory: {wall:.2f} times that, {cpu:.2f} times its CPU time"
    return row_of(f"{n_rows:,} rows in this process, TF-IDF and numbers", job, None, words)


def largest_gap(folder: Path, bundle: Path, items: Path, *, shard_rows: Sequence[int]) -> float:
    """Largest difference of an answer between cuts, in standard deviations of the target."""
    found = []
    for n_rows in shard_rows:
        out = folder / "cut.parquet"
        asked = PredictSettings(shard_rows=n_rows)
        predict_catalogue(DataPaths(items, bundle=bundle), out, asked, engine=InProcessEngine())
        found.append(pd.read_parquet(out)["prediction"].to_numpy())
    spread = np.random.default_rng(1).lognormal(3, 1, TRAIN_ROWS).std()
    return float(max(np.abs(other - found[0]).max() for other in found[1:]) / spread)


def cuts(
    folder: Path, bundles: dict[str, Path], texts: Sequence[str], *, n_rows: int
) -> list[dict[str, object]]:
    """What other cuts change, in float32 and in bfloat16."""
    items = items_of(folder / "cut.csv", texts, n_rows=n_rows)
    shard_rows = [min(cut, n_rows * cut // CUT_ROWS or 1) for cut in CUTS]
    rows = []
    for name, bundle in bundles.items():
        for precision, switch in {"float32": "no", "bfloat16": "yes"}.items():
            os.environ[SWITCH] = switch
            try:
                gap = largest_gap(folder, bundle, items, shard_rows=shard_rows)
            finally:
                del os.environ[SWITCH]
            job = f"{n_rows:,} rows, {name}, {precision}, shards of {str(shard_rows)[1:-1]}"
            words = f"answers differ by at most {gap:.1e} of the target's std (aim {MOST_GAP:g})"
            rows.append(row_of(job, None, None, words))
    return rows


def times_of(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call by the clock, and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


def row_of(job: str, seconds: float | None, most: float | None, result: str) -> dict[str, object]:
    """A row of the table."""
    return {
        "job": job,
        "seconds": "" if seconds is None else f"{seconds:.3g}",
        "peak MiB": "" if most is None else f"{most:,.0f}",
        "result": result,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and writes the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, help="rows of the smallest job, to try the script")
    parser.add_argument("--text-encoder", default="minilm", help="checkpoint, to try the script")
    options = parser.parse_args(arguments)
    limit = options.limit

    def n(rows: int) -> int:
        return rows if limit is None else min(rows, limit)

    texts = product_texts(n(20_000), seed=1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n_train = TRAIN_ROWS if limit is None else 60
        words = trained(folder, texts, text_encoder="tfidf", n_rows=n_train)
        vectors = trained(folder, texts, text_encoder=options.text_encoder, n_rows=n_train)
        rows = [small_table(folder, words, texts, n_rows=n(SMALL_ROWS), rounds=ROUNDS)]
        rows += cuts(folder, {"TF-IDF": words, "MiniLM": vectors}, texts, n_rows=n(CUT_ROWS))
        print(*rows, sep="\n", flush=True)
        rows += memory_by_rows(folder, words, texts, limit=limit)
        rows += filled_store(folder, vectors, texts, n_rows=n(STORED_ROWS))
    write_section(
        "Predictions as a job: memory, a filled store, a small table",
        command="python benchmarks/predict_job.py",
        workload="`fusion predict` as a whole process where memory is given: the largest sum over "
        "all its processes of what they alone use. A title of product words and two numbers.",
        rows=rows,
        notes="Seconds are of the whole process, loading included, where memory is given. The gap "
        "between cuts in bfloat16 is that of a processor which has it only where this one does.",
        trial=limit is not None,
    )


if __name__ == "__main__":
    main()

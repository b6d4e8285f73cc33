"""Trainings with one thread and with all, alone and beside busy processes, and by their size.

Run: python benchmarks/busy_machine.py
Takes about five minutes on two cores; nothing else should run.
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results import write_section
from threadpoolctl import threadpool_limits

from fusion import FusionRegressor
from fusion.data import build_catalogue, infer_schema
from fusion.data.batch import ModelInputs
from fusion.data.folds import DRAWN, validation_folds
from fusion.evaluation import BASELINES, baseline_rows
from fusion.jobs.demo import demo_folder
from fusion.ready import ReadyItems
from fusion.training.threads import computing_with
from heads import RegressionHead

N_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORDS = ("wool", "silk", "linen", "warm", "light", "long", "short", "hood", "belt", "lace")
TARGET = "units_next_8w"
TREES = "TF-IDF + boosted trees"
WORKLOAD = """
One process, with threads = 1 and threads = {cores} in turns, {repeats} time(s) each, {epochs}
epochs; the median. "Beside" is beside {cores} processes that compute without end. Demo:
`FusionRegressor.fit` on the {items} items of the demo, TF-IDF for texts, colours and textures for
photos, a filled store; and the trees that a training is measured against, learned on three quarters
of these items. Made up: texts of six words, four numbers and a category, target their sum with
noise, TF-IDF.
"""
Cost = tuple[float, float]


def without_end() -> None:
    """What a busy process does."""
    while True:
        pass


@contextmanager
def busy(n_processes: int) -> Iterator[None]:
    """Runs so many processes that compute beside the block."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=without_end, daemon=True) for _ in range(n_processes)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.join()


def cost(work: Callable[[], object]) -> Cost:
    """Seconds, and seconds of all processors together, of a call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def fit_demo(items: pd.DataFrame, *, store: Path, threads: int, epochs: int) -> None:
    """Trains on the items of the demo."""
    FusionRegressor(
        photos=demo_folder() / "photos",
        encoders={"text": "tfidf", "image": "colour_texture"},
        store=store,
        on_bad_rows="absent",
        training={"threads": threads, "epochs": epochs},
        head="sales_volume",
        random_state=0,
    ).fit(items.drop(columns=TARGET), items[TARGET])


def fit_trees(items: pd.DataFrame, *, threads: int) -> None:
    """Learns boosted trees on the items of the demo."""
    schema = infer_schema(items.drop(columns=TARGET), photos=None)
    catalogue = build_catalogue(items, schema, photos=None)
    target = items[TARGET].to_numpy(dtype=np.float64)
    known = np.arange(len(items) * 3 // 4)
    parts = (catalogue.take(known), catalogue.take(np.arange(len(known), len(items))))
    with computing_with(threads):
        rows, asked = baseline_rows(*(ReadyItems(part, {}, ModelInputs({})) for part in parts))
        BASELINES[TREES](
            rows,
            {"units": target[known]},
            asked,
            heads={"units": RegressionHead.fitted(target[known])},
            folds=validation_folds(DRAWN, n_rows=len(known), n_folds=4, share=0.15, seed=0),
            seed=0,
        )


def made_up(n_rows: int) -> tuple[pd.DataFrame, pd.Series]:
    """Items of any number, and a target."""
    chance = np.random.default_rng(0)
    words = chance.choice(WORDS, (n_rows, 6))
    numbers = chance.normal(size=(n_rows, 4))
    kind = chance.integers(0, 5, n_rows)
    frame = pd.DataFrame(numbers, columns=["weight", "length", "width", "height"])
    frame["title"] = [f"{' '.join(row)} number {place}" for place, row in enumerate(words)]
    frame["kind"] = [f"kind {number}" for number in kind]
    noise = chance.normal(size=n_rows)
    return frame, pd.Series(numbers.sum(axis=1) + kind + (words == "silk").sum(axis=1) + noise)


def fit_made_up(n_rows: int, *, threads: int, epochs: int) -> None:
    """Trains on made-up items."""
    frame, target = made_up(n_rows)
    FusionRegressor(
        encoders={"text": "tfidf"},
        training={"threads": threads, "epochs": epochs},
        random_state=0,
    ).fit(frame, target)


def measured(work: Callable[[int], None], *, repeats: int) -> dict[str, object]:
    """Median seconds of some work with one thread and with all, in turns."""
    counts = (1, N_CORES)
    found: dict[int, list[Cost]] = {n: [] for n in counts}
    for _ in range(repeats):
        for n in counts:
            found[n].append(cost(lambda n=n: work(n)))  # type: ignore[misc]
    seconds = {n: np.median(found[n], axis=0) for n in counts}
    return {
        "1 thread, s": f"{seconds[1][0]:.1f}",
        "processor, s": f"{seconds[1][1]:.1f}",
        f"{N_CORES} threads, s": f"{seconds[N_CORES][0]:.1f}",
        "of all processors, s": f"{seconds[N_CORES][1]:.1f}",
    }


def rows_of(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, object]]:
    """All rows of the table."""
    items = pd.read_csv(demo_folder() / "items.csv", nrows=options.items)

    def demo(threads: int) -> None:
        fit_demo(items, store=folder / "store", threads=threads, epochs=options.epochs)

    def trees(threads: int) -> None:
        fit_trees(items, threads=threads)

    for work in (demo, trees):
        work(1)  # imports, and fills the store
        name = f"demo, {len(items)} items: {'training' if work is demo else 'trees'}"
        yield {"work": name, "machine": "idle", **measured(work, repeats=options.repeats)}
        with busy(N_CORES):
            cells = measured(work, repeats=options.repeats)
        yield {"work": name, "machine": f"beside {N_CORES} busy", **cells}
    for n_rows in options.rows:

        def sized(threads: int, n_rows: int = n_rows) -> None:
            fit_made_up(n_rows, threads=threads, epochs=options.epochs)

        name = f"made up, {n_rows:,} rows: training"
        yield {"work": name, "machine": "idle", **measured(sized, repeats=1)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures everything and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000, 5_000])
    parser.add_argument("--items", type=int, default=400, help="of the demo")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--trial", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    before = torch.get_num_threads()
    torch.set_num_threads(N_CORES)  # whatever OMP_NUM_THREADS says
    try:
        with tempfile.TemporaryDirectory() as folder, threadpool_limits(N_CORES):
            rows = list(rows_of(options, Path(folder)))
    finally:
        torch.set_num_threads(before)
    write_section(
        "Threads of a training, alone and on a busy machine",
        command="python benchmarks/busy_machine.py",
        workload=WORKLOAD.format(
            cores=N_CORES, repeats=options.repeats, items=options.items, epochs=options.epochs
        ),
        rows=rows,
        trial=options.trial,
    )


if __name__ == "__main__":
    main()

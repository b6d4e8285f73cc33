"""Threads that load, predict and fit beside each other, and children that are forked after that.

Run: python benchmarks/threads.py
Takes about ten minutes on two cores.
"""

import argparse
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from results import write_section

from encoders.dtype import SWITCH
from encoders.text.tiny_bert import tiny_checkpoint
from fusion import FusionRegressor

N_ROWS = 60
CHILD_SECONDS = 120
PRECISIONS = {"float32": "no", "bfloat16": "yes"}
WORKLOAD = """
One process, {loaders} threads that each load a bundle and predict with it {times} times, and beside
them {fitters} threads that each train a model {fits} times and predict with it; another seed each
time. A tiny BERT on titles, and numbers; {rows} rows. "Held" is: no error, and the same numbers,
bit by bit, as when nothing ran beside it. Afterwards {forks} children are forked one by one while
the parent has two threads to compute with; each predicts within {seconds} seconds what the parent
does (to 1e-4 of its size). bfloat16 is emulated where the processor lacks it.
"""
Answers = np.ndarray


def items() -> tuple[pd.DataFrame, pd.Series]:
    """Titles and numbers, and sales that follow from both."""
    chance = np.random.default_rng(0)
    words = chance.choice(["wool", "silk", "linen"], N_ROWS)
    price = chance.uniform(1, 9, N_ROWS)
    frame = pd.DataFrame(
        {"title": [f"a scarf of {w}, number {i}" for i, w in enumerate(words)], "price": price}
    )
    return frame, pd.Series(20 - price + 5 * (words == "silk"), name="units")


def trained(seed: int) -> FusionRegressor:
    """A small model."""
    frame, units = items()
    return FusionRegressor(
        columns={"text": ["title"], "numeric": ["price"]},
        encoders={"text": str(tiny_checkpoint())},
        training={"epochs": 3, "batch_size": 16, "folds": 2},
        strategy_options={"n_networks": 2, "width": 16},
        random_state=seed,
    ).fit(frame, units)


def held(work: Callable[[], Answers], expected: Answers, failures: list[str]) -> bool:
    """True where a piece of work gives the numbers that it gives alone."""
    try:
        if np.array_equal(work(), expected):
            return True
        failures.append("other numbers")
    except Exception as error:  # whatever it is, it counts
        failures.append(f"{type(error).__name__}: {error}")
    return False


def side_by_side(bundle: Path, options: argparse.Namespace) -> list[dict[str, object]]:
    """What threads that load and threads that fit give beside each other."""
    frame, _ = items()
    seeds = [range(n * options.fits, (n + 1) * options.fits) for n in range(options.fitters)]
    alone = {seed: trained(seed).predict(frame) for some in seeds for seed in some}
    answers = FusionRegressor.load(bundle).predict(frame)
    failures: dict[str, list[str]] = {"load and predict": [], "fit and predict": []}
    begin = threading.Barrier(options.loaders + options.fitters)

    def load_often() -> list[bool]:
        begin.wait()
        return [
            held(
                lambda: FusionRegressor.load(bundle).predict(frame),
                answers,
                failures["load and predict"],
            )
            for _ in range(options.times)
        ]

    def fit_often(some: Sequence[int]) -> list[bool]:
        begin.wait()
        return [
            held(
                lambda seed=seed: trained(seed).predict(frame),  # type: ignore[misc]
                alone[seed],
                failures["fit and predict"],
            )
            for seed in some
        ]

    with ThreadPoolExecutor(options.loaders + options.fitters) as pool:
        loads = [pool.submit(load_often) for _ in range(options.loaders)]
        fits = [pool.submit(fit_often, some) for some in seeds]
        done = {
            "load and predict": [ok for each in loads for ok in each.result()],
            "fit and predict": [ok for each in fits for ok in each.result()],
        }
    return [row(what, oks, failures[what]) for what, oks in done.items()]


def forked(bundle: Path, options: argparse.Namespace) -> dict[str, object]:
    """What children give that are forked when all threads exist."""
    frame, _ = items()
    model = FusionRegressor.load(bundle)
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    answers = model.predict(frame)
    torch.rand(2000, 300) @ torch.rand(300, 2000)  # large enough for both threads
    ends = []
    for _ in range(options.forks):
        child = os.fork()
        if child == 0:
            signal.alarm(CHILD_SECONDS)
            try:
                os._exit(0 if np.allclose(model.predict(frame), answers, rtol=1e-4) else 2)
            finally:
                os._exit(1)
        ends.append(os.waitpid(child, 0)[1])
    torch.set_num_threads(n_threads)
    failures = [f"ended with {end}" for end in ends if end]
    return row("predict in a forked child", [end == 0 for end in ends], failures)


def row(what: str, oks: Sequence[bool], failures: Sequence[str]) -> dict[str, object]:
    """One line of the table."""
    return {
        "each": what,
        "tried": len(oks),
        "held": sum(oks),
        "failed": len(oks) - sum(oks),
        "first failure": failures[0] if failures else "-",
    }


def measured(name: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """All rows of one precision."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = PRECISIONS[name]
    try:
        with tempfile.TemporaryDirectory() as folder:
            bundle = Path(folder) / "bundle"
            trained(0).save(bundle)
            rows = side_by_side(bundle, options)
            rows += [forked(bundle, options)] if hasattr(os, "fork") else []
    finally:
        del os.environ[SWITCH]
        if before is not None:
            os.environ[SWITCH] = before
    return [{"precision": name, **each} for each in rows]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs both precisions and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=200, help="loads of each thread")
    parser.add_argument("--loaders", type=int, default=8)
    parser.add_argument("--fitters", type=int, default=4)
    parser.add_argument("--fits", type=int, default=5, help="trainings of each thread")
    parser.add_argument("--forks", type=int, default=6)
    parser.add_argument("--trial", action="store_true", help="print only")
    options = parser.parse_args(arguments)
    write_section(
        "Threads and forks: the same numbers as alone",
        command="python benchmarks/threads.py",
        workload=WORKLOAD.format(rows=N_ROWS, seconds=CHILD_SECONDS, **vars(options)),
        rows=[each for name in PRECISIONS for each in measured(name, options)],
        trial=options.trial,
    )


if __name__ == "__main__":
    main()

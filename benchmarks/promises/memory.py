"""Flat memory: the peaks of jobs of 10,000, 100,000 and a million rows differ by < 10 %."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

from benchmarks.promises.bad_rows import WORDS
from benchmarks.promises.base import Outcome, Promise, Settings
from encoders.text.tiny_bert import tiny_checkpoint

SIZES = (10_000, 100_000, 1_000_000)
MOST = 0.10
LOOK_S = 0.5
"""Seconds between two looks at the memory, which take some hundredths of a second a process."""
LEAST_ROWS = 8_192
"""Two shards: both workers of the smallest job must have work."""
FUSION = Path(sys.executable).with_name("fusion")


def run_job(
    folder: Path, *options: object, verb: Sequence[object] = ("embed",)
) -> tuple[float, float, list[dict[str, float]]]:
    """Seconds, largest memory of all processes together in MiB, and events of a job.

    Raises:
        RuntimeError: If it ends with another code than 0.
    """
    start = time.perf_counter()
    command = [FUSION, *verb, "--quiet", "--out", folder, *options]
    process = psutil.Popen([str(word) for word in command], stdout=subprocess.DEVNULL)
    most = 0.0
    while process.poll() is None:
        most = max(most, _memory(process))
        time.sleep(LOOK_S)
    if process.returncode:
        raise RuntimeError(f"fusion {verb[0]} ended with {process.returncode}")
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
    pd.DataFrame({"sku": np.arange(len(texts)), "title": texts}).to_csv(path, index=False)


def run(settings: Settings) -> Outcome:
    """The same job on three sizes, with a tiny text encoder and two workers."""
    outcome = Outcome()
    draw = np.random.default_rng(0)
    words = [" ".join(draw.choice(WORDS, draw.integers(1, 12))) for _ in range(2_000)]
    first = 0.0
    for size in SIZES:
        n_rows = settings.n(size, least=LEAST_ROWS if settings.scale > 0.01 else 20)
        items = settings.folder / f"{size}.csv"
        write_items(items, [f"{words[row % len(words)]} {row}" for row in range(n_rows)])
        seconds, most, events = run_job(
            settings.folder / f"job{size}", "--items", items, "--workers", 2,
            "--encoder", f"text={tiny_checkpoint()}",
        )  # fmt: skip
        first = first or most
        done = sum(event["event"] == "shard_done" for event in events)
        broken = "" if most <= first * (1 + MOST) else f"{most / first:.2f} of the smallest job"
        if size != SIZES[0]:
            outcome.case(f"{n_rows:,} rows", broken)
        outcome.detail.append(f"{n_rows:,} rows: {most:,.0f} MiB, {seconds:.0f} s, {done} shards")
        items.unlink()
    return outcome


PROMISE = Promise("memory of 10k, 100k and 1M rows differs by < 10 %", run)

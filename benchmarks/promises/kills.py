"""kill -9 safe: jobs that are killed at random moments and at named points, and then go on."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.kill_job import (
    OneProcess,
    Run,
    Tally,
    fork,
    forked_workers,
    job_of,
    kept_files,
    kill_at_random,
    rows_of,
    run_until,
    write_items,
)
from benchmarks.promises.base import Outcome, Promise, Settings
from benchmarks.promises.disk import watch_disk
from fusion.shards import pool, verify_job, worker
from fusion.shards.layout import Layout

SHARD_ROWS = 50
LONGEST_S = 1.5
STALL_S = 60.0
POINTS = (
    *(("half", name) for name in ("plan.json", "embeddings/part-000001.parquet")),
    *(("fsync", name) for name in ("embeddings/part-000001.parquet", "receipts/000001.json")),
    *(("replace", name) for name in ("plan.json", "errors/part-000001.parquet")),
    *(("replace", name) for name in ("receipts/000001.json", "manifest.json")),
    *(("fsync_folder", name) for name in ("embeddings/part-000001.parquet",)),
    *(("synced", name) for name in ("embeddings/part-000001.parquet", "receipts/000001.json")),
    ("append", "events.jsonl"),
)
"""Twelve steps of writing: half of a file, before it is flushed, renamed, and after each."""


def run(settings: Settings) -> Outcome:
    """200 random kills of jobs by one process and of jobs by two workers, and the twelve points."""
    rows = settings.n(20_000, least=6 * SHARD_ROWS)  # so that the second shard has an error
    kills = settings.n(200)
    write_items(settings.folder / "items.csv", rows=rows)
    job = partial(job_of, settings.folder / "items.csv", shard_rows=min(SHARD_ROWS, rows // 6))
    reference = settings.folder / "reference"
    one = job(engine=OneProcess)
    run_until(partial(one, reference), None)
    outcome = Outcome()
    two = job(engine=partial(pool.LocalEngine, layout=Layout(2, 1), stall_s=STALL_S))
    for point in POINTS:
        outcome.attempt(" ".join(point), partial(_broken_at, point, settings.folder, one))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "multiprocessing", pool.multiprocessing)  # put back what follows
        patch.setattr(worker, "work", worker.work)
        forked_workers()
        for name, engine in {"one process": one, "two workers": two}.items():
            root = settings.folder / name.replace(" ", "_")
            longest = min(LONGEST_S, 0.5 + rows / 20_000)  # short jobs must be met too
            tally = kill_at_random(engine, root, reference, kills=kills, longest_s=longest)
            _count(outcome, name, tally, workers=name == "two workers")
    return outcome


def _count(outcome: Outcome, name: str, tally: Tally, *, workers: bool) -> None:
    touched = 0 if workers else tally.touched  # a worker outlives its parent for a moment
    broken = {
        "lost": tally.lost,
        "twice": tally.twice,
        "files that differ": tally.differing,
        "committed files touched": touched,
        "found by verify": len(tally.problems),
    }
    told = ", ".join(f"{key} {number}" for key, number in broken.items())
    failed = min(tally.kills, sum(broken.values()))
    outcome.cases(f"kills of {name}", tried=tally.kills, failed=failed, broken=told)
    outcome.detail.append(
        f"{name}: {tally.kills} kills ({tally.planning} before the plan) in {tally.jobs} jobs, "
        f"{told}"
    )


def _broken_at(point: tuple[str, str], folder: Path, job: Run) -> str:
    """What is wrong after a crash at a point and a second run; empty where nothing is."""
    output = folder / "_".join(point).replace("/", "_")
    if _crash(point, output, partial(job, output)) != -9:
        return "was never reached"
    before = _states(output)
    run_until(partial(job, output), None)
    after, wanted = kept_files(output), kept_files(folder / "reference")
    differing = [name for name in after.keys() | wanted if after.get(name) != wanted.get(name)]
    touched = [name for name, state in before.items() if _states(output).get(name) != state]
    rows = rows_of(output)
    problems = {
        "differ": differing,
        "were touched": touched,
        "rows stand there twice": [] if len(rows) == len(set(rows.tolist())) else ["rows"],
        "were found by verify": verify_job(output),
        "are left over": list(output.rglob("*.tmp")),
    }
    return ". ".join(f"{found[:3]} {what}" for what, found in problems.items() if found)


def _crash(point: tuple[str, str], output: Path, work: Callable[[], object]) -> int:
    def hook(*at: str) -> None:
        if at == point:
            os.kill(os.getpid(), 9)

    def watched() -> None:
        watch_disk(pytest.MonkeyPatch(), output, hook)
        work()

    return os.waitstatus_to_exitcode(os.waitpid(fork(watched), 0)[1])


def _states(output: Path) -> dict[str, Any]:
    """Data of shards with a receipt -> what a new file would change."""
    found = {}
    for part in output.glob("e*/part-*.parquet"):
        if (output / "receipts" / f"{part.stem[5:]}.json").exists():
            found[part.as_posix()] = (part.stat().st_mtime_ns, part.stat().st_ino)
    return found


PROMISE = Promise("kill -9 safe: no row lost, none twice, equal bytes", run)

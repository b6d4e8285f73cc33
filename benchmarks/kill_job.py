"""Embedding jobs that are killed at random moments, beside one that nobody stopped."""

import csv
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # threads of torch do not survive a fork
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pyarrow.parquet as pq

from encoders.text.tiny_bert import tiny_checkpoint
from fusion.choices.encoders import EncoderChoices
from fusion.shards import (
    DataPaths,
    JobSettings,
    embed_catalogue,
    pool,
    run_shard,
    verify_job,
    worker,
)
from fusion.shards.worker import work

Run = Callable[[Path], object]


class OneProcess:
    """An engine without workers: the job's own process does the shards."""

    def run(self, folder: Path, shards: Sequence[int], log: Any) -> dict[int, str]:
        """Does one shard after the other."""
        for shard in shards:
            log.done(run_shard(folder, shard))
        return {}


def forked_workers() -> None:
    """Makes the workers of the local engine forks: they begin in no time, as many kills need.

    All else is the engine's own. A fork has a copy of the lock's file handle, which a worker that
    is started anew does not have; it is closed.
    """
    context = multiprocessing.get_context("fork")
    pool.multiprocessing = SimpleNamespace(  # type: ignore[attr-defined]
        get_context=lambda name: context
    )
    worker.work = _work_unlocked


def _work_unlocked(folder: Path, pipe: Connection, threads: int, gpu: int | None) -> None:
    """With one thread whatever is asked for: a fork has none of its parent's and waits for them."""
    for handle in Path("/proc/self/fd").iterdir():
        if handle.is_symlink() and handle.readlink().name == ".lock":
            os.close(int(handle.name))
    work(folder, pipe, 1, gpu)


@dataclass
class Tally:
    """What became of jobs that were killed.

    Args:
        kills: SIGKILLs that met a job.
        planning: Those before there was a plan.
        jobs: Jobs that came to their end.
        lost: Rows without an embedding or an error record.
        twice: Rows with more than one.
        differing: Files that differ by a byte from the uninterrupted run's, are missing or added.
        touched: Files of committed shards that were written again, or changed.
        problems: What `fusion verify` found.
        seconds: Wall time.
    """

    kills: int = 0
    planning: int = 0
    jobs: int = 0
    lost: int = 0
    twice: int = 0
    differing: int = 0
    touched: int = 0
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0


def kill_at_random(
    run: Run, root: Path, reference: Path, *, kills: int, longest_s: float, seed: int = 0
) -> Tally:
    """Kills a job again and again, lets it go on, and compares its output with a reference.

    Args:
        run: Does the job in a folder, or goes on with it.
        root: Where the outputs go.
        reference: Output of a run that nobody stopped.
        kills: Number of SIGKILLs; when a job is done before, another one begins.
        longest_s: A job is killed after a time between 0 and this, evenly drawn.
        seed: Seed of the times.
    """
    generator = np.random.default_rng(seed)
    tally = Tally()
    start = time.monotonic()
    while tally.kills < kills:
        output = root / f"job{tally.jobs}"
        committed: dict[str, tuple[int, int]] = {}
        while True:
            delay = generator.uniform(0, longest_s) if tally.kills < kills else None
            was_killed = run_until(partial(run, output), delay)
            now = _committed(output)
            tally.touched += sum(now.get(name) != state for name, state in committed.items())
            committed = now
            if not was_killed:
                break
            tally.kills += 1
            tally.planning += not (output / "plan.json").exists()
        tally.jobs += 1
        _compare(tally, output, reference)
    tally.seconds = time.monotonic() - start
    return tally


def fork(function: Callable[[], object]) -> int:
    """Runs a function in a forked process, which ends with 0 or, if it raises, 1; its number."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return child


def run_until(function: Callable[[], object], delay: float | None) -> bool:
    """Runs a function in a forked process; True if it was killed after `delay` seconds."""
    child = fork(function)
    deadline = np.inf if delay is None else time.monotonic() + delay
    ended, status = os.waitpid(child, os.WNOHANG)
    while not ended:
        if time.monotonic() >= deadline:
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            break
        time.sleep(0.002)
        ended, status = os.waitpid(child, os.WNOHANG)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a job must end well or be killed, got exit code {code}")
    return code != 0


def _committed(output: Path) -> dict[str, tuple[int, int]]:
    """File of a shard with a receipt -> its change time and inode, which a new file changes."""
    states = {}
    for receipt in (output / "receipts").glob("[0-9]*.json"):
        parts = [
            output / kind / f"part-{receipt.stem}.parquet" for kind in ("embeddings", "errors")
        ]
        for path in (receipt, *(part for part in parts if part.exists())):
            status = path.stat()
            states[path.relative_to(output).as_posix()] = (status.st_mtime_ns, status.st_ino)
    return states


def _compare(tally: Tally, output: Path, reference: Path) -> None:
    ours, theirs = kept_files(output), kept_files(reference)
    tally.differing += sum(
        ours.get(name) != theirs.get(name) for name in ours.keys() | theirs.keys()
    )
    rows, wanted = rows_of(output), rows_of(reference)
    tally.twice += len(rows) - len(np.unique(rows))
    tally.lost += len(np.setdiff1d(wanted, rows))
    tally.problems += verify_job(output)


def kept_files(output: Path) -> dict[str, bytes]:
    """Name -> bytes of everything that a finished job keeps."""
    paths = [output / "manifest.json", output / "plan.json", output / "repeated_ids.npy"]
    for kind in ("embeddings", "errors", "receipts"):
        paths += (output / kind).iterdir()
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in paths}


def rows_of(output: Path) -> Any:
    """Numbers of all rows that a job has written, as embeddings or as error records."""
    parts = [*(output / "embeddings").glob("*.parquet"), *(output / "errors").glob("*.parquet")]
    return np.concatenate(
        [pq.read_table(part, columns=["row"])["row"].to_numpy() for part in parts]
    )


def write_items(path: Path, *, rows: int) -> None:
    """Short texts; the id of every 97th row stood before, so that there are error records."""
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["id", "title"])
        for row in range(rows):
            name = "p0" if row % 97 == 96 else f"p{row}"
            lines.writerow([name, f"item {row} " + "red wool " * (row % 5)])


def job_of(items: Path, *, shard_rows: int, engine: Callable[[], Any]) -> Run:
    """A job that embeds texts with a tiny BERT."""
    settings = JobSettings(
        encoders=EncoderChoices({"text": str(tiny_checkpoint())}),
        columns={"id": ["id"], "text": ["title"], "image": []},
        shard_rows=shard_rows,
    )
    return lambda output: embed_catalogue(DataPaths(items), output, settings, engine=engine())

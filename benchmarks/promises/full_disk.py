"""Full disk, EIO, EROFS, EACCES, EMFILE: a clear error, no partial final file, and it goes on."""

import errno
import os
from functools import partial
from itertools import product
from pathlib import Path

import pytest

from benchmarks.kill_job import OneProcess, Run, job_of, kept_files, write_items
from benchmarks.promises.base import Outcome, Promise, Settings
from benchmarks.promises.disk import disk_error, watch_disk
from fusion.errors import FusionError
from fusion.shards import verify_job

ERRORS = ("ENOSPC", "EIO", "EROFS", "EACCES", "EMFILE")
STEPS = ("open", "half", "fsync", "replace", "fsync_folder")
"""Five of the six call sites; the sixth is `mkdir`."""
FILES = (
    "embeddings/part-000001.parquet",
    "errors/part-000001.parquet",
    "receipts/000001.json",
    "plan.json",
    "paths.json",
    "repeated_ids.npy",
    "manifest.json",
)
OTHERS = (
    *(("mkdir", name) for name in ("embeddings", "errors", "receipts")),
    ("append", "events.jsonl"),
    ("plain", ".holder.json"),
)


def run(settings: Settings) -> Outcome:
    """Each error at each step of writing each file of a job."""
    write_items(settings.folder / "items.csv", rows=120)
    job = job_of(settings.folder / "items.csv", shard_rows=50, engine=OneProcess)
    whole = settings.folder / "whole"
    job(whole)
    outcome = Outcome()
    places = [*product(STEPS, FILES), *OTHERS]
    for (step, name), error in settings.some([*product(places, ERRORS)]):
        output = settings.folder / f"{error}_{step}_{name}".replace("/", "_")
        outcome.attempt(
            f"{error} at {step} of {name}",
            partial(_broken_at, (step, name), getattr(errno, error), output, job, whole),
        )
    return outcome


def _broken_at(at: tuple[str, str], code: int, output: Path, job: Run, whole: Path) -> str:
    step, name = at

    def hook(*now: str) -> None:
        if now == at:
            raise disk_error(code, step, output / name)

    with pytest.MonkeyPatch.context() as patch:
        watch_disk(patch, output, hook)
        try:
            job(output)
        except (OSError, FusionError) as error:
            message = str(error)
        else:
            return "no error came"
    if os.strerror(code) not in message or Path(name).name not in message:
        return f"the error does not say what and where: {message}"
    if left := list(output.rglob("*.tmp")):
        return f"left over: {left}"
    for path in output.rglob("*"):
        final = path.suffix in (".parquet", ".npy") or path.name in ("plan.json", "manifest.json")
        other = whole / path.relative_to(output)
        if (final or path.parent.name == "receipts") and path.read_bytes() != other.read_bytes():
            return f"{path.name} has its final name and is not complete"
    job(output)
    if kept_files(output) != kept_files(whole) or verify_job(output):
        return f"the job went on to other files: {verify_job(output)}"
    return ""


PROMISE = Promise("full or failing disk: clear error, no partial final file, resume completes", run)

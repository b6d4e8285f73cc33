"""A whole job: plan or compare, hold the lock, let an engine do what is missing, sum up."""

import shutil
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import input_mistakes
from fusion.errors import JobError
from fusion.progress import Stage, silent
from fusion.shards.commit import (
    folders_of,
    make_folders,
    manifest_of,
    refuse_other_than_files,
    sweep_data,
    sweep_temporary,
)
from fusion.shards.data_paths import DataPaths, write_data_paths
from fusion.shards.events import EventLog
from fusion.shards.in_process import InProcessEngine
from fusion.shards.input import input_changes, input_state
from fusion.shards.plan import KIND_OF, Plan, check_unchanged, has_plan
from fusion.shards.planning import plan_of, refuse_strangers
from fusion.shards.poison_rows import poison_rows_path
from fusion.shards.pool import LocalEngine
from fusion.shards.receipts import Receipt, finished, receipt_path
from fusion.shards.settings import JobSettings
from fusion.shards.work import Asked
from fusion.shards.works import WORKS
from fusion.system.documents import sealed
from fusion.system.files import json_bytes, write_atomically
from fusion.system.lock import holder_of, locked
from fusion.system.platforms import require_posix


class Engine(Protocol):
    """Whatever can map `run_shard` over numbers."""

    def run(self, folder: Path, shards: Sequence[int], log: EventLog) -> dict[int, str]:
        """Does all shards; gives back those that failed, with the reason."""


class Terminated(KeyboardInterrupt):
    """The system asked the job to stop (SIGTERM)."""

    exit_code = 143


@dataclass(frozen=True)
class JobResult:
    """What a run of a job ended with.

    Args:
        n_rows: Rows of the input.
        n_failed: Rows with an error record.
        n_shards: Shards of the plan.
        n_already: Shards that were finished before this run.
        failed_shards: Shards that could not be done, with the reason; no manifest then.
        state: Failures by reason and share of work saved, in words.
    """

    n_rows: int
    n_failed: int
    n_shards: int
    n_already: int
    failed_shards: dict[int, str]
    state: str


def embed_catalogue(
    paths: DataPaths,
    output: Path,
    settings: JobSettings | None = None,
    *,
    engine: Engine | None = None,
    retry_failed: bool = False,
    stage: Stage = silent,
) -> JobResult:
    """Embeds every row of a catalogue exactly once, as an embedding or as an error record.

    A job that was stopped, however, goes on where it was: call it again.

    Args:
        paths: Items, photos, store and model.
        output: Folder of the job.
        settings: What is done; must be the same whenever the job goes on.
        engine: Where it is done; default: processes of this machine, or this process alone, with a
            warning, where none can be started. `InProcessEngine()` is this process, without one.
        retry_failed: Do the shards with error records again (photos that came later, say).
        stage: Shows progress, in rows.

    Raises:
        CatalogueError: If the input cannot be read.
        ConfigError: If there is nothing to embed, a setting is unknown, or this is Windows.
        JobError: If the folder is in use, belongs to another job, or the job cannot go on.
        OSError: If the disk fails; what was finished stays.
    """
    require_posix("an embedding job")
    return run_job(
        paths,
        output,
        settings or JobSettings(),
        engine=engine or LocalEngine(),
        retry_failed=retry_failed,
        stage=stage,
    )


def run_job(
    paths: DataPaths,
    output: Path,
    settings: Asked,
    *,
    engine: Engine | None,
    retry_failed: bool,
    stage: Stage,
) -> JobResult:
    """Does what a job is asked with every row exactly once, as an answer or as an error record.

    Args:
        paths: Items, and where the rest lies.
        output: Folder of the job.
        settings: What is done; must be the same whenever the job goes on.
        engine: Where it is done; None: in this process where a new job has one shard, else in
            processes of this machine.
        retry_failed: Do the shards with error records again.
        stage: Is told of progress.

    Raises:
        As `embed_catalogue`.
    """
    kind = KIND_OF[settings.work]
    with _opened(output, paths, kind), _terminable():
        paths = WORKS[settings.work].placed(paths, output, settings)
        is_new = not has_plan(output)
        state = input_state(paths.items)
        plan, plan_seconds = plan_of(paths, output, settings)
        write_data_paths(output, paths)
        sweep_temporary(output, kind)
        done = finished(output, plan)
        if retry_failed:
            done = _without_failed(output, done)
        n_before = sum(receipt.n_rows for receipt in done.values())
        with stage(settings.doing, plan.n_rows, "rows") as work:
            log = EventLog(output, n_before=n_before, work=work)
            missing = [shard.number for shard in plan.shards if shard.number not in done]
            if missing:
                (output / "manifest.json").unlink(missing_ok=True)  # what it lists is gone
            log.write(
                "started",
                shards=len(plan.shards),
                missing=len(missing),
                rows=plan.n_rows,
                plan_seconds=round(plan_seconds, 3),
            )
            if engine is None:
                # A row that ended this process is found by the workers of the run that goes on.
                engine = InProcessEngine() if is_new and len(plan.shards) == 1 else LocalEngine()
            failed = engine.run(output, missing, log) if missing else {}
            receipts = finished(output, plan)
            if not failed:
                if input_state(paths.items) != state:
                    _check_input(paths.items, plan)
                _check_done(plan, receipts)
                sweep_data(output, kind, receipts)
                _write_manifest(output, plan, receipts)
            else:
                work.say(f"{len(failed)} of {len(plan.shards)} shards failed")
            n_failed = sum(receipt.n_failed for receipt in receipts.values())
            log.write("ended", failed_shards=len(failed), failed_rows=n_failed)
    return JobResult(plan.n_rows, n_failed, len(plan.shards), len(done), failed, log.state())


def plan_catalogue(paths: DataPaths, output: Path, settings: JobSettings | None = None) -> Plan:
    """Plans a job of embeddings and does none of it: other engines map `run_shard` over its shards.

    When they are through, `embed_catalogue` with the same arguments checks and sums up.

    Raises:
        As `embed_catalogue`.
    """
    settings = settings or JobSettings()
    with _opened(output, paths, KIND_OF[settings.work]):
        plan, _ = plan_of(paths, output, settings)
        write_data_paths(output, paths)
    return plan


@contextmanager
def _opened(output: Path, paths: DataPaths, kind: str) -> Iterator[None]:
    """The folder of a job, made if absent, for one writer."""
    refuse_inputs(output, {"items": paths.items})
    refuse_strangers(output, kind)
    with _nothing_unplanned(output, kind):
        make_folders(output, kind)
        with locked(output):
            refuse_other_than_files(output, kind)
            yield


@contextmanager
def _nothing_unplanned(output: Path, kind: str) -> Iterator[None]:
    """Removes what a block made for a job that an error stops before it is planned.

    Files in a folder that was there before stay, and so does a job that another process begins.
    """
    absent = [path for path in (output, *output.parents) if not path.exists()]
    try:
        yield
    except BaseException:
        if not has_plan(output) and holder_of(output) is None:
            for name in folders_of(kind):
                with suppress(OSError):
                    (output / name).rmdir()
            if output in absent:
                shutil.rmtree(output, ignore_errors=True)
            for path in absent[1:]:
                with suppress(OSError):
                    path.rmdir()
        raise


def refuse_inputs(output: Path, inputs: Mapping[str, Path | None]) -> None:
    """Refuses an output that would take the place of what is read, see `input_mistakes`.

    Raises:
        ConfigError: If it would.
    """
    mistakes = Mistakes()
    mistakes.add(input_mistakes("out", output, inputs))
    mistakes.refuse()


def _check_input(items: Path, plan: Plan) -> None:
    """Refuses to call a job finished whose tables changed while it ran.

    Its shards are those of the plan all the same: none is undone.
    """
    changes = input_changes(items, plan, plan.shards)
    check_unchanged(plan, plan.settings, [str(change) for change in changes])


def _check_done(plan: Plan, receipts: Mapping[int, Receipt]) -> None:
    """Refuses to call a job finished whose engine left shards out."""
    left = [shard.number for shard in plan.shards if shard.number not in receipts]
    if left:
        raise JobError(
            f"every shard must be done or named as failed, got {len(left)} that are neither, the "
            f"first is {left[0]}. Run the same command again."
        )


def _without_failed(output: Path, done: Mapping[int, Receipt]) -> Mapping[int, Receipt]:
    """Undoes the shards that hold errors; the others' receipts."""
    (output / "manifest.json").unlink(missing_ok=True)  # first: what it lists is about to go
    failed = {number for number, receipt in done.items() if receipt.n_failed}
    for number in failed:
        poison_rows_path(output, number).unlink(missing_ok=True)
        receipt_path(output, number).unlink()
    return {number: receipt for number, receipt in done.items() if number not in failed}


def _write_manifest(output: Path, plan: Plan, receipts: Mapping[int, Receipt]) -> None:
    """Everything that belongs to a finished job; equal jobs give equal manifests."""
    document = manifest_of(output, n_rows=plan.n_rows, receipts=receipts)
    write_atomically(output / "manifest.json", sealed(json_bytes(asdict(document))))


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does, so that workers are stopped."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not the main thread: whoever owns that decides
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

"""`fusion embed`: a catalogue of any size in, one embedding or one error record a row out.

Reads: items (CSV, Parquet, or a folder of them), photos; a bundle where fused vectors are wanted.
Writes: a folder with `embeddings/`, `errors/`, receipts and a manifest, see `fusion.shards.plan`.
"""

from pathlib import Path

from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import folder_mistakes, photo_folder_mistakes
from fusion.errors import ConfigError
from fusion.progress import Stage, silent
from fusion.shards.data_paths import DataPaths
from fusion.shards.in_process import InProcessEngine
from fusion.shards.job import Engine, JobResult, embed_catalogue
from fusion.shards.layout import layout_of
from fusion.shards.pool import LocalEngine
from fusion.shards.settings import JobSettings, bundle_sha256, check_stall
from fusion.shards.status import JobStatus
from fusion.shards.tables import list_files


def embed(
    paths: DataPaths,
    output: Path,
    settings: JobSettings,
    *,
    engine: Engine,
    retry_failed: bool = False,
    stage: Stage = silent,
) -> JobResult:
    """Runs a job; its progress tells rows, rate, time left, failures by reason and work saved.

    Raises:
        CatalogueError, ConfigError, JobError, OSError: As `embed_catalogue`; places that cannot be
            read or written are all told together, before anything is.
    """
    check_data_paths(paths, output, Mistakes())
    return embed_catalogue(
        paths, output, settings, engine=engine, retry_failed=retry_failed, stage=stage
    )


def check_data_paths(paths: DataPaths, output: Path, mistakes: Mistakes) -> None:
    """Refuses places that cannot be read or written, with the mistakes that were found before.

    Raises:
        CatalogueError, ConfigError, OSError: With every mistake.
    """
    mistakes.add(folder_mistakes("out", output))
    mistakes.add(folder_mistakes("store", paths.store))
    mistakes.add(photo_folder_mistakes(paths.photos))
    if paths.bundle is not None:
        with mistakes.gathered():
            bundle_sha256(paths.bundle)
    with mistakes.gathered():
        list_files(paths.items)
    mistakes.refuse()


def engine_of(
    name: str, workers: int | None, *, gpus: float, address: str | None, stall_s: float
) -> Engine:
    """The engine of a name; with 0 workers this process does the work.

    Raises:
        ConfigError: If an option is wrong or belongs to the other engine.
        MissingExtraError: If Ray is wanted and not installed.
    """
    check_stall(stall_s)
    if name == "ray" and workers == 0:
        raise ConfigError("--workers must be at least 1 with --engine ray, got 0. Leave it out.")
    if name == "ray":
        from fusion.shards.ray_engine import RayEngine

        return RayEngine(workers=workers, gpus_per_worker=gpus, address=address, stall_s=stall_s)
    if gpus or address:
        raise ConfigError("--gpus-per-worker and --ray-address must go with --engine ray.")
    if workers == 0:
        return InProcessEngine()
    return LocalEngine(layout=None if workers is None else layout_of(workers), stall_s=stall_s)


def summary_lines(result: JobResult, output: Path) -> list[str]:
    """What a run ended with, in words."""
    lines = []
    if result.n_already:
        lines.append(f"{result.n_already} of {result.n_shards} shards were finished before.")
    n_left = len(result.failed_shards)
    state = "Finished" if not n_left else f"{n_left} of {result.n_shards} shards failed"
    failed = f", {result.n_failed:,} with an error ({output}/errors)" if result.n_failed else ""
    lines.append(f"{state}: {result.n_rows:,} rows{failed}: {output}")
    lines += [f"- shard {number}: {why}" for number, why in sorted(result.failed_shards.items())]
    if result.state:
        lines.append(f"This run: {result.state}.")
    return lines


def status_lines(status: JobStatus) -> list[str]:
    """The state of a job in words."""
    done = {"embeddings": "embedded", "predictions": "predicted"}[status.kind]
    left = status.n_rows - status.n_answered - status.n_failed
    lines = [
        f"{_state(status)}: {status.n_done} of {status.n_shards} shards",
        f"{status.n_answered:>12,} rows {done}",
        f"{status.n_failed:>12,} rows with an error",
        *(f"{n:>16,} {code}" for code, n in status.reasons.items()),
        f"{left:>12,} rows left",
    ]
    if status.warnings:
        lines += ["warnings", *(f"{n:>16,} {code}" for code, n in status.warnings.items())]
    return lines + _holder_lines(status)


def _state(status: JobStatus) -> str:
    if status.finished:
        return "finished"
    if status.running:
        return "running"
    return "stopped" if status.holder is None or status.holder.is_gone else "silent"


def _holder_lines(status: JobStatus) -> list[str]:
    """Who works on a job, or did when it was last heard of, and how to take over."""
    if status.holder is None or status.finished:
        return []
    verb = "left by" if status.holder.is_gone else "held by"
    lines = [f"{verb} {status.holder}"]
    if not status.running:
        lines.append(
            "To go on, run the same command again: it takes over from a process that has ended. It "
            "is refused, and says what to do, where that one may still work."
        )
    return lines

"""A job of predictions: into one file, or into a folder that stays."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fusion.data.header import WRITTEN
from fusion.errors import ConfigError, JobError
from fusion.progress import Stage, silent
from fusion.shards.data_paths import DataPaths
from fusion.shards.job import Engine, JobResult, refuse_inputs, run_job
from fusion.shards.joined import write_joined
from fusion.shards.plan import has_plan, read_plan
from fusion.shards.predict_settings import PredictSettings
from fusion.shards.receipts import finished
from fusion.system.lock import LockedError, locked_file


def predict_catalogue(
    paths: DataPaths,
    output: Path,
    settings: PredictSettings | None = None,
    *,
    engine: Engine | None = None,
    retry_failed: bool = False,
    stage: Stage = silent,
) -> JobResult:
    """Predicts every row of a catalogue exactly once; a stopped job goes on where it was.

    With a file as output, the job lies beside it, in `<output>.job`, until the file is written: one
    row for each row of the input, in its order, an error in place of an answer. With a folder, the
    job stays there as an embedding job does: `predictions/`, `errors/` and the manifest.

    Args:
        paths: Items, photos, store and the trained model.
        output: A `.csv` or `.parquet` file, or a folder, whose name has no suffix.
        settings: What is done; must be the same whenever the job goes on.
        engine: Where it is done; default: this process where the table is one shard, processes of
            this machine where it is more. A job that goes on always has processes: they find a
            row that ended the one before.
        retry_failed: Do the shards with error records again (photos that came later, say).
        stage: Is told of progress.

    Returns:
        Counts; where shards failed, the file is not written and the job stays.

    Raises:
        CatalogueError: If the input cannot be read, or has faulty rows and must not.
        ConfigError: If a setting is wrong, or there is no trained model.
        BundleError: If the trained model is damaged.
        JobError: If the folder is in use, belongs to another job, or the job cannot go on.
        OSError: If the disk fails; what was finished stays.
    """
    settings = settings or PredictSettings()
    sales = None if settings.sales is None else settings.sales.table
    refuse_inputs(output, {"items": paths.items, "sales": sales, "bundle": paths.bundle})
    if is_folder(output):
        return run_job(
            paths, output, settings, engine=engine, retry_failed=retry_failed, stage=stage
        )
    folder = job_folder(output)
    with locked_file(output), _named(folder), _kept_if_begun(folder):
        _sweep_temporary(output)
        result = run_job(
            paths, folder, settings, engine=engine, retry_failed=retry_failed, stage=stage
        )
        if not result.failed_shards:
            write_joined(folder, read_plan(folder), output)
            _remove(folder)
    return result


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Says with what stops a job where it lies: who asked for a file has never named the folder."""
    try:
        yield
    except LockedError:
        raise
    except JobError as error:
        if not has_plan(folder):
            raise
        raise JobError(f"{error} The job lies in {folder}: delete that to begin anew.") from error


def is_folder(output: Path) -> bool:
    """Whether predictions go into a folder that stays, by the name.

    Raises:
        ConfigError: If it is neither a folder's name nor that of a file that can be written.
    """
    if output.suffix.lower() in WRITTEN:
        return False
    if output.suffix:
        raise ConfigError(
            f"out must end in {' or '.join(WRITTEN)}, or be a folder without a suffix, got "
            f"{output.name!r}. Choose another name."
        )
    return True


def job_folder(output: Path) -> Path:
    """Where the job of a file lies until the file is written."""
    return output.with_name(f"{output.name}.job")


@contextmanager
def _kept_if_begun(folder: Path) -> Iterator[None]:
    """Removes a job of which no shard is finished when an error stops its block.

    A folder that was there before and is no job's is left as it is.
    """
    shutil.rmtree(_leaving(folder), ignore_errors=True)  # a run was killed while it removed it
    is_new = not folder.exists()
    try:
        yield
    except BaseException:
        if _has_nothing(folder, is_new=is_new):
            _remove(folder)
        raise


def _sweep_temporary(output: Path) -> None:
    """Removes what a run left that was killed while it wrote the file."""
    for path in output.parent.iterdir():
        if path.name.startswith(f".{output.name}.") and path.suffix == ".tmp":
            path.unlink(missing_ok=True)


def _has_nothing(folder: Path, *, is_new: bool) -> bool:
    try:
        return not finished(folder, read_plan(folder))
    except JobError:
        return is_new
    except OSError:
        return False


def _leaving(folder: Path) -> Path:
    """The name under which a job is removed."""
    return folder.with_name(f".{folder.name}.done")


def _remove(folder: Path) -> None:
    """Removes a job; one that is killed meanwhile leaves no half of it under its name."""
    if folder.exists():
        shutil.rmtree(folder.replace(_leaving(folder)))

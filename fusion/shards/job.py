"""A whole job: plan or compare, hold the lock, let an engine do what is missing, sum up."""

import hashlib
import json
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import pandas as pd

from encoders.base import Encoder
from fusion.build import EncoderChoice, pretrained_encoders
from fusion.bundle import load_bundle
from fusion.data.infer import infer_schema
from fusion.data.policy import POLICIES
from fusion.data.schema import Schema
from fusion.errors import CatalogueError, ConfigError, JobError, unknown_name
from fusion.files import write_atomically
from fusion.progress import Show
from fusion.shards.commit import (
    FOLDERS,
    VECTOR_TYPES,
    Receipt,
    finished,
    manifest_of,
    receipt_path,
    sweep_data,
    sweep_temporary,
)
from fusion.shards.embedder import describe_encoders
from fusion.shards.events import EventLog
from fusion.shards.lock import locked
from fusion.shards.plan import (
    InputFile,
    Places,
    Plan,
    check_unchanged,
    cut_input,
    input_files,
    read_plan,
    versions,
    write_places,
    write_plan,
)
from fusion.shards.pool import LocalEngine
from fusion.shards.suspects import suspects_path
from fusion.shards.tables import first_rows, list_files

SAMPLE_ROWS = 4096  # first rows, in which columns of texts and photos are looked for


class Engine(Protocol):
    """Whatever can map `run_shard` over numbers."""

    def run(self, folder: Path, shards: Sequence[int], log: EventLog) -> dict[int, str]:
        """Does all shards; gives back those that failed, with the reason."""


class Terminated(KeyboardInterrupt):
    """The system asked the job to stop (SIGTERM)."""

    exit_code = 143


@dataclass(frozen=True)
class JobSettings:
    """What a job does, whatever it is run on.

    Args:
        choice: Encoders; not used where a trained model fuses.
        columns: Columns of the roles `id`, `text` and `image`; found in the first rows where not
            given.
        on_bad_rows: `record` (an error record), `absent` (a faulty text or photo is absent and
            named in `warnings`) or `raise` (the job stops at the first shard with one).
        dtype: `float32`, or `float16`: half the size, about three digits.
        shard_rows: Rows of a shard (>= 1): what a kill can cost.
    """

    choice: EncoderChoice = field(default_factory=EncoderChoice)
    columns: Mapping[str, list[str] | None] = field(default_factory=dict)
    on_bad_rows: str = "record"
    dtype: str = "float32"
    shard_rows: int = 4096

    def __post_init__(self) -> None:
        if self.on_bad_rows not in POLICIES:
            raise ConfigError(unknown_name("on_bad_rows", self.on_bad_rows, POLICIES))
        if self.dtype not in VECTOR_TYPES:
            raise ConfigError(unknown_name("dtype", self.dtype, VECTOR_TYPES))
        if self.shard_rows < 1:
            raise ConfigError(f"shard_rows must be at least 1, got {self.shard_rows}.")

    def to_dict(self, *, bundle: Path | None) -> dict[str, Any]:
        """The settings as JSON types, a trained model by its SHA-256."""
        choice = {f"encoder {entry.name}": _name(getattr(self.choice, entry.name))
                  for entry in fields(self.choice)}  # fmt: skip
        return {
            **({} if bundle else choice),
            "bundle": None if bundle is None else _bundle_sha256(bundle),
            "columns": {name: value for name, value in self.columns.items() if value is not None},
            "on_bad_rows": self.on_bad_rows,
            "dtype": self.dtype,
            "shard_rows": self.shard_rows,
        }


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
    places: Places,
    output: Path,
    settings: JobSettings | None = None,
    *,
    engine: Engine | None = None,
    retry_failed: bool = False,
    show: Show = lambda done, total, state: None,
) -> JobResult:
    """Embeds every row of a catalogue exactly once, as an embedding or as an error record.

    A job that was stopped, however, goes on where it was: call it again.

    Args:
        places: Items, photos, store and model.
        output: Folder of the job.
        settings: What is done; must be the same whenever the job goes on.
        engine: Where it is done; default: processes of this machine.
        retry_failed: Do the shards with error records again (photos that came later, say).
        show: Shows progress.

    Raises:
        CatalogueError: If the input cannot be read.
        ConfigError: If there is nothing to embed, or a setting is unknown.
        JobError: If the folder is in use, belongs to another job, or the job cannot go on.
        OSError: If the disk fails; what was finished stays.
    """
    settings = settings or JobSettings()
    with _opened(output, places), _terminable():
        plan, plan_seconds = _plan(places, output, settings)
        write_places(output, places)
        sweep_temporary(output)
        if retry_failed:
            _drop_failed(output)
        done = finished(output)
        n_before = sum(receipt.n_rows for receipt in done.values())
        log = EventLog(output, n_rows=plan.n_rows, n_before=n_before, show=show)
        missing = [shard.number for shard in plan.shards if shard.number not in done]
        log.write(
            "started",
            shards=len(plan.shards),
            missing=len(missing),
            rows=plan.n_rows,
            plan_seconds=round(plan_seconds, 3),
        )
        failed = (engine or LocalEngine()).run(output, missing, log) if missing else {}
        receipts = finished(output)
        if not failed:
            _check_input(places.items, plan, output=output, new=missing)
            _check_done(plan, receipts)
            sweep_data(output)
            _write_manifest(output, plan, receipts)
        n_failed = sum(receipt.n_failed for receipt in receipts.values())
        log.write("ended", failed_shards=len(failed), failed_rows=n_failed)
    return JobResult(plan.n_rows, n_failed, len(plan.shards), len(done), failed, log.state())


def plan_catalogue(places: Places, output: Path, settings: JobSettings | None = None) -> Plan:
    """Plans a job and does none of it: other engines then map `run_shard` over its shards.

    When they are through, `embed_catalogue` with the same arguments checks and sums up.

    Raises:
        As `embed_catalogue`.
    """
    with _opened(output, places):
        plan, _ = _plan(places, output, settings or JobSettings())
        write_places(output, places)
    return plan


@contextmanager
def _opened(output: Path, places: Places) -> Iterator[None]:
    """The folder of a job, made if absent, for one writer."""
    if output.resolve().is_relative_to(places.items.resolve()):
        raise ConfigError(
            f"out must not lie in the folder of the items, whose files are all read, got {output} "
            f"in {places.items}. Choose another."
        )
    for name in FOLDERS:
        (output / name).mkdir(parents=True, exist_ok=True)
    with locked(output):
        yield


def _plan(places: Places, output: Path, settings: JobSettings) -> tuple[Plan, float]:
    """The plan on disk, if it is still that of this input and these settings, or a new one.

    Returns:
        The plan, and the seconds that reading the tables for it took.
    """
    asked = settings.to_dict(bundle=places.bundle)
    if (output / "plan.json").is_file():
        start = time.perf_counter()
        plan = read_plan(output)
        check_unchanged(plan, asked, input_files(places.items, known=plan.files))
        return plan, time.perf_counter() - start
    known = {*FOLDERS, "places.json", "repeated_ids.npy"}
    paths = [output / name for name in FOLDERS]
    names = [p.name for p in output.iterdir() if p.name not in known]
    names += [f"{path.name}/{p.name}" for path in paths for p in path.iterdir()]
    strangers = [name for name in names if not Path(name).name.startswith(".")]
    if strangers:
        raise JobError(
            f"{output} must be new, empty or the folder of an embedding job, got one with "
            f"{', '.join(sorted(strangers)[:5])}. Choose another."
        )
    schema, encoders = _what(places, settings)
    start = time.perf_counter()
    files = input_files(places.items)
    shards, repeated = cut_input(places.items, shard_rows=settings.shard_rows, schema=schema)
    plan = Plan(asked, encoders, schema, files, shards, versions())
    write_plan(output, plan, repeated)
    return plan, time.perf_counter() - start


def _what(places: Places, settings: JobSettings) -> tuple[Schema, dict[str, dict[str, Any]]]:
    """Which columns are read, and by which encoders; a trained model knows both."""
    if places.bundle is not None:
        return load_bundle(places.bundle).schema, {}
    given: dict[str, list[str] | None] = dict(settings.columns)
    given |= {role: [] for role in ("numeric", "categorical", "dates", "history", "row")}
    sample = _sample(places.items)
    schema = infer_schema(sample, photos=places.photos, given=given)
    encoders = pretrained_encoders(settings.choice, schema.modalities)
    if not encoders:
        raise ConfigError(
            f"{places.items} must have a text or photo column that an encoder without training "
            "reads, got none. Name them with --text and --image, and the folder with --photos."
        )
    kept = {role: getattr(schema, role) for role in ("text", "image") if role in encoders}
    return Schema(id=schema.id, **kept), describe_encoders(encoders)


def _sample(items: Path) -> pd.DataFrame:
    """The first rows of the first table that has any.

    Raises:
        CatalogueError: If no table has.
    """
    for path in list_files(items):
        sample = first_rows(path, n_rows=SAMPLE_ROWS)
        if len(sample):
            return sample
    raise CatalogueError(f"items must have rows, got none in {items}.")


def _check_input(items: Path, plan: Plan, *, output: Path, new: Sequence[int]) -> None:
    """Refuses to call a job finished whose tables changed while it ran.

    Shards that this run read from a changed table are undone: nobody knows which rows they hold.
    """
    now: list[InputFile] = input_files(items, known=plan.files)
    content = {file.name: file.sha256 for file in now}
    for number in new:
        file = plan.files[plan.shards[number].file]
        if content.get(file.name, file.sha256) != file.sha256:
            receipt_path(output, number).unlink(missing_ok=True)
    check_unchanged(plan, plan.settings, now)


def _check_done(plan: Plan, receipts: Mapping[int, Receipt]) -> None:
    """Refuses to call a job finished whose engine left shards out."""
    left = [shard.number for shard in plan.shards if shard.number not in receipts]
    if left:
        raise JobError(
            f"every shard must be done or named as failed, got {len(left)} that are neither, the "
            f"first is {left[0]}. Run the same command again."
        )


def _drop_failed(output: Path) -> None:
    (output / "manifest.json").unlink(missing_ok=True)  # first: what it lists is about to go
    for number, receipt in finished(output).items():
        if receipt.n_failed:
            suspects_path(output, number).unlink(missing_ok=True)
            receipt_path(output, number).unlink()


def _write_manifest(output: Path, plan: Plan, receipts: Mapping[int, Receipt]) -> None:
    """Everything that belongs to a finished job; equal jobs give equal manifests."""
    document = manifest_of(output, n_rows=plan.n_rows, receipts=receipts)
    write_atomically(output / "manifest.json", json.dumps(document, indent=1).encode())


def _name(choice: object) -> str:
    """A choice as it can be compared later: a built encoder by its fingerprint."""
    return choice.fingerprint if isinstance(choice, Encoder) else str(choice)


def _bundle_sha256(bundle: Path) -> str:
    try:
        return hashlib.sha256((bundle / "bundle.json").read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"bundle must be the folder of a trained model, got {bundle}.") from error


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

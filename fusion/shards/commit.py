"""How a shard becomes part of the output: data, then errors, then the receipt that counts."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import with_config

from fusion.errors import JobError
from fusion.shards.plan_schema import MAX_PLAN_BYTES
from fusion.shards.receipts import Part, Receipt, part_name, receipt_path
from fusion.shards.repeated import REPEATED_IDS
from fusion.shards.shard import Shard
from fusion.system.documents import EXACT, Count, Sha256, Text, sealed
from fusion.system.files import json_bytes, read_regular_file, readable, write_atomically

ERROR_SCHEMA = pa.schema(
    [
        ("row", pa.int64()),
        ("id", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("message", pa.string()),
        ("column", pa.string()),
        ("file", pa.string()),
    ]
)
HISTORY = "history.parquet"
INPUT = "input"
"""Folder of a copy of the items, where they are of a kind that cannot be cut."""
FILES = ("plan.json", REPEATED_IDS, HISTORY, "paths.json", "events.jsonl", "manifest.json")


def folders_of(kind: str) -> tuple[str, ...]:
    """Folders of a job whose tables are of a kind, see `Plan.kind`."""
    return (kind, "errors", "receipts", "poison_rows")


@dataclass(frozen=True)
class RowError:
    r"""Why a row has no answer.

    Args:
        row: Position in the whole input, from 0.
        id: Id of the item; empty where it is missing.
        stage: `read` (table and photo names), `encode` (contents) or `worker` (it ended a process).
        reason: Short code, such as `photo_truncated`.
        message: Everything that is wrong, as `code: words (column x)`.
        column: Column at fault; empty if it is the row.
        file: Name of the input file; bytes that are no UTF-8 as `\xe9`.
    """

    row: int
    id: str
    stage: str
    reason: str
    message: str
    column: str
    file: str


@dataclass(frozen=True)
class AnsweredRows:
    """Rows of a shard that have embeddings or predictions.

    Args:
        rows: `[n]` positions in the whole input, from 0.
        ids: Id of each.
        columns: Name -> `[n]` values, as the work gives them.
        warnings: What was odd about each row, as `modality:code`.
    """

    rows: NDArray[np.int64]
    ids: list[str]
    columns: dict[str, pa.Array]
    warnings: list[list[str]]


def commit_shard(
    folder: Path,
    shard: Shard,
    *,
    done: AnsweredRows,
    failed: Sequence[RowError],
    kind: str,
) -> Receipt:
    """Writes a shard's files and then its receipt; each is there as a whole or not at all.

    Rows must come from the bytes that the shard is known by, as `read_rows` sees to.

    Raises:
        OSError: If the disk fails, or a written file reads back otherwise; the shard is undone
            then.
    """
    number = shard.number
    tables = {part_name(kind, number): answer_table(done)}
    if failed:
        tables[part_name("errors", number)] = error_table(failed)
    files = {}
    for name, table in tables.items():
        content = parquet_bytes(table)
        files[name] = Part(len(content), hashlib.sha256(content).hexdigest())
        check = partial(_check_written, sha256=files[name].sha256, table=table)
        write_atomically(folder / name, content, check=check)
    receipt = Receipt(
        shard=number,
        input_sha256=shard.sha256,
        n_rows=len(done.rows) + len(failed),
        n_answered=len(done.rows),
        n_failed=len(failed),
        reasons=counted(error.reason for error in failed),
        warnings=counted(warning for warnings in done.warnings for warning in warnings),
        files=files,
    )
    write_atomically(receipt_path(folder, number), sealed(json_bytes(asdict(receipt))))
    return receipt


def counted(codes: Iterable[str]) -> dict[str, int]:
    """Code -> how often it stands there, sorted by code."""
    return dict(sorted(Counter(codes).items()))


def answer_table(done: AnsweredRows) -> pa.Table:
    """Columns `row`, `id`, those of the work, and `warnings`."""
    return pa.table(
        {
            "row": pa.array(done.rows, pa.int64()),
            "id": pa.array(done.ids, pa.string()),
            **done.columns,
            "warnings": pa.array(done.warnings, pa.list_(pa.string())),
        }
    )


def error_table(failed: Sequence[RowError]) -> pa.Table:
    """One row an error; texts that are no UTF-8 as `readable` writes them."""
    rows = [
        {k: readable(v) if isinstance(v, str) else v for k, v in asdict(error).items()}
        for error in failed
    ]
    return pa.Table.from_pylist(rows, ERROR_SCHEMA)


def parquet_bytes(table: pa.Table) -> bytes:
    """A Parquet file; equal tables give equal bytes."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", use_dictionary=False)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _check_written(path: Path, *, sha256: str, table: pa.Table) -> None:
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise OSError(f"{path.name} reads back with other bytes than were written")
    written = pq.ParquetFile(pa.BufferReader(content))
    if written.metadata.num_rows != table.num_rows or written.schema_arrow != table.schema:
        raise OSError(f"{path.name} reads back with other rows or columns than were written")


@with_config(EXACT)
@dataclass(frozen=True)
class Manifest:
    """What belongs to a finished job; equal jobs give equal manifests.

    Args:
        plan_sha256: SHA-256 (hex) of `plan.json`.
        n_rows: Rows of the input.
        n_answered: Those with an embedding or a prediction.
        n_failed: Those with an error.
        files: Name below the output folder -> what it holds.
    """

    plan_sha256: Sha256
    n_rows: Count
    n_answered: Count
    n_failed: Count
    files: dict[Text, Part]


def manifest_of(folder: Path, *, n_rows: int, receipts: Mapping[int, Receipt]) -> Manifest:
    """What `manifest.json` says of a finished job."""
    plan = read_regular_file(folder / "plan.json", max_bytes=MAX_PLAN_BYTES)
    return Manifest(
        plan_sha256=hashlib.sha256(plan).hexdigest(),
        n_rows=n_rows,
        n_answered=sum(receipt.n_answered for receipt in receipts.values()),
        n_failed=sum(receipt.n_failed for receipt in receipts.values()),
        files={
            name: part
            for number in sorted(receipts)
            for name, part in receipts[number].files.items()
        },
    )


def make_folders(folder: Path, kind: str) -> None:
    """Makes the folders of a job where they are absent, and its own.

    Raises:
        JobError: If something else lies in the place of one, with the names of all.
    """
    folders = folders_of(kind)
    names = [n for n in folders if os.path.lexists(folder / n) and not (folder / n).is_dir()]
    if names:
        raise JobError(
            f"{folder} must have folders where the job writes its parts, got something else named "
            f"{', '.join(names)}. Move it away, then run the same command again."
        )
    for name in folders:
        (folder / name).mkdir(parents=True, exist_ok=True)


def refuse_other_than_files(folder: Path, kind: str) -> None:
    """Refuses folders, pipes, devices and dangling links where files of a job belong.

    Why: no file could take the place of a folder, and to write to a pipe would wait for ever.

    Raises:
        JobError: With the names of the first.
    """
    names = [n for n in FILES if os.path.lexists(folder / n) and not (folder / n).is_file()]
    for part in folders_of(kind):
        with os.scandir(folder / part) as entries:  # which asks the disk for no more than names
            names += [f"{part}/{e.name}" for e in entries if not e.is_file() and e.name[0] != "."]
    if names:
        raise JobError(
            f"{folder} must have files where the job writes them, got a folder, pipe, device or "
            f"dangling link named {', '.join(sorted(names)[:5])}. Move it away, then run the same "
            "command again."
        )


def sweep_temporary(folder: Path, kind: str) -> None:
    """Removes the temporary files of an interrupted run."""
    for place in (folder, *(folder / name for name in folders_of(kind))):
        for path in place.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def sweep_data(folder: Path, kind: str, receipts: Mapping[int, Receipt]) -> None:
    """Removes data that no receipt names, once every shard has one.

    Why not before: a worker that outlives its killed parent for a moment may have written data and
    be about to write the receipt, which would then stand for nothing.
    """
    done = {name for receipt in receipts.values() for name in receipt.files}
    for part in (kind, "errors"):
        for path in (folder / part).glob("part-*.parquet"):
            if f"{part}/{path.name}" not in done:
                path.unlink(missing_ok=True)

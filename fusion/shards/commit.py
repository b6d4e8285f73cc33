"""How a shard becomes part of the output: data, then errors, then the receipt that counts."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import with_config

from fusion.documents import EXACT, Count, Sha256, Text, sealed
from fusion.errors import JobError
from fusion.files import json_bytes, read_regular_file, readable, write_atomically
from fusion.shards.plan_schema import MAX_PLAN_BYTES
from fusion.shards.receipts import KINDS, Part, Receipt, part_name, receipt_path
from fusion.shards.repeated import REPEATED_IDS
from fusion.shards.shard import Shard

VECTOR_TYPES = {"float32": pa.float32(), "float16": pa.float16()}
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
FOLDERS = (*KINDS, "receipts", "suspects")
FILES = ("plan.json", REPEATED_IDS, "places.json", "events.jsonl", "manifest.json")


@dataclass(frozen=True)
class RowError:
    r"""Why a row has no embedding.

    Args:
        row: Position in the whole input, from 0.
        id: Id of the item; empty where it is missing.
        stage: `read` (table and photo names), `encode` (contents) or `worker` (it ended a process).
        reason: Short code, such as `photo_truncated`.
        message: What is wrong, in words.
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
class EmbeddedRows:
    """Rows of a shard that have embeddings.

    Args:
        rows: `[n]` positions in the whole input, from 0.
        ids: Id of each.
        vectors: Name -> `[n, dim]`.
        present: Modality -> `[n]`, True where the row has it.
        warnings: What was odd about each row, as `modality:code`.
    """

    rows: NDArray[np.int64]
    ids: list[str]
    vectors: dict[str, NDArray[np.float32]]
    present: dict[str, NDArray[np.bool_]]
    warnings: list[list[str]]


def commit_shard(
    folder: Path,
    shard: Shard,
    *,
    done: EmbeddedRows,
    failed: Sequence[RowError],
    vector_type: str,
) -> Receipt:
    """Writes a shard's files and then its receipt; each is there as a whole or not at all.

    Rows must come from the bytes that the shard is known by, as `read_rows` sees to.

    Raises:
        JobError: If a vector does not fit the vector type or a written file reads back otherwise.
        OSError: If the disk fails; the shard is undone then.
    """
    number = shard.number
    tables = {part_name("embeddings", number): embedding_table(done, vector_type=vector_type)}
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
        n_embedded=len(done.rows),
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


def embedding_table(done: EmbeddedRows, *, vector_type: str) -> pa.Table:
    """Columns `row`, `id`, `<name>_embedding` (null where absent), `<name>_present`, `warnings`.

    Raises:
        JobError: If a number is not finite or too large for the vector type.
    """
    columns: dict[str, Any] = {
        "row": pa.array(done.rows, pa.int64()),
        "id": pa.array(done.ids, pa.string()),
    }
    for name, vectors in done.vectors.items():
        there = done.present.get(name, np.ones(len(vectors), dtype=bool))
        columns[f"{name}_embedding"] = _lists(vectors, there, name=name, vector_type=vector_type)
    for name, there in done.present.items():
        columns[f"{name}_present"] = pa.array(there)
    columns["warnings"] = pa.array(done.warnings, pa.list_(pa.string()))
    return pa.table(columns)


def _lists(
    vectors: NDArray[np.float32], there: NDArray[np.bool_], *, name: str, vector_type: str
) -> Any:
    """A fixed-size-list column; absent rows are null, never zeros."""
    with np.errstate(over="ignore"):  # found below
        numbers = vectors.astype(vector_type, copy=False)
    if not np.isfinite(numbers).all():
        raise JobError(
            f"embeddings of {name} must be finite and fit {vector_type}, got up to "
            f"{np.abs(vectors).max():.6g}. Use --dtype float32 in a new output folder."
        )
    flat = pa.array(np.ascontiguousarray(numbers).ravel(), VECTOR_TYPES[vector_type])
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1], mask=pa.array(~there))


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
        n_embedded: Those with an embedding.
        n_failed: Those with an error.
        files: Name below the output folder -> what it holds.
    """

    plan_sha256: Sha256
    n_rows: Count
    n_embedded: Count
    n_failed: Count
    files: dict[Text, Part]


def manifest_of(folder: Path, *, n_rows: int, receipts: Mapping[int, Receipt]) -> Manifest:
    """What `manifest.json` says of a finished job."""
    plan = read_regular_file(folder / "plan.json", max_bytes=MAX_PLAN_BYTES)
    return Manifest(
        plan_sha256=hashlib.sha256(plan).hexdigest(),
        n_rows=n_rows,
        n_embedded=sum(receipt.n_embedded for receipt in receipts.values()),
        n_failed=sum(receipt.n_failed for receipt in receipts.values()),
        files={
            name: part
            for number in sorted(receipts)
            for name, part in receipts[number].files.items()
        },
    )


def make_folders(folder: Path) -> None:
    """Makes the folders of a job where they are absent, and its own.

    Raises:
        JobError: If something else lies in the place of one, with the names of all.
    """
    names = [n for n in FOLDERS if os.path.lexists(folder / n) and not (folder / n).is_dir()]
    if names:
        raise JobError(
            f"{folder} must have folders where the job writes its parts, got something else named "
            f"{', '.join(names)}. Move it away, then run the same command again."
        )
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)


def refuse_other_than_files(folder: Path) -> None:
    """Refuses folders, pipes, devices and dangling links where files of a job belong.

    Why: no file could take the place of a folder, and to write to a pipe would wait for ever.

    Raises:
        JobError: With the names of the first.
    """
    names = [n for n in FILES if os.path.lexists(folder / n) and not (folder / n).is_file()]
    for kind in FOLDERS:
        with os.scandir(folder / kind) as entries:  # which asks the disk for no more than names
            names += [f"{kind}/{e.name}" for e in entries if not e.is_file() and e.name[0] != "."]
    if names:
        raise JobError(
            f"{folder} must have files where the job writes them, got a folder, pipe, device or "
            f"dangling link named {', '.join(sorted(names)[:5])}. Move it away, then run the same "
            "command again."
        )


def sweep_temporary(folder: Path) -> None:
    """Removes the temporary files of an interrupted run."""
    for place in (folder, *(folder / name for name in FOLDERS)):
        for path in place.glob(".*.tmp"):
            path.unlink(missing_ok=True)


def sweep_data(folder: Path, receipts: Mapping[int, Receipt]) -> None:
    """Removes data that no receipt names, once every shard has one.

    Why not before: a worker that outlives its killed parent for a moment may have written data and
    be about to write the receipt, which would then stand for nothing.
    """
    done = {name for receipt in receipts.values() for name in receipt.files}
    for kind in KINDS:
        for path in (folder / kind).glob("part-*.parquet"):
            if f"{kind}/{path.name}" not in done:
                path.unlink(missing_ok=True)

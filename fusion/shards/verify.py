"""Proof that the output of a job is what the job wrote, whole and without repetition."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fusion.errors import CatalogueError, JobError
from fusion.shards.commit import Manifest, counted, manifest_of
from fusion.shards.data_paths import read_data_paths
from fusion.shards.input import input_changes
from fusion.shards.plan import Plan, read_plan
from fusion.shards.plan_schema import MAX_PLAN_BYTES
from fusion.shards.receipts import Receipt, find_receipts, part_name, receipt_name
from fusion.shards.repeated import read_repeated
from fusion.shards.shard import Shard, rows_of
from fusion.system.documents import read_document
from fusion.system.files import read_regular_file


def verify_job(folder: Path) -> list[str]:
    """Everything that is wrong with the output of a job; empty if nothing is.

    Checks that each shard has a receipt of the planned bytes, each file the bytes of its receipt,
    each row of the input exactly one answer or one error, that the manifest lists these files,
    and that no other lie between them. Where the tables are at hand, that they are still those of
    the plan; `why_not_compared` says where they are not.

    Args:
        folder: Output folder of a job.

    Raises:
        JobError: If the folder has no plan.
    """
    plan = read_plan(folder)
    receipts = find_receipts(folder, plan)
    problems = []
    for shard in plan.shards:
        receipt = receipts.done.get(shard.number)
        if receipt is None:
            problems.append(
                f"shard {shard.number} ({rows_of([shard])}) is not done, "
                f"{receipts.undone[shard.number]}: run the same command again"
            )
        else:
            problems += _shard_problems(folder, shard, receipt)
        problems += _repeated_problems(folder, shard)
    problems += _strangers(folder, plan, receipts.done)
    if not problems:
        problems += _manifest_problems(folder, plan, receipts.done)
    if not why_not_compared(folder):
        problems += _table_problems(read_data_paths(folder).items, plan)
    return problems


def why_not_compared(folder: Path) -> str:
    """Why `verify_job` does not compare a job with its tables; empty if it does.

    Args:
        folder: Output folder of a job.
    """
    try:
        items = read_data_paths(folder).items
        return "" if items.exists() else f"not compared with the tables: {items} is not there"
    except (OSError, JobError) as error:
        return f"not compared with the tables: where they lie is not known ({error})"


def _table_problems(items: Path, plan: Plan) -> Iterator[str]:
    """Each shard that would be made of other bytes now, and files that came or went."""
    remedy = "put the tables back, or begin a new folder"
    try:
        changes = input_changes(items, plan, plan.shards)
    except (OSError, CatalogueError) as error:
        yield f"the tables cannot be compared: {error}"
        return
    for change in changes:
        if not change.shards:
            yield f"{change}: {remedy}"
        for shard in change.shards:
            yield (
                f"{change.name} has other content in {rows_of([shard])} than shard {shard.number} "
                f"was planned with: {remedy}"
            )


def _repeated_problems(folder: Path, shard: Shard) -> Iterator[str]:
    try:
        read_repeated(folder, shard)
    except JobError as error:
        yield str(error)


def _shard_problems(folder: Path, shard: Shard, receipt: Receipt) -> Iterator[str]:
    rows: list[NDArray[np.int64]] = []
    reasons: list[str] = []
    warnings: list[str] = []
    for name, part in receipt.files.items():
        try:
            content = read_regular_file(folder / name, max_bytes=part.size)
        except (OSError, ValueError) as error:
            yield f"{name} cannot be read: {error}. {_again(shard)}"
            return
        if hashlib.sha256(content).hexdigest() != part.sha256:
            yield f"{name} has other bytes than were committed. {_again(shard)}"
            return
        is_of_errors = name.startswith("errors/")
        try:
            numbers, codes = _rows_and_codes(content, "reason" if is_of_errors else "warnings")
        except Exception as error:  # whatever it is, these are no rows
            yield f"{name} is no table of a job's rows: {error}. {_again(shard)}"
            return
        rows.append(numbers)
        (reasons if is_of_errors else warnings).extend(codes)
    found = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *rows]))
    wanted = np.arange(shard.first_row, shard.first_row + shard.n_rows)
    if not np.array_equal(found, wanted):
        n_twice = len(found) - len(np.unique(found))
        n_lost = len(np.setdiff1d(wanted, found))
        yield f"shard {shard.number} has {n_twice} rows twice and lacks {n_lost}. {_again(shard)}"
    counts = replace(
        receipt,
        n_rows=shard.n_rows,
        n_answered=shard.n_rows - len(reasons),
        n_failed=len(reasons),
        reasons=counted(reasons),
        warnings=counted(warnings),
    )
    if receipt != counts:
        name = f"receipts/{receipt_name(shard.number)}"
        yield f"{name} has other counts than its files. {_again(shard)}"


def _rows_and_codes(content: bytes, column: str) -> tuple[NDArray[np.int64], list[str]]:
    """Row numbers of a file of a shard, and all reasons or warnings in it.

    Why not `read_table` and `to_numpy`: both import pandas, which takes longer than all the rest.
    """
    table = pq.ParquetFile(pa.BufferReader(content)).read(columns=["row", column])
    told = table[column].combine_chunks()
    codes = told.flatten() if pa.types.is_list(told.type) else told
    rows: Any = np.from_dlpack(table["row"].cast(pa.int64()).combine_chunks())
    return rows, codes.cast(pa.string()).to_pylist()


def _again(shard: Shard) -> str:
    return f"Delete receipts/{receipt_name(shard.number)} and run the same command again"


def _strangers(folder: Path, plan: Plan, done: Mapping[int, Receipt]) -> Iterator[str]:
    """Files that nothing names; those of a shard that is not done are told with it."""
    n_shards, kinds = len(plan.shards), (plan.kind, "errors")
    parts = {name for receipt in done.values() for name in receipt.files}
    undone = range(n_shards) if len(done) < n_shards else ()
    parts |= {part_name(kind, n) for n in undone if n not in done for kind in kinds}
    known = parts | {f"receipts/{receipt_name(number)}" for number in range(n_shards)}
    for kind in (*kinds, "receipts"):
        place = folder / kind
        names = sorted(path.name for path in place.iterdir()) if place.is_dir() else []
        for name in (f"{kind}/{name}" for name in names if f"{kind}/{name}" not in known):
            owner = "shard" if kind == "receipts" else "receipt"
            yield f"{name} belongs to no {owner}: run the same command again, or delete it"


def _manifest_problems(folder: Path, plan: Plan, receipts: Mapping[int, Receipt]) -> Iterator[str]:
    try:
        path = folder / "manifest.json"
        manifest = read_document(path, Manifest, max_bytes=MAX_PLAN_BYTES)
    except (OSError, ValueError) as error:
        got = "gone" if isinstance(error, FileNotFoundError) else f"damaged: {error}"
        yield f"manifest.json is {got}. Run the same command again"
        return
    wanted = manifest_of(folder, n_rows=plan.n_rows, receipts=receipts)
    if manifest.plan_sha256 != wanted.plan_sha256:
        yield "plan.json has changed since the manifest was written"
    if replace(manifest, plan_sha256=wanted.plan_sha256) != wanted:
        yield "manifest.json lists other files or rows than the receipts"

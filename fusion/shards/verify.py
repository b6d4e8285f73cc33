"""Proof that the output of a job is what the job wrote, whole and without repetition."""

import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from fusion.shards.commit import Receipt, finished
from fusion.shards.plan import Plan, read_plan
from fusion.shards.tables import Shard


def verify_job(folder: Path) -> list[str]:
    """Everything that is wrong with the output of a job; empty if nothing is.

    Checks that each shard has a receipt, each file the bytes of its receipt, each row of the input
    exactly one embedding or one error, that the manifest lists these files, and that no other lie
    between them.

    Args:
        folder: Output folder of a job.

    Raises:
        JobError: If the folder has no plan.
    """
    plan = read_plan(folder)
    receipts = finished(folder)
    problems = []
    for shard in plan.shards:
        receipt = receipts.get(shard.number)
        if receipt is None:
            problems.append(
                f"shard {shard.number} (rows {shard.first_row + 1} to "
                f"{shard.first_row + shard.n_rows}) is not done: run the same fusion embed again"
            )
        else:
            problems += _shard_problems(folder, shard, receipt)
    problems += _strangers(folder, receipts)
    if not problems:
        problems += _manifest_problems(folder, plan, receipts)
    return problems


def _shard_problems(folder: Path, shard: Shard, receipt: Receipt) -> Iterator[str]:
    rows: list[NDArray[np.int64]] = []
    for name, sha256 in receipt.files.items():
        try:
            content = (folder / name).read_bytes()
        except OSError as error:
            yield f"{name} cannot be read: {error.strerror}. {_again(shard)}"
            return
        if hashlib.sha256(content).hexdigest() != sha256:
            yield f"{name} has other bytes than were committed. {_again(shard)}"
            return
        table = pq.read_table(io.BytesIO(content), columns=["row"])
        rows.append(table["row"].to_numpy())
    found = np.sort(np.concatenate(rows))
    wanted = np.arange(shard.first_row, shard.first_row + shard.n_rows)
    if not np.array_equal(found, wanted):
        n_twice = len(found) - len(np.unique(found))
        n_lost = len(np.setdiff1d(wanted, found))
        yield f"shard {shard.number} has {n_twice} rows twice and lacks {n_lost}. {_again(shard)}"


def _again(shard: Shard) -> str:
    return f"Delete receipts/{shard.number:06}.json and run the same fusion embed again"


def _strangers(folder: Path, receipts: Mapping[int, Receipt]) -> Iterator[str]:
    known = {name for receipt in receipts.values() for name in receipt.files}
    for kind in ("embeddings", "errors"):
        for path in sorted((folder / kind).iterdir()):
            if f"{kind}/{path.name}" not in known:
                yield f"{kind}/{path.name} belongs to no receipt: run the same fusion embed again"


def _manifest_problems(folder: Path, plan: Plan, receipts: Mapping[int, Receipt]) -> Iterator[str]:
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
    except (OSError, ValueError):
        yield "manifest.json is missing or damaged: run the same fusion embed again"
        return
    files = {name: sha for receipt in receipts.values() for name, sha in receipt.files.items()}
    plan_sha256 = hashlib.sha256((folder / "plan.json").read_bytes()).hexdigest()
    if manifest.get("files") != files or manifest.get("n_rows") != plan.n_rows:
        yield "manifest.json lists other files or rows than the receipts"
    if manifest.get("plan_sha256") != plan_sha256:
        yield "plan.json has changed since the manifest was written"

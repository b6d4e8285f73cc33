"""Receipts: which shards are done, and why the others are not."""

import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pydantic import with_config

from fusion.errors import JobError
from fusion.shards.plan import Plan
from fusion.shards.shard import Shard
from fusion.system.documents import EXACT, Count, Sha256, Text, read_document


@with_config(EXACT)
@dataclass(frozen=True)
class Part:
    """A file of a shard: size in bytes, and SHA-256 (hex)."""

    size: Count
    sha256: Sha256


@with_config(EXACT)
@dataclass(frozen=True)
class Receipt:
    """Proof that a shard is done; equal work gives equal receipts.

    Args:
        shard: Number of the shard.
        input_sha256: SHA-256 (hex) of what was read for it, see `Shard`.
        n_rows: Rows of the input that it covers.
        n_answered: Those with an embedding or a prediction.
        n_failed: Those with an error; the two add up.
        reasons: Reason code -> number of rows.
        warnings: Warning -> number of rows.
        files: Name below the output folder -> what it holds.
    """

    shard: Count
    input_sha256: Sha256
    n_rows: Count
    n_answered: Count
    n_failed: Count
    reasons: dict[Text, Count]
    warnings: dict[Text, Count]
    files: dict[Text, Part]


class Receipts(NamedTuple):
    """Receipts of the shards that are done, and of each other shard why it is not."""

    done: Mapping[int, Receipt]
    undone: Mapping[int, str]


def receipt_path(folder: Path, shard: int) -> Path:
    """Where the receipt of a shard lies."""
    return folder / "receipts" / receipt_name(shard)


def receipt_name(shard: int) -> str:
    """Name of a shard's receipt."""
    return f"{shard:06}.json"


def part_name(kind: str, shard: int) -> str:
    """Name of a shard's file below the output folder."""
    return f"{kind}/part-{shard:06}.parquet"


def finished(folder: Path, plan: Plan) -> Mapping[int, Receipt]:
    """Receipts of all finished shards of a plan."""
    return find_receipts(folder, plan).done


def find_receipts(folder: Path, plan: Plan) -> Receipts:
    """What there is of each shard of a plan; receipts of no shard of it do not count.

    Raises:
        JobError: If something else lies in the place of their folder.
        OSError: If the disk fails; an unreadable disk is no missing receipt.
    """
    try:
        there = {path.name for path in (folder / "receipts").iterdir()}  # quicker than to try
    except FileNotFoundError:
        there = set()
    except NotADirectoryError as error:
        raise JobError(
            f"{folder / 'receipts'} must be a folder, got something else. Move it away, then run "
            "the same command again."
        ) from error
    done: dict[int, Receipt] = {}
    undone: dict[int, str] = {}
    for shard in plan.shards:
        if receipt_name(shard.number) not in there:
            undone[shard.number] = "it has no receipt"
            continue
        try:
            done[shard.number] = read_receipt(folder, shard, kind=plan.kind)
        except ValueError as error:
            undone[shard.number] = str(error)
    return Receipts(done, undone)


def read_receipt(folder: Path, shard: Shard, *, kind: str) -> Receipt:
    """The receipt of a shard whose files are there; what is in them is the matter of `verify_job`.

    Args:
        folder: Output folder of a job.
        shard: The shard.
        kind: See `Plan.kind`.

    Raises:
        OSError: If the disk fails.
        ValueError: If there is none that counts, so that the shard is not done; with the reason.
    """
    path = receipt_path(folder, shard.number)
    try:
        receipt = read_document(path, Receipt)
    except FileNotFoundError as error:
        raise ValueError("it has no receipt") from error
    except ValueError as error:
        raise ValueError(f"receipts/{path.name} is damaged: {error}") from error
    if receipt.input_sha256 != shard.sha256:
        raise ValueError(f"receipts/{path.name} is that of rows with other content")
    if not _fits(receipt, shard, kind=kind):
        raise ValueError(f"receipts/{path.name} is that of another shard")
    for name, part in receipt.files.items():
        _check_part(folder, name, part.size)
    return receipt


def _fits(receipt: Receipt, shard: Shard, *, kind: str) -> bool:
    kinds = (kind, "errors") if receipt.n_failed else (kind,)
    return (
        (receipt.shard, receipt.n_rows) == (shard.number, shard.n_rows)
        and receipt.n_answered + receipt.n_failed == receipt.n_rows
        and sum(receipt.reasons.values()) == receipt.n_failed
        and receipt.files.keys() == {part_name(kind, shard.number) for kind in kinds}
    )


def _check_part(folder: Path, name: str, size: int) -> None:
    try:
        status = (folder / name).stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ValueError(f"{name} is missing") from error
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"{name} is no regular file")
    if status.st_size != size:
        raise ValueError(f"{name} must have {size:,} bytes, got {status.st_size:,}")

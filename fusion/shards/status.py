"""How far a job is, from its files alone."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from fusion.shards.plan import read_plan
from fusion.shards.receipts import finished
from fusion.system.lock import Holder, holder_of
from fusion.system.platforms import require_posix


@dataclass(frozen=True)
class JobStatus:
    """The state of a job.

    Args:
        kind: What comes out: `embeddings` or `predictions`.
        n_rows: Rows of the input.
        n_answered: Rows with an embedding or a prediction.
        n_failed: Rows with an error record.
        n_shards: Shards of the plan.
        n_done: Those with a receipt of the planned bytes, and the files that it names.
        reasons: Reason code -> number of rows.
        warnings: Warning -> number of rows.
        finished: True once the manifest is written, and as long as every shard is there.
        running: True while a process works on it, as far as can be told.
        holder: The process that says so; None where there is none.
    """

    kind: str
    n_rows: int
    n_answered: int
    n_failed: int
    n_shards: int
    n_done: int
    reasons: dict[str, int]
    warnings: dict[str, int]
    finished: bool
    running: bool
    holder: Holder | None = None


def job_status(folder: Path) -> JobStatus:
    """What is done, failed and left of a job; changes nothing.

    Raises:
        ConfigError: On Windows.
        JobError: If the folder has no plan.
    """
    require_posix("a job of shards")  # on Windows, to ask for a process would interrupt it
    plan = read_plan(folder)
    holder = holder_of(folder)
    receipts = list(finished(folder, plan).values())
    reasons: Counter[str] = Counter()
    warnings: Counter[str] = Counter()
    for receipt in receipts:
        reasons.update(receipt.reasons)
        warnings.update(receipt.warnings)
    return JobStatus(
        kind=plan.kind,
        n_rows=plan.n_rows,
        n_answered=sum(receipt.n_answered for receipt in receipts),
        n_failed=sum(receipt.n_failed for receipt in receipts),
        n_shards=len(plan.shards),
        n_done=len(receipts),
        reasons=dict(reasons.most_common()),
        warnings=dict(warnings.most_common()),
        finished=len(receipts) == len(plan.shards) and (folder / "manifest.json").is_file(),
        running=holder is not None and holder.is_heard and not holder.is_gone,
        holder=holder,
    )

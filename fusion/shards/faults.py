"""What is wrong with rows of a shard, at which stage it was found, and what becomes of them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.catalogue import reasons
from fusion.data.problems import Problem, report_problems, shown
from fusion.errors import CatalogueError
from fusion.shards.commit import RowError
from fusion.shards.shard import Shard, rows_of

ENDS = {
    "died": ("worker_died", "must be a row that can be read, but it ended the process"),
    "hung": ("worker_hung", "must be a row that can be read, but reading it came to no end"),
}


@dataclass(frozen=True)
class Fault:
    """A problem of one row of a shard, and the stage that found it: `read`, `encode`, `worker`."""

    stage: str
    row: int
    problem: Problem


def faults_of(stage: str, problems: Sequence[Problem], kept: Sequence[int]) -> list[Fault]:
    """Problems of the rows `kept` of a shard; repeated ids are known from the plan instead."""
    return [
        Fault(stage, kept[problem.row], problem)
        for problem in problems
        if problem.row is not None and problem.code != "id_duplicate"
    ]


def blamed_faults(blamed: Mapping[int, str]) -> list[Fault]:
    """Rows that ended a worker, or raised, while they were touched alone."""
    faults = []
    for row, how in blamed.items():
        code, message = ENDS.get(
            how, ("worker_error", f"must be a row that can be worked on, got {how}")
        )
        faults.append(Fault("worker", row, Problem(code, message, row=row)))
    return faults


def repeated_faults(
    repeated: NDArray[np.int64], frame: pd.DataFrame, *, shard: Shard, column: str
) -> list[Fault]:
    """Rows of the shard whose id stood before, here or in an earlier shard.

    Shape:
        repeated `[k, 2]`: row and the row of the first time, of this shard.
    """
    faults = []
    for row, before in repeated.tolist():
        place = row - shard.first_row
        got = shown(frame[column].iloc[place])
        message = f"must be unique, got {got} of row {before + 1} again"
        faults.append(Fault("read", place, Problem("id_duplicate", message, column=column)))
    return faults


def settle(
    faults: Sequence[Fault], *, policy: str
) -> tuple[dict[int, list[Fault]], dict[int, list[Fault]]]:
    """Faults by row: of rows that get no answer, and of values that are taken as absent."""
    failed: dict[int, list[Fault]] = defaultdict(list)
    tolerated: dict[int, list[Fault]] = defaultdict(list)
    for fault in faults:
        of_value = fault.problem.modality is not None
        (tolerated if policy == "absent" and of_value else failed)[fault.row].append(fault)
    return dict(sorted(failed.items())), dict(tolerated)


def raise_faults(faults: Sequence[Fault], *, shard: Shard, source: str, n_rows: int) -> None:
    """Stops if there is any fault; rows are counted as in the whole input, which has `n_rows`.

    Raises:
        CatalogueError: With all of the shard, and what was not looked at.
    """
    if not faults:
        return
    rows = [replace(fault.problem, row=fault.row + shard.first_row) for fault in faults]
    told = report_problems(rows, source=source)
    if shard.n_rows < n_rows:
        told += (
            f"\nThese are the faults of {rows_of([shard])} of {n_rows:,}, where the job stopped; "
            "others may follow. With --on-bad-rows record, every faulty row is listed."
        )
    raise CatalogueError(told)


def row_error(faults: Sequence[Fault], *, id: str, shard: Shard, file: str) -> RowError:
    """The record of a row that gets no answer: its first fault, and the words of all."""
    first = faults[0]
    return RowError(
        row=shard.first_row + first.row,
        id=id,
        stage=first.stage,
        reason=first.problem.code,
        message=reasons([replace(fault.problem, row=first.row) for fault in faults])[first.row],
        column=first.problem.column or "",
        file=file,
    )

"""One shard from rows to receipt. Doing it twice, or twice at once, gives the same files."""

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusion.data.catalogue import Catalogue, build_catalogue
from fusion.data.cells import is_missing
from fusion.embedding import Prepared
from fusion.progress import Stage, Work, silent
from fusion.shards.commit import AnsweredRows, commit_shard
from fusion.shards.data_paths import DataPaths, read_data_paths
from fusion.shards.faults import (
    Fault,
    blamed_faults,
    faults_of,
    raise_faults,
    repeated_faults,
    row_error,
    settle,
)
from fusion.shards.plan import Plan, read_plan
from fusion.shards.poison_rows import PoisonRows, poison_rows_path, touch_alone
from fusion.shards.receipts import Receipt, find_receipts, read_receipt
from fusion.shards.repeated import read_repeated
from fusion.shards.rows_done import RowsDone, signs_of_life
from fusion.shards.shard import Shard
from fusion.shards.tables import read_rows, table_path
from fusion.shards.works import work_of


@dataclass(frozen=True)
class Outcome:
    """A finished shard and what it cost.

    Args:
        receipt: What is on disk.
        seconds: Wall time.
        commit_seconds: The part of it that went into writing and checking files.
        n_parts: Texts and photos.
        n_encoded: Those that went through a model.
        n_found: Those that the store had; the rest were duplicates inside the shard.
    """

    receipt: Receipt
    seconds: float = 0.0
    commit_seconds: float = 0.0
    n_parts: int = 0
    n_encoded: int = 0
    n_found: int = 0


def run_shard(
    folder: Path, number: int, *, careful: bool = False, stage: Stage = silent
) -> Outcome:
    """Does one shard of a planned job and commits it; a finished one is not touched.

    Rows of another table than the job was planned with are refused, and nothing is committed: what
    is compared are the bytes that are parsed. A receipt of such rows makes no shard finished.

    Engines call this and nothing else; it needs no other process, and any may call it.

    Args:
        folder: Output folder of the job, with its plan.
        number: Number of the shard.
        careful: Touch every row alone first, to find the one that ends the process.
        stage: Is told of the rows that are done; also a sign of life.

    Raises:
        JobError, FusionError, OSError: If the job as a whole cannot go on.
        ValueError: If the plan has no shard of this number.
    """
    plan = read_plan(folder)
    if not 0 <= number < len(plan.shards):
        raise ValueError(f"number must be at least 0 and below {len(plan.shards)}, got {number}.")
    try:
        return Outcome(read_receipt(folder, plan.shards[number], kind=plan.kind))
    except ValueError:  # it is not done, or has to be done again
        return ShardRunner(folder).run(number, careful=careful, stage=stage)


def missing_shards(folder: Path) -> list[int]:
    """Numbers of the shards without a receipt that counts."""
    return list(find_receipts(folder, read_plan(folder)).undone)


class ShardRunner:
    """Everything a process needs to do a shard of a job, as it lies in the job's folder now.

    Only models and a parsed plan are kept in memory, by their content: a folder that was deleted
    and planned again is another job.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan: Plan = read_plan(folder)
        self.paths: DataPaths = read_data_paths(folder)
        self.work = work_of(folder, self.plan, self.paths)

    def run(self, number: int, *, careful: bool, stage: Stage) -> Outcome:
        """Rows to receipt."""
        shard = self.plan.shards[number]
        with stage(f"shard {number}", shard.n_rows, "rows") as work:
            outcome = self._run(shard, careful=careful, work=work)
            work(shard.n_rows - work.done)  # those that were not embedded have an error record
        return outcome

    def _run(self, shard: Shard, *, careful: bool, work: Work) -> Outcome:
        start, number = time.perf_counter(), shard.number
        file = self.plan.files[shard.file].name
        frame, faults = self._read(shard)
        poison_rows = poison_rows_path(self.folder, number)
        if careful:
            lost = {fault.row for fault in faults}
            whole = [row for row in range(len(frame)) if row not in lost]
            touch_alone(poison_rows, whole, lambda row: self._touch(frame, row, work=work))
        blamed = PoisonRows.read(poison_rows).blamed
        faults += blamed_faults({row: how for row, how in blamed.items() if row < len(frame)})
        catalogue, kept = self._catalogue(frame, {fault.row for fault in faults}, shard=shard)
        faults += faults_of("read", catalogue.problems, kept)
        column = self.plan.schema.id
        if column is not None:
            repeated = read_repeated(self.folder, shard)
            faults += repeated_faults(repeated, frame, shard=shard, column=column)
        self._refuse(faults, shard=shard)
        rows_done = RowsDone(work, self.work.n_cacheable)
        prepared = self.work.prepare(catalogue, store=self.paths.store, stage=rows_done.stage)
        faults += faults_of("encode", prepared.problems, kept)
        self._refuse(faults, shard=shard)
        failed, tolerated = settle(faults, policy=self.plan.settings["on_bad_rows"])
        sound = np.asarray([i for i, row in enumerate(kept) if row not in failed], dtype=np.int64)
        answers = self.work.answers(prepared, sound)
        warnings = _warnings(prepared, tolerated, kept=kept, sound=sound)
        for place, code in answers.warnings:
            warnings[place].append(code)
        done = AnsweredRows(
            rows=np.asarray(kept, dtype=np.int64)[sound] + shard.first_row,
            ids=[catalogue.ids[place] for place in sound],
            columns=answers.columns,
            warnings=warnings,
        )
        answered = time.perf_counter()
        ids = dict(zip(kept, catalogue.ids, strict=True))
        receipt = commit_shard(
            self.folder,
            shard,
            done=done,
            failed=[
                row_error(
                    found,
                    id=ids.get(row) or self._id(frame, row, shard),
                    shard=shard,
                    file=file,
                )
                for row, found in failed.items()
            ],
            kind=self.plan.kind,
        )
        end = time.perf_counter()
        return _outcome(receipt, prepared, seconds=end - start, commit_seconds=end - answered)

    def _refuse(self, faults: Sequence[Fault], *, shard: Shard) -> None:
        """Stops where bad rows must, with all that is wrong with the shard so far.

        Raises:
            CatalogueError: With all faults.
        """
        if self.plan.settings["on_bad_rows"] == "raise":
            source = self.plan.files[shard.file].name
            raise_faults(faults, shard=shard, source=source, n_rows=self.plan.n_rows)

    def _read(self, shard: Shard) -> tuple[pd.DataFrame, list[Fault]]:
        """Cells of a shard's rows, as they are written: the schema alone says what they mean."""
        file = self.plan.files[shard.file]
        path = table_path(self.paths.items, file.name)
        frame, problems = read_rows(path, shard, file=file, columns=self.plan.columns)
        frame, unknown = self.work.joined(frame)
        return frame, faults_of("read", [*problems, *unknown], range(len(frame)))

    def _catalogue(
        self, frame: pd.DataFrame, lost: Set[int], *, shard: Shard
    ) -> tuple[Catalogue, list[int]]:
        """The rows that can be read, and their positions in the shard."""
        kept = [row for row in range(len(frame)) if row not in lost]
        catalogue = build_catalogue(
            frame.iloc[kept],
            self.plan.schema,
            photos=self.paths.photos,
            source=self.plan.files[shard.file].name,
        )
        if self.plan.schema.id is None:
            catalogue = replace(catalogue, ids=[str(row + shard.first_row) for row in kept])
        return catalogue, kept

    def _touch(self, frame: pd.DataFrame, row: int, *, work: Work) -> None:
        """Does with one row alone all that could end the process."""
        catalogue = build_catalogue(frame.iloc[[row]], self.plan.schema, photos=self.paths.photos)
        prepared = self.work.prepare(catalogue, store=None, stage=signs_of_life(work))
        self.work.answers(prepared, np.arange(1))

    def _id(self, frame: pd.DataFrame, row: int, shard: Shard) -> str:
        """Id of a row as far as it can be written."""
        if self.plan.schema.id is None:
            return str(row + shard.first_row)
        cell = frame[self.plan.schema.id].iloc[row]
        return "" if is_missing(cell) else str(cell).encode(errors="replace").decode()


def _warnings(
    prepared: Prepared,
    tolerated: Mapping[int, Sequence[Fault]],
    *,
    kept: Sequence[int],
    sound: NDArray[np.int64],
) -> list[list[str]]:
    """What was odd about each sound row, each code once."""
    odd: dict[int, list[str]] = defaultdict(list)
    for place, code in prepared.warnings:
        odd[kept[place]].append(code)
    for row, faults in tolerated.items():
        odd[row] += [fault.problem.code for fault in faults]
    return [list(dict.fromkeys(odd[kept[place]])) for place in sound]


def _outcome(
    receipt: Receipt, prepared: Prepared, *, seconds: float, commit_seconds: float
) -> Outcome:
    reports = prepared.reports.values()
    return Outcome(
        receipt,
        seconds=seconds,
        commit_seconds=commit_seconds,
        n_parts=sum(report.n_parts for report in reports),
        n_encoded=sum(report.n_encoded for report in reports),
        n_found=sum(report.n_found for report in reports),
    )

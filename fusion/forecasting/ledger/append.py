"""A forecast is sealed: its answers are written, then the line of its entry, one writer at a time.

Whenever a writer is stopped, what it leaves is a ledger whose chain holds, with a last line that
breaks off or a file of answers too many at most; the next writer says so and mends it.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from fusion.errors import LedgerError
from fusion.forecasting.ledger.chain import ANSWERS, LEDGER, UNFINISHED, Ledger, read_ledger
from fusion.forecasting.ledger.entries import (
    FORMAT,
    AnswersFile,
    ForecastRun,
    LedgerEntry,
    SealedEntry,
    answers_name,
    line_of,
    parse_line,
)
from fusion.progress import say_once
from fusion.system.files import named_errors, sync_folder, write_atomically
from fusion.system.folders import refuse_names
from fusion.system.lock import LockedError, locked
from fusion.system.platforms import is_windows

WAIT_S = 30.0
"""So long another writer is waited for: each needs but a moment."""
PAUSE_S = 0.05


def append_entry(folder: Path, run: ForecastRun, answers: pd.DataFrame) -> SealedEntry:
    """Appends a forecast to a ledger.

    Args:
        folder: The ledger; made if absent.
        run: What was forecast, and of what.
        answers: One row an item and step, see `forecast_table`, with the levels of the run.

    Returns:
        The entry. Its hash stands for all entries up to it: note it where nobody who writes to the
        folder can change it.

    Raises:
        LedgerError: If entries or answers that are there have changed; nothing is written then.
        LockedError: If another process writes to it for half a minute.
        OSError: If it cannot be written.
    """
    _check_place(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with _held(folder):
        ledger = read_ledger(folder)
        _mend(ledger)
        number = len(ledger.entries) + 1
        content = answers.to_parquet(index=False)
        (folder / ANSWERS).mkdir(exist_ok=True)
        write_atomically(folder / ANSWERS / answers_name(number), content)
        line = line_of(
            LedgerEntry(
                format=FORMAT,
                number=number,
                made=datetime.now(UTC).isoformat(timespec="seconds"),
                run=run,
                answers=AnswersFile(hashlib.sha256(content).hexdigest(), len(content)),
                before=ledger.last_hash,
            )
        )
        found = parse_line(line)
        _append(folder / LEDGER, line + b"\n")
    return found


def check_ledger(folder: Path) -> Ledger:
    """Refuses a folder that no entry can be appended to; makes nothing.

    Raises:
        LedgerError: If entries or answers have changed.
        JobError: If the folder holds something else.
    """
    _check_place(folder)
    return read_ledger(folder)


def _check_place(folder: Path) -> None:
    """Looks once: another writer may begin the ledger meanwhile."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if LEDGER not in names:
        refuse_names(folder, names - {ANSWERS}, kind="a ledger of forecasts")


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Holds a ledger, once whoever holds it has ended."""
    with ExitStack() as stack:
        end = time.monotonic() + WAIT_S
        while True:
            try:
                stack.enter_context(locked(folder))
                break
            except LockedError:
                if time.monotonic() > end:
                    raise
                time.sleep(PAUSE_S)
        yield


def _mend(ledger: Ledger) -> None:
    """Brings a ledger into order that a stopped writer left, and says what was done."""
    path, answers = ledger.folder / LEDGER, ledger.folder / ANSWERS
    if ledger.torn:
        _cut(path, path.stat().st_size - len(ledger.torn))
    if ledger.is_open:
        _append(path, b"\n")
    kept = ""
    for file in ledger.left:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        new = file.replace(answers / f"{UNFINISHED}{digest[:12]}.parquet")
        kept += f" {file.name} is kept as {new.name}."
    for scratch in answers.glob(".*.tmp"):
        scratch.unlink()
    for note in ledger.notes:
        say_once(note)
    if ledger.notes:
        say_once(f"{ledger.folder} was mended before the next entry was appended.{kept}")


def _cut(path: Path, size: int) -> None:
    with named_errors(path), path.open("r+b") as file:
        file.truncate(size)
        os.fsync(file.fileno())


def _append(path: Path, content: bytes) -> None:
    """Appends to a file; where the disk is full, what is there stays as it was."""
    is_new = not path.exists()
    with named_errors(path), path.open("ab", buffering=0) as file:
        size = file.tell()
        try:
            written = file.write(content)
            if written != len(content):
                raise LedgerError(
                    f"{path} must take {len(content)} bytes, got {written} written. "
                    "Make room on the disk and run the same command again."
                )
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(size)
            raise
    if is_new and not is_windows():
        sync_folder(path.parent)

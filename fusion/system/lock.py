"""One writer a folder: who comes second learns who holds it; a dead holder holds nothing.

Two things say who writes: a lock of the system on `.lock`, which ends with its process, and
`.holder.json`, which names the process and is touched every few seconds while it works. Where
machines share a folder and locks do not reach from one to another, the second alone tells.
"""

import os
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict, Field

from fusion.errors import JobError
from fusion.system.files import read_regular_file

BEAT_S = 10.0
"""A holder touches its note so often."""
SILENT_S = 60.0
"""A process of another machine that gave no sign of life for so long is not believed to live."""
NOTE_BYTES = 10_000


class LockedError(JobError):
    """Another process writes to the same folder; a scheduler may try again later."""

    exit_code = 4


class _Note(BaseModel):
    """What a holder writes."""

    model_config = ConfigDict(strict=True, extra="forbid")

    host: Annotated[str, Field(max_length=255)]
    process: Annotated[int, Field(ge=1, lt=2**31)]
    since: Annotated[str, Field(max_length=40)]


@dataclass(frozen=True)
class Holder:
    """The process that says of a folder that it writes to it.

    Args:
        host: Its machine.
        process: Its number there.
        since: When it began, ISO 8601, UTC.
        silent_s: Seconds since its last sign of life; it gives one every 10 s.
    """

    host: str
    process: int
    since: str
    silent_s: float

    @property
    def is_here(self) -> bool:
        """True where it is a process of this machine."""
        return self.host == socket.gethostname()

    @property
    def is_heard(self) -> bool:
        """True where its last sign of life is not old."""
        return self.silent_s < SILENT_S

    @property
    def is_gone(self) -> bool:
        """True where this machine knows that it has ended; not on Windows, which cannot ask."""
        if not self.is_here:
            return False
        try:
            os.kill(self.process, 0)  # asks whether it is there
        except ProcessLookupError:
            return True
        except PermissionError:  # it is, and belongs to somebody else
            return False
        return False

    def __str__(self) -> str:
        name = f"process {self.process} on {self.host} since {self.since}"
        return f"{name} (last sign of life {_words(self.silent_s)} ago)"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder as long as the block runs; the system frees it if the process dies.

    Raises:
        LockedError: If another process holds it; the message names it.
    """
    with _held(folder, lock=folder / ".lock", note=folder / ".holder.json"):
        yield


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Holds the name of one file, whose folder is made if absent, as long as the block runs.

    Raises:
        LockedError: If another process is about to write it; the message names it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    with _held(path, lock=lock, note=path.with_name(f".{path.name}.holder.json")):
        try:
            yield
        finally:
            with suppress(OSError):  # Windows keeps it until it is closed
                lock.unlink()


def check_free(folder: Path) -> None:
    """Refuses a folder that another process holds, before any work; makes nothing.

    Raises:
        LockedError: If it is held.
    """
    if (folder / ".lock").is_file():
        with _acquired(folder, lock=folder / ".lock", note=folder / ".holder.json"):
            pass


def holder_of(folder: Path) -> Holder | None:
    """Who says that it holds a folder; None: nobody, or somebody who has just begun."""
    return _read(folder / ".holder.json", now=time.time())


@contextmanager
def _held(target: Path, *, lock: Path, note: Path) -> Iterator[None]:
    with _acquired(target, lock=lock, note=note):
        ended = threading.Event()
        beating = threading.Thread(target=_beat, args=(note, ended), daemon=True)
        try:
            note.unlink(missing_ok=True)  # whatever it is: to open a pipe would wait for ever
            mine = _Note(
                host=socket.gethostname(),
                process=os.getpid(),
                since=datetime.now(UTC).isoformat(timespec="seconds"),
            )
            note.write_text(mine.model_dump_json(), encoding="utf-8")
            beating.start()
            yield
        finally:
            ended.set()
            if beating.ident is not None:
                beating.join()
            left = _read(note, now=time.time())
            if left is None or (left.host, left.process) == (socket.gethostname(), os.getpid()):
                note.unlink(missing_ok=True)  # not that of who took over from a silent process


def _beat(note: Path, ended: threading.Event) -> None:
    while not ended.wait(BEAT_S):
        with suppress(OSError):  # the work itself will tell what is wrong with the disk
            os.utime(note)


@contextmanager
def _acquired(target: Path, *, lock: Path, note: Path) -> Iterator[None]:
    """Holds the lock of the system, unless a living process of another machine is named."""
    _check_kinds(lock=lock, note=note)
    mine = FileLock(lock, timeout=0)
    try:
        mine.acquire()
    except Timeout as error:
        raise _refusal(target, _read(note, now=time.time()), lock=lock) from error
    try:
        os.utime(lock)
        found = _read(note, now=lock.stat().st_mtime)  # by the clock of one disk
        if found is not None and not found.is_here and found.is_heard:
            raise _refusal(target, found, lock=None)
        yield
    finally:
        mine.release()


def _check_kinds(*, lock: Path, note: Path) -> None:
    """Refuses what can be no lock or note.

    Raises:
        JobError: With the name of the first.
    """
    wrong = [lock] if _kind(lock) not in (None, stat.S_IFREG) else []
    wrong += [note] if _kind(note) == stat.S_IFDIR else []
    if wrong:
        raise JobError(
            f"{wrong[0]} must be a file, got a folder, link, pipe or device. Move it away, then "
            "run the same command again."
        )


def _kind(path: Path) -> int | None:
    """The kind of what has a name, a link as such; None: nothing, as seen in one look.

    Why: between two looks another process may make it or remove it.
    """
    with suppress(FileNotFoundError):
        return stat.S_IFMT(path.lstat().st_mode)
    return None


def _refusal(target: Path, holder: Holder | None, *, lock: Path | None) -> LockedError:
    """The error for who comes second.

    Args:
        target: What it wants.
        holder: Who was first, if known.
        lock: The file whose lock is taken; None where it is not, as locks may end at a machine.
    """
    advice = "Wait for it, stop it, or take another output folder."
    if holder is not None and lock is None:
        advice += f" If it was killed, run the same command again in {SILENT_S:.0f} seconds."
    if holder is not None and lock is not None and not (holder.is_here or holder.is_heard):
        advice += f" If its machine is gone for good, delete {lock} and run the same command again."
    who = holder or "a process that has just begun"
    return LockedError(f"{target} must have one writer, got another: {who}. {advice}")


def _read(note: Path, *, now: float) -> Holder | None:
    try:
        found = _Note.model_validate_json(read_regular_file(note, max_bytes=NOTE_BYTES))
        silent_s = max(0.0, now - note.stat().st_mtime)
    except (OSError, ValueError, RecursionError):  # torn or damaged: as good as none
        return None
    return Holder(**found.model_dump(), silent_s=silent_s)


def _words(seconds: float) -> str:
    """A duration with its largest unit, such as "3 min"."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"

"""One writer a folder: who comes second learns who holds it; a dead holder holds nothing."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fusion.errors import JobError


class LockedError(JobError):
    """Another process writes to the same folder; a scheduler may try again later."""

    exit_code = 4


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a folder as long as the block runs; the system frees it if the process dies.

    Raises:
        LockedError: If another process holds it; the message names it.
    """
    lock = FileLock(folder / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(
            f"{folder} must have one writer, got another: {_holder(folder)}. Wait for it, stop it, "
            "or take another output folder."
        ) from error
    try:
        holder = {
            "host": socket.gethostname(),
            "process": os.getpid(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        (folder / ".holder.json").write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        (folder / ".holder.json").unlink(missing_ok=True)
        lock.release()


def _holder(folder: Path) -> str:
    found = _read_holder(folder)
    if found is None:
        return "a process that has just begun"
    return f"process {found['process']} on {found['host']} since {found['since']}"


def is_held(folder: Path) -> bool:
    """True while a process works on a folder; one of another machine is believed to live."""
    found = _read_holder(folder)
    if found is None or found["host"] != socket.gethostname():
        return found is not None
    try:
        os.kill(int(found["process"]), 0)  # asks whether it is there
    except ProcessLookupError:
        return False
    except PermissionError:  # it is, and belongs to somebody else
        return True
    return True


def _read_holder(folder: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads((folder / ".holder.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if {"process", "host", "since"} <= found.keys() else None

"""Two writers: one works, the other is refused with who holds the folder; dead ones hold none."""

import os
import signal
import socket
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.kill_job import OneProcess, fork, job_of, kept_files, write_items
from benchmarks.promises.base import Outcome, Promise, Settings
from fusion.errors import FusionError
from fusion.system.lock import LockedError, locked

ROUNDS = 25
WRITERS = 4
PATIENCE_S = 60.0


class Busy(OneProcess):
    """An engine that says that it works, and then does so for ever."""

    def run(self, folder: Path, shards: Sequence[int], log: Any) -> dict[int, str]:
        """Never ends by itself."""
        (folder.parent / "busy").touch()
        time.sleep(3600)
        return {}


def run(settings: Settings) -> Outcome:
    """Second writers while one works, locks of killed ones, and four that begin at once."""
    folder = settings.folder
    write_items(folder / "items.csv", rows=60)
    job = partial(job_of, folder / "items.csv", shard_rows=20)
    job(engine=OneProcess)(folder / "whole")
    outcome = Outcome()
    for number in range(settings.n(ROUNDS)):
        root = folder / str(number)
        root.mkdir()
        _second_and_stale(outcome, root, job, kept_files(folder / "whole"))
        outcome.attempt("four begin at once", partial(_race, root / "race"))
    return outcome


def _second_and_stale(outcome: Outcome, root: Path, job: Any, whole: dict[str, bytes]) -> None:
    output = root / "out"
    holder = fork(partial(job(engine=Busy), output))
    try:
        _wait_for(root / "busy")
        outcome.attempt(
            "a second writer", partial(_refused, job(engine=OneProcess), output, holder)
        )
    finally:
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
    outcome.attempt("the lock of a killed writer", partial(_goes_on, job, output, whole))


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{path.name} did not come")
        time.sleep(0.01)


def _refused(job: Any, output: Path, holder: int) -> str:
    try:
        job(output)
    except FusionError as error:
        named = f"process {holder} on {socket.gethostname()}" in str(error)
        return "" if named else f"the refusal does not say who: {error}"
    return "it wrote beside the first"


def _goes_on(job: Any, output: Path, whole: dict[str, bytes]) -> str:
    job(engine=OneProcess)(output)
    return "" if kept_files(output) == whole else "other files came"


def _race(folder: Path) -> str:
    folder.mkdir()
    children = [fork(partial(hold_alone, folder)) for _ in range(WRITERS)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return "" if set(codes) <= {0, 4} and 0 in codes else f"exit codes {codes}"


def hold_alone(folder: Path) -> None:
    """Holds a folder for a moment; ends the process with 4 where it is held already."""
    try:
        with locked(folder):
            (folder / "alone").mkdir()  # fails where another one is inside
            time.sleep(0.05)
            (folder / "alone").rmdir()
    except LockedError:
        os._exit(4)


PROMISE = Promise("two writers: the second is refused by name; stale locks are recovered", run)

"""Progress where nobody watches: plain lines, for log files and schedulers."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fusion.progress.work import Stage, Work

EVERY_S = 10.0


@contextmanager
def progress_lines(every_s: float = EVERY_S) -> Iterator[Stage]:
    """A line on the error stream for all that is under way, every few seconds, and at each end.

    Args:
        every_s: Seconds between two lines of one piece of work.

    Example:
        >>> with progress_lines() as stage, stage("embedding text", 2, "texts") as work:
        ...     work(2)
    """
    lock = threading.Lock()
    under_way: list[Work] = []
    over = threading.Event()

    def write(work: Work) -> None:
        print_line(f"{work.name} {work.told()}")

    def changed(work: Work) -> None:
        if work.ending:
            with lock:
                under_way.remove(work)
                write(work)

    def stage(name: str, total: int, unit: str) -> Work:
        work = Work(name, total, unit, changed)
        with lock:
            under_way.append(work)
        return work

    def write_often() -> None:
        while not over.wait(every_s):
            with lock:
                for work in under_way:
                    write(work)

    writer = threading.Thread(target=write_often, daemon=True)
    writer.start()
    try:
        yield stage
    finally:
        over.set()
        writer.join()


def print_line(line: str) -> None:
    """Writes one line to the error stream at once; control characters of a name are replaced."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in line)
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(plain.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stderr.flush()

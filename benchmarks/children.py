"""Forked processes in which something is tried: their answer, memory, and what they open."""

import ctypes
import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE_S = 120
OUTWARD = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.exec")
# Read by Python and its packages themselves, never by name of a photo.
SYSTEM = (sys.prefix, sys.base_prefix, "/proc/", "/sys/", str(Path(__file__).parents[1]))


@dataclass(frozen=True)
class Cost:
    """What some work took in a process of its own.

    Args:
        answer: What it gave, JSON-serialisable; an exception as `Type: message`.
        raised: If that is an exception.
        megabytes: Memory above what the process had before.
        cpu_s: Processor time.
    """

    answer: Any
    raised: bool
    megabytes: float
    cpu_s: float


def in_a_child(work: Callable[[], Any], *, patience_s: int = PATIENCE_S) -> Any:
    """What `work` gives (JSON-serialisable) in a forked process.

    Raises:
        RuntimeError: If the process ended without an answer or took too long.
    """
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(patience_s)
        try:
            answer = work()
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        with os.fdopen(write_end, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        content = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not content:
        raise RuntimeError(f"the process ended with {code} and gave no answer")
    return json.loads(content)


def cost_of(
    work: Callable[[], Any], *, limit_mb: int | None = None, patience_s: int = PATIENCE_S
) -> Cost:
    """What some work takes in a forked process, whose imports are not counted.

    Args:
        work: Gives something JSON-serialisable, or raises.
        limit_mb: Memory that it may take besides what the process has; more is a `MemoryError`.
        patience_s: Wall time that it may take.
    """

    def measured() -> list[Any]:
        ctypes.CDLL(None).malloc_trim(0)  # memory that was free before must not hide what is new
        Path("/proc/self/clear_refs").write_text("5")  # nor must an older peak
        if limit_mb is not None:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            limit = pages * resource.getpagesize() + limit_mb * 2**20
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        before, start, raised = _peak_kb(), time.process_time(), False
        try:
            answer = work()
        except BaseException as error:
            answer, raised = f"{type(error).__name__}: {error}", True
        return [answer, raised, (_peak_kb() - before) / 1024, time.process_time() - start]

    return Cost(*in_a_child(measured, patience_s=patience_s))


def _peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@dataclass(frozen=True)
class Seen:
    """What a forked process did.

    Args:
        answer: What its work gave; an exception as `Type: message`.
        opened: Every path that it opened.
        outward: Every connection, look-up of a host, and program that was started.
    """

    answer: Any
    opened: list[str]
    outward: list[str]


def seen_by(work: Callable[[], Any]) -> Seen:
    """Watches some work by an audit hook, in a forked process as hooks cannot be removed."""

    def watched() -> list[Any]:
        opened: list[str] = []
        outward: list[str] = []

        def hook(event: str, args: tuple[Any, ...]) -> None:
            if event == "open" and isinstance(args[0], str | bytes):
                opened.append(os.fsdecode(args[0]))
            elif event in OUTWARD:
                outward.append(f"{event} {args!r}"[:200])

        sys.addaudithook(hook)
        try:
            answer = work()
        except Exception as error:
            answer = f"{type(error).__name__}: {error}"
        return [answer, opened, outward]

    return Seen(*in_a_child(watched))


def outside(opened: Sequence[str], *roots: Path) -> list[str]:
    """Opened paths that are neither below the roots nor part of Python."""
    found = []
    for name in opened:
        inside = any(Path(name).resolve().is_relative_to(root.resolve()) for root in roots)
        if name and not inside and not name.startswith(SYSTEM):
            found.append(name)
    return found

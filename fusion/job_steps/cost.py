"""What a piece of work costs: wall time, and the largest memory of the process meanwhile."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc/self")


@dataclass
class Cost:
    """Wall time in seconds and peak memory in GiB.

    Where the system cannot forget an older peak, it is the largest since the process began; 0 on
    Windows, where it is not known.
    """

    seconds: float = 0.0
    peak_gib: float = 0.0


@contextmanager
def measured() -> Iterator[Cost]:
    """The cost of a block; known when the block has ended."""
    with suppress(OSError):
        (PROC / "clear_refs").write_text("5")  # forgets the peak of what came before
    cost, start = Cost(), time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - start
    cost.peak_gib = _peak_kib() / 2**20


def _peak_kib() -> float:
    with suppress(OSError):
        for line in (PROC / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1])
    with suppress(ImportError):  # Windows has no such module
        import resource

        peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return peak / 1024 if sys.platform == "darwin" else peak  # bytes there, KiB elsewhere
    return 0.0

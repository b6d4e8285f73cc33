"""100,000 damaged photos: the process that reads them never ends, and only listed errors come."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks.mutated_photos import PIECE, Tally, run_piece
from benchmarks.promises.base import Outcome, Promise, Settings

COUNT = 100_000
PROCESSES = 2


def run(settings: Settings) -> Outcome:
    """Decodes photos with 1 to 4 faults each, 5,000 to a process."""
    tally = Tally()
    context = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(PROCESSES) as pool:
        for found in pool.map(partial(_piece, context=context), pieces(settings.n(COUNT))):
            tally.add(found)
    n_other = sum(n for name, n in tally.counts.items() if name.startswith("other"))
    outcome = Outcome()
    first = next(iter(tally.others.items()), "")
    outcome.cases("photos", tried=tally.counts.total(), failed=n_other, broken=str(first))
    told = ", ".join(f"{name} {n:,}" for name, n in tally.counts.most_common())
    outcome.detail.append(
        f"photos: {told}; at most {tally.peak_mb:.0f} MB and {tally.slowest_s:.2f} s for one"
    )
    return outcome


def pieces(count: int) -> Iterator[tuple[int, int]]:
    """Numbers of the photos that one process decodes."""
    for first in range(0, count, PIECE):
        yield first, min(first + PIECE, count)


def _piece(numbers: tuple[int, int], *, context: object) -> Tally:
    return run_piece(*numbers, context)


PROMISE = Promise("100,000 damaged photos: no process ends, only listed errors", run)

"""Look-ups and additions in embedding stores of 10,000 to 5 million keys, by the size of the store.

Run: python benchmarks/store_lookup.py --write
Needs about 1 GB in the folder of temporary files, and about ten minutes on two cores.
"""

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fusion.store import SegmentStore, merge_stores
from fusion.store.segment import KEY_DTYPE, Keys

SIZES = (10_000, 100_000, 1_000_000, 5_000_000)
SEGMENT_ROWS = 2048  # what a job commits at a time
ASKED = 2048
DIM = 8
REPEATS = 9
WORKLOAD = """
One store a row, filled by `add` in segments of 2,048 random keys with vectors of 8 numbers, as a
job fills it. A look-up asks for 2,048 keys at once, as a shard does: of one segment (a shard that
comes again), of none (new contents), or spread over the whole store. Medians of 9, the stores in
turns, in processor time (other work shared the machine) with all files in the page cache; `first`
is the first look-up of a process, which opens the store. `add` is the median wall time of the last
50 additions while the store was filled, and the longest of all, in which runs of the index were
merged. Memory is what a process keeps of a store after its look-ups. `merged` is the largest store
after `fusion merge`, in segments of 65,536 rows.
"""
NOTES = """
A look-up reads at most one block of 2 kB a key from each index file (a small store has none and is
asked in memory), so it grows towards a bound. Spread keys lie in up to 2,048 different segments,
and each has to be opened: `fusion merge` makes these few.
"""


def keys_of(segment: int) -> Keys:
    """Keys of a segment, the same in every call."""
    raw = np.random.default_rng(segment).bytes(32 * SEGMENT_ROWS)
    return np.frombuffer(raw, dtype=KEY_DTYPE)


def opened(folder: Path) -> SegmentStore:
    """A store as a new process opens it."""
    return SegmentStore(folder, fingerprint="f", description={})


def fill(folder: Path, n_segments: int) -> list[float]:
    """Seconds of each addition."""
    store = opened(folder)
    vectors = np.zeros((SEGMENT_ROWS, DIM), dtype=np.float32)
    seconds = []
    for segment in range(n_segments):
        keys = keys_of(segment)
        seconds.append(timed(lambda keys=keys: store.add(keys, vectors), clock=time.perf_counter))
    return seconds


def timed(work: Callable[[], Any], *, clock: Callable[[], float]) -> float:
    """Seconds of one call."""
    start = clock()
    work()
    return clock() - start


def questions(n_segments: int, *, repeat: int) -> dict[str, Keys]:
    """2,048 keys of each kind, others in each repetition."""
    rng = np.random.default_rng((n_segments, repeat))
    segments = rng.permutation(n_segments)[:ASKED]
    per_segment = -(-ASKED // len(segments))
    spread = [rng.choice(keys_of(segment), per_segment, replace=False) for segment in segments]
    new = np.frombuffer(rng.bytes(32 * ASKED), dtype=KEY_DTYPE)
    return {
        "one segment": keys_of(int(segments[0])),
        "spread": np.unique(np.concatenate(spread))[:ASKED],
        "new": new,
    }


def kept_bytes(folder: Path, n_segments: int) -> int:
    """What a process keeps of a store in memory after three look-ups."""
    asked = questions(n_segments, repeat=99)
    tracemalloc.start()
    store = opened(folder)
    for keys in asked.values():
        store.find(keys)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return kept


def measure(stores: dict[str, tuple[Path, int]]) -> dict[str, dict[str, float]]:
    """Median milliseconds of each kind of look-up in each store, all stores in turns."""
    readers = {name: opened(folder) for name, (folder, _) in stores.items()}
    found: dict[str, dict[str, list[float]]] = {name: {} for name in stores}
    for repeat in range(-1, REPEATS):
        for name, (_, n_segments) in stores.items():
            for kind, keys in questions(n_segments, repeat=repeat + 1).items():
                taken = timed(
                    lambda name=name, keys=keys: readers[name].find(keys), clock=time.process_time
                )
                label = "first" if repeat < 0 and kind == "one segment" else kind
                if repeat >= 0 or label == "first":
                    found[name].setdefault(label, []).append(1e3 * taken)
    return {
        name: {kind: float(np.median(times)) for kind, times in kinds.items()}
        for name, kinds in found.items()
    }


def rows_of(
    stores: dict[str, tuple[Path, int]],
    taken: dict[str, dict[str, float]],
    added: dict[str, list[float]],
) -> list[dict[str, object]]:
    """The table."""
    first = next(iter(taken.values()))
    rows = []
    for name, (folder, n_segments) in stores.items():
        times = taken[name]
        row: dict[str, object] = {
            "keys": name,
            "segments": len(list(folder.glob("*/*.safetensors"))),
            "index files": len(list(folder.glob("*/*.index"))),
            "first (ms)": f"{times['first']:.1f}",
        }
        for kind in ("one segment", "new", "spread"):
            row[f"{kind} (ms)"] = f"{times[kind]:.1f}"
            row[f"{kind}, ratio"] = f"{times[kind] / first[kind]:.2f}"
        row["add (ms)"] = f"{1e3 * np.median(added[name][-50:]):.1f}" if name in added else "-"
        row["longest add (ms)"] = f"{1e3 * max(added[name]):.0f}" if name in added else "-"
        row["memory (MB)"] = f"{kept_bytes(folder, n_segments) / 1e6:.1f}"
        rows.append(row)
    return rows


def main() -> None:
    """Fills the stores, measures, prints, and writes the table if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--write", action="store_true", help="replace the section of RESULTS.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        stores: dict[str, tuple[Path, int]] = {}
        added: dict[str, list[float]] = {}
        for size in options.sizes:
            n_segments = max(1, round(size / SEGMENT_ROWS))
            name = f"{n_segments * SEGMENT_ROWS:,}"
            stores[name] = (Path(temporary) / str(size), n_segments)
            added[name] = fill(*stores[name])
        merged = Path(temporary) / "merged"
        merge_stores([stores[name][0]], merged)
        stores[f"{name} merged"] = (merged, n_segments)
        rows = rows_of(stores, measure(stores), added)
    if options.write:
        from results import write_section

        write_section(
            "Look-ups in stores of any size",
            command="python benchmarks/store_lookup.py --write",
            workload=WORKLOAD,
            rows=rows,
            notes=NOTES,
        )
    else:
        for row in rows:
            print(row)


if __name__ == "__main__":
    main()

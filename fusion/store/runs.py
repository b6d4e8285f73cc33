"""Runs of an index: sorted lists of where keys may lie.

A run says where to look, never what is there: whoever follows it compares the whole key. So the
first 8 bytes of a key are enough.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Prefixes = NDArray[np.uint64]
Entries = NDArray[np.void]
Candidates = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
"""Positions among the wanted keys, numbers of segments, rows."""

ENTRY = np.dtype([("key", "<u8"), ("segment", "<u4"), ("row", "<u4")])
NOWHERE = 2**32 - 1
"""Number of the segment in entries that stand for nothing."""
LAST_KEY = 2**64 - 1
RANGE_ENTRIES = 65_536
"""Entries that are merged at a time: bounds the memory for it."""


class Run(Protocol):
    """Where the keys of some segments lie."""

    @property
    def names(self) -> Sequence[str]:
        """Segments, at the positions that are their numbers."""

    def __len__(self) -> int:
        """Number of entries."""

    def candidates(self, wanted: Prefixes) -> Candidates:
        """Where the keys that begin with these may lie; several places for one are possible."""

    def between(self, first: int, last: int) -> Entries:
        """Entries whose key is from `first` to `last`, in no order."""


def key_prefixes(raw: bytes) -> Prefixes:
    """First 8 bytes of each key as a number that sorts like the key.

    Args:
        raw: Keys of 32 bytes, one behind the other.
    """
    return np.frombuffer(raw, dtype=">u8").reshape(-1, 4)[:, 0].astype(np.uint64)


def entries_of(prefixes: Prefixes) -> Entries:
    """Entries of one segment, which has the number 0, in the order of its rows."""
    entries = np.zeros(len(prefixes), dtype=ENTRY)
    entries["key"] = prefixes
    entries["row"] = np.arange(len(prefixes))
    return entries


@dataclass(frozen=True)
class MemoryRun:
    """A run in memory; `entries` are sorted by key."""

    names: Sequence[str]
    entries: Entries

    def __len__(self) -> int:
        return len(self.entries)

    def candidates(self, wanted: Prefixes) -> Candidates:
        """See `Run.candidates`."""
        keys = np.ascontiguousarray(self.entries["key"])
        asks, places = spans(
            np.searchsorted(keys, wanted, "left"), np.searchsorted(keys, wanted, "right")
        )
        found = self.entries[places]
        return asks, found["segment"].astype(np.int64), found["row"].astype(np.int64)

    def between(self, first: int, last: int) -> Entries:
        """See `Run.between`."""
        keys = self.entries["key"]
        return self.entries[(keys >= np.uint64(first)) & (keys <= np.uint64(last))]


def merged(runs: Sequence[Run], names: Sequence[str]) -> Iterator[Entries]:
    """Entries of several runs in order of their keys, each once, about 65,536 at a time.

    Args:
        runs: Runs.
        names: Segments whose entries are kept; their positions are the new numbers.
    """
    number = {name: place for place, name in enumerate(names)}
    renumbered = [
        np.array([*(number.get(name, NOWHERE) for name in run.names), NOWHERE], dtype=np.uint32)
        for run in runs
    ]
    n_entries = sum(len(run) for run in runs)
    n_ranges = max(1, n_entries // RANGE_ENTRIES)  # of one width: keys are hashes, evenly spread
    bounds = [part * (LAST_KEY + 1) // n_ranges for part in range(n_ranges + 1)]
    for first, stop in pairwise(bounds):
        parts = []
        for run, numbers in zip(runs, renumbered, strict=True):
            entries = run.between(first, stop - 1).copy()
            entries["segment"] = numbers[np.minimum(entries["segment"], len(run.names))]
            parts.append(entries[entries["segment"] != NOWHERE])
        yield _distinct(np.concatenate(parts))


def _distinct(entries: Entries) -> Entries:
    """Entries in one order, each once: processes that merge at once cover segments twice."""
    words = entries.view("<u8").reshape(-1, 2)
    words = words[np.lexsort(words.T[::-1])]
    is_new = (np.diff(words, axis=0) != 0).any(axis=1)
    kept = words[np.concatenate([[True], is_new])[: len(words)]]
    return np.asarray(kept.view(ENTRY)[:, 0])


def spans(
    first: NDArray[np.int64], stop: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All places from `first` to before `stop` of each ask, and which ask each belongs to."""
    counts = stop - first
    asks = np.repeat(np.arange(len(counts)), counts)
    places = np.arange(len(asks)) + np.repeat(first - (np.cumsum(counts) - counts), counts)
    return asks, places

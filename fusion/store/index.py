"""The index of a store: from a key to the segments and rows that may hold it.

It can be thrown away at any time: what no run covers is read from the segments themselves and put
into a new run. Runs are immutable, carry the hash of the segments that they cover as their name and
are renamed into place, so any number of processes on any number of machines may write them, without
a lock. Each is at least eight times as large as the next smaller one; smaller ones are merged. So
there are few of them, however many segments there are, and each key is rewritten a few dozen times
at most (16 bytes each). Source: O'Neil et al. (1996), "The log-structured merge-tree".
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np

from fusion.store.run_file import FileRun, UnusableRun, write_run
from fusion.store.runs import ENTRY, Entries, MemoryRun, Run, entries_of, key_prefixes, merged

SEGMENT_SUFFIX = ".safetensors"
INDEX_SUFFIX = ".index"
RATIO = 8
MOST_LOOSE = 8  # segments that no run covers yet
LOOSE_ROWS = 131_072  # their rows, 16 bytes each in memory
PORTION_ROWS = 1_048_576  # of an old store that are indexed at a time


class SegmentIndex:
    """Where the keys of a folder of segments may lie.

    Args:
        folder: Folder of one encoder.
        keys_of: Keys of a segment, 32 bytes each, one behind the other; None where it is damaged
            or gone.

    Attributes:
        segments: Names of the segments that were there at the last `refresh`, and added since.
    """

    def __init__(self, folder: Path, keys_of: Callable[[str], bytes | None]) -> None:
        self._folder = folder
        self._keys_of = keys_of
        self._runs: dict[str, FileRun] = {}
        self._refused: set[str] = set()  # damaged or unreadable files
        self._loose: dict[str, Entries] = {}
        self._loose_run: MemoryRun | None = None
        self._most_loose = MOST_LOOSE
        self._seen: list[str] | None = None
        self.segments: set[str] = set()

    def runs(self) -> list[Run]:
        """All that there is to look into, the largest first."""
        files: list[Run] = list(sorted(self._runs.values(), key=len, reverse=True))
        return [*files, self._in_memory()] if self._loose else files

    def refresh(self) -> None:
        """Takes in what any process has written or removed since the last call.

        Raises:
            UnusableRun: If a run cannot be merged: `refuse` it and call again.
        """
        names = listed(self._folder)
        if names == self._seen:
            return
        segments = segments_of(names)
        files = {name for name in names if name.endswith(INDEX_SUFFIX)}
        opened = self._open(files - self._refused)
        self._runs, loose = _cover(opened, segments)
        for name in files - self._runs.keys() - self._refused:  # others cover what it covers
            _remove(self._folder / name)
        self._seen, self.segments = names, segments
        self._forget(self._loose.keys() - loose)
        try:
            self._take_in(loose - self._loose.keys())
        except BaseException:
            self._seen = None  # some segments are not covered yet: the next call goes on
            raise
        self._grow_if_due()

    def _take_in(self, loose: Iterable[str]) -> None:
        for name in sorted(loose):
            raw = self._keys_of(name)
            if raw is not None:
                self._add(name, raw)
            if self._n_loose_rows() >= PORTION_ROWS and self._most_loose == MOST_LOOSE:
                self._grow()

    def add(self, name: str, raw: bytes) -> None:
        """Takes in a segment that was written just now."""
        self._add(name, raw)
        try:
            self._grow_if_due()
        except UnusableRun as unusable:  # its segments are found by the next `refresh`
            self.refuse(unusable)

    def refuse(self, unusable: UnusableRun) -> None:
        """Never reads a run again; its segments are read instead and covered by a new one."""
        name = unusable.path.name
        self._refused.add(name)
        self._runs.pop(name, None)
        if unusable.damaged:
            _remove(unusable.path)
        self._seen = None

    def _open(self, files: Iterable[str]) -> list[FileRun]:
        opened = []
        for name in sorted(files):
            try:
                opened.append(self._runs.get(name) or FileRun.open(self._folder / name))
            except UnusableRun as unusable:
                self.refuse(unusable)
        return opened

    def _add(self, name: str, raw: bytes) -> None:
        self.segments.add(name)
        self._loose[name] = entries_of(key_prefixes(raw))
        self._loose_run = None

    def _forget(self, names: Iterable[str]) -> None:
        for name in list(names):
            del self._loose[name]
            self._loose_run = None

    def _n_loose_rows(self) -> int:
        return sum(map(len, self._loose.values()))

    def _in_memory(self) -> MemoryRun:
        """The segments that no file covers, as a run."""
        if self._loose_run is None:
            names = sorted(self._loose)
            entries = np.concatenate([np.empty(0, ENTRY), *(self._loose[name] for name in names)])
            sizes = [len(self._loose[name]) for name in names]
            entries["segment"] = np.repeat(np.arange(len(names)), sizes)
            self._loose_run = MemoryRun(names, entries[np.argsort(entries["key"], kind="stable")])
        return self._loose_run

    def _grow_if_due(self) -> None:
        many = len(self._loose) >= self._most_loose
        if many or (self._n_loose_rows() >= LOOSE_ROWS and self._most_loose == MOST_LOOSE):
            self._grow()

    def _grow(self) -> None:
        """Writes a run that covers the loose segments and all runs that are not much larger.

        Where it cannot be written (a store on a read-only disk), they stay in memory.

        Raises:
            UnusableRun: If one of those runs cannot be read: another process has merged it, say.
        """
        sources: list[Run] = [self._in_memory()]
        taken: list[FileRun] = []
        n_entries = len(sources[0])
        for run in sorted(self._runs.values(), key=len):
            if len(run) >= RATIO * n_entries:
                break
            taken.append(run)
            n_entries += len(run)
        sources += taken
        present = segments_of(listed(self._folder))
        names = sorted({name for run in sources for name in run.names} & present)
        try:
            path = write_run(self._folder, names, merged(sources, names))
            written = FileRun.open(path)
        except OSError:
            self._most_loose = 2 * len(self._loose)
            return
        self._most_loose = MOST_LOOSE
        self._refused.discard(path.name)
        for run in taken:
            del self._runs[run.path.name]
            if run.path != path:
                _remove(run.path)
        self._runs[path.name] = written
        self._forget(self._loose)
        self._seen = None


def _cover(runs: Iterable[FileRun], segments: set[str]) -> tuple[dict[str, FileRun], set[str]]:
    """Runs that are needed, the largest first, and the segments that none covers."""
    left = set(segments)
    needed = {}
    for run in sorted(runs, key=lambda run: (-len(run), run.path.name)):
        covered = left.intersection(run.names)
        if covered:
            needed[run.path.name] = run
            left -= covered
    return needed, left


def listed(folder: Path) -> list[str]:
    """Names of all that is there, as the system gives them."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - a Path for each of thousands of names is slow
    except (FileNotFoundError, NotADirectoryError):  # deleted while in use
        return []


def segments_of(names: Iterable[str]) -> set[str]:
    """Those that are segments."""
    return {name for name in names if name.endswith(SEGMENT_SUFFIX)}


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()

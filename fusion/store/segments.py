"""Where embeddings lie on disk: immutable segment files below one folder for each encoder.

```
STORE/<encoder fingerprint>/encoder.json               what the fingerprint stands for
STORE/<encoder fingerprint>/<name>.safetensors         a segment, see `fusion.store.segment`
STORE/<encoder fingerprint>/<name>.corrupt             a damaged segment, set aside, never read
STORE/<encoder fingerprint>/<name>.index               where keys lie, see `fusion.store.index`
```

A segment is written to a temporary file, flushed to disk and renamed, so it is there as a whole or
not at all, and never changes under its name. Two processes write segments of different names; what
both encoded is there twice, with equal vectors, and does no harm. The store can be deleted at any
time, also while it is used: it only costs time.
"""

import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.errors import StoreError
from fusion.files import write_atomically
from fusion.store.index import SEGMENT_SUFFIX, SegmentIndex, listed, segments_of
from fusion.store.run_file import FileRun, UnusableRun
from fusion.store.runs import Run, key_prefixes
from fusion.store.segment import (
    KEY_BYTES,
    KEY_DTYPE,
    Keys,
    Segment,
    Vectors,
    Warnings,
    open_segment,
    segment_bytes,
)

COMMITS = 5  # tries to write into a folder that others delete


@dataclass(frozen=True)
class Found:
    """What a store has of some keys.

    Args:
        mask: `[n]`, True where a key is stored.
        vectors: `[mask.sum(), dim]` in the order of the found keys; None where nothing was found.
        warnings: Position of a key -> what was odd about its content.
    """

    mask: NDArray[np.bool_]
    vectors: Vectors | None
    warnings: dict[int, Warnings]


class _Search:
    """What has been found so far of some keys."""

    def __init__(self, keys: Keys) -> None:
        raw = keys.tobytes()
        self.keys = np.frombuffer(raw, dtype=np.uint8).reshape(len(keys), KEY_BYTES)
        self.prefixes = key_prefixes(raw)
        self.order = np.argsort(self.prefixes)
        self.mask = np.zeros(len(keys), dtype=bool)
        self.vectors: Vectors | None = None
        self.warnings: dict[int, Warnings] = {}

    def left(self) -> NDArray[np.int64]:
        """Positions of the keys that are not found yet, sorted by key."""
        return np.asarray(self.order[~self.mask[self.order]])

    def take(self, segment: Segment, places: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Takes rows of a segment as those of the keys at `places`."""
        if self.vectors is None:
            shape = (len(self.keys), segment.vectors.shape[1])
            self.vectors = np.empty(shape, dtype=np.float32)
        self.vectors[places] = segment.vectors[rows]
        self.mask[places] = True
        self.warnings |= {int(places[new]): codes for new, codes in segment.odd(rows).items()}

    def result(self) -> Found:
        vectors = None if self.vectors is None else self.vectors[self.mask]
        return Found(self.mask, vectors, self.warnings)


class SegmentStore:
    """Embeddings of one encoder, found by the SHA-256 of a content; threads may share it.

    Args:
        root: Folder of the whole store; made if absent.
        fingerprint: Fingerprint of the encoder; other encoders never see these vectors.
        description: What is written to `encoder.json`, for people.

    Raises:
        StoreError: If the folder cannot be made.
    """

    def __init__(self, root: Path, *, fingerprint: str, description: dict[str, Any]) -> None:
        self.folder = root / fingerprint
        self.n_corrupted = 0
        self._description = description
        self._index = SegmentIndex(self.folder, self._keys_of)
        self._lock = threading.RLock()
        try:
            self._make()
        except OSError as error:
            raise StoreError(
                f"store must be a folder to write to, got {root} ({error})."
            ) from error

    def find(self, keys: Keys) -> Found:
        """Which keys are stored, and what is stored with them.

        Shape:
            keys `[n]` of 32 bytes, distinct.

        Raises:
            StoreError: If the store cannot be read, or a damaged part of it not be set aside.
        """
        with self._lock:
            while True:
                try:
                    return self._find(keys)
                except UnusableRun as unusable:
                    self._index.refuse(unusable)
                except StoreError:
                    raise
                except OSError as error:
                    raise StoreError(
                        f"store {self.folder.parent} cannot be read: {error}."
                    ) from error

    def _find(self, keys: Keys) -> Found:
        self._index.refresh()
        search = _Search(keys)
        for run in self._index.runs():
            left = search.left()
            if not len(left):
                break
            asks, numbers, rows = run.candidates(search.prefixes[left])
            order = np.argsort(numbers, kind="stable")
            starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
            for some in np.split(order, starts[1:]) if len(order) else []:
                name = run.names[numbers[some[0]]]
                self._follow(run, name, search, places=left[asks[some]], rows=rows[some])
        return search.result()

    def _follow(
        self,
        run: Run,
        name: str,
        search: _Search,
        *,
        places: NDArray[np.int64],
        rows: NDArray[np.int64],
    ) -> None:
        """Looks for keys in the rows of a segment where a run says that they may lie.

        Raises:
            UnusableRun: If the run says of a sound segment what is not so.
        """
        segment = self._open(name) if name in self._index.segments else None
        if segment is None:
            return
        there = rows < len(segment.keys)
        places, rows = places[there], rows[there]
        good = self._good(name, segment, rows)
        places, rows = places[good], rows[good]
        keys = segment.keys[rows]
        told = key_prefixes(keys.tobytes()) == search.prefixes[places]
        if isinstance(run, FileRun) and not (there.all() and told.all()):
            raise UnusableRun(run.path, damaged=True)
        same = (keys == search.keys[places]).all(axis=1) & ~search.mask[places]
        search.take(segment, places[same], rows[same])

    def add(
        self, keys: Keys, vectors: Vectors, *, warnings: Mapping[int, Warnings] | None = None
    ) -> None:
        """Commits vectors as one new segment; they are safe on disk when this returns.

        Args:
            keys: `[n]`, distinct.
            vectors: `[n, dim]`.
            warnings: Row -> what was odd about its content.

        Raises:
            StoreError: If the segment cannot be written; nothing partial is left behind.
        """
        name = f"{uuid.uuid4().hex}{SEGMENT_SUFFIX}"
        content = segment_bytes(keys, vectors, dict(warnings or {}))
        with self._lock:
            try:
                self._commit(name, content)
            except OSError as error:
                raise StoreError(
                    f"store {self.folder.parent} cannot be written: {error}."
                ) from error
            self._index.add(name, keys.tobytes())

    def segments(self) -> Iterator[tuple[Keys, Vectors, dict[int, Warnings]]]:
        """Keys, vectors and warnings of each readable segment, damaged rows left out."""
        for name in sorted(segments_of(listed(self.folder))):
            segment = self._open(name)
            if segment is None:
                continue
            rows = np.flatnonzero(self._good(name, segment, np.arange(len(segment.keys))))
            keys = np.frombuffer(segment.keys[rows].tobytes(), dtype=KEY_DTYPE)
            yield keys, np.asarray(segment.vectors[rows]), segment.odd(rows)

    def _commit(self, name: str, content: bytes) -> None:
        """Writes a file, again where somebody deletes the folder meanwhile."""
        for attempt in range(COMMITS):
            try:
                self._make()
                write_atomically(self.folder / name, content)
                return
            except FileNotFoundError:
                if attempt == COMMITS - 1:
                    raise

    def _make(self) -> None:
        """The folder and what it says of itself; made again where somebody deleted it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.folder / "encoder.json").exists():
            content = json.dumps(self._description, indent=1).encode()
            write_atomically(self.folder / "encoder.json", content)

    def _keys_of(self, name: str) -> bytes | None:
        segment = self._open(name)
        return None if segment is None else segment.keys.tobytes()

    def _open(self, name: str) -> Segment | None:
        """A segment; None, with the file set aside, where it is damaged.

        Raises:
            StoreError: If the machine cannot read it now, which says nothing against its content.
        """
        try:
            return open_segment(self.folder / name)
        except FileNotFoundError:  # another process has set it aside
            return None
        except OSError as error:
            raise StoreError(f"store {self.folder.parent} cannot be read: {error}.") from error
        except (AttributeError, KeyError, TypeError, ValueError):
            self.n_corrupted += 1
            self._set_aside(name)
        return None

    def _good(self, name: str, segment: Segment, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`[len(rows)]`, True where key, vector and warnings are as they were written."""
        good = segment.good(rows)
        if not good.all():
            self._salvage(name, segment)
        return good

    def _salvage(self, name: str, segment: Segment) -> None:
        """Keeps the sound rows of a damaged segment in a new one and sets the old one aside.

        Two processes may do so at once: the rows are there twice then, which does no harm.
        """
        sound = np.flatnonzero(segment.good(np.arange(len(segment.keys))))
        self.n_corrupted += len(segment.keys) - len(sound)
        if len(sound):
            keys = np.frombuffer(segment.keys[sound].tobytes(), dtype=KEY_DTYPE)
            self.add(keys, np.asarray(segment.vectors[sound]), warnings=segment.odd(sound))
        self._set_aside(name)

    def _set_aside(self, name: str) -> None:
        path = self.folder / name
        try:
            path.replace(path.with_suffix(".corrupt"))
        except FileNotFoundError:
            return  # another process was quicker
        except OSError as error:
            raise StoreError(
                f"store {self.folder.parent} has a damaged segment that cannot be set aside: "
                f"{error}. Make the folder writable, or leave the store out."
            ) from error

"""Where embeddings lie on disk: immutable segment files below one folder for each encoder.

```
STORE/<encoder fingerprint>/encoder.json               what the fingerprint stands for
STORE/<encoder fingerprint>/<name>.safetensors         keys [n, 32] uint8, vectors [n, dim] float32,
                                                       checks [n] int64 (CRC-32 of key, vector and
                                                       warnings); warnings by row in the metadata
STORE/<encoder fingerprint>/<name>.corrupt             a damaged segment, set aside, never read
```

A segment is written to a temporary file, flushed to disk and renamed, so it is there as a whole or
not at all. Two processes write segments of different names; what both encoded is there twice, with
equal vectors, and does no harm. The store can be deleted at any time: it only costs time.
"""

import json
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from fusion.errors import StoreError
from fusion.files import write_atomically

Keys = NDArray[np.bytes_]
Vectors = NDArray[np.float32]
Warnings = tuple[str, ...]
WARNINGS = "warnings"
KEY_BYTES = 32
KEY_DTYPE = np.dtype(f"S{KEY_BYTES}")


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


@dataclass(frozen=True)
class _Segment:
    """The arrays of one segment file."""

    keys: NDArray[np.uint8]
    vectors: Vectors
    checks: NDArray[np.int64]
    warnings: dict[int, Warnings]

    def good(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`[len(rows)]`, True where a row has its checksum."""
        odd = {
            new: self.warnings[old] for new, old in enumerate(rows.tolist()) if old in self.warnings
        }
        sums = _checks(self.keys[rows], self.vectors[rows], odd)
        return np.asarray(sums == self.checks[rows])


class SegmentStore:
    """Embeddings of one encoder, found by the SHA-256 of a content.

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
        self._keys: dict[str, Keys] = {}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / "encoder.json").exists():
                write_atomically(
                    self.folder / "encoder.json", json.dumps(description, indent=1).encode()
                )
        except OSError as error:
            raise StoreError(
                f"store must be a folder to write to, got {root} ({error})."
            ) from error

    def find(self, keys: Keys) -> Found:
        """Which keys are stored, and what is stored with them.

        Shape:
            keys `[n]` of 32 bytes, distinct.
        """
        order = np.argsort(keys)
        ranked = keys[order]
        mask = np.zeros(len(keys), dtype=bool)
        vectors: Vectors | None = None
        warnings: dict[int, Warnings] = {}
        for name in self._segments():
            rows, places = _matches(self._keys[name], ranked)
            fresh = ~mask[order[places]]
            rows, places = rows[fresh], places[fresh]
            segment = self._open(name) if len(rows) else None
            if segment is None:
                continue
            good = self._good(name, segment, rows)
            if vectors is None:
                vectors = np.empty((len(keys), segment.vectors.shape[1]), dtype=np.float32)
            target = order[places[good]]
            vectors[target] = segment.vectors[rows[good]]
            mask[target] = True
            pairs = zip(rows[good].tolist(), target.tolist(), strict=True)
            warnings |= {
                place: segment.warnings[row] for row, place in pairs if row in segment.warnings
            }
        return Found(mask, None if vectors is None else vectors[mask], warnings)

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
        odd = dict(warnings or {})
        raw = np.frombuffer(keys.tobytes(), dtype=np.uint8).reshape(len(keys), KEY_BYTES)
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        name = f"{uuid.uuid4().hex}.safetensors"
        content = save(
            {"keys": raw, "vectors": vectors, "checks": _checks(raw, vectors, odd)},
            metadata={WARNINGS: json.dumps(odd)} if odd else None,
        )
        try:
            write_atomically(self.folder / name, content)
        except OSError as error:
            raise StoreError(f"store {self.folder.parent} cannot be written: {error}.") from error
        self._keys[name] = keys.copy()

    def segments(self) -> Iterator[tuple[Keys, Vectors, dict[int, Warnings]]]:
        """Keys, vectors and warnings of each readable segment, damaged rows left out."""
        for name in self._segments():
            keys = self._keys[name]
            segment = self._open(name)
            if segment is None:
                continue
            rows = np.flatnonzero(self._good(name, segment, np.arange(len(keys))))
            odd = {
                new: segment.warnings[old]
                for new, old in enumerate(rows.tolist())
                if old in segment.warnings
            }
            yield keys[rows], np.asarray(segment.vectors[rows]), odd

    def _segments(self) -> list[str]:
        """Names of the readable segments, new ones of other processes included."""
        names = sorted(path.name for path in self.folder.glob("*.safetensors"))
        for name in [known for known in self._keys if known not in names]:
            del self._keys[name]
        for name in [name for name in names if name not in self._keys]:
            segment = self._open(name)
            if segment is not None:
                self._keys[name] = np.frombuffer(segment.keys.tobytes(), dtype=KEY_DTYPE)
        return [name for name in names if name in self._keys]

    def _open(self, name: str) -> _Segment | None:
        """A segment; None, with the file set aside, where it is damaged.

        Raises:
            StoreError: If the machine cannot read it now, which says nothing against its content.
        """
        try:
            return _mapped(self.folder / name)
        except FileNotFoundError:
            self._keys.pop(name, None)  # another process has set it aside
        except OSError as error:
            raise StoreError(f"store {self.folder.parent} cannot be read: {error}.") from error
        except (KeyError, TypeError, ValueError):
            self.n_corrupted += 1
            self._set_aside(name)
        return None

    def _good(self, name: str, segment: _Segment, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`[len(rows)]`, True where key, vector and warnings are as they were written."""
        good = segment.good(rows)
        if not good.all():
            self._salvage(name, segment)
        return good

    def _salvage(self, name: str, segment: _Segment) -> None:
        """Keeps the sound rows of a damaged segment in a new one and sets the old one aside."""
        sound = np.flatnonzero(segment.good(np.arange(len(segment.keys))))
        self.n_corrupted += len(segment.keys) - len(sound)
        if len(sound):
            keys = np.frombuffer(segment.keys[sound].tobytes(), dtype=KEY_DTYPE)
            odd = {
                new: segment.warnings[old]
                for new, old in enumerate(sound.tolist())
                if old in segment.warnings
            }
            self.add(keys, np.asarray(segment.vectors[sound]), warnings=odd)
        self._set_aside(name)

    def _set_aside(self, name: str) -> None:
        path = self.folder / name
        self._keys.pop(name, None)
        if path.exists():
            path.replace(path.with_suffix(".corrupt"))


def _checks(
    raw: NDArray[np.uint8], vectors: Vectors, warnings: Mapping[int, Warnings]
) -> NDArray[np.int64]:
    """CRC-32 `[n]` of key, vector and, where there are any, warnings."""
    checks = []
    for row, (key, vector) in enumerate(zip(raw, np.ascontiguousarray(vectors), strict=True)):
        odd = "\n".join(warnings.get(row, ())).encode()
        checks.append(zlib.crc32(odd, zlib.crc32(vector, zlib.crc32(key))))
    return np.asarray(checks, dtype=np.int64)


def _mapped(path: Path) -> _Segment:
    """A segment whose arrays stay on disk until their rows are asked for.

    Raises:
        FileNotFoundError: If it is not there.
        KeyError, TypeError, ValueError: If it is damaged.
        OSError: If it cannot be read now.
    """
    with path.open("rb") as file:
        n_header = int.from_bytes(file.read(8), "little")
        if n_header > path.stat().st_size:
            raise ValueError(f"{path.name} is shorter than its header says")
        header = json.loads(file.read(n_header))
    odd = json.loads(header.get("__metadata__", {}).get(WARNINGS, "{}"))

    def array(part: str, dtype: Any) -> NDArray[Any]:
        entry = header[part]
        start = 8 + n_header + entry["data_offsets"][0]
        return np.memmap(path, dtype, mode="r", offset=start, shape=tuple(entry["shape"]))

    return _Segment(
        keys=array("keys", np.uint8),
        vectors=array("vectors", np.float32),
        checks=array("checks", np.int64),
        warnings={int(row): tuple(codes) for row, codes in odd.items()},
    )


def _matches(stored: Keys, ranked: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `stored` that are wanted, and their places in the sorted wanted keys."""
    places = np.searchsorted(ranked, stored)
    places = np.minimum(places, len(ranked) - 1)
    rows = np.flatnonzero(ranked[places] == stored)
    _, first = np.unique(places[rows], return_index=True)
    rows = rows[first]
    return rows.astype(np.int64), places[rows].astype(np.int64)

"""Where embeddings lie on disk: immutable segment files below one folder for each encoder.

```
STORE/<encoder fingerprint>/encoder.json               what the fingerprint stands for
STORE/<encoder fingerprint>/<name>.safetensors         keys [n, 32] uint8, vectors [n, dim] float32,
                                                       checks [n] int64 (CRC-32 of key and vector)
STORE/<encoder fingerprint>/<name>.corrupt             a damaged segment, set aside, never read
```

A segment is written to a temporary file, flushed to disk and renamed, so it is there as a whole or
not at all. Two processes write segments of different names; what both encoded is there twice, with
equal vectors, and does no harm. The store can be deleted at any time: it only costs time.
"""

import json
import uuid
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from fusion.errors import StoreError
from fusion.files import write_atomically

Keys = NDArray[np.bytes_]
Vectors = NDArray[np.float32]
KEY_BYTES = 32
KEY_DTYPE = np.dtype(f"S{KEY_BYTES}")


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

    def find(self, keys: Keys) -> tuple[NDArray[np.bool_], Vectors | None]:
        """Which keys are stored, and their vectors in the order of the found keys.

        Shape:
            keys `[n]` of 32 bytes, distinct -> mask `[n]`, vectors `[mask.sum(), dim]` or None
            where nothing was found.
        """
        order = np.argsort(keys)
        ranked = keys[order]
        found = np.zeros(len(keys), dtype=bool)
        vectors: Vectors | None = None
        for name in self._segments():
            rows, places = _matches(self._keys[name], ranked)
            fresh = ~found[order[places]]
            rows, places = rows[fresh], places[fresh]
            if len(rows) == 0:
                continue
            good, values = self._read(name, rows)
            if values is None:
                continue
            if vectors is None:
                vectors = np.empty((len(keys), values.shape[1]), dtype=np.float32)
            target = order[places[good]]
            vectors[target] = values[good]
            found[target] = True
        return found, None if vectors is None else vectors[found]

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Commits vectors as one new segment; they are safe on disk when this returns.

        Raises:
            StoreError: If the segment cannot be written; nothing partial is left behind.
        """
        raw = np.frombuffer(keys.tobytes(), dtype=np.uint8).reshape(len(keys), KEY_BYTES)
        vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        name = f"{uuid.uuid4().hex}.safetensors"
        content = save(
            {
                "keys": torch.from_numpy(raw.copy()),
                "vectors": torch.from_numpy(vectors),
                "checks": torch.from_numpy(_checks(raw, vectors)),
            }
        )
        try:
            write_atomically(self.folder / name, content)
        except OSError as error:
            raise StoreError(f"store {self.folder.parent} cannot be written: {error}.") from error
        self._keys[name] = keys.copy()

    def _segments(self) -> list[str]:
        """Names of the readable segments, new ones of other processes included."""
        names = sorted(path.name for path in self.folder.glob("*.safetensors"))
        for name in [known for known in self._keys if known not in names]:
            del self._keys[name]
        for name in [name for name in names if name not in self._keys]:
            raw = self._tensor(name, "keys")
            if raw is not None:
                self._keys[name] = np.frombuffer(raw.tobytes(), dtype=KEY_DTYPE)
        return list(self._keys)

    def _read(self, name: str, rows: NDArray[np.int64]) -> tuple[NDArray[np.bool_], Vectors | None]:
        raw, vectors, checks = (self._tensor(name, part) for part in ("keys", "vectors", "checks"))
        if raw is None or vectors is None or checks is None:
            self._keys.pop(name, None)
            return np.zeros(len(rows), dtype=bool), None
        good = _checks(raw[rows], vectors[rows]) == checks[rows]
        if not good.all():
            self._salvage(name, raw, vectors=vectors, checks=checks)
        return good, vectors[rows]

    def _tensor(self, name: str, part: str) -> NDArray[Any] | None:
        """One tensor of a segment; None, with the segment set aside, where it cannot be read."""
        try:
            with safe_open(self.folder / name, framework="np") as file:
                array: NDArray[Any] = file.get_tensor(part)
                return array
        except FileNotFoundError:
            return None  # another process has set it aside
        except (SafetensorError, OSError, ValueError):
            self.n_corrupted += 1
            self._set_aside(name)
            return None

    def _salvage(
        self, name: str, raw: NDArray[np.uint8], *, vectors: Vectors, checks: NDArray[np.int64]
    ) -> None:
        """Keeps the sound rows of a damaged segment in a new one and sets the old one aside."""
        sound = _checks(raw, vectors) == checks
        self.n_corrupted += int((~sound).sum())
        if sound.any():
            keys = np.frombuffer(raw[sound].tobytes(), dtype=KEY_DTYPE)
            self.add(keys, vectors[sound])
        self._set_aside(name)

    def _set_aside(self, name: str) -> None:
        path = self.folder / name
        self._keys.pop(name, None)
        if path.exists():
            path.replace(path.with_suffix(".corrupt"))


def _checks(raw: NDArray[np.uint8], vectors: Vectors) -> NDArray[np.int64]:
    pairs = zip(raw, np.ascontiguousarray(vectors), strict=True)
    return np.asarray([zlib.crc32(vector, zlib.crc32(key)) for key, vector in pairs], np.int64)


def _matches(stored: Keys, ranked: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `stored` that are wanted, and their places in the sorted wanted keys."""
    places = np.searchsorted(ranked, stored)
    places = np.minimum(places, len(ranked) - 1)
    rows = np.flatnonzero(ranked[places] == stored)
    _, first = np.unique(places[rows], return_index=True)
    rows = rows[first]
    return rows.astype(np.int64), places[rows].astype(np.int64)

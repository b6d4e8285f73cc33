"""One segment file: keys, vectors and their checksums.

A safetensors file with `keys` `[n, 32]` uint8, `vectors` `[n, dim]` float32 and `checks` `[n]`
int64, the CRC-32 of key, vector and warnings of each row; warnings by row stand in its metadata.
"""

import json
import mmap
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

Keys = NDArray[np.bytes_]
Vectors = NDArray[np.float32]
Warnings = tuple[str, ...]
WARNINGS = "warnings"
KEY_BYTES = 32
KEY_DTYPE = np.dtype(f"S{KEY_BYTES}")


@dataclass(frozen=True)
class Segment:
    """The arrays of one segment file."""

    keys: NDArray[np.uint8]
    vectors: Vectors
    checks: NDArray[np.int64]
    warnings: dict[int, Warnings]

    def good(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`[len(rows)]`, True where a row has its checksum."""
        sums = _checks(self.keys[rows], self.vectors[rows], self.odd(rows))
        return np.asarray(sums == self.checks[rows])

    def odd(self, rows: NDArray[np.int64]) -> dict[int, Warnings]:
        """Warnings of some rows, by their position among these."""
        if not self.warnings:
            return {}
        pairs = enumerate(rows.tolist())
        return {new: self.warnings[old] for new, old in pairs if old in self.warnings}


def segment_bytes(keys: Keys, vectors: Vectors, warnings: Mapping[int, Warnings]) -> bytes:
    """The file of some keys `[n]`, their vectors `[n, dim]` and warnings by row."""
    raw = np.frombuffer(keys.tobytes(), dtype=np.uint8).reshape(len(keys), KEY_BYTES)
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    return save(
        {"keys": raw, "vectors": vectors, "checks": _checks(raw, vectors, warnings)},
        metadata={WARNINGS: json.dumps(dict(warnings))} if warnings else None,
    )


def _checks(
    raw: NDArray[np.uint8], vectors: Vectors, warnings: Mapping[int, Warnings]
) -> NDArray[np.int64]:
    """CRC-32 `[n]` of key, vector and, where there are any, warnings."""
    checks = []
    for row, (key, vector) in enumerate(zip(raw, np.ascontiguousarray(vectors), strict=True)):
        odd = "\n".join(warnings.get(row, ())).encode()
        checks.append(zlib.crc32(odd, zlib.crc32(vector, zlib.crc32(key))))
    return np.asarray(checks, dtype=np.int64)


def open_segment(path: Path) -> Segment:
    """A segment whose arrays stay on disk until their rows are asked for.

    Raises:
        FileNotFoundError: If it is not there.
        AttributeError, KeyError, TypeError, ValueError: If it is damaged.
        OSError: If it cannot be read now.
    """
    with path.open("rb") as file:
        content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    n_header = int.from_bytes(content[:8], "little")
    if n_header > len(content):
        raise ValueError(f"{path.name} is shorter than its header says")
    header = json.loads(content[8 : 8 + n_header])
    odd = json.loads(header.get("__metadata__", {}).get(WARNINGS, "{}"))

    def array(part: str, dtype: Any) -> NDArray[Any]:
        entry = header[part]
        start, stop = (8 + n_header + offset for offset in entry["data_offsets"])
        size = (stop - start) // np.dtype(dtype).itemsize
        return np.frombuffer(content, dtype, size, start).reshape(entry["shape"])

    keys, vectors, checks = (
        array("keys", np.uint8),
        array("vectors", np.float32),
        array("checks", np.int64),
    )
    n_rows = len(checks)
    if keys.shape != (n_rows, KEY_BYTES) or vectors.ndim != 2 or len(vectors) != n_rows:
        raise ValueError(f"{path.name} has arrays that do not go together")
    return Segment(
        keys=keys,
        vectors=vectors,
        checks=checks,
        warnings={int(row): tuple(codes) for row, codes in odd.items()},
    )

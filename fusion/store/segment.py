"""One segment file: keys, vectors and their checksums.

A safetensors file with `keys` `[n, 32]` uint8, `vectors` `[n, dim]` float32 and `checks` `[n]`
int64, the CRC-32 of key, vector and warnings of each row; warnings by row stand in its metadata.
"""

import errno
import json
import math
import mmap
import uuid
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from fusion.system.files import open_regular_file

Keys = NDArray[np.bytes_]
Vectors = NDArray[np.float32]
Warnings = tuple[str, ...]
WARNINGS = "warnings"
KEY_BYTES = 32
DAMAGED_SUFFIX = ".corrupt"
"""Of a damaged segment, which is set aside and never read."""
MOST_HEADER = 100_000_000
"""Bytes that a header may have, as in safetensors itself."""
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


class DamagedSegment(ValueError):
    """A file that has the name of a segment and is none, or no longer."""


def open_segment(path: Path) -> Segment:
    """A segment whose arrays stay on disk until their rows are asked for.

    Raises:
        FileNotFoundError: If it is not there.
        DamagedSegment: If it is no regular file, or anything in its header is not as it must be.
        OSError: If it cannot be read now.
    """
    try:
        with open_regular_file(path) as file:
            content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return _parsed(content)
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link to itself is no file, today or later
            raise DamagedSegment(f"{path.name} is no file") from error
        raise
    except MemoryError:
        raise
    except Exception as error:  # a damaged header makes every kind, RecursionError too
        raise DamagedSegment(f"{path.name} is no segment: {error}") from error


def _parsed(content: mmap.mmap) -> Segment:
    """The arrays, once header and size of the file agree in every detail."""
    n_header = int.from_bytes(content[:8], "little")
    if n_header > min(len(content) - 8, MOST_HEADER):
        raise ValueError(f"its header has {n_header:,} bytes of {len(content):,}")
    header = json.loads(content[8 : 8 + n_header])
    metadata = header.pop("__metadata__", {})
    (n_rows,), (_, dim) = header["checks"]["shape"], header["vectors"]["shape"]
    wanted: dict[str, tuple[str, str, list[int]]] = {
        "keys": ("U8", "u1", [n_rows, KEY_BYTES]),
        "vectors": ("F32", "<f4", [n_rows, dim]),
        "checks": ("I64", "<i8", [n_rows]),
    }
    if header.keys() != wanted.keys() or not metadata.keys() <= {WARNINGS}:
        raise ValueError(f"it holds {', '.join(map(str, header | metadata))}")
    arrays: dict[str, NDArray[Any]] = {}
    place = 0
    for name in sorted(wanted, key=lambda name: header[name]["data_offsets"]):
        label, dtype, shape = wanted[name]
        size = math.prod(shape) * np.dtype(dtype).itemsize
        offsets = [place, place + size]
        if header[name] != {"dtype": label, "shape": shape, "data_offsets": offsets}:
            raise ValueError(f"its {name} are {header[name]}")
        count, start = math.prod(shape), 8 + n_header + place
        arrays[name] = np.frombuffer(content, dtype, count, start).reshape(shape)
        place += size
    if 8 + n_header + place != len(content):
        raise ValueError(f"it has {len(content):,} bytes")
    odd = {
        int(row): _codes(codes) for row, codes in json.loads(metadata.get(WARNINGS, "{}")).items()
    }
    if not all(0 <= row < n_rows for row in odd):
        raise ValueError("its warnings are of rows that it has not")
    return Segment(**arrays, warnings=odd)


def _codes(codes: Any) -> Warnings:
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise ValueError(f"it warns of {codes}")
    return tuple(codes)


def rename_aside(path: Path) -> None:
    """Gives a damaged file a name under which it is never read."""
    aside = path.with_suffix(DAMAGED_SUFFIX)
    if aside.is_dir():  # which cannot be replaced
        aside = path.with_name(f"{path.stem}.{uuid.uuid4().hex}{DAMAGED_SUFFIX}")
    path.replace(aside)

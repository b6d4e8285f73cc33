"""A run in a file, immutable and checked.

```
<name>.index   blocks   [n_blocks, 128] entries of 16 bytes: the first 8 bytes of a key, number of
                        the segment, row; sorted by key, the last block filled up
               firsts   [n_blocks] uint64, key of each block's first entry
               sums     [n_blocks] uint64, checksum of each block
               names    JSON list, names of the segments
               footer   magic, n_blocks, n_entries, length of names, CRC-32 of firsts to footer
```

Blocks are read with `pread`, not mapped: a file that another machine deletes then ends in an error
that can be handled, not in a dead process.
"""

import hashlib
import json
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusion.files import write_parts_atomically
from fusion.store.runs import (
    ENTRY,
    LAST_KEY,
    NOWHERE,
    Candidates,
    Entries,
    Prefixes,
    spans,
    unpacked,
)

BLOCK = 128
BLOCK_BYTES = BLOCK * ENTRY.itemsize
FOOTER = struct.Struct("<8sQQQ")
CRC = struct.Struct("<I")
MAGIC = b"fsnidx01"
ASKED_AT_ONCE = 4096
"""Keys looked up together: bounds the memory for their blocks to 8 MB."""
_MULTIPLIERS = (2 * np.arange(BLOCK_BYTES // 8, dtype=np.uint64) + 1) * np.uint64(
    0x9E3779B97F4A7C15
)


class UnusableRun(Exception):
    """A run that is damaged, gone or cannot be read: its segments must be asked themselves."""

    def __init__(self, path: Path, *, damaged: bool) -> None:
        super().__init__(f"{path.name} cannot be used")
        self.path = path
        self.damaged = damaged


@dataclass(frozen=True)
class FileRun:
    """A run on disk: its tables are in memory, 0.125 bytes a key, its blocks are read when asked.

    Args:
        path: The file.
        names: Segments that it covers.
        firsts: `[n_blocks]` key of each block's first entry.
        sums: `[n_blocks]` checksum of each block.
        n_entries: Number of entries.
    """

    path: Path
    names: Sequence[str]
    firsts: Prefixes
    sums: NDArray[np.uint64]
    n_entries: int

    @classmethod
    def open(cls, path: Path) -> Self:
        """The run in a file.

        Raises:
            UnusableRun: If it is damaged, gone or cannot be read.
        """
        n_footer = FOOTER.size + CRC.size
        try:
            with path.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                footer = _read(file.fileno(), max(0, size - n_footer), n_footer)
                magic, n_blocks, n_entries, n_names = FOOTER.unpack(footer[: FOOTER.size])
                n_tables = 16 * n_blocks + n_names
                if magic != MAGIC or size != n_blocks * BLOCK_BYTES + n_tables + n_footer:
                    raise ValueError("footer")
                tables = _read(file.fileno(), n_blocks * BLOCK_BYTES, n_tables)
            if CRC.pack(zlib.crc32(footer[: FOOTER.size], zlib.crc32(tables))) != footer[-4:]:
                raise ValueError("checksum of the tables")
            names = [str(name) for name in json.loads(tables[16 * n_blocks :])]
        except (ValueError, struct.error) as error:
            raise UnusableRun(path, damaged=True) from error
        except OSError as error:
            raise UnusableRun(path, damaged=False) from error
        both = np.frombuffer(tables, dtype="<u8", count=2 * n_blocks).astype(np.uint64)
        return cls(path, names, both[:n_blocks], both[n_blocks:], n_entries)

    def __len__(self) -> int:
        return self.n_entries

    def candidates(self, wanted: Prefixes) -> Candidates:
        """See `Run.candidates`.

        Raises:
            UnusableRun: If it is damaged, gone or cannot be read.
        """
        starts = range(0, len(wanted), ASKED_AT_ONCE)
        parts = [self._some(wanted[start : start + ASKED_AT_ONCE], start) for start in starts]
        asks, segments, rows = zip(*parts, strict=True)
        return np.concatenate(asks), np.concatenate(segments), np.concatenate(rows)

    def _some(self, wanted: Prefixes, start: int) -> Candidates:
        first = np.maximum(np.searchsorted(self.firsts, wanted, "left") - 1, 0)
        asks, blocks = spans(first, np.searchsorted(self.firsts, wanted, "right"))
        numbers, place = np.unique(blocks, return_inverse=True)
        entries = self._blocks(numbers)
        pair, column = np.nonzero(entries["key"][place] == wanted[asks, None])
        return unpacked(asks[pair] + start, entries[place[pair], column])

    def between(self, first: int, last: int) -> Entries:
        """See `Run.between`.

        Raises:
            UnusableRun: If it is damaged, gone or cannot be read.
        """
        start = max(0, int(np.searchsorted(self.firsts, np.uint64(first), "left")) - 1)
        stop = int(np.searchsorted(self.firsts, np.uint64(last), "right"))
        entries = self._blocks(np.arange(start, stop)).reshape(-1)
        keys = entries["key"]
        return entries[(keys >= np.uint64(first)) & (keys <= np.uint64(last))]

    def _blocks(self, numbers: NDArray[np.int64]) -> Entries:
        """Entries `[len(numbers), 128]` of some blocks, each checked."""
        try:
            with self.path.open("rb") as file:
                parts = zip(*(part.tolist() for part in _neighbours(numbers)), strict=True)
                raw = b"".join([_read(file.fileno(), place, size) for place, size in parts])
        except ValueError as error:
            raise UnusableRun(self.path, damaged=True) from error
        except OSError as error:
            raise UnusableRun(self.path, damaged=False) from error
        if not np.array_equal(_sums(raw), self.sums[numbers]):
            raise UnusableRun(self.path, damaged=True)
        return np.frombuffer(raw, dtype=ENTRY).reshape(-1, BLOCK)


def write_run(folder: Path, names: Sequence[str], chunks: Iterable[Entries]) -> Path:
    """Writes a run; equal segments give equal files, whoever writes them.

    Args:
        folder: Where.
        names: Segments, sorted.
        chunks: Entries, sorted by key from chunk to chunk.

    Raises:
        OSError: If it cannot be written; nothing partial is left behind.
    """
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()
    path = folder / f"{digest[:32]}.index"
    write_parts_atomically(path, _file_parts(names, chunks))
    return path


def _file_parts(names: Sequence[str], chunks: Iterable[Entries]) -> Iterator[bytes]:
    rest = np.empty(0, dtype=ENTRY)
    firsts, sums, n_entries = [], [], 0
    filler = np.zeros(BLOCK, dtype=ENTRY)
    filler["key"], filler["segment"] = LAST_KEY, NOWHERE
    for chunk in (*chunks, None):
        waiting = rest if chunk is None else np.concatenate([rest, chunk])
        n_entries += 0 if chunk is None else len(chunk)
        if chunk is None and len(waiting) % BLOCK:
            waiting = np.concatenate([waiting, filler[len(waiting) % BLOCK :]])
        n_full = len(waiting) // BLOCK * BLOCK
        raw = waiting[:n_full].tobytes()
        rest = waiting[n_full:]
        firsts.append(waiting["key"][:n_full:BLOCK].astype("<u8"))
        sums.append(_sums(raw).astype("<u8"))
        yield raw
    text = json.dumps(list(names)).encode()
    tables = np.concatenate(firsts).tobytes() + np.concatenate(sums).tobytes() + text
    footer = FOOTER.pack(MAGIC, sum(map(len, firsts)), n_entries, len(text))
    yield tables + footer + CRC.pack(zlib.crc32(footer, zlib.crc32(tables)))


def _sums(raw: bytes) -> NDArray[np.uint64]:
    """Checksum of each block: its words times odd numbers, modulo 2^64."""
    words = np.frombuffer(raw, dtype="<u8").reshape(-1, BLOCK_BYTES // 8)
    return (words * _MULTIPLIERS).sum(axis=1, dtype=np.uint64)


def _neighbours(numbers: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Offsets and sizes of what has to be read, blocks side by side at once."""
    starts = np.flatnonzero(np.diff(numbers, prepend=-2) != 1)
    sizes = np.diff(starts, append=len(numbers))
    return numbers[starts] * BLOCK_BYTES, sizes * BLOCK_BYTES


def _read(file: int, offset: int, size: int) -> bytes:
    content = os.pread(file, size, offset)
    if len(content) != size:
        raise ValueError(f"{size} bytes expected, got {len(content)}")
    return content

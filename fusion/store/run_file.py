"""A run in a file, immutable and checked.

```
<name>.index   blocks   [n_blocks, 2, 128] uint64: the first 8 bytes of 128 keys, sorted, then
                        where each lies: segment + 2^32 row; the last block is filled up
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
from itertools import chain
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fusion.store.runs import (
    ENTRY,
    LAST_KEY,
    NOWHERE,
    Candidates,
    Entries,
    Prefixes,
    spans,
)
from fusion.system.files import open_regular_file, write_parts_atomically

BLOCK = 128
BLOCK_BYTES = BLOCK * ENTRY.itemsize
FOOTER = struct.Struct("<8sQQQ")
CRC = struct.Struct("<I")
MAGIC = b"fsnidx01"
ASKED_AT_ONCE = 4096
"""Keys looked up together: bounds the memory for their blocks to 8 MB."""
_MULTIPLIERS = (2 * np.arange(2 * BLOCK, dtype=np.uint64) + 1) * np.uint64(0x9E3779B97F4A7C15)
Words = NDArray[np.uint64]


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
        try:
            with open_regular_file(path) as file:
                return cls(path, *_tables(file.fileno(), size=file.seek(0, os.SEEK_END)))
        except OSError as error:
            raise UnusableRun(path, damaged=False) from error
        except MemoryError:
            raise
        except Exception as error:  # a damaged file makes every kind, RecursionError too
            raise UnusableRun(path, damaged=True) from error

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
        words = self._blocks(numbers)
        hits = np.flatnonzero(words[:, 0][place] == wanted[asks, None])
        pair, column = np.divmod(hits, BLOCK)
        where = words[place[pair], 1, column]
        real = where & NOWHERE != NOWHERE
        segments, rows = where[real] & NOWHERE, where[real] >> 32
        if (segments >= len(self.names)).any():
            raise UnusableRun(self.path, damaged=True)
        return asks[pair][real] + start, segments.astype(np.int64), rows.astype(np.int64)

    def between(self, first: int, last: int) -> Entries:
        """See `Run.between`.

        Raises:
            UnusableRun: If it is damaged, gone or cannot be read.
        """
        start = max(0, int(np.searchsorted(self.firsts, np.uint64(first), "left")) - 1)
        stop = int(np.searchsorted(self.firsts, np.uint64(last), "right"))
        words = self._blocks(np.arange(start, stop))
        keys = words[:, 0]
        inside = (keys >= np.uint64(first)) & (keys <= np.uint64(last))
        entries = np.ascontiguousarray(words.transpose(0, 2, 1)).view(ENTRY)[..., 0]
        return np.asarray(entries[inside])

    def _blocks(self, numbers: NDArray[np.int64]) -> Words:
        """Words `[len(numbers), 2, 128]` of some blocks, each checked."""
        starts = np.flatnonzero(np.diff(numbers, prepend=-2) != 1)  # neighbours are read at once
        sizes = np.diff(starts, append=len(numbers)) * BLOCK_BYTES
        places = zip((numbers[starts] * BLOCK_BYTES).tolist(), sizes.tolist(), strict=True)
        try:
            with open_regular_file(self.path) as file:
                number = file.fileno()
                raw = b"".join([os.pread(number, size, place) for place, size in places])
        except OSError as error:
            raise UnusableRun(self.path, damaged=False) from error
        except ValueError as error:
            raise UnusableRun(self.path, damaged=True) from error
        if len(raw) != len(numbers) * BLOCK_BYTES:
            raise UnusableRun(self.path, damaged=True)
        words = np.frombuffer(raw, dtype="<u8").reshape(-1, 2, BLOCK)
        if not np.array_equal(_sums(words), self.sums[numbers]):
            raise UnusableRun(self.path, damaged=True)
        return words


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
    for chunk in chain(chunks, [None]):
        waiting = rest if chunk is None else np.concatenate([rest, chunk])
        n_entries += 0 if chunk is None else len(chunk)
        if chunk is None and len(waiting) % BLOCK:
            waiting = np.concatenate([waiting, filler[len(waiting) % BLOCK :]])
        n_full = len(waiting) // BLOCK * BLOCK
        words = waiting[:n_full].view("<u8").reshape(-1, BLOCK, 2).transpose(0, 2, 1)
        rest = waiting[n_full:]
        firsts.append(words[:, 0, 0])
        sums.append(_sums(words))
        yield words.tobytes()
    text = json.dumps(list(names)).encode()
    tables = b"".join(np.concatenate(part).astype("<u8").tobytes() for part in (firsts, sums))
    tables += text
    footer = FOOTER.pack(MAGIC, sum(map(len, firsts)), n_entries, len(text))
    yield tables + footer + CRC.pack(zlib.crc32(footer, zlib.crc32(tables)))


def _sums(words: Words) -> NDArray[np.uint64]:
    """Checksum of each block: its words times odd numbers, modulo 2^64."""
    return np.asarray(words.reshape(-1, 2 * BLOCK) @ _MULTIPLIERS)


def _tables(file: int, *, size: int) -> tuple[list[str], Prefixes, NDArray[np.uint64], int]:
    """Names, first keys, checksums and number of entries of a run, if they go together.

    Raises:
        ValueError, struct.error, TypeError, RecursionError: If anything is not as it must be.
        OSError: If the file cannot be read.
    """
    n_footer = FOOTER.size + CRC.size
    footer = _read(file, max(0, size - n_footer), n_footer)
    magic, n_blocks, n_entries, n_names = FOOTER.unpack(footer[: FOOTER.size])
    n_tables = 16 * n_blocks + n_names
    if magic != MAGIC or size != n_blocks * BLOCK_BYTES + n_tables + n_footer:
        raise ValueError("footer")
    tables = _read(file, n_blocks * BLOCK_BYTES, n_tables)
    if CRC.pack(zlib.crc32(footer[: FOOTER.size], zlib.crc32(tables))) != footer[-4:]:
        raise ValueError("checksum of the tables")
    both = np.frombuffer(tables, dtype="<u8", count=2 * n_blocks).astype(np.uint64)
    firsts, sums = both[:n_blocks], both[n_blocks:]
    names = json.loads(tables[16 * n_blocks :])
    sound = isinstance(names, list) and all(isinstance(name, str) for name in names)
    if not sound or (firsts[1:] < firsts[:-1]).any() or -(-n_entries // BLOCK) != n_blocks:
        raise ValueError("tables")
    return names, firsts, sums, n_entries


def _read(file: int, offset: int, size: int) -> bytes:
    content = os.pread(file, size, offset)
    if len(content) != size:
        raise ValueError(f"{size} bytes expected, got {len(content)}")
    return content

"""Contents of values as hashes: what is the same text or photo, whatever it is called."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from encoders.base import Encoder
from encoders.stream import read_ahead

KEY_THREADS = 8  # they wait for the disk more than they compute
MOST_PARTS = 1024  # of one thread at a time

HELD_BYTES = 32 * 2**20
"""Bytes of photo files that stay in memory from the look at them until they are encoded."""

Keyed = list[tuple[bytes, Any]]
"""Key and raw content of each part of a value."""


class HeldFiles:
    """Photo files that were read for their keys, so that they need not be read again.

    Why a limit: a catalogue may have more photos than memory. The rest is read once more where it
    is encoded.
    """

    def __init__(self) -> None:
        self._contents: dict[bytes, bytes] = {}
        self._left = HELD_BYTES
        self._lock = Lock()

    def keep(self, key: bytes, content: bytes) -> None:
        """Holds a content, if there is room."""
        with self._lock:
            if key not in self._contents and len(content) <= self._left:
                self._contents[key] = content
                self._left -= len(content)

    def pop(self, key: bytes) -> bytes | None:
        """Gives a content back and holds it no longer; None where it is not held."""
        with self._lock:
            content = self._contents.pop(key, None)
            self._left += 0 if content is None else len(content)
            return content


def content_key(encoder: Encoder, part: Any) -> bytes:
    """SHA-256 of a part's content; with the encoder's fingerprint it is the key of an embedding.

    Raises:
        ValueError, OSError: If the part cannot be read.
    """
    return _key(encoder, None, part)


def keyed_values(
    encoder: Encoder, values: Sequence[Any], *, held: HeldFiles | None = None
) -> Iterator[Keyed | Exception]:
    """Keys and parts of each value in order, or why they cannot be read.

    Why threads: to know a photo's content is to read its file, and disks answer many at once.

    Args:
        encoder: What the values are for.
        values: Raw values; None is absent.
        held: Takes contents of photo files that are encoded next; None where none is.
    """
    size = min(8 * encoder.piece_parts, MOST_PARTS)  # a hash costs less than the reading of a part
    pieces = [values[start : start + size] for start in range(0, len(values), size)]
    for keyed in read_ahead(partial(_keyed, encoder, held), pieces, n_threads=KEY_THREADS):
        yield from keyed


def _keyed(
    encoder: Encoder, held: HeldFiles | None, values: Sequence[Any]
) -> list[Keyed | Exception]:
    keyed: list[Keyed | Exception] = []
    for value in values:
        try:
            keyed.append([(_key(encoder, held, part), part) for part in encoder.parts(value)])
        except (ValueError, TypeError) as error:
            keyed.append(error)
    return keyed


def _key(encoder: Encoder, held: HeldFiles | None, part: Any) -> bytes:
    content = encoder.content(part)
    key = hashlib.sha256(content).digest()
    if held is not None and encoder.modality == "image" and isinstance(part, Path):
        held.keep(key, content)
    return key

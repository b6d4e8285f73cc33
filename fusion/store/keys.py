"""Contents of values as hashes: what is the same text or photo, whatever it is called."""

import hashlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from encoders.base import Encoder
from encoders.stream import read_ahead

KEY_THREADS = 8  # they wait for the disk more than they compute
MOST_PARTS = 1024  # of one thread at a time

Keyed = list[tuple[bytes, Any]]
"""Key and raw content of each part of a value."""


def content_key(encoder: Encoder, part: Any) -> bytes:
    """SHA-256 of a part's content; with the encoder's fingerprint it is the key of an embedding.

    Raises:
        ValueError, OSError: If the part cannot be read.
    """
    return hashlib.sha256(encoder.content(part)).digest()


def keyed_values(encoder: Encoder, values: Sequence[Any]) -> Iterator[Keyed | Exception]:
    """Keys and parts of each value in order, or why they cannot be read.

    Why threads: to know a photo's content is to read its file, and disks answer many at once.
    """
    size = min(8 * encoder.piece_parts, MOST_PARTS)  # a hash costs less than the reading of a part
    pieces = [values[start : start + size] for start in range(0, len(values), size)]
    for keyed in read_ahead(partial(_keyed, encoder), pieces, n_threads=KEY_THREADS):
        yield from keyed


def _keyed(encoder: Encoder, values: Sequence[Any]) -> list[Keyed | Exception]:
    keyed: list[Keyed | Exception] = []
    for value in values:
        try:
            keyed.append([(content_key(encoder, part), part) for part in encoder.parts(value)])
        except (ValueError, TypeError) as error:
            keyed.append(error)
    return keyed

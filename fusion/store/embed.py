"""Embeds values through the store: each distinct content once, and never again."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.base import Encoder, average_parts
from encoders.stream import encode_each
from fusion.store.keys import Keyed, keyed_values
from fusion.store.segment import KEY_DTYPE, Warnings
from fusion.store.segments import SegmentStore

Vectors = NDArray[np.float32]
Advance = Callable[[int], None]
COMMIT_PARTS = 2048  # parts encoded between two commits: what an interruption can cost


@dataclass
class StoreReport:
    """What one run cost: counts of parts (texts, photos), by how their embedding was had."""

    n_parts: int = 0
    n_distinct: int = 0
    n_found: int = 0
    n_encoded: int = 0
    n_corrupted: int = 0


@dataclass(frozen=True)
class Embedded:
    """Embeddings of values, in their order.

    Args:
        vectors: `[n, dim]` float32; the mean over the parts of a value, zeros where absent.
        present: `[n]`; False where a value is None, has no parts, or failed.
        failures: Position of a value -> why it could not be embedded.
        warnings: Position of a value -> what was odd about its parts, in short codes, each once.
        report: Counts.
    """

    vectors: Vectors
    present: NDArray[np.bool_]
    failures: dict[int, Exception]
    warnings: dict[int, Warnings] = field(default_factory=dict)
    report: StoreReport = field(default_factory=StoreReport)


def embed_values(
    encoder: Encoder,
    values: Sequence[Any],
    *,
    store: Path | None = None,
    batch_multiple: int = 1,
    advance: Advance | None = None,
) -> Embedded:
    """Embeddings of values: duplicates are encoded once, what the store holds not at all.

    A value that cannot be read fails alone; no other value changes. Encoded parts are committed to
    the store every 2,048, so that an interrupted run goes on where it was.

    Args:
        encoder: A cacheable encoder.
        values: Raw values; None is absent.
        store: Folder of the store; None keeps nothing.
        batch_multiple: See `encode_each`: 16 gives a row the same bits among any others.
        advance: Called with a number of finished distinct parts, for a progress bar.

    Returns:
        Embeddings, mask, failures and counts.

    Raises:
        StoreError: If the store cannot be read or written.
    """
    session = _Session(encoder, values, batch_multiple=batch_multiple)
    segments = None if store is None else _open(store, encoder)
    session.run(segments, advance=advance or _ignore)
    return session.result()


class _Session:
    """One call of `embed_values`, step by step."""

    def __init__(self, encoder: Encoder, values: Sequence[Any], *, batch_multiple: int) -> None:
        self.encoder = encoder
        self.batch_multiple = batch_multiple
        self.report = StoreReport()
        self.failures: dict[int, Exception] = {}
        self.owners: list[int] = []  # value of each part
        self.places: list[int] = []  # distinct content of each part
        self.distinct: dict[bytes, int] = {}
        self.examples: list[Any] = []  # one part of each distinct content
        self.n_values = len(values)
        for position, found in enumerate(keyed_values(encoder, values)):
            self._take(position, found)
        self.report.n_parts = len(self.owners)
        self.report.n_distinct = len(self.distinct)
        self.vectors = np.zeros((len(self.distinct), encoder.embedding_dim), dtype=np.float32)
        self.broken: dict[int, Exception] = {}
        self.odd: dict[int, Warnings] = {}

    def _take(self, position: int, found: Keyed | Exception) -> None:
        if isinstance(found, Exception):
            self.failures[position] = found
            return
        for key, part in found:
            place = self.distinct.setdefault(key, len(self.distinct))
            if place == len(self.examples):
                self.examples.append(part)
            self.owners.append(position)
            self.places.append(place)

    def run(self, segments: SegmentStore | None, *, advance: Advance) -> None:
        keys = np.asarray(list(self.distinct), dtype=KEY_DTYPE)
        missing = np.arange(len(keys))
        if segments is not None and len(keys):
            n_corrupted = segments.n_corrupted
            found = segments.find(keys)
            if found.vectors is not None:
                self.vectors[found.mask] = found.vectors
            self.odd |= found.warnings
            missing = np.flatnonzero(~found.mask)
            self.report.n_found = int(found.mask.sum())
            self.report.n_corrupted = segments.n_corrupted - n_corrupted
            advance(self.report.n_found)
        step = len(missing) if segments is None else COMMIT_PARTS
        for start in range(0, len(missing), max(1, step)):
            done = self._encode(missing[start : start + step], advance=advance)
            if segments is not None and len(done):
                odd = {row: self.odd[place] for row, place in enumerate(done) if place in self.odd}
                segments.add(keys[done], self.vectors[done], warnings=odd)

    def _encode(self, places: NDArray[np.int64], *, advance: Advance) -> NDArray[np.int64]:
        """Encodes some distinct parts; gives back the places that succeeded."""
        encoded = encode_each(
            self.encoder,
            [self.examples[place] for place in places],
            batch_multiple=self.batch_multiple,
            advance=advance,
        )
        self.broken |= {int(places[row]): error for row, error in encoded.failures.items()}
        self.odd |= {int(places[row]): codes for row, codes in encoded.warnings.items()}
        sound = np.delete(np.arange(len(places)), list(encoded.failures))
        self.vectors[places[sound]] = encoded.vectors[sound]
        self.report.n_encoded += len(sound)
        return np.asarray(places[sound])

    def result(self) -> Embedded:
        warnings: dict[int, list[str]] = {}
        for owner, place in zip(self.owners, self.places, strict=True):
            if place in self.broken:
                self.failures.setdefault(owner, self.broken[place])
            warnings.setdefault(owner, []).extend(self.odd.get(place, ()))
        counts = np.bincount(np.asarray(self.owners, dtype=int), minlength=self.n_values)
        vectors = average_parts(self.vectors[self.places], counts=counts.tolist())
        present = counts > 0
        present[list(self.failures)] = False
        vectors[~present] = 0.0
        return Embedded(
            vectors,
            present,
            failures=dict(sorted(self.failures.items())),
            warnings={owner: _once(codes) for owner, codes in warnings.items() if codes},
            report=self.report,
        )


def _once(codes: list[str]) -> Warnings:
    return tuple(dict.fromkeys(codes))


def _open(store: Path, encoder: Encoder) -> SegmentStore:
    """The store of an encoder; a job of many shards must not open it again for each."""
    description = {
        "encoder": type(encoder).__name__,
        "config": encoder.config,
        "origin": encoder.origin,
    }
    return _opened(store.absolute(), encoder.fingerprint, json.dumps(description, sort_keys=True))


@lru_cache(maxsize=8)
def _opened(store: Path, fingerprint: str, description: str) -> SegmentStore:
    """Kept by path, which is safe: a store lists its folder, and checks each row, at each look."""
    return SegmentStore(store, fingerprint=fingerprint, description=json.loads(description))


def _ignore(_: int) -> None:
    return None

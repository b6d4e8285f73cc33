"""Embeds values through the store: each distinct content once, and never again."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.base import Encoder, average_parts
from fusion.store.segments import KEY_DTYPE, SegmentStore

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
        report: Counts.
    """

    vectors: Vectors
    present: NDArray[np.bool_]
    failures: dict[int, str]
    report: StoreReport = field(default_factory=StoreReport)


def embed_values(
    encoder: Encoder,
    values: Sequence[Any],
    *,
    store: Path | None = None,
    advance: Advance | None = None,
) -> Embedded:
    """Embeddings of values: duplicates are encoded once, what the store holds not at all.

    A value that cannot be read fails alone; no other value changes. Encoded parts are committed to
    the store every 2,048, so that an interrupted run goes on where it was.

    Args:
        encoder: A cacheable encoder.
        values: Raw values; None is absent.
        store: Folder of the store; None keeps nothing.
        advance: Called with a number of finished distinct parts, for a progress bar.

    Returns:
        Embeddings, mask, failures and counts.

    Raises:
        StoreError: If the store cannot be read or written.
    """
    session = _Session(encoder, values)
    segments = None if store is None else _open(store, encoder)
    session.run(segments, advance=advance or _ignore)
    return session.result()


def content_key(encoder: Encoder, part: Any) -> bytes:
    """SHA-256 of a part's content; with the encoder's fingerprint it is the key of an embedding.

    Raises:
        ValueError, OSError: If the part cannot be read.
    """
    return hashlib.sha256(encoder.content(part)).digest()


class _Session:
    """One call of `embed_values`, step by step."""

    def __init__(self, encoder: Encoder, values: Sequence[Any]) -> None:
        self.encoder = encoder
        self.report = StoreReport()
        self.failures: dict[int, str] = {}
        self.owners: list[int] = []  # value of each part
        self.places: list[int] = []  # distinct content of each part
        self.distinct: dict[bytes, int] = {}
        self.examples: list[Any] = []  # one part of each distinct content
        self.n_values = len(values)
        for position, value in enumerate(values):
            self._take(position, value)
        self.report.n_parts = len(self.owners)
        self.report.n_distinct = len(self.distinct)
        self.vectors = np.zeros((len(self.distinct), encoder.embedding_dim), dtype=np.float32)
        self.broken: dict[int, str] = {}

    def _take(self, position: int, value: Any) -> None:
        try:
            parts = self.encoder.parts(value)
            keys = [content_key(self.encoder, part) for part in parts]
        except (ValueError, OSError) as error:
            self.failures[position] = str(error)
            return
        for key, part in zip(keys, parts, strict=True):
            place = self.distinct.setdefault(key, len(self.distinct))
            if place == len(self.examples):
                self.examples.append(part)
            self.owners.append(position)
            self.places.append(place)

    def run(self, segments: SegmentStore | None, *, advance: Advance) -> None:
        keys = np.asarray(list(self.distinct), dtype=KEY_DTYPE)
        missing = np.arange(len(keys))
        if segments is not None and len(keys):
            found, vectors = segments.find(keys)
            if vectors is not None:
                self.vectors[found] = vectors
            missing = np.flatnonzero(~found)
            self.report.n_found = int(found.sum())
            self.report.n_corrupted = segments.n_corrupted
            advance(self.report.n_found)
        for start in range(0, len(missing), COMMIT_PARTS):
            done = self._encode(missing[start : start + COMMIT_PARTS], advance=advance)
            if segments is not None and len(done):
                segments.add(keys[done], self.vectors[done])

    def _encode(self, places: NDArray[np.int64], *, advance: Advance) -> NDArray[np.int64]:
        """Encodes some distinct parts; gives back the places that succeeded."""
        try:
            self.vectors[places] = self._checked([self.examples[place] for place in places])
        except (ValueError, OSError) as error:
            places = self._without_broken(places, error)
            if len(places):
                self.vectors[places] = self._checked([self.examples[place] for place in places])
        self.report.n_encoded += len(places)
        advance(len(places))
        return places

    def _checked(self, parts: list[Any]) -> Vectors:
        vectors = self.encoder.encode_parts(parts)
        if not np.isfinite(vectors).all():
            raise FloatingPointError(
                f"{type(self.encoder).__name__} gave embeddings that are not finite. "
                "Use dtype='float32'."
            )
        return vectors

    def _without_broken(self, places: NDArray[np.int64], error: Exception) -> NDArray[np.int64]:
        """Places whose part can be preprocessed on its own; the others are noted as broken."""
        sound = []
        for place in places:
            try:
                self.encoder.preprocess([self.examples[place]])
                sound.append(place)
            except (ValueError, OSError) as reason:
                self.broken[int(place)] = str(reason)
        if len(sound) == len(places):
            raise error  # no single part is to blame
        return np.asarray(sound, dtype=np.int64)

    def result(self) -> Embedded:
        for owner, place in zip(self.owners, self.places, strict=True):
            if place in self.broken:
                self.failures.setdefault(owner, self.broken[place])
        counts = np.bincount(np.asarray(self.owners, dtype=int), minlength=self.n_values)
        vectors = average_parts(self.vectors[self.places], counts=counts.tolist())
        present = counts > 0
        present[list(self.failures)] = False
        vectors[~present] = 0.0
        return Embedded(vectors, present, dict(sorted(self.failures.items())), self.report)


def _open(store: Path, encoder: Encoder) -> SegmentStore:
    description = {
        "encoder": type(encoder).__name__,
        "config": encoder.config,
        "origin": encoder.origin,
    }
    return SegmentStore(store, fingerprint=encoder.fingerprint, description=description)


def _ignore(_: int) -> None:
    return None

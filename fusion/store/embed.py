"""Embeds values through the store: each distinct content once, and never again."""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoders.base import Encoder, average_parts
from encoders.stream import EncodedParts, encode_each
from fusion.progress import Work, silent
from fusion.store.parts import Parts
from fusion.store.segment import KEY_DTYPE, Keys, Warnings
from fusion.store.segments import SegmentStore

Vectors = NDArray[np.float32]
Places = NDArray[np.int64]
COMMIT_PARTS = 2048  # parts encoded between two commits: what an interruption can cost


@dataclass
class StoreReport:
    """What one run cost: counts of parts (texts, photos), by how their embedding was had.

    Args:
        n_parts: All of them.
        n_distinct: Contents among them at the first look.
        n_found: Contents that the store had.
        n_encoded: Contents that were encoded.
        n_corrupted: Embeddings and segments of the store that were damaged and set aside.
    """

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
    work: Work | None = None,
) -> Embedded:
    """Embeddings of values: duplicates are encoded once, what the store holds not at all.

    A value that cannot be read fails alone; no other value changes. Encoded parts are committed to
    the store every 2,048, so that an interrupted run goes on where it was. A photo that is replaced
    meanwhile has the embedding of the bytes that were decoded, and it is kept for these.

    Args:
        encoder: A cacheable encoder.
        values: Raw values; None is absent.
        store: Folder of the store; None keeps nothing.
        batch_multiple: See `encode_each`: 16 gives a row the same bits among any others.
        work: Is told of parts: how many there are, and of those that are finished.

    Returns:
        Embeddings, mask, failures and counts.

    Raises:
        StoreError: If the store cannot be read or written.
    """
    segments = None if store is None else _open(store, encoder)
    session = _Session(encoder, values, segments=segments, batch_multiple=batch_multiple)
    session.run(work or silent("embedding", 0, "parts"))
    return session.result()


class _Session:
    """One call of `embed_values`, step by step."""

    def __init__(
        self,
        encoder: Encoder,
        values: Sequence[Any],
        *,
        segments: SegmentStore | None,
        batch_multiple: int,
    ) -> None:
        self.encoder = encoder
        self.segments = segments
        self.batch_multiple = batch_multiple
        self.n_values = len(values)
        self.parts = Parts(encoder, values)
        n_distinct = len(self.parts.keys)
        self.report = StoreReport(n_parts=len(self.parts.owners), n_distinct=n_distinct)
        self.vectors = np.zeros((n_distinct, encoder.embedding_dim), dtype=np.float32)
        self.broken: dict[int, Exception] = {}
        self.odd: dict[int, Warnings] = {}
        self.unknown: list[int] = []  # parts whose copy was replaced before it was decoded

    def run(self, work: Work) -> None:
        n_unread = len(self.parts.failures)
        work.expect(self.report.n_parts + n_unread)
        missing = self._find(np.arange(len(self.parts.keys)))
        work.known(self.report.n_parts + n_unread - len(missing))  # repeated ones need no work
        step = len(missing) if self.segments is None else COMMIT_PARTS
        for start in range(0, len(missing), max(1, step)):
            self._commit(self._encode(missing[start : start + step], advance=work))
        if self.unknown:
            self._look_again()

    def _look_again(self) -> None:
        """Embeds parts that are no longer known to be copies: each is read, then encoded, alone."""
        more = np.zeros((len(self.unknown), self.encoder.embedding_dim), dtype=np.float32)
        self.vectors = np.concatenate([self.vectors, more])
        done: list[int] = []
        while self.unknown:
            n_known = len(self.parts.keys)
            with suppress(ValueError, TypeError):  # its value has failed
                place = self.parts.look_again(self.unknown.pop(0))
                if place == n_known:
                    done += self._encode(self._find(np.asarray([place])), advance=_ignore).tolist()
        self._commit(np.asarray(done, dtype=np.int64))

    def _find(self, places: Places) -> Places:
        """Takes the embeddings of some contents from the store; gives back those it lacks."""
        if self.segments is None or not len(places):
            return places
        n_corrupted = self.segments.n_corrupted
        found = self.segments.find(self._keys(places))
        if found.vectors is not None:
            self.vectors[places[found.mask]] = found.vectors
        self.odd |= {int(places[row]): codes for row, codes in found.warnings.items()}
        self.report.n_found += int(found.mask.sum())
        self.report.n_corrupted += self.segments.n_corrupted - n_corrupted
        return places[~found.mask]

    def _encode(self, places: Places, *, advance: Callable[[int], None]) -> Places:
        """Encodes some contents; gives back the places of those that succeeded."""
        contents = [self.parts.to_encode(place) for place in places.tolist()]
        encoded = encode_each(
            self.encoder,
            contents,
            batch_multiple=self.batch_multiple,
            advance=advance,
        )
        self.vectors[places] = encoded.vectors
        self.broken |= {int(places[row]): error for row, error in encoded.failures.items()}
        self.odd |= {int(places[row]): codes for row, codes in encoded.warnings.items()}
        self._compare(places, contents, encoded)
        sound = np.delete(places, list(encoded.failures))
        self.report.n_encoded += len(sound)
        return sound

    def _compare(self, places: Places, contents: Sequence[Any], encoded: EncodedParts) -> None:
        """Files an embedding under the bytes that it was made of, whatever was hashed before.

        Raises:
            TypeError: If the encoder does not say what it has read.
        """
        for row, place in enumerate(places.tolist()):
            sha256 = encoded.sha256.get(row)
            if sha256 is None and not isinstance(contents[row], Path):
                continue  # no file: it cannot have changed
            if sha256 is None and row not in encoded.failures:
                raise TypeError(
                    f"{type(self.encoder).__name__}.read must give sha256, the hash of the file "
                    "that it has read, got None. See `encoders.stream.ReadPart`."
                )
            if sha256 != self.parts.keys[place]:
                self.unknown += self.parts.replaced(place, sha256)

    def _commit(self, places: Places) -> None:
        """Keeps the embeddings of some contents; two that turned out to be one are kept once."""
        if self.segments is None or not len(places):
            return
        distinct = list({self.parts.keys[place]: place for place in places.tolist()}.values())
        odd = {row: self.odd[place] for row, place in enumerate(distinct) if place in self.odd}
        self.segments.add(self._keys(distinct), self.vectors[distinct], warnings=odd)

    def _keys(self, places: Iterable[int]) -> Keys:
        return np.asarray([self.parts.keys[place] for place in places], dtype=KEY_DTYPE)

    def result(self) -> Embedded:
        warnings: dict[int, list[str]] = {}
        failures = dict(self.parts.failures)
        for owner, place in zip(self.parts.owners, self.parts.places.tolist(), strict=True):
            if place in self.broken:
                failures.setdefault(owner, self.broken[place])
            warnings.setdefault(owner, []).extend(self.odd.get(place, ()))
        counts = np.bincount(np.asarray(self.parts.owners, dtype=int), minlength=self.n_values)
        vectors = average_parts(self.vectors[self.parts.places], counts=counts.tolist())
        present = counts > 0
        present[list(failures)] = False
        vectors[~present] = 0.0
        return Embedded(
            vectors,
            present,
            failures=dict(sorted(failures.items())),
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
    return _opened(
        store.absolute(),
        encoder.fingerprint,
        json.dumps(description, sort_keys=True),
        dim=encoder.embedding_dim,
    )


@lru_cache(maxsize=8)
def _opened(store: Path, fingerprint: str, description: str, *, dim: int) -> SegmentStore:
    """Kept by path, which is safe: a store lists its folder, and checks each row, at each look."""
    told = json.loads(description)
    return SegmentStore(store, fingerprint=fingerprint, description=told, dim=dim)


if hasattr(os, "register_at_fork"):  # another thread may hold the lock of a store for ever there
    os.register_at_fork(after_in_child=_opened.cache_clear)


def _ignore(_: int) -> None:
    return None

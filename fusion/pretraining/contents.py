"""Texts and photos as encoders take them: each distinct content is read once and kept in memory."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from encoders.base import Encoder
from encoders.image.photo_file import PhotoError
from encoders.stream import ReadPart, in_threads, read_ahead
from fusion.embedding import unit_of
from fusion.progress import Stage, silent
from fusion.store import keyed_values

MAX_HELD_BYTES = 2 * 2**30
"""Pixels kept in memory; photos beyond are decoded for every batch."""


@dataclass(frozen=True, eq=False)
class Contents:
    """The distinct contents of one modality, and which of them each value has.

    Args:
        encoder: What reads them.
        keys: SHA-256 of each content.
        parts: A raw text or photo of each.
        held: Place of a content -> what `Encoder.collate` takes; photos may be left out.
        places: For each value the places of its contents; none where it is absent or faulty.
        failures: Position of a value -> why it cannot be read.
    """

    encoder: Encoder
    keys: list[bytes]
    parts: list[Any]
    held: dict[int, Any]
    places: list[list[int]]
    failures: dict[int, Exception]

    def take(self, places: Sequence[int]) -> list[Any]:
        """What `Encoder.collate` takes, for contents at these places.

        Raises:
            ValueError, OSError: If a photo cannot be read any more, or is another one now.
        """
        return in_threads(self._at, places)

    def _at(self, place: int) -> Any:
        if place in self.held:
            return self.held[place]
        (read,) = self.encoder.read([self.parts[place]])
        read = _as_hashed(read, self.keys[place], self.parts[place])
        if read.error is not None:
            raise read.error
        return read.value


def read_contents(
    encoder: Encoder,
    values: Sequence[Any],
    *,
    max_bytes: int = MAX_HELD_BYTES,
    stage: Stage = silent,
) -> Contents:
    """Reads every value once; one that cannot be read fails alone.

    Args:
        encoder: What reads them.
        values: Raw values; None is absent.
        max_bytes: Pixels kept in memory.
        stage: Opens a progress bar, one step a distinct content.
    """
    contents = Contents(encoder, [], [], {}, [], {})
    seen: dict[bytes, int] = {}
    for position, found in enumerate(keyed_values(encoder, values)):
        contents.places.append([])
        if isinstance(found, Exception):
            contents.failures[position] = found
            continue
        for key, part in found:
            place = seen.setdefault(key, len(seen))
            if place == len(contents.keys):
                contents.keys.append(key)
                contents.parts.append(part)
            contents.places[position].append(place)
    _hold(contents, max_bytes=max_bytes, stage=stage)
    return contents


def _hold(contents: Contents, *, max_bytes: int, stage: Stage) -> None:
    """Reads the parts; those that fail take the values that have them along."""
    encoder, parts = contents.encoder, contents.parts
    broken: dict[int, Exception] = {}
    n_bytes = 0
    with stage(f"reading {encoder.modality}", len(parts), unit_of(encoder)) as work:
        for place, found in enumerate(_read(encoder, parts)):
            read = _as_hashed(found, contents.keys[place], parts[place])
            n_bytes += getattr(read.value, "nbytes", 0)  # token numbers are small beside pixels
            if read.error is not None:
                broken[place] = read.error
            elif n_bytes <= max_bytes:
                contents.held[place] = read.value
            work(1)
    for position, places in enumerate(contents.places):
        errors = [broken[place] for place in places if place in broken]
        if errors:
            contents.failures[position] = errors[0]
            places.clear()


def _as_hashed(read: ReadPart, key: bytes, part: Any) -> ReadPart:
    """What was read; an error where it is another photo than the one that was hashed.

    Why: its hash says which rows have it, and which run goes on from a saved state.
    """
    if read.sha256 is None or read.sha256 == key:
        return read
    message = (
        f"a photo must stay as it is while encoders learn from it, got another {part.name!r} (or a "
        "copy of it) than before. Begin again when nobody changes the photos."
    )
    return ReadPart(error=PhotoError("changed", message))


def _read(encoder: Encoder, parts: Sequence[Any]) -> Iterator[ReadPart]:
    size = encoder.piece_parts
    pieces = [parts[start : start + size] for start in range(0, len(parts), size)]
    for read in read_ahead(encoder.read, pieces, n_threads=encoder.n_read_threads):
        yield from read

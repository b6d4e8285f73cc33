"""Parts of values, and which of them had equal content when they were last looked at."""

import bisect
from collections.abc import Sequence
from typing import Any

import numpy as np

from encoders.base import Encoder
from fusion.store.keys import HeldFiles, content_key, keyed_values


class Parts:
    """All parts of some values; the distinct contents among them have places from 0 on.

    Why: a content is encoded once, from one part that stands for it. A photo may be replaced
    between the look at it and its decoding: then that part was something else, and nobody knows
    what its copies are now.

    Args:
        encoder: What the values are for.
        values: Raw values; None is absent.

    Attributes:
        owners: Position of each part's value.
        places: Place of each part's content.
        keys: SHA-256 of each content.
        contents: The part that stands for each content.
        failures: Position of a value -> why it could not be read.
    """

    def __init__(self, encoder: Encoder, values: Sequence[Any]) -> None:
        self._encoder = encoder
        self._values = values
        self._by_key: dict[bytes, int] = {}
        self._examples: list[int] = []
        self._held = HeldFiles()
        self.owners: list[int] = []
        self.keys: list[bytes] = []
        self.contents: list[Any] = []
        self.failures: dict[int, Exception] = {}
        places: list[int] = []
        for owner, found in enumerate(keyed_values(encoder, values, held=self._held)):
            if isinstance(found, Exception):
                self.failures[owner] = found
                continue
            for key, part in found:
                places.append(self._place(key, part, position=len(places)))
                self.owners.append(owner)
        self.places = np.asarray(places, dtype=np.int64)

    def _place(self, key: bytes, part: Any, *, position: int) -> int:
        """Place of a content; a new one, for which this part stands, if it has none."""
        place = self._by_key.setdefault(key, len(self.keys))
        if place == len(self.keys):
            self.keys.append(key)
            self.contents.append(part)
            self._examples.append(position)
        return place

    def to_encode(self, place: int) -> Any:
        """The part that stands for a content; of a file whose bytes are held, these: only once."""
        held = self._held.pop(self.keys[place])
        return self.contents[place] if held is None else held

    def replaced(self, place: int, key: bytes | None) -> list[int]:
        """Says of the part that stands for a content that it was another one when it was read.

        Args:
            place: Of the content that it was taken for; from now on of what it was.
            key: SHA-256 of what was read; None if nothing could be.

        Returns:
            Positions of the other parts of that content: look at them again.
        """
        before = self.keys[place]
        if self._by_key.get(before) == place:
            del self._by_key[before]
        if key is not None:
            self.keys[place] = key
            self._by_key.setdefault(key, place)
        copies = np.flatnonzero(self.places == place).tolist()
        return [position for position in copies if position != self._examples[place]]

    def look_again(self, position: int) -> int:
        """Place of what a part is now; a new one, at the end, if nothing else has its content.

        Raises:
            ValueError, TypeError: If it cannot be read any more; its value has failed then.
        """
        owner = self.owners[position]
        first = bisect.bisect_left(self.owners, owner)
        part = self._encoder.parts(self._values[owner])[position - first]
        try:
            key = content_key(self._encoder, part)
        except (ValueError, TypeError) as error:
            self.failures.setdefault(owner, error)
            raise
        place = self._place(key, part, position=position)
        self.places[position] = place
        return place

"""What a look-up has found so far."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fusion.errors import StoreError
from fusion.store.runs import key_prefixes
from fusion.store.segment import KEY_BYTES, Keys, Segment, Vectors, Warnings


@dataclass(frozen=True)
class Found:
    """What a store has of some keys.

    Args:
        mask: `[n]`, True where a key is stored.
        vectors: `[mask.sum(), dim]` in the order of the found keys; None where nothing was found.
        warnings: Position of a key -> what was odd about its content.
    """

    mask: NDArray[np.bool_]
    vectors: Vectors | None
    warnings: dict[int, Warnings]


class Search:
    """What has been found so far of some keys."""

    def __init__(self, keys: Keys) -> None:
        raw = keys.tobytes()
        self.keys = np.frombuffer(raw, dtype=np.uint8).reshape(len(keys), KEY_BYTES)
        self.prefixes = key_prefixes(raw)
        self.order = np.argsort(self.prefixes)
        self.mask = np.zeros(len(keys), dtype=bool)
        self.vectors: Vectors | None = None
        self.warnings: dict[int, Warnings] = {}

    def left(self) -> NDArray[np.int64]:
        """Positions of the keys that are not found yet, sorted by key."""
        return np.asarray(self.order[~self.mask[self.order]])

    def take(self, segment: Segment, places: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Takes rows of a segment as those of the keys at `places`.

        Raises:
            StoreError: If their vectors have another length than those found before.
        """
        if self.vectors is None:
            shape = (len(self.keys), segment.vectors.shape[1])
            self.vectors = np.empty(shape, dtype=np.float32)
        if self.vectors.shape[1] != segment.vectors.shape[1]:
            got = f"{self.vectors.shape[1]} and {segment.vectors.shape[1]}"
            raise StoreError(f"vectors of one encoder must have one length in a store, got {got}.")
        self.vectors[places] = segment.vectors[rows]
        self.mask[places] = True
        self.warnings |= {int(places[new]): codes for new, codes in segment.odd(rows).items()}

    def result(self) -> Found:
        """All that was found."""
        vectors = None if self.vectors is None else self.vectors[self.mask]
        return Found(self.mask, vectors, self.warnings)

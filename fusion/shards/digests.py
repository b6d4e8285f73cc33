"""SHA-256 of parts of files, a block at a time."""

from typing import BinaryIO, Protocol, Self

BLOCK_BYTES = 1 << 20


class Digest(Protocol):
    """What `hashlib.sha256` gives; its type has no public name."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Adds bytes."""

    def copy(self) -> Self:
        """One that goes on from here by itself."""

    def hexdigest(self) -> str:
        """The digest so far."""


def add_range(digest: Digest, file: BinaryIO, start: int, stop: int) -> None:
    """Adds bytes `start` to `stop` of a file, or what there is of them, to a digest."""
    file.seek(start)
    left = stop - start
    while left > 0 and (block := file.read(min(BLOCK_BYTES, left))):
        digest.update(block)
        left -= len(block)

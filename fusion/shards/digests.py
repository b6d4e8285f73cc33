"""Tables opened as they lie on the disk, and SHA-256 of their parts, a block at a time."""

from pathlib import Path
from typing import BinaryIO, Protocol, Self

from fusion.errors import CatalogueError
from fusion.system.files import open_regular_file

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


def open_table(path: Path) -> BinaryIO:
    """A table, opened for reading.

    Raises:
        CatalogueError: If a pipe or a device has taken its place, which could be read for ever.
        OSError: If it is gone or cannot be read.
    """
    try:
        return open_regular_file(path)
    except ValueError as error:
        raise CatalogueError(f"{path.name} {error}. Put the table back.") from error

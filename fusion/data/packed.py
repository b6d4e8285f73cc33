"""Packed tables (`.gz`): unpacked a block at a time, and as a whole only where memory holds them.

Why: a packed file of a few megabytes may hold many gigabytes.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from fusion.errors import CatalogueError

BLOCK_BYTES = 1 << 20
MAX_WHOLE_BYTES = 2**31 - 2
"""Text of a table that is read as a whole, at most: Arrow reads no more at once."""


def is_packed(path: Path) -> bool:
    """Whether a table is packed, by its name."""
    return path.suffix.lower() == ".gz"


def unpacked_suffix(path: Path) -> str:
    """What a table is by its name, packed or not: `.csv` for `items.csv.gz`."""
    return (Path(path.stem) if is_packed(path) else path).suffix.lower()


@contextmanager
def open_packed(path: Path) -> Iterator[BinaryIO]:
    """A packed table, opened to read what it holds.

    Raises:
        CatalogueError: If it is no gzip file or ends in the middle.
        OSError: If it cannot be read.
    """
    try:
        with gzip.open(path) as file:
            yield cast(BinaryIO, file)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise CatalogueError(f"{path.name} must be a gzip file: {error}. Save it again.") from error


def unpacked_blocks(path: Path) -> Iterator[bytes]:
    """What a packed table holds, block by block.

    Raises:
        CatalogueError: If it is no gzip file or ends in the middle.
        OSError: If it cannot be read.
    """
    with open_packed(path) as file:
        while block := file.read(BLOCK_BYTES):
            yield block


def whole_text(path: Path) -> bytes:
    """The bytes of a text table, unpacked.

    Raises:
        CatalogueError: If they are too many, or it is a damaged gzip file.
        OSError: If it cannot be read.
    """
    blocks: list[bytes] = []
    n_bytes = 0 if is_packed(path) else path.stat().st_size
    for block in unpacked_blocks(path) if is_packed(path) else ():
        blocks.append(block)
        n_bytes += len(block)
        if n_bytes > MAX_WHOLE_BYTES:
            break
    if n_bytes > MAX_WHOLE_BYTES:
        raise CatalogueError(
            f"{path.name} must hold at most {MAX_WHOLE_BYTES:,} bytes of text to be read as a "
            "whole, got more. Save fewer columns, or rows in several files; `fusion embed` and "
            "`fusion predict` read CSV and Parquet of any size part by part."
        )
    return b"".join(blocks) if is_packed(path) else path.read_bytes()

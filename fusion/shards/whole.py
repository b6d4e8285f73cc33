"""Tables that cannot be cut where they lie: copied once into the job, as one that can be."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from fusion.data.header import DELIMITED
from fusion.data.packed import is_packed, unpacked_blocks, unpacked_suffix
from fusion.errors import CatalogueError, JobError
from fusion.shards.commit import INPUT, parquet_bytes
from fusion.shards.data_paths import DataPaths
from fusion.shards.tables import SUFFIXES
from fusion.system.files import write_parts_atomically

WHOLE_KINDS = (".jsonl", ".feather", ".gz")
LEAST_FREE_BYTES = 2**28
"""What unpacking leaves free on the disk, which others write to as well."""


def is_whole(items: Path) -> bool:
    """Whether a table cannot be cut where it lies: JSON lines, Feather, and what is packed."""
    return items.is_file() and items.suffix.lower() in WHOLE_KINDS


def with_cuttable_items(paths: DataPaths, folder: Path, *, delimiter: str | None) -> DataPaths:
    """Places whose items can be cut into shards; a copy goes into the job's folder where needed.

    Packed CSV is unpacked a block at a time, whatever it holds; other kinds are read as a whole.

    Raises:
        CatalogueError: If the table cannot be read, or a column mixes kinds of values.
        JobError: If the disk has no room for what is packed in it.
    """
    items = paths.items
    if not is_whole(items):
        return paths
    parts: Iterable[bytes]
    if is_packed(items) and unpacked_suffix(items) in DELIMITED:
        copy = folder / INPUT / items.stem
        parts = _fitting(unpacked_blocks(items), copy.parent, source=items.name)
    else:
        copy = folder / INPUT / f"{items.name}.parquet"
        parts = [_parquet_of(items, delimiter=delimiter)]
    copy.parent.mkdir(parents=True, exist_ok=True)
    write_parts_atomically(copy, parts)
    return replace(paths, items=copy)


def _fitting(blocks: Iterable[bytes], folder: Path, *, source: str) -> Iterator[bytes]:
    """Blocks to be written into a folder, as long as its disk has room for them.

    Raises:
        JobError: When it has none.
    """
    n_bytes = 0
    for block in blocks:
        n_bytes += len(block)
        free = shutil.disk_usage(folder).free - len(block)
        if free < LEAST_FREE_BYTES:
            raise JobError(
                f"the disk of --out must have room for the unpacked items, got {free:,} bytes free "
                f"after {n_bytes:,} of {source}. Choose another --out, or unpack the table "
                "elsewhere."
            )
        yield block


def _parquet_of(items: Path, *, delimiter: str | None) -> bytes:
    from fusion.data.tables import read_table

    frame = read_table(items, delimiter=delimiter)
    try:
        return parquet_bytes(pa.Table.from_pandas(frame, preserve_index=False))
    except pa.ArrowException as error:
        raise CatalogueError(
            f"{items.name} must have one kind of value in each column, got: {error}. Save it as "
            f"one of {', '.join(SUFFIXES)}."
        ) from error

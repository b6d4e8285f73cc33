"""Tables that can only be read as a whole: copied once into the job, as one that can be cut."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from fusion.errors import CatalogueError
from fusion.files import write_atomically
from fusion.shards.commit import INPUT, parquet_bytes
from fusion.shards.plan import Places
from fusion.shards.tables import SUFFIXES

WHOLE_KINDS = (".jsonl", ".feather", ".gz")


def is_whole(items: Path) -> bool:
    """Whether a table is of a kind that is only read as a whole: JSON lines, Feather, packed."""
    return items.is_file() and items.suffix.lower() in WHOLE_KINDS


def with_cuttable_items(places: Places, folder: Path, *, delimiter: str | None) -> Places:
    """Places whose items can be cut into shards; a copy goes into the job's folder where needed.

    Raises:
        CatalogueError: If the table cannot be read, or a column mixes kinds of values.
    """
    items = places.items
    if not is_whole(items):
        return places
    from fusion.data.tables import read_table

    frame = read_table(items, delimiter=delimiter)
    try:
        content = parquet_bytes(pa.Table.from_pandas(frame, preserve_index=False))
    except pa.ArrowException as error:
        raise CatalogueError(
            f"{items.name} must have one kind of value in each column, got: {error}. Save it as "
            f"one of {', '.join(SUFFIXES)}."
        ) from error
    copy = folder / INPUT / f"{items.name}.parquet"
    copy.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(copy, content)
    return replace(places, items=copy)

"""What stands beside the segments of one encoder, for people: `encoder.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fusion.store.index import listed, segments_of
from fusion.store.segment import rename_aside
from fusion.system.files import read_regular_file, write_atomically

DESCRIPTION = "encoder.json"
DESCRIPTION_BYTES = 1_000_000


def holds_embeddings(folder: Path) -> bool:
    """True for the folder of one encoder in a store, even where its description was lost."""
    return (folder / DESCRIPTION).is_file() or bool(segments_of(listed(folder)))


def read_description(folder: Path) -> dict[str, Any] | None:
    """What `encoder.json` says; None where it is gone or damaged."""
    try:
        content = read_regular_file(folder / DESCRIPTION, max_bytes=DESCRIPTION_BYTES)
        found = json.loads(content)
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def write_description(folder: Path, description: Mapping[str, Any]) -> None:
    """Writes `encoder.json`, if there is anything to say; what is no file there is set aside."""
    if not description:  # whoever merges stores knows no better
        return
    path = folder / DESCRIPTION
    if path.is_symlink() or (path.exists() and not path.is_file()):
        rename_aside(path)
    write_atomically(path, json.dumps(description, indent=1).encode())

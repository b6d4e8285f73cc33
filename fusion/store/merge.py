"""Several stores into one, with few large segments."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fusion.errors import StoreError
from fusion.store.description import DESCRIPTION, read_description
from fusion.store.index import listed, segments_of
from fusion.store.segment import Keys, Vectors, Warnings
from fusion.store.segments import SegmentStore

SEGMENT_ROWS = 65_536


def merge_stores(stores: Sequence[Path], output: Path) -> dict[str, int]:
    """Adds everything that some stores hold to another one; damaged vectors are left behind.

    Why: machines that worked apart have a store each, and a store that grew for long has many small
    segments. The stores that are read stay as they are, but for damaged segments, which are set
    aside as in any reading.

    Args:
        stores: Folders of stores.
        output: Folder of the store that gets everything; made if absent; none of `stores`.

    Returns:
        Fingerprint of each encoder -> number of embeddings that were new to `output`.

    Raises:
        StoreError: If a folder is no store, is one of those, or is deleted meanwhile, or `output`
            cannot be written.
    """
    contents = [_encoders(store) for store in stores]
    if output.resolve() in {store.resolve() for store in stores}:
        raise StoreError(f"output must be none of the stores that are merged, got {output}.")
    added: dict[str, int] = {}
    outputs: dict[str, _Output] = {}
    for store, encoders in zip(stores, contents, strict=True):
        for name, segments in encoders.items():
            source = SegmentStore(store, fingerprint=name, description={})
            if name not in outputs:
                outputs[name] = _Output(output, name, read_description(store / name) or {})
            added[name] = added.get(name, 0) + outputs[name].take(source)
            source.check_whole(segments)
    for into in outputs.values():
        into.check_whole()
    return added


def _encoders(store: Path) -> dict[str, set[str]]:
    """Fingerprint of each encoder -> names of its segments."""
    found = {name: listed(store / name) for name in sorted(listed(store))}
    encoders = {
        name: segments_of(inside)
        for name, inside in found.items()
        if segments_of(inside) or DESCRIPTION in inside
    }
    if not encoders:
        raise StoreError(f"store must hold embeddings, got none in {store}. Check the folder.")
    return encoders


class _Output:
    """Embeddings of one encoder in the store that gets everything."""

    def __init__(self, root: Path, fingerprint: str, description: dict[str, Any]) -> None:
        self._store = SegmentStore(root, fingerprint=fingerprint, description=description)
        self._names = segments_of(listed(self._store.folder))

    def take(self, source: SegmentStore) -> int:
        """Adds what is new in a store; gives back how much."""
        n_new = 0
        for keys, vectors, odd in _gathered(source):
            fresh = np.flatnonzero(~self._store.find(keys).mask)
            if len(fresh):
                warnings = {new: odd[old] for new, old in enumerate(fresh.tolist()) if old in odd}
                self._names.add(self._store.add(keys[fresh], vectors[fresh], warnings=warnings))
            n_new += len(fresh)
        return n_new

    def check_whole(self) -> None:
        """Refuses to call done what somebody has deleted meanwhile."""
        self._store.check_whole(self._names)


def _gathered(store: SegmentStore) -> Iterator[tuple[Keys, Vectors, dict[int, Warnings]]]:
    """Contents of a store in portions of about 65,536 rows, each key once."""
    keys: list[Keys] = []
    vectors: list[Vectors] = []
    odd: dict[int, Warnings] = {}
    n_rows = 0
    for some_keys, some_vectors, some_odd in store.segments():
        keys.append(some_keys)
        vectors.append(some_vectors)
        odd |= {row + n_rows: codes for row, codes in some_odd.items()}
        n_rows += len(some_keys)
        if n_rows >= SEGMENT_ROWS:
            yield _distinct(keys, vectors, odd)
            keys, vectors, odd, n_rows = [], [], {}, 0
    if n_rows:
        yield _distinct(keys, vectors, odd)


def _distinct(
    keys: list[Keys], vectors: list[Vectors], odd: dict[int, Warnings]
) -> tuple[Keys, Vectors, dict[int, Warnings]]:
    _, first = np.unique(np.concatenate(keys), return_index=True)
    warnings = {new: odd[old] for new, old in enumerate(first.tolist()) if old in odd}
    return np.concatenate(keys)[first], np.concatenate(vectors)[first], warnings

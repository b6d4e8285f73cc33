"""Several stores into one, with few large segments."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from fusion.errors import StoreError
from fusion.files import write_atomically
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
        StoreError: If a folder is no store, is given twice, or `output` cannot be written.
    """
    folders = [_encoders(store) for store in stores]
    if output.resolve() in {store.resolve() for store in stores}:
        raise StoreError(f"output must be none of the stores that are merged, got {output}.")
    added: dict[str, int] = {}
    for store, names in zip(stores, folders, strict=True):
        for name in names:
            n_new = _merge_encoder(store / name, output / name)
            added[name] = added.get(name, 0) + n_new
    return added


def _encoders(store: Path) -> list[str]:
    names = sorted(path.parent.name for path in store.glob("*/encoder.json"))
    if not names:
        raise StoreError(f"store must hold embeddings, got none in {store}. Check the folder.")
    return names


def _merge_encoder(source: Path, target: Path) -> int:
    target.mkdir(parents=True, exist_ok=True)
    if not (target / "encoder.json").exists():
        write_atomically(target / "encoder.json", (source / "encoder.json").read_bytes())
    into = SegmentStore(target.parent, fingerprint=target.name, description={})
    n_new = 0
    for keys, vectors, odd in _gathered(
        SegmentStore(source.parent, fingerprint=source.name, description={})
    ):
        fresh = np.flatnonzero(~into.find(keys).mask)
        if len(fresh):
            warnings = {new: odd[old] for new, old in enumerate(fresh.tolist()) if old in odd}
            into.add(keys[fresh], vectors[fresh], warnings=warnings)
        n_new += len(fresh)
    return n_new


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

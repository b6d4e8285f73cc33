"""Ids of any number of rows: two hashes each, and which of them stood before."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.shards.utf8 import is_undecoded


def hash_ids(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Two 64-bit hashes of each id `[n, 2]`, 0 where it is missing or not UTF-8.

    Why two: together they are too long to collide. At 100 million ids, one alone would give a
    false alarm once in a few thousand jobs.
    """
    import pandas as pd  # so late: to compare a table with its plan does without it

    given = (word.strip() for word in ids)
    words = pd.Series(["" if is_undecoded(word) else word for word in given], dtype=object)
    if not len(words):
        return np.zeros((0, 2), dtype=np.uint64)
    both = [
        pd.util.hash_array(words.to_numpy(), hash_key=key, categorize=False)
        for key in ("first key of ids", "other key of ids")
    ]
    hashes = np.stack(both, axis=1)
    hashes[(words == "").to_numpy()] = 0
    return hashes


def stacked(hashes: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Hashes of all parts of a file `[n, 2]`."""
    return np.concatenate([np.zeros((0, 2), dtype=np.uint64), *hashes])


def repeated_rows(ids: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Rows whose id stood before, with the row of its first time.

    Shape:
        ids `[n, 2]` -> `[k, 2]`, sorted by row.
    """
    if not len(ids):
        return np.zeros((0, 2), dtype=np.int64)
    order = np.lexsort((ids[:, 1], ids[:, 0]))  # stable: equal ids stay in row order
    ranked = ids[order]
    given = (ranked != 0).any(axis=1)
    again = np.zeros(len(ids), dtype=bool)
    again[1:] = (ranked[1:] == ranked[:-1]).all(axis=1) & given[1:]
    starts = np.where(again, 0, np.arange(len(ids)))
    first = np.maximum.accumulate(starts)
    rows = np.stack([order[again], order[first[again]]], axis=1).astype(np.int64)
    return np.asarray(rows[np.argsort(rows[:, 0])])

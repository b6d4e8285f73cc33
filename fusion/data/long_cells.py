"""Cells of CSV files may have any length: by itself, `csv` refuses more than 131,072 characters."""

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from encoders.process_lock import ProcessLock

_MOST = 2**31 - 1
_lock = ProcessLock()
_before: list[int] = []


@contextmanager
def long_cells() -> Iterator[None]:
    """Lets `csv` read cells of any length inside the block, and leaves its limit as it was.

    Why: the limit belongs to the whole process, and other threads may read tables, too.
    """
    with _lock.held():
        _before.append(csv.field_size_limit(_MOST))
    try:
        yield
    finally:
        with _lock.held():  # whoever ends last puts back what was before the first
            csv.field_size_limit(_before.pop())

"""A lock on what a process has only once, and threads and forked children therefore share.

Libraries change such state while they work: transformers replaces functions of torch while it loads
a model, and its Trainer seeds the global generators. A lock lets one thread at a time do so.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ProcessLock:
    """A lock that a thread may take several times, and that is free in a forked child.

    Why: a child has the forking thread alone. A lock that another thread held would never be
    released there.

    Example:
        >>> lock = ProcessLock()
        >>> with lock.held(), lock.held():
        ...     pass
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Waits until no other thread is in such a block, and runs this one."""
        with self._lock:  # the one that was taken is given back, also in a child
            yield


LOADING = ProcessLock()
"""Held while transformers is imported, loads a model or a tokenizer, or makes a Trainer."""

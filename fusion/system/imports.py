"""Heavy imports at once, without what Python does beside them."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Imports and loads without the search for unused cycles.

    Why: importing torch and pandas makes hundreds of thousands of objects that all stay, and Python
    goes through them again and again: a sixth of the processor time of a short command.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

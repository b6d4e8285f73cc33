"""Which way progress is shown."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from fusion.progress.lines import progress_lines
from fusion.progress.work import Stage, silent


@contextmanager
def quiet() -> Iterator[Stage]:
    """The counterpart of `progress_shown` that shows nothing."""
    yield silent


def progress_shown() -> AbstractContextManager[Stage]:
    """Bars where the error stream is a terminal, plain lines where it is a file or a pipe."""
    if not sys.stderr.isatty():
        return progress_lines()
    from fusion.progress.bars import progress_bars  # a terminal alone needs rich

    return progress_bars()

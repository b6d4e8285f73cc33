"""Progress of long work, on the error stream, so that results on standard output stay clean."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Advance = Callable[[int], None]
Stage = Callable[[str, int], Advance]
"""Opens a bar: `stage("embedding text", 1200)` gives back what is called with finished counts."""


def silent(name: str, total: int) -> Advance:
    """A stage that shows nothing."""
    del name, total
    return lambda count: None


@contextmanager
def quiet() -> Iterator[Stage]:
    """The counterpart of `progress_bars` that shows nothing."""
    yield silent


@contextmanager
def progress_bars() -> Iterator[Stage]:
    """Bars with counts, time passed and time left, as long as the block runs.

    Example:
        >>> with progress_bars() as stage:
        ...     advance = stage("embedding", 2)
        ...     advance(2)
    """
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def stage(name: str, total: int) -> Advance:
            task = progress.add_task(name, total=total)
            return lambda count: progress.advance(task, count)

        yield stage

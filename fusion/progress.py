"""Progress and notices of long work, on the error stream: standard output is for results."""

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int], None]
Stage = Callable[[str, int], Advance]
"""Opens a bar: `stage("embedding text", 1200)` gives back what is called with finished counts."""
Show = Callable[[int, int, str], None]
"""Shows how far a job is: `show(rows done, rows in all, state in words)`."""


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
        TextColumn("{task.description:<28}", markup=False),
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


def say_once(line: str) -> None:
    """Tells people a line, once in a process; workers keep silent, as their parent has said it.

    It is a warning of the logger `fusion`, which Python writes to the error stream as it is unless
    the program that uses the toolkit has arranged logging otherwise.
    """
    if line not in _SAID and multiprocessing.parent_process() is None:
        _SAID.add(line)
        logging.getLogger("fusion").warning(line)


_SAID: set[str] = set()


@contextmanager
def job_bar(name: str, *, quiet: bool) -> Iterator[Show]:
    """One bar for a long job, with its rate and a state in words, as long as the block runs.

    The rate counts from the first call on, which tells what an earlier run had finished.
    """
    if quiet:
        yield lambda done, total, state: None
        return
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    task = bar.add_task(name, total=None, rate="")
    words = Text(overflow="ellipsis", no_wrap=True)  # on a line of its own: a bar must stay whole
    begun: list[tuple[float, int]] = []

    def show(done: int, total: int, state: str) -> None:
        begun[1:] = [(time.monotonic(), done)]
        seconds, rows = (last - first for first, last in zip(begun[0], begun[-1], strict=True))
        rate = f"{rows / seconds:,.0f} rows/s" if rows and seconds > 0 else ""
        bar.update(task, completed=done, total=total, rate=rate)
        words.plain = state

    with Live(Group(bar, words), console=Console(stderr=True)):
        yield show

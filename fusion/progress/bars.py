"""Progress on a terminal: a bar for each piece of work."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from fusion.progress.work import Stage, Work


class _Told(ProgressColumn):
    """Counts, rate, time left or how it ended, as the work itself says it."""

    def render(self, task: Task) -> Text:
        work: Work = task.fields["work"]
        return Text(work.told(), overflow="ellipsis", no_wrap=True)


@contextmanager
def progress_bars() -> Iterator[Stage]:
    """Bars with counts, rate and time left, as long as the block runs.

    Example:
        >>> with progress_bars() as stage, stage("embedding text", 2, "texts") as work:
        ...     work(2)
    """
    columns = (TextColumn("{task.description}", markup=False), BarColumn(bar_width=12), _Told())
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def stage(name: str, total: int, unit: str) -> Work:
            def changed(work: Work) -> None:
                progress.update(task, completed=work.done, total=work.total)
                if work.ending:
                    progress.stop_task(task)

            work = Work(name, total, unit, changed)
            task: TaskID = progress.add_task(name, total=total, work=work)
            return work

        yield stage

"""Which shards are to be done, and what becomes of one whose worker ended: the same everywhere."""

from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from fusion.shards.events import EventLog
from fusion.shards.poison_rows import PoisonRows, note_end, poison_rows_path, too_many_blamed

MOST_FALSE_STARTS = 3  # workers in a row that ended before they could begin
MOST_ENDS = 4  # ends of a worker at one shard without a row to blame


class Task(NamedTuple):
    """A shard to do; `careful`: row by row first, to find the one that ends the process."""

    shard: int
    careful: bool = False


class TaskQueue:
    """Shards to do, in order; those whose worker ended come again at the end.

    Args:
        folder: Output folder of the job.
        shards: Numbers of the shards.
        log: Is told of retries and failures.
    """

    def __init__(self, folder: Path, shards: Sequence[int], log: EventLog) -> None:
        self.failed: dict[int, str] = {}
        self._folder = folder
        self._log = log
        self._waiting = deque(Task(shard) for shard in shards)
        self._ends: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> Task:
        """The next shard to do."""
        return self._waiting.popleft()

    def ended(self, task: Task, how: Literal["died", "hung", "raised"], *, reason: str) -> None:
        """A worker ended at a task: do it again with care, or give it up after too many ends."""
        self._log.at(task.shard, 0)
        path = poison_rows_path(self._folder, task.shard)
        if task.careful and how != "raised":
            note_end(path, how)
        self._log.write("shard_retried", shard=task.shard, how=how, reason=reason)
        self._ends[task.shard] = self._ends.get(task.shard, 0) + 1
        blamed = PoisonRows.read(path).blamed
        reason = too_many_blamed(blamed) or reason
        # finding a row costs two ends
        if too_many_blamed(blamed) or self._ends[task.shard] > MOST_ENDS + 2 * len(blamed):
            path.unlink(missing_ok=True)  # another run begins without blame
            self.failed[task.shard] = reason
            self._log.write("shard_failed", shard=task.shard, reason=reason)
        else:
            self._waiting.append(Task(task.shard, careful=True))

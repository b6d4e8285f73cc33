"""The Ray engine: the same shards on many machines, which must see the same folders."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fusion.errors import ConfigError, FusionError, JobError, MissingExtraError
from fusion.shards.events import EventLog
from fusion.shards.retries import MOST_FALSE_STARTS, Task, TaskQueue
from fusion.shards.run import Outcome, ShardRunner, run_shard
from fusion.shards.settings import check_stall

try:
    import ray
except ImportError as error:
    raise MissingExtraError("Ray", extra="ray") from error

STALLS = 12  # actors show no sign of life inside a shard, so a whole shard has this many stalls


@ray.remote(max_restarts=0)
class ShardActor:
    """A process in the cluster that keeps its encoders from shard to shard."""

    def load(self, folder: Path) -> None:
        """Loads the encoders."""
        ShardRunner(folder)

    def run(self, folder: Path, task: Task) -> Outcome:
        """Does one shard."""
        return run_shard(folder, task.shard, careful=task.careful)


class RayEngine:
    """Maps shards over actors; where one dies, a new one does its shard again.

    Args:
        workers: Most actors; more than the cluster holds make an autoscaling one grow. None: one
            for each core, or GPU share, that the cluster has now.
        gpus_per_worker: GPUs of each, 0.5 for two actors a GPU; 0: none.
        address: Address of the cluster; None: a local one.
        stall_s: A shard that takes twelve times as long is taken to hang, in seconds.

    Raises:
        ConfigError: If a number is negative or not finite.
    """

    def __init__(
        self, *, workers: int | None, gpus_per_worker: float, address: str | None, stall_s: float
    ) -> None:
        check_stall(stall_s)
        if not 0 <= gpus_per_worker < math.inf:
            raise ConfigError(f"gpus_per_worker must be 0 or more, got {gpus_per_worker}.")
        ray.init(address, ignore_reinit_error=True, log_to_driver=False)
        has = ray.cluster_resources()
        fitting = has.get("GPU", 0) / gpus_per_worker if gpus_per_worker else has.get("CPU", 1)
        self.workers = workers or max(1, int(fitting))
        self.actor: Any = ShardActor.options(num_cpus=1, num_gpus=gpus_per_worker)  # type: ignore[attr-defined]
        self.stall_s = stall_s

    def run(self, folder: Path, shards: Sequence[int], log: EventLog) -> dict[int, str]:
        """Does all shards; gives back those that failed, with the reason.

        Raises:
            JobError: If the job as a whole cannot go on.
        """
        return _Run(self, folder.resolve(), shards, log).run()


class _Busy(NamedTuple):
    """What an actor is at: a task, or its start where there is none; since when."""

    actor: Any
    task: Task | None
    since: float


class _Run:
    """One run of some shards."""

    def __init__(
        self, engine: RayEngine, folder: Path, shards: Sequence[int], log: EventLog
    ) -> None:
        self.engine = engine
        self.folder = folder
        self.log = log
        self.queue = TaskQueue(folder, shards, log)
        self.busy: dict[Any, _Busy] = {}
        self.false_starts = 0

    def run(self) -> dict[int, str]:
        for _ in range(min(self.engine.workers, len(self.queue))):
            self._start()
        try:
            while self.busy:
                for reference in ray.wait(list(self.busy), timeout=1.0)[0]:
                    self._next(reference, self.busy.pop(reference))
                self._end_hung()
        finally:
            for one in self.busy.values():
                ray.kill(one.actor)
        return self.queue.failed

    def _start(self) -> None:
        actor = self.engine.actor.remote()
        self.busy[actor.load.remote(self.folder)] = _Busy(actor, None, time.monotonic())

    def _next(self, reference: Any, done: _Busy) -> None:
        """Takes in what an actor did; it goes on, or another one does if it has ended."""
        goes_on = self._took(reference, done.task)
        if goes_on and self.queue:
            task = self.queue.take()
            work = done.actor.run.remote(self.folder, task)
            self.busy[work] = _Busy(done.actor, task, time.monotonic())
            return
        if goes_on:
            ray.kill(done.actor)
        elif self.queue:
            self._start()

    def _took(self, reference: Any, task: Task | None) -> bool:
        """Takes in what an actor did; False where it is of no more use."""
        try:
            outcome = ray.get(reference)
        except ray.exceptions.RayActorError as error:
            reason = str(error).splitlines()[0]
            if task is None:
                self._started_in_vain(reason)
            else:
                self.queue.ended(task, "died", reason=reason)
            return False
        except ray.exceptions.RayTaskError as error:
            expected = (FusionError, OSError) if task else (FusionError, OSError, ValueError)
            if isinstance(error.cause, expected):
                raise JobError(str(error.cause)) from error
            if task is None:
                self._started_in_vain(f"{type(error.cause).__name__}: {error.cause}")
                return False
            self.queue.ended(task, "raised", reason=str(error.cause))
            return True
        if task is not None:
            self.false_starts = 0  # what kept others from starting keeps nobody from working
            self.log.done(outcome)
        return True

    def _started_in_vain(self, reason: str) -> None:
        """After an actor ended before it could begin: another is tried, a few times.

        Raises:
            JobError: After too many in a row, with the reason of the last.
        """
        self.log.write("false_start", reason=reason)
        self.false_starts += 1
        if self.false_starts > MOST_FALSE_STARTS:
            raise JobError(
                f"actors must start, got {self.false_starts} in a row that ended before they "
                f"could begin, the last one says: {reason}. Look at the memory of the nodes and at "
                "what is installed there, then run the same command again."
            )

    def _end_hung(self) -> None:
        for one in self.busy.values():
            hung = time.monotonic() - one.since > STALLS * self.engine.stall_s
            if one.task is not None and hung:
                ray.kill(one.actor)

"""The Ray engine: the same shards on many machines, which must see the same folders."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fusion.errors import ConfigError, FusionError, JobError, MissingExtraError
from fusion.shards.events import EventLog
from fusion.shards.retries import Task, TaskQueue
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
        folder = folder.resolve()
        queue = TaskQueue(folder, shards, log)
        busy: dict[Any, tuple[Any, Task | None, float]] = {}

        def start() -> None:
            actor = self.actor.remote()
            busy[actor.load.remote(folder)] = (actor, None, time.monotonic())

        for _ in range(min(self.workers, len(queue))):
            start()
        try:
            while busy:
                for reference in ray.wait(list(busy), timeout=1.0)[0]:
                    actor, task, _ = busy.pop(reference)
                    if not _take(queue, log, reference, task):
                        start()
                    elif queue:
                        task = queue.take()
                        work = actor.run.remote(folder, task)
                        busy[work] = (actor, task, time.monotonic())
                    else:
                        ray.kill(actor)
                self._end_hung(busy)
        finally:
            for actor, _, _ in busy.values():
                ray.kill(actor)
        return queue.failed

    def _end_hung(self, busy: dict[Any, tuple[Any, Task | None, float]]) -> None:
        for actor, task, since in busy.values():
            if task is not None and time.monotonic() - since > STALLS * self.stall_s:
                ray.kill(actor)


def _take(queue: TaskQueue, log: EventLog, reference: Any, task: Task | None) -> bool:
    """Takes in what an actor did; False where it died and another has to be started."""
    try:
        outcome = ray.get(reference)
    except ray.exceptions.RayActorError as error:
        if task is None:
            raise JobError(f"actors must start, got: {error}") from error
        queue.ended(task, "died", reason=str(error).splitlines()[0])
        return False
    except ray.exceptions.RayTaskError as error:
        if task is None or isinstance(error.cause, FusionError | OSError):
            raise JobError(str(error.cause)) from error
        queue.ended(task, "raised", reason=str(error.cause))
        return True
    if task is not None:
        log.done(outcome)
    return True

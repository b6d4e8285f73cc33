"""The engine without workers: the process that asks does the shards, one after the other."""

from collections.abc import Sequence
from pathlib import Path

from fusion.errors import CatalogueError, FusionError, JobError
from fusion.shards.events import EventLog
from fusion.shards.retries import TaskQueue


class InProcessEngine:
    """Runs shards in the process that calls it, which needs no start and no guarded main part.

    All promises of a job hold but one: a row that ends or hangs the process ends or hangs the job.
    Run the same job with a worker then, which finds the row and goes on with the others.
    """

    def run(self, folder: Path, shards: Sequence[int], log: EventLog) -> dict[int, str]:
        """Does all shards; gives back those that failed, with the reason.

        Raises:
            CatalogueError: If rows are faulty and must not be.
            JobError: If the job as a whole cannot go on otherwise.
        """
        from fusion.shards.run import ShardRunner, run_shard  # torch: where there is work

        queue = TaskQueue(folder, shards, log)
        try:
            ShardRunner(folder)
        except (FusionError, OSError, ValueError) as error:
            raise JobError(str(error)) from error
        while queue:
            task = queue.take()
            try:
                log.done(
                    run_shard(folder, task.shard, careful=task.careful, stage=log.stage(task.shard))
                )
            except CatalogueError:
                raise
            except (FusionError, OSError) as error:
                raise JobError(str(error)) from error
            except Exception as error:  # a row is at fault; it is looked for alone
                queue.ended(task, "raised", reason=f"{type(error).__name__}: {error}")
        return queue.failed

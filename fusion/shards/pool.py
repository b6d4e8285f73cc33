"""The local engine: worker processes that may die or hang without taking the job along."""

import multiprocessing
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from fusion.errors import JobError
from fusion.shards.events import EventLog
from fusion.shards.in_process import InProcessEngine
from fusion.shards.layout import Layout, candidate_layouts
from fusion.shards.retries import MOST_FALSE_STARTS, Task, TaskQueue
from fusion.shards.settings import check_stall
from fusion.shards.spawning import why_no_workers

if TYPE_CHECKING:
    from fusion.shards.worker import Message

START_S = 120.0  # what loading torch and a model may take at least, however short a stall is
IN_PROCESS = (
    "workers cannot be started here: {reason}. The job runs in this process instead, where a row "
    "that ends the process ends the job. To have workers, call the job in the main part of a "
    "script, under `if __name__ == '__main__':`; to do without and not see this, pass "
    "engine=InProcessEngine()."
)
TRIALS_PAY = 4  # a trial of layouts is made if this many times its shards are left


class LocalEngine:
    """Runs shards in processes of this machine; in this one, with a warning, where none can start.

    Args:
        layout: Processes and threads; None: the fastest of a few, tried on the first shards.
        stall_s: A worker that shows no sign of life for this long is taken to hang, in seconds.

    Raises:
        ConfigError: If the seconds are not positive and finite.
    """

    def __init__(self, *, layout: Layout | None = None, stall_s: float = 300.0) -> None:
        check_stall(stall_s)
        self.layout = layout
        self.stall_s = stall_s

    def run(self, folder: Path, shards: Sequence[int], log: EventLog) -> dict[int, str]:
        """Does all shards; gives back those that failed, with the reason.

        Raises:
            JobError: If the job as a whole cannot go on.
        """
        if reason := why_no_workers():
            warnings.warn(IN_PROCESS.format(reason=reason), stacklevel=3)
            log.write("in_process", reason=reason)
            return InProcessEngine().run(folder, shards, log)
        layouts = [self.layout] if self.layout else candidate_layouts()
        n_trial = sum(layout.workers for layout in layouts)
        if len(layouts) == 1 or len(shards) < TRIALS_PAY * n_trial:
            return self._with(layouts[0], folder, shards, log)
        failed: dict[int, str] = {}
        rates: dict[Layout, float] = {}
        left = list(shards)
        for layout in layouts:
            trial, left = left[: layout.workers], left[layout.workers :]
            before = log.n_encoded
            pool = _Pool(folder, layout, trial, stall_s=self.stall_s, log=log)
            failed |= pool.run()
            rates[layout] = (log.n_encoded - before) / max(pool.seconds, 1e-9)
            log.write("layout_tried", layout=str(layout), encoded_per_s=round(rates[layout], 2))
        best = max(layouts, key=rates.__getitem__)
        return failed | self._with(best, folder, left, log)

    def _with(
        self, layout: Layout, folder: Path, shards: Sequence[int], log: EventLog
    ) -> dict[int, str]:
        log.write("layout_chosen", layout=str(layout))
        return _Pool(folder, layout, shards, stall_s=self.stall_s, log=log).run()


@dataclass
class _Worker:
    """One process, the parent's end of its pipe, and what it is doing."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection
    gpu: int | None
    heard: float
    ready: bool = False
    task: Task | None = None


class _Pool:
    """One run of some shards on one layout."""

    def __init__(
        self,
        folder: Path,
        layout: Layout,
        shards: Sequence[int],
        *,
        stall_s: float,
        log: EventLog,
    ) -> None:
        self.folder = folder
        self.layout = layout
        self.stall_s = stall_s
        self.log = log
        self.queue = TaskQueue(folder, shards, log)
        self.workers: list[_Worker] = []
        self.false_starts = 0
        self.seconds = 0.0

    def run(self) -> dict[int, str]:
        began = 0.0
        try:
            for number in range(min(self.layout.workers, len(self.queue))):
                self._start(self.layout.gpu(number))
            while self.queue or any(worker.task for worker in self.workers):
                self._assign()
                if not began and any(worker.task for worker in self.workers):
                    began = time.monotonic()
                self._listen()
                self._end_stalled()
            self.seconds = time.monotonic() - began
        finally:
            self._stop()
        return self.queue.failed

    def _start(self, gpu: int | None) -> None:
        from fusion.shards.worker import work  # torch: where there is work

        context = multiprocessing.get_context("spawn")  # forked threads and GPUs do not work
        ours, theirs = context.Pipe()
        process = context.Process(
            target=work, args=(self.folder, theirs, self.layout.threads, gpu), daemon=True
        )
        process.start()
        theirs.close()
        self.workers.append(_Worker(process, ours, gpu, heard=time.monotonic()))

    def _assign(self) -> None:
        for worker in self.workers:
            if self.queue and worker.ready and worker.task is None:
                worker.task = self.queue.take()
                worker.heard = time.monotonic()
                try:
                    worker.pipe.send(worker.task)
                except OSError:
                    pass  # it has died; `_listen` sees that

    def _listen(self) -> None:
        """Handles what workers say, and that they died."""
        pipes = {worker.pipe: worker for worker in self.workers}
        for pipe in wait(list(pipes), timeout=1.0):
            worker = pipes[pipe]  # type: ignore[index]
            try:
                message: Message = worker.pipe.recv()
            except (EOFError, OSError):
                self._replace(worker, "died")
                continue
            worker.heard = time.monotonic()
            self._handle(worker, message)

    def _handle(self, worker: _Worker, message: "Message") -> None:
        if message.kind == "fatal":
            raise JobError(message.text)
        if message.kind == "ready":
            worker.ready = True
        elif message.kind == "beat" and worker.task is not None:
            self.log.at(worker.task.shard, message.rows)
        elif message.kind == "done" and message.outcome is not None:
            worker.task = None
            self.false_starts = 0  # what kept others from starting keeps nobody from working
            self.log.done(message.outcome)
        elif message.kind == "raised" and worker.task is not None:
            task, worker.task = worker.task, None
            self.queue.ended(task, "raised", reason=message.text)

    def _end_stalled(self) -> None:
        for worker in list(self.workers):
            busy = worker.task is not None or not worker.ready
            limit = self.stall_s if worker.ready else max(self.stall_s, START_S)
            if busy and time.monotonic() - worker.heard > limit:
                worker.process.kill()
                self._replace(worker, "hung")

    def _replace(self, worker: _Worker, how: Literal["died", "hung"]) -> None:
        """After a worker ended: its shard is done again, row by row first, by a new one."""
        worker.process.join()
        worker.pipe.close()
        self.workers.remove(worker)
        code = worker.process.exitcode
        if worker.task is None:
            self.false_starts += 1
            if self.false_starts > MOST_FALSE_STARTS:
                raise JobError(
                    f"workers must start, got {self.false_starts} in a row that {how} (exit code "
                    f"{code}). Look at the memory of this machine, or give fewer --workers; "
                    "--workers 0 does without them."
                )
        else:
            self.queue.ended(worker.task, how, reason=f"the worker {how} (exit code {code})")
        if self.queue:
            self._start(worker.gpu)

    def _stop(self) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join(5)
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()

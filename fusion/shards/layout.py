"""How many processes of how many threads share this machine."""

import os
from dataclasses import dataclass

WORKER_BYTES = 2_000_000_000  # of memory that a worker needs: torch, a model and a shard


@dataclass(frozen=True)
class Layout:
    """Worker processes and the threads of each.

    Args:
        workers: Number of processes (>= 1).
        threads: Threads of torch in each (>= 1).
        n_gpus: GPUs that the workers share in turn; 0: none.
    """

    workers: int
    threads: int
    n_gpus: int = 0

    def gpu(self, worker: int) -> int | None:
        """The GPU of a worker."""
        return worker % self.n_gpus if self.n_gpus else None

    def __str__(self) -> str:
        return f"{self.workers} x {self.threads}"


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def layout_of(workers: int) -> Layout:
    """A given number of workers that share the cores evenly, and the GPUs where there are any."""
    return Layout(workers, max(1, cores() // workers), _n_gpus())


def candidate_layouts() -> list[Layout]:
    """Layouts worth a trial, the safest guess first: one worker a GPU, else few to many processes.

    Why: many processes of one thread waste nothing on waiting for each other; few processes need
    less memory and share one model. Which wins depends on model, photos and machine.
    """
    n_gpus = _n_gpus()
    if n_gpus:
        return [layout_of(n_gpus)]
    fitting = max(1, _available_bytes() // WORKER_BYTES)
    counts = sorted({1, max(1, cores() // 4), cores()}, reverse=True)
    return [layout_of(count) for count in counts if count <= fitting] or [layout_of(1)]


def _n_gpus() -> int:
    import torch  # so late: a job with nothing left to do is told without it

    return torch.cuda.device_count()


def _available_bytes() -> int:
    if hasattr(os, "sysconf") and "SC_AVPHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return WORKER_BYTES

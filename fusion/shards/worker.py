"""A worker process: takes numbers of shards from a pipe, does them, says how it went."""

import ctypes
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal, NamedTuple

import torch

from fusion.errors import FusionError
from fusion.progress import Work
from fusion.shards.retries import Task
from fusion.shards.run import Outcome, ShardRunner, run_shard

BEAT_S = 1.0
PR_SET_PDEATHSIG = 1  # of prctl(2)
KEPT_KERNELS = 64
"""Compiled kernels that each cache keeps: one for each shape, so that 1,024 would grow for long."""
CACHES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")
"""Sizes of the caches of oneDNN and of torch's layer above it; read when they are first used."""


class Message(NamedTuple):
    """A worker says: `ready`, `beat` (rows), `done` (outcome), `raised` or `fatal` (text)."""

    kind: Literal["ready", "beat", "done", "raised", "fatal"]
    outcome: Outcome | None = None
    text: str = ""
    rows: int = 0


def work(folder: Path, pipe: Connection, threads: int, gpu: int | None) -> None:
    """Runs until the pipe closes, the parent is gone, or the job cannot go on.

    Args:
        folder: Output folder of the job.
        pipe: Numbers of shards come in, messages go out.
        threads: Threads of torch.
        gpu: Number of the GPU to use; None: none.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["CUDA_VISIBLE_DEVICES"] = "" if gpu is None else str(gpu)
    for cache in CACHES:
        os.environ.setdefault(cache, str(KEPT_KERNELS))
    _end_at_once_with_parent()
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    torch.set_num_threads(threads)
    try:
        ShardRunner(folder)
        pipe.send(Message("ready"))
        while True:
            pipe.send(_answer(folder, pipe, pipe.recv()))
    except (EOFError, BrokenPipeError):
        return
    except (FusionError, OSError, ValueError) as error:
        pipe.send(Message("fatal", text=str(error)))


def _answer(folder: Path, pipe: Connection, task: Task) -> Message:
    try:
        outcome = run_shard(folder, task.shard, careful=task.careful, stage=_Beats(pipe))
    except (FusionError, OSError) as error:
        return Message("fatal", text=str(error))
    except Exception as error:  # a row is at fault; it is looked for alone
        return Message("raised", text=f"{type(error).__name__}: {error}")
    return Message("done", outcome)


class _Beats:
    """Progress of a worker: rows done, also as a sign of life, at most once a second."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._last = 0.0

    def __call__(self, name: str, total: int, unit: str) -> Work:
        return Work(name, total, unit, self._beat)

    def _beat(self, work: Work) -> None:
        if time.monotonic() - self._last > BEAT_S:
            self._last = time.monotonic()
            self._pipe.send(Message("beat", rows=work.done))


def _end_at_once_with_parent() -> None:
    """Has Linux kill this process with its parent, even while a decoder keeps Python's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent, even one that was killed, on any system."""
    while os.getppid() == parent:
        time.sleep(BEAT_S)
    os._exit(1)

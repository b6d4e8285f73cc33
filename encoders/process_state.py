"""What a process has only once, and threads and forked children therefore share.

Libraries change such state while they work: transformers replaces functions of torch while it loads
a model, and its Trainer seeds the global generators. A lock lets one thread at a time do so.
"""

import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class ProcessLock:
    """A lock that a thread may take several times, and that is free in a forked child.

    Why: a child has the forking thread alone. A lock that another thread held would never be
    released there.

    Example:
        >>> lock = ProcessLock()
        >>> with lock.held(), lock.held():
        ...     pass
    """

    def __init__(self) -> None:
        self._renew()
        if hasattr(os, "register_at_fork"):  # Windows has no fork
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self._lock = threading.RLock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Waits until no other thread is in such a block, and runs this one."""
        with self._lock:  # the one that was taken is given back, also in a child
            yield


LOADING = ProcessLock()
"""Held while transformers is imported, loads a model or a tokenizer, or makes a Trainer."""


@contextmanager
def start_method_kept() -> Iterator[None]:
    """Leaves it to the program how `multiprocessing` starts processes, where it is undecided yet.

    Why: joblib, on which trees of scikit-learn run, decides it for good by asking for it.
    """
    undecided = multiprocessing.get_start_method(allow_none=True) is None
    try:
        yield
    finally:
        if undecided:
            multiprocessing.set_start_method(None, force=True)


class OwnChance(TorchDispatchMode):
    """Inside the block, this thread draws from generators of its own, not from torch's global ones.

    Why: torch's global generators are the program's, and other threads may be drawing from them.
    The numbers are those that `torch.manual_seed(seed)` would give.

    Args:
        seed: Of the generators, one for each device.

    Example:
        >>> before = torch.get_rng_state()
        >>> with OwnChance(0):
        ...     layer = torch.nn.Linear(2, 3)
        >>> bool((torch.get_rng_state() == before).all())
        True
    """

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs one operation; one that draws gets a generator."""
        options = dict(kwargs or {})
        device = _device_of(args, options)
        if torch.Tag.nondeterministic_seeded not in func.tags or device.type == "meta":
            return func(*args, **options)
        func = _with_generator(func)
        if _takes_generator(func):
            options["generator"] = options.get("generator") or self._on(device)
        return func(*args, **options)

    def _on(self, device: torch.device) -> torch.Generator:
        if device not in self._generators:
            self._generators[device] = torch.Generator(device).manual_seed(self._seed)
        return self._generators[device]


def _with_generator(func: Any) -> Any:
    """The operation itself, or its other form, which takes a generator; `rand` has two."""
    if _takes_generator(func):
        return func
    form = func._overloadname
    name = "generator" if form == "default" else f"{form}_generator"
    return getattr(func.overloadpacket, name, func)


def _takes_generator(func: Any) -> bool:
    return any(argument.name == "generator" for argument in func._schema.arguments)


def _device_of(args: Any, options: dict[str, Any]) -> torch.device:
    tensors = (argument.device for argument in args if isinstance(argument, torch.Tensor))
    return torch.device(next(tensors, None) or options.get("device") or "cpu")


def _compute_with_one_thread() -> None:
    """A forked child has none of the threads that its parent computed with, and would wait."""
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_compute_with_one_thread)

"""What torch has only once in a process: its global generators, and its threads after a fork."""

import os
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode


class OwnGenerators(TorchDispatchMode):
    """Inside the block, this thread draws from generators of its own, not from torch's global ones.

    Why: torch's global generators are the program's, and other threads may be drawing from them.
    The numbers are those that `torch.manual_seed(seed)` would give.

    Args:
        seed: Of the generators, one for each device.

    Example:
        >>> before = torch.get_rng_state()
        >>> with OwnGenerators(0):
        ...     layer = torch.nn.Linear(2, 3)
        >>> bool((torch.get_rng_state() == before).all())
        True
    """

    def __init__(self, seed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seed = seed
        self._generators: dict[torch.device, torch.Generator] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """No: to be skipped by the compiler of torch, it would be imported, which takes seconds."""
        return False

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

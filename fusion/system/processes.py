"""Several processes that share one tuning, as `torchrun` and `accelerate launch` start them.

They share the optimiser steps and nothing else: the first one embeds, and goes on alone when the
tuning is done.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from accelerate import PartialState
    from torch import Tensor

PATIENCE = timedelta(days=2)
"""How long a process waits for the first one to embed a catalogue."""
SETTINGS_OF_A_GROUP = ("ACCELERATE_", "FSDP_", "TORCHELASTIC_")
NAMES_OF_A_GROUP = (
    "RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
)  # fmt: skip


class ShareDone(SystemExit):
    """Ends a process whose share of the work is done, with exit code 0."""


def processes() -> "PartialState":
    """The processes that share this run: one, or those that a launcher started."""
    import torch
    from accelerate import PartialState  # takes seconds to import

    return PartialState(cpu=not torch.cuda.is_available(), timeout=PATIENCE)


def is_first() -> bool:
    """True in the process that shows progress and writes results."""
    return os.environ.get("RANK", "0") == "0"


def in_all_processes(flag: bool) -> bool:
    """True where it is true in every process of this run; all must ask at the same time."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return flag
    import torch

    answers = [flag] * processes().num_processes
    torch.distributed.all_gather_object(answers, flag)
    return all(answers)


def weights_are_shared_out() -> bool:
    """True where accelerate's file asks for FSDP: each process holds a part of every weight."""
    return os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"


def whole(state: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Copies of a module's tensors, put together where each process holds a part of them.

    All processes must ask at the same time.
    """
    from torch.distributed.tensor import DTensor  # takes seconds to import

    return {
        name: tensor.full_tensor().clone() if isinstance(tensor, DTensor) else tensor.clone()
        for name, tensor in state.items()
    }


@contextmanager
def first_alone() -> Iterator[None]:
    """The first process runs the block before all others, which then find what it has kept."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield
        return
    with processes().main_process_first():
        yield


def only_the_first_goes_on() -> None:
    """Ends all processes but the first, which then works as if it had been started alone.

    Raises:
        ShareDone: In all others; nobody should catch it.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return
    from accelerate.state import AcceleratorState, GradientState

    everyone = processes()
    everyone.wait_for_everyone()
    is_main = everyone.is_main_process
    everyone.destroy_process_group()
    if not is_main:
        raise ShareDone(0)
    for name in list(os.environ):
        if name in NAMES_OF_A_GROUP or name.startswith(SETTINGS_OF_A_GROUP):
            del os.environ[name]
    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()

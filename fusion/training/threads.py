"""How many threads small computations use: more than one often make them slower.

OpenMP and BLAS wait for each other's threads by spinning. Beside other busy processes a thread that
is waited for may not be running, and the work of milliseconds takes many times as long.
"""

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from threadpoolctl import threadpool_limits

from encoders.process_lock import ProcessLock
from encoders.stream import openmp_libraries
from fusion.data.batch import ModelInputs

_LIMITING = ProcessLock()
SetThreads = Callable[[int], int]


@contextmanager
def computing_with(n_threads: int) -> Iterator[None]:
    """Inside the block, this Python thread computes with so many threads of torch and BLAS.

    Other Python threads keep theirs in torch and scikit-learn: the number is the calling thread's
    own there, unlike that of `torch.set_num_threads`, which threads that start meanwhile would take
    over for good. BLAS of NumPy and SciPy has one number for the whole process; so one block runs
    at a time, and what was set before comes back at its end, also after an error.

    Args:
        n_threads: Number of threads (>= 1).

    Example:
        >>> with computing_with(1):
        ...     torch.get_num_threads()
        1
    """
    with _LIMITING.held(), threadpool_limits(n_threads), torch_with(n_threads):
        yield


@contextmanager
def torch_with(n_threads: int) -> Iterator[None]:
    """Inside the block, this Python thread computes with so many threads of torch.

    Nothing of it reaches other Python threads, so that such blocks may run in several at once.

    Args:
        n_threads: Number of threads (>= 1).
    """
    torch.get_num_threads()  # the first call of a thread sets it to the process's number
    with openmp_libraries().limit(limits=n_threads):
        set_of_mkl = _threads_of_mkl()
        before = set_of_mkl(n_threads)
        try:
            yield
        finally:
            set_of_mkl(before)


def threads_for(chosen: int | None, inputs: ModelInputs, *, is_heavy: bool = False) -> int:
    """Threads (>= 1) for a network on these inputs, and for what is fitted beside it.

    Why 1 on ready embeddings: a step takes milliseconds, which a second thread hardly shortens.
    Where encoders learn in the network, or single operations take seconds, all that the process
    has are worth it.

    Args:
        chosen: What the settings say; None leaves it to this.
        inputs: What the network reads.
        is_heavy: Whether single operations take seconds, see `Member.is_heavy`.
    """
    return chosen or (torch.get_num_threads() if inputs.encoders or is_heavy else 1)


def shared_out(chosen: int | None, inputs: ModelInputs, *, n_networks: int) -> tuple[int, int]:
    """How many networks are trained at once, and how many threads (>= 1) each computes with.

    Why several networks with one thread each: they wait for each other nowhere, so two take half
    the time of one after the other, also where other processes are busy. On a GPU, and where
    encoders learn in the networks, one after the other has all.

    Args:
        chosen: Threads, as the settings say; None are all that the process has.
        inputs: What the networks read.
        n_networks: Number of networks.
    """
    if inputs.encoders or torch.cuda.is_available():
        return 1, chosen or torch.get_num_threads()
    return side_by_side(chosen, n_networks=n_networks)


def side_by_side(chosen: int | None, *, n_networks: int) -> tuple[int, int]:
    """As `shared_out`, of networks whose steps take milliseconds each, on the CPU.

    Args:
        chosen: Threads for all of them; None are all that the process has, one for each.
        n_networks: Number of networks.
    """
    at_once = min(chosen or torch.get_num_threads(), n_networks)
    return at_once, max(1, (chosen or 1) // at_once)


@cache
def _threads_of_mkl() -> SetThreads:
    """Sets the calling thread's number in the MKL inside torch, and gives back the one before.

    Why: once `torch.set_num_threads` was called, MKL no longer follows OpenMP. 0 is no number of
    its own; where torch has no MKL, nothing needs to be done.
    """
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        found: SetThreads = library.MKL_Set_Num_Threads_Local
    except (OSError, AttributeError):
        return lambda n_threads: 0
    return found

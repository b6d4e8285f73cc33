"""What this machine can compute at most, and what a model needs: for shares of the peak."""

import time
from collections.abc import Callable
from functools import cache

import torch
from torch.utils.flop_counter import FlopCounterMode

SIDE = 2048
REPEATS = 25


@cache
def matrix_peak(dtype: torch.dtype) -> float:
    """GFLOP/s of the fastest of 25 products of two large square matrices."""
    left, right = torch.ones(SIDE, SIDE, dtype=dtype), torch.ones(SIDE, SIDE, dtype=dtype)
    left @ right
    best = min(_timed(lambda: left @ right) for _ in range(REPEATS))
    return 2 * SIDE**3 / best / 1e9


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def gflop(work: Callable[[], object]) -> float:
    """GFLOP of matrix products and convolutions in a piece of work."""
    counter = FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        work()
    return counter.get_total_flops() / 1e9

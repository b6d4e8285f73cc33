"""Which number format a frozen encoder computes in on this machine's processor."""

import time
from collections.abc import Callable
from functools import cache
from typing import Literal, cast

import torch

DTYPES = ("auto", "float32", "bfloat16")
MIN_SPEED_UP = 1.3  # bfloat16 costs accuracy, so a gain within timing noise is not worth it
REPEATS = 3

Probe = Callable[[torch.dtype], object]


def resolve_dtype(requested: str, *, probe: Probe) -> Literal["float32", "bfloat16"]:
    """The format to compute in: the one asked for, or for "auto" the faster one here.

    Why: bfloat16 is 2 to 3 times as fast as float32 where the processor multiplies it, and many
    times slower where it does not. "auto" therefore asks the processor first and a short timing
    second; a GPU only has to have it. float16 is no choice: processors without it compute it slower
    than float32.

    Args:
        requested: "auto", "float32" or "bfloat16".
        probe: Runs a small piece of the encoder's work in the given format. Pass a function of a
            module: its answer is timed once per process and remembered.

    Returns:
        "float32" or "bfloat16". Store this, not "auto", in a configuration.

    Raises:
        ValueError: If `requested` is none of the three.

    Example:
        >>> resolve_dtype("float32", probe=print)
        'float32'
    """
    if requested not in DTYPES:
        raise ValueError(
            f"dtype must be one of {', '.join(DTYPES)}, got {requested!r}. Use 'auto' if unsure."
        )
    if requested != "auto":
        return cast(Literal["float32", "bfloat16"], requested)
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if bfloat16_pays(probe) else "float32"


def processor_has_bfloat16() -> bool:
    """True where the processor multiplies bfloat16 in hardware (AVX512_BF16 or AMX_BF16)."""
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@cache
def bfloat16_pays(probe: Probe) -> bool:
    """True where the processor has bfloat16 and the probe runs at least 1.3 times as fast in it."""
    if not processor_has_bfloat16():
        return False
    return seconds(probe, torch.float32) >= MIN_SPEED_UP * seconds(probe, torch.bfloat16)


def seconds(probe: Probe, dtype: torch.dtype) -> float:
    """Shortest of three timed runs of the probe, in seconds, after one run to warm up."""
    with torch.inference_mode():
        probe(dtype)
        return min(timed(probe, dtype) for _ in range(REPEATS))


def timed(probe: Probe, dtype: torch.dtype) -> float:
    """Wall time of one run of the probe, in seconds."""
    start = time.perf_counter()
    probe(dtype)
    return time.perf_counter() - start

"""Which precision an encoder computes in: what the processor has decides, and nothing else."""

import os
from typing import TYPE_CHECKING, Literal, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from encoders.base import Encoder

Precision = Literal["float32", "bfloat16"]
DTYPES = ("auto", "float32", "bfloat16")
SWITCH = "FUSION_BF16"
"""Environment variable that answers in place of the processor: `yes` or `no`."""


def resolve_dtype(requested: str, *, name: str = "dtype") -> Precision:
    """The format to compute in: the one asked for, or for "auto" bfloat16 where it is in hardware.

    Why: bfloat16 is 2 to 3 times as fast as float32 where the processor multiplies it, and up to a
    hundred times slower where it does not. Nothing is timed: on a busy machine that would be
    chance, and embeddings of two runs would differ. float16 is no choice: processors without it
    compute it slower than float32.

    Args:
        requested: "auto", "float32" or "bfloat16".
        name: What the setting is called in messages.

    Returns:
        "float32" or "bfloat16". Store this, not "auto", in a configuration.

    Raises:
        ValueError: If `requested` is none of the three, or bfloat16 would have to be emulated.

    Example:
        >>> resolve_dtype("float32")
        'float32'
    """
    if requested not in DTYPES:
        raise ValueError(
            f"{name} must be one of {', '.join(DTYPES)}, got {requested!r}. Use 'auto' if unsure."
        )
    if requested == "auto":
        return "bfloat16" if processor_has_bfloat16() else "float32"
    if requested == "bfloat16" and not processor_has_bfloat16():
        raise ValueError(
            f"{name} must be 'auto' or 'float32' on this processor, got 'bfloat16': it has no "
            "bf16, and to emulate it is up to a hundred times slower than float32. Use 'auto', or "
            f"set {SWITCH}=yes to compute it all the same."
        )
    return cast(Precision, requested)


def processor_has_bfloat16() -> bool:
    """True where what computes here, a GPU or else the processor, multiplies bfloat16 in hardware.

    The environment variable `FUSION_BF16` (`yes` or `no`) answers in its place. Child processes
    inherit it. It is for clusters of mixed processors, which must compute alike, and for tests.

    Raises:
        ValueError: If `FUSION_BF16` is something else.
    """
    told = os.environ.get(SWITCH)
    if told is not None:
        if told not in ("yes", "no"):
            raise ValueError(f"{SWITCH} must be yes or no, got {told!r}. Set it, or leave it out.")
        return told == "yes"
    import torch  # so late: settings are checked without it

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


@runtime_checkable
class TwoPrecisions(Protocol):
    """An encoder that can compute in float32 and in bfloat16; its configuration says in which."""

    def fingerprint_in(self, dtype: str) -> str:
        """The fingerprint that the same encoder has when it computes in another format."""


def precision_of(encoder: "Encoder") -> Precision | None:
    """The format that an encoder computes in; None where it has no choice."""
    return encoder.config["dtype"] if isinstance(encoder, TwoPrecisions) else None


def in_precision(encoder: "Encoder", dtype: Precision) -> "Encoder":
    """A fresh copy of a pretrained encoder that computes in a format, where it has a choice.

    Weights come from the checkpoint again, unrounded; those that it does not hold (all where there
    is none, tuned ones where there is) from the encoder.

    Raises:
        ValueError: If bfloat16 would have to be emulated, or the checkpoint is gone.
    """
    chosen = {} if precision_of(encoder) is None else {"dtype": dtype}
    built = type(encoder)(**{**encoder.config, **chosen})
    built.load_state_dict({**built.state_dict(), **encoder.delta_state_dict()})
    return built

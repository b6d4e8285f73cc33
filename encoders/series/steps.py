"""What a series encoder tells step by step, for decoders that look back at single periods."""

from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor

from encoders.base import Tensors


class Steps(NamedTuple):
    """A series, as a whole and period by period.

    Args:
        embedding: `[n, embedding_dim]`, what `forward` gives.
        memory: `[n, n_past, steps_dim]`, the last entry is the last period before the first step;
            0 where the mask is False.
        mask: `[n, n_past]`, bool; False before a history begins, all False where there is none.
    """

    embedding: Tensor
    memory: Tensor
    mask: Tensor


@runtime_checkable
class StepsEncoder(Protocol):
    """A series encoder that tells of each period, and of each step to come what is known ahead."""

    @property
    def steps_dim(self) -> int:
        """Length of what is told of one past period."""

    @property
    def future_dim(self) -> int:
        """Length of the last axis of `tensors["future"]`, `[n, n_steps, future_dim]`."""

    def steps(self, tensors: Tensors) -> Steps:
        """The embeddings, and the memory that they were made of."""

"""What every decoder can do: fused vectors in, the raw outputs of one head out."""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Protocol, Self, runtime_checkable

from torch import Tensor, nn

from heads.base import Floats, Head


class Memory(NamedTuple):
    """What a series encoder tells of each period of the past.

    Args:
        values: `[batch, n_past, memory_dim]`; n_past may be 0.
        mask: `[batch, n_past]`, True where a period is there. Values elsewhere, even NaN, change
            nothing.
    """

    values: Tensor
    mask: Tensor


class Decoder(nn.Module, ABC):
    """The weights with which a network answers a question.

    A decoder takes sizes and the start of its bias from the head that it is built for, and keeps
    no reference to it.

    Shape:
        fused `[batch, n_networks, fused_dim]` -> raw
        `[batch, n_networks, *target_shape, raw_dim]`.

    Args:
        fused_dim: Length of a fused vector, >= 1.
        head: The question.

    Law: `type(decoder)(fused_dim, head, **decoder.config)` rebuilds the decoder; `load_state_dict`
    then gives its weights.
    """

    closed_form: ClassVar[bool] = False
    """True where `solve` of `ClosedForm` finds the weights and no gradient step does."""
    reads_periods: ClassVar[bool] = False
    """True where options `memory_dim` and `future_dim` say how long the vectors are that tell of
    past and coming periods; 0 (their default) for none. `tiny` reads both."""

    def __init__(self, fused_dim: int, head: Head) -> None:
        super().__init__()
        self.fused_dim = fused_dim
        self.raw_shape = (*head.target_shape, head.raw_dim)

    @property
    def n_outputs(self) -> int:
        """Raw outputs of one row and network, >= 1."""
        return math.prod(self.raw_shape)

    @property
    def config(self) -> dict[str, Any]:
        """Own options, JSON-serialisable, that rebuild this decoder (default: none)."""
        return {}

    @abstractmethod
    def forward(
        self, fused: Tensor, memory: Memory | None = None, future: Tensor | None = None
    ) -> Tensor:
        """Raw outputs `[batch, n_networks, *target_shape, raw_dim]`.

        Args:
            fused: `[batch, n_networks, fused_dim]`.
            memory: What a series encoder tells period by period; None where nothing does.
            future: What is known of the first numbers of the target, `[batch, n_steps, dim]`, such
                as planned prices of the coming periods; None where nothing is.
        """

    @classmethod
    def tiny(cls, fused_dim: int, head: Head) -> Self:
        """A small instance for contract tests (default: without options)."""
        return cls(fused_dim, head)


@runtime_checkable
class ClosedForm(Protocol):
    """What a decoder with `closed_form = True` can do besides."""

    def solve(self, fused: Floats, scores: Floats, weight: Floats | None = None) -> None:
        """Sets the weights from all training rows at once.

        Args:
            fused: `[n, fused_dim]`.
            scores: `[n, n_scores]`, the targets on the `additive_scale` of the head.
            weight: `[n]`, how much each row counts, > 0; all alike where None.
        """

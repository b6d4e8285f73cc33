"""Transformer: the steps to come look at each other and back at the history."""

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from heads.base import Head
from heads.decoders.attention import Attention, ContentAndPast, Entries, start_bias
from heads.decoders.base import Decoder, Memory


class TransformerDecoder(Decoder):
    """Causal self-attention over the steps to come, cross-attention over content and history.

    The twin of `Seq2SeqDecoder`: all steps at once in place of one behind the other. Each begins at
    the fused vector and what is known of it, and sees only steps before it, so what is planned for
    a later step moves none before. A number behind the steps, such as the whole window, sees all.

    *Source:* Vaswani et al. (2017), section 3; *differs:* normalisation before each part (Xiong et
    al. 2020), places of steps are learned, and the fused vector is one place to look at.

    Shape:
        fused `[batch, n_networks, fused_dim]`, memory `[batch, n_past, memory_dim]`, future
        `[batch, n_steps, future_dim]` -> raw `[batch, n_networks, *target_shape, raw_dim]`.

    Args:
        fused_dim: Length of a fused vector.
        head: The question.
        memory_dim: Length of what is told of a past period; 0 where nothing is.
        future_dim: Length of what is known of a coming period; 0 where nothing is.
        hidden_dim: Length of a step, a multiple of `n_heads`.
        n_heads: Heads of each attention, >= 1.

    Raises:
        ValueError: If `hidden_dim` is no multiple of `n_heads`.

    Example:
        >>> from heads.sales_path import SalesPathHead
        >>> decoder = TransformerDecoder(8, SalesPathHead(horizon=4), future_dim=2)
        >>> decoder(torch.zeros(5, 1, 8), future=torch.zeros(5, 4, 2)).shape
        torch.Size([5, 1, 5, 12])
    """

    reads_periods: ClassVar[bool] = True

    def __init__(
        self,
        fused_dim: int,
        head: Head,
        *,
        memory_dim: int = 0,
        future_dim: int = 0,
        hidden_dim: int = 64,
        n_heads: int = 4,
    ) -> None:
        super().__init__(fused_dim, head)
        if hidden_dim % n_heads:
            raise ValueError(
                f"hidden_dim must be a multiple of n_heads ({n_heads}), got {hidden_dim}. "
                f"Give {hidden_dim // n_heads * n_heads or n_heads}."
            )
        self.memory_dim, self.future_dim = memory_dim, future_dim
        self.hidden_dim, self.n_heads = hidden_dim, n_heads
        n_entries = self.n_outputs // head.raw_dim
        self.first = nn.Linear(fused_dim, hidden_dim, bias=False)
        self.places = ContentAndPast(fused_dim, memory_dim, hidden_dim)
        self.entries = Entries(n_entries, future_dim, hidden_dim)
        self.before, self.past = Attention(hidden_dim, n_heads), Attention(hidden_dim, n_heads)
        self.wide = nn.Linear(hidden_dim, 2 * hidden_dim, bias=False)
        self.narrow = nn.Linear(2 * hidden_dim, hidden_dim, bias=False)
        self.norms = nn.ModuleList([nn.LayerNorm(hidden_dim, bias=False) for _ in range(4)])
        self.output = nn.Linear(hidden_dim, head.raw_dim, bias=False)
        self.bias = start_bias(head, n_entries)

    @property
    def config(self) -> dict[str, Any]:
        """Own options that rebuild this decoder."""
        names = ("memory_dim", "future_dim", "hidden_dim", "n_heads")
        return {name: getattr(self, name) for name in names}

    def forward(
        self, fused: Tensor, memory: Memory | None = None, future: Tensor | None = None
    ) -> Tensor:
        """Raw outputs `[batch, n_networks, *target_shape, raw_dim]`."""
        rows = fused.flatten(end_dim=1)  # [batch * n_networks, fused_dim]
        places, there = self.places(rows, memory)
        steps = self.first(rows)[:, None] + self.entries(len(rows), future)
        n_entries = steps.shape[1]
        earlier = torch.ones(1, n_entries, n_entries, dtype=torch.bool, device=rows.device).tril()
        own = self.norms[0](steps)
        steps = steps + self.before(own, self.before.told(own), earlier)
        steps = steps + self.past(self.norms[1](steps), self.past.told(places), there)
        steps = steps + self.narrow(F.gelu(self.wide(self.norms[2](steps))))
        raw: Tensor = self.output(self.norms[3](steps)) + self.bias
        return raw.reshape(*fused.shape[:-1], *self.raw_shape)

    @classmethod
    def tiny(cls, fused_dim: int, head: Head) -> Self:
        """Few numbers, of past and coming periods too."""
        return cls(fused_dim, head, memory_dim=3, future_dim=2, hidden_dim=8, n_heads=2)

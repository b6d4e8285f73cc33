"""Seq2Seq: a recurrent network writes the answer step by step and looks back at the history."""

from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from heads.base import Head
from heads.decoders.attention import Attention, ContentAndPast, Entries, start_bias
from heads.decoders.base import Decoder, Memory


class Seq2SeqDecoder(Decoder):
    """An LSTM over the steps to come, with attention over content and history at each of them.

    Its state begins at the fused vector. It goes on from step to step with what is known of the
    next one and what attention finds, never with its own answers, so errors do not add up. A number
    behind the steps, such as the whole window, is read from the state after all of them.

    *Source:* Bahdanau et al. (2015), neural machine translation; Wen et al. (2017), multi-horizon
    quantile forecaster, for steps without their own answers; *differs:* scaled dot products, and
    the fused vector is one place to look at.

    Shape:
        fused `[batch, n_networks, fused_dim]`, memory `[batch, n_past, memory_dim]`, future
        `[batch, n_steps, future_dim]` -> raw `[batch, n_networks, *target_shape, raw_dim]`.

    Args:
        fused_dim: Length of a fused vector.
        head: The question.
        memory_dim: Length of what is told of a past period; 0 where nothing is.
        future_dim: Length of what is known of a coming period; 0 where nothing is.
        hidden_dim: Length of the state, >= 1.

    Example:
        >>> from heads.sales_path import SalesPathHead
        >>> decoder = Seq2SeqDecoder(8, SalesPathHead(horizon=4), future_dim=2)
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
    ) -> None:
        super().__init__(fused_dim, head)
        self.memory_dim, self.future_dim, self.hidden_dim = memory_dim, future_dim, hidden_dim
        n_entries = self.n_outputs // head.raw_dim
        self.first = nn.Linear(fused_dim, 2 * hidden_dim, bias=False)
        self.places = ContentAndPast(fused_dim, memory_dim, hidden_dim)
        self.entries = Entries(n_entries, future_dim, hidden_dim)
        self.attention = Attention(hidden_dim, 1)
        self.cell = nn.LSTMCell(2 * hidden_dim, hidden_dim)
        self.output = nn.Linear(2 * hidden_dim, head.raw_dim, bias=False)
        self.bias = start_bias(head, n_entries)
        nn.init.zeros_(self.cell.bias_ih)
        nn.init.zeros_(self.cell.bias_hh)

    @property
    def config(self) -> dict[str, Any]:
        """Own options that rebuild this decoder."""
        names = ("memory_dim", "future_dim", "hidden_dim")
        return {name: getattr(self, name) for name in names}

    def forward(
        self, fused: Tensor, memory: Memory | None = None, future: Tensor | None = None
    ) -> Tensor:
        """Raw outputs `[batch, n_networks, *target_shape, raw_dim]`."""
        rows = fused.flatten(end_dim=1)  # [batch * n_networks, fused_dim]
        places, mask = self.places(rows, memory)
        told = self.attention.told(places)
        state, cell = self.first(rows).tanh().chunk(2, dim=1)
        outputs = []
        for entry in self.entries(len(rows), future).unbind(dim=1):
            seen = self.attention((state + entry)[:, None], told, mask)[:, 0]
            state, cell = self.cell(torch.cat([entry, seen], dim=1), (state, cell))
            outputs.append(self.output(torch.cat([state, seen], dim=1)))
        raw = torch.stack(outputs, dim=1) + self.bias  # [batch * n_networks, n_entries, raw_dim]
        return raw.reshape(*fused.shape[:-1], *self.raw_shape)

    @classmethod
    def tiny(cls, fused_dim: int, head: Head) -> Self:
        """Few numbers, of past and coming periods too."""
        return cls(fused_dim, head, memory_dim=3, future_dim=2, hidden_dim=8)

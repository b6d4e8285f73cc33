"""Attention over places: what an item is, and each period of its past."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from heads.base import Head
from heads.decoders.base import Memory


class Attention(nn.Module):
    """Multi-head scaled dot-product attention. *Source:* Vaswani et al. (2017), section 3.2.

    Shape:
        queries `[n, n_queries, dim]`, places `[n, n_places, dim]` -> `[n, n_queries, dim]`.

    Args:
        dim: Length of a vector, a multiple of `n_heads`.
        n_heads: Number of heads, >= 1.
    """

    def __init__(self, dim: int, n_heads: int) -> None:
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value, self.join = (
            nn.Linear(dim, dim, bias=False) for _ in range(4)
        )

    def told(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values by head of places `[n, n_places, dim]`, for any number of queries."""
        return self._by_head(self.key(places)), self._by_head(self.value(places))

    def forward(self, queries: Tensor, told: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
        """Means of the places, weighted by how well they answer each query.

        Args:
            queries: `[n, n_queries, dim]`.
            told: Of the places, by `told`.
            mask: `[n or 1, n_queries or 1, n_places]`, True where a query may look; somewhere for
                each.
        """
        query = self._by_head(self.query(queries))
        found = F.scaled_dot_product_attention(query, *told, attn_mask=mask[:, None])
        joined: Tensor = self.join(found.transpose(1, 2).flatten(start_dim=2))
        return joined

    def _by_head(self, values: Tensor) -> Tensor:
        """`[n, n_heads, n_places, dim / n_heads]` of `[n, n_places, dim]`."""
        size = values.shape[2] // self.n_heads
        return values.reshape(*values.shape[:2], self.n_heads, size).transpose(1, 2)


class ContentAndPast(nn.Module):
    """Places to look at: the first is the fused vector, the others are the periods of the past.

    So an item without a history has a place too.

    Args:
        fused_dim: Length of a fused vector.
        memory_dim: Length of what is told of a period; 0 where nothing is.
        dim: Length of a place.
    """

    def __init__(self, fused_dim: int, memory_dim: int, dim: int) -> None:
        super().__init__()
        self.memory_dim = memory_dim
        self.content = nn.Linear(fused_dim, dim, bias=False)
        self.past = nn.Linear(memory_dim, dim, bias=False) if memory_dim else None

    def forward(self, fused: Tensor, memory: Memory | None) -> tuple[Tensor, Tensor]:
        """Places `[n, 1 + n_past, dim]` and where they are there `[n, 1, 1 + n_past]`.

        Args:
            fused: `[n, fused_dim]`.
            memory: Of the same rows, or of each of `n / n_networks` rows for all its networks.

        Raises:
            ValueError: If memory comes though `memory_dim` is 0, or is of another length.
        """
        content = self.content(fused)[:, None]
        there = torch.ones(len(fused), 1, dtype=torch.bool, device=fused.device)
        if memory is None:
            return content, there[:, None]
        if self.past is None or memory.values.shape[-1] != self.memory_dim:
            raise ValueError(
                f"memory must be {self.memory_dim} numbers a period, got "
                f"{memory.values.shape[-1]}. Build the decoder with that memory_dim."
            )
        values = memory.values.masked_fill(~memory.mask[..., None], 0.0)  # also of NaN
        past, mask = self.past(values), memory.mask
        if len(memory.mask) != len(fused):
            times = len(fused) // max(len(memory.mask), 1)
            past, mask = past.repeat_interleave(times, dim=0), mask.repeat_interleave(times, dim=0)
        return torch.cat([content, past], dim=1), torch.cat([there, mask], dim=1)[:, None]


class Entries(nn.Module):
    """What is known of each number of the target: which it is, and what comes with its period.

    The first numbers are the coming periods; one beyond them, such as the whole window, has no
    period of its own.

    Args:
        n_entries: Numbers of the target, >= 1.
        future_dim: Length of what is known of a coming period; 0 where nothing is.
        dim: Length of an entry.
    """

    def __init__(self, n_entries: int, future_dim: int, dim: int) -> None:
        super().__init__()
        self.n_entries, self.future_dim = n_entries, future_dim
        self.place = nn.Parameter(torch.zeros(n_entries, dim))  # zeros: raw begins at the start
        self.planned = nn.Linear(future_dim, dim, bias=False) if future_dim else None

    def forward(self, n: int, future: Tensor | None) -> Tensor:
        """Entries `[n, n_entries, dim]`.

        Args:
            n: Number of rows.
            future: `[n, n_steps, future_dim]`, or of each of `n / n_networks` rows; None, or a
                `future_dim` of 0, for none.

        Raises:
            ValueError: If there are more steps than entries, or vectors of another length.
        """
        entries = self.place.expand(n, *self.place.shape)
        if future is None or future.shape[-1] == self.future_dim == 0:
            return entries
        n_steps, dim = future.shape[1:]
        if self.planned is None or dim != self.future_dim or n_steps > self.n_entries:
            raise ValueError(
                f"future must be at most {self.n_entries} steps of {self.future_dim} numbers, got "
                f"{n_steps} of {dim}. Build the decoder with that future_dim."
            )
        planned = F.pad(self.planned(future), (0, 0, 0, self.n_entries - n_steps))
        return entries + planned.repeat_interleave(n // max(len(future), 1), dim=0)


def start_bias(head: Head, n_entries: int) -> nn.Parameter:
    """Raw outputs `[n_entries, raw_dim]` that a decoder begins at: the head's start, or zeros."""
    start = torch.zeros(n_entries, head.raw_dim) if head.start is None else head.start
    return nn.Parameter(start.reshape(n_entries, head.raw_dim).clone())

"""Transformer: each period looks at all others and weighs them by what they hold."""

import math

import torch
from torch import Tensor, nn

from encoders.base import check_whole
from encoders.series.sequence import SequenceEncoder

N_HEADS = 4
"""Parts in which a period is compared, where `steps_dim` can be divided by it."""


class SeriesTransformerEncoder(SequenceEncoder):
    """Reads a series by self-attention over its periods.

    When: what matters lies at few periods, such as past promotions. Source: Vaswani et al. (2017),
    section 3; *differs:* normalisation in front of each part (Xiong et al. 2020), and a place is
    told by its distance from the first step, so that older periods change none.

    Shape and errors: see `SequenceEncoder`.

    Args:
        n_layers: Layers, >= 1.
        **options: Of `SequenceEncoder`.

    Example:
        >>> from encoders.series.example import example_windows
        >>> SeriesTransformerEncoder.tiny().encode(example_windows(3)).shape
        (3, 5)
    """

    def __init__(self, *, n_layers: int = 2, **options: object) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # checked there
        check_whole("n_layers", n_layers, least=1, most=100)
        self.enter = nn.Linear(self.inputs.past_dim, self.steps_dim)
        self.layers = nn.ModuleList(_Layer(self.steps_dim) for _ in range(n_layers))
        self.leave = nn.LayerNorm(self.steps_dim)

    @property
    def config(self) -> dict[str, object]:
        """Keyword arguments that rebuild this encoder."""
        return {**super().config, "n_layers": len(self.layers)}

    def told(self, past: Tensor, mask: Tensor) -> Tensor:
        """What each period has gathered from all periods of its history."""
        hidden = self.enter(past) + _distances(past.shape[1], self.steps_dim).to(past)
        # a row without history looks at everything, so that no sum of weights is 0; it is not used
        seen = mask | ~mask.any(dim=1, keepdim=True)
        for layer in self.layers:
            hidden = layer(hidden, seen)
        told: Tensor = self.leave(hidden)
        return told


class _Layer(nn.Module):
    """`x + attention(norm(x))`, then `x + perceptron(norm(x))`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.n_heads = N_HEADS if dim % N_HEADS == 0 else 1
        self.norms = nn.ModuleList(nn.LayerNorm(dim) for _ in range(2))
        self.query_key_value = nn.Linear(dim, 3 * dim)
        self.joined = nn.Linear(dim, dim)
        self.perceptron = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))

    def forward(self, hidden: Tensor, seen: Tensor) -> Tensor:
        """The same shape `[n, length, dim]`; places where `seen` `[n, length]` is False give 0."""
        parts = self.query_key_value(self.norms[0](hidden)).unflatten(-1, (3, self.n_heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # each [n, n_heads, length, dim / n_heads]
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~seen[:, None, None, :], -math.inf).softmax(dim=-1)
        hidden = hidden + self.joined((weights @ value).transpose(1, 2).flatten(2))
        left: Tensor = hidden + self.perceptron(self.norms[1](hidden))
        return left


def _distances(length: int, dim: int) -> Tensor:
    """Sines and cosines `[length, dim]` of each place's distance from the first step."""
    distance = torch.arange(length, 0, -1)[:, None].float()
    rate = torch.exp(-math.log(1000.0) * torch.arange(0, dim, 2) / dim)
    both = torch.stack([(distance * rate).sin(), (distance * rate).cos()], dim=-1)
    return both.flatten(1)[:, :dim]

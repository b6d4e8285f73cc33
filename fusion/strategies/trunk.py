"""The network behind every fusion: an ensemble of networks over one shared residual MLP."""

from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn

from fusion.strategies.dropout import Dropout

SIZES = {
    "projection_dim": (1, 65_536),
    "width": (1, 65_536),
    "depth": (0, 100),
    "n_networks": (1, 1_000),
}
"""Least and most of each; beyond it is a slip, or a bundle that was made to do harm."""
SHARES = ("dropout", "modality_dropout")


def checked_settings(settings: Mapping[str, object]) -> dict[str, Any]:
    """Sizes and counts as `int` and shares as `float`, as JSON holds them.

    Raises:
        ValueError: With every size that is out of its range, and every share that is not in [0, 1).
    """
    faulty = [
        f"{name} must be a whole number from {least} to {most:,}, got {settings[name]!r}"
        for name, (least, most) in SIZES.items()
        if not isinstance(value := settings[name], Integral) or not least <= int(value) <= most
    ]
    faulty += [
        f"{name} must be a number in [0, 1), got {settings[name]!r}"
        for name in SHARES
        if not isinstance(value := settings[name], Real) or not 0 <= float(value) < 1
    ]
    if faulty:
        raise ValueError(f"{'; '.join(faulty)}.")
    kinds = {**dict.fromkeys(SIZES, int), **dict.fromkeys(SHARES, float)}
    return {name: kinds[name](value) for name, value in settings.items()}


class NetworkTrunk(nn.Module):
    """Vectors `[batch, in_dim]` to `[batch, n_networks, width]`: one MLP, seen by each.

    Why: networks differ only by learned scales of their inputs, so an ensemble costs hardly more
    parameters than one network and generalises better on a few thousand rows.
    Source: Gorishniy, Kotelnikov, Babenko (2025), TabM, section 3, the variant with scales in front
    (TabM-mini); differs: the blocks are residual.

    Shape:
        `[batch, in_dim]` -> `[batch, n_networks, width]`.
    """

    def __init__(
        self, in_dim: int, *, width: int, depth: int, n_networks: int, dropout: float
    ) -> None:
        super().__init__()
        signs = torch.randint(0, 2, (n_networks, in_dim)).float() * 2 - 1
        self.scales = nn.Parameter(signs if n_networks > 1 else torch.ones(1, in_dim))
        self.enter = nn.Linear(in_dim, width)
        self.blocks = nn.ModuleList(ResidualBlock(width, dropout=dropout) for _ in range(depth))
        self.leave = nn.LayerNorm(width)

    def forward(self, joined: Tensor) -> Tensor:
        """Member vectors."""
        hidden = self.enter(joined[:, None, :] * self.scales)  # [batch, n_networks, width]
        for block in self.blocks:
            hidden = block(hidden)
        left: Tensor = self.leave(hidden)
        return left


class ResidualBlock(nn.Module):
    """`x + dropout(linear(relu(norm(x))))` on the last axis.

    Source: Gorishniy et al. (2021), equation 2; differs: one linear layer a block, not two.
    """

    def __init__(self, width: int, *, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """The same shape."""
        change: Tensor = self.dropout(self.linear(torch.relu(self.norm(hidden))))
        return hidden + change


class Projection(nn.Module):
    """Brings one modality to at most `projection_dim` normalised numbers.

    Why: 768 numbers of a text would drown 3 sales numbers and overfit a few hundred rows. A
    modality that is already small (a few numbers and categories) passes unchanged, since
    normalising so few numbers by row would erase their size.

    Shape:
        `[batch, dim]` -> `[batch, out_dim]`.
    """

    def __init__(self, dim: int, *, projection_dim: int, dropout: float) -> None:
        super().__init__()
        self.out_dim = min(dim, projection_dim)
        self.network: nn.Module = nn.Identity()
        if dim > projection_dim:
            self.network = nn.Sequential(
                nn.LayerNorm(dim),
                Dropout(dropout),
                nn.Linear(dim, projection_dim),
                nn.LayerNorm(projection_dim),
            )

    def forward(self, embedding: Tensor) -> Tensor:
        """Projected embeddings."""
        projected: Tensor = self.network(embedding)
        return projected

"""What every fusion strategy can do: embeddings of several modalities in, one vector out."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

Embeddings = dict[str, Tensor]
Present = dict[str, Tensor]


class Fusion(nn.Module, ABC):
    """Joins `{modality: [batch, dim]}` into fused vectors `[batch, n_networks, fused_dim]`.

    `present` holds a mask `[batch]` (bool) per modality. What stands in the embedding of an absent
    modality, even NaN, never reaches the output. Modalities are taken in sorted order, so the order
    of a dict never matters. A strategy may be several networks at once, which differ in their
    weights; one that has none of its own is one network.

    Law: `type(fusion)(**fusion.config)` rebuilds the fusion.
    """

    def __init__(self, dims: Mapping[str, int]) -> None:
        super().__init__()
        if not dims:
            raise ValueError("dims must name at least one modality, got none.")
        self.dims = dict(sorted(dims.items()))

    @property
    @abstractmethod
    def fused_dim(self) -> int:
        """Length of a fused vector."""

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Keyword arguments, JSON-serialisable, that rebuild this fusion."""

    @abstractmethod
    def forward(self, embeddings: Embeddings, present: Present) -> Tensor:
        """Fused vectors `[batch, n_networks, fused_dim]`."""

    @classmethod
    @abstractmethod
    def tiny(cls, dims: Mapping[str, int]) -> Self:
        """A small instance for contract tests."""


class AbsentVectors(nn.Module):
    """Puts a learned vector in the place of each absent modality, *before* any projection.

    Why: masking behind a projection still multiplies NaN by zero and sends NaN gradients back.
    """

    def __init__(self, dims: Mapping[str, int]) -> None:
        super().__init__()
        self.vectors = nn.ParameterDict({name: torch.zeros(dim) for name, dim in dims.items()})

    def forward(self, embeddings: Embeddings, present: Present) -> Embeddings:
        """The same dict with absent rows replaced; shapes `[batch, dim]` stay."""
        return {
            name: torch.where(present[name][:, None], embeddings[name], vector)
            for name, vector in self.vectors.items()
        }

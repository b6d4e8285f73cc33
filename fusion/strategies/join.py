"""The plain join: embeddings side by side, nothing learned."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from fusion.strategies.base import Embeddings, Fusion, Present


class JoinFusion(Fusion):
    """Puts embeddings and their presence masks side by side, without a single weight.

    When: under a head that is solved in closed form, such as ordinary least squares.

    Shape:
        embeddings `{modality: [batch, dim]}`, present `{modality: [batch]}` ->
        `[batch, 1, sum(dims) + n_modalities]`; an absent modality stands as zeros.
    """

    @property
    def fused_dim(self) -> int:
        """Length of a fused vector."""
        return sum(self.dims.values()) + len(self.dims)

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this fusion."""
        return {"dims": self.dims}

    def forward(self, embeddings: Embeddings, present: Present) -> Tensor:
        """Joined vectors, in the widest dtype among the embeddings."""
        filled = [
            torch.where(
                present[name][:, None], embeddings[name], torch.zeros_like(embeddings[name])
            )
            for name in self.dims
        ]
        masks = torch.stack([present[name] for name in self.dims], dim=1).to(filled[0].dtype)
        return torch.cat([*filled, masks], dim=1)[:, None]  # one network

    @classmethod
    def tiny(cls, dims: Mapping[str, int]) -> Self:
        """A small instance for contract tests."""
        return cls(dims)

"""Gating: each product decides how much each modality counts."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor, nn

from fusion.strategies.base import AbsentVectors, Embeddings, Fusion, Present
from fusion.strategies.dropout import Dropout, ModalityDropout
from fusion.strategies.trunk import NetworkTrunk, checked_settings


class GatedFusion(Fusion):
    """Weighs the projected modalities of each row by learned gates that sum to one.

    When: modalities differ in how much they can be trusted from row to row; the gates are also a
    readable answer to "what did the model look at". An absent modality has weight zero.
    Source: Arevalo et al. (2017), Gated Multimodal Units, equation 3; differs: a softmax over any
    number of modalities in place of one sigmoid for two.

    Shape:
        embeddings `{modality: [batch, dim]}`, present `{modality: [batch]}` ->
        `[batch, n_networks, width]`.

    Args:
        dims: Length of each modality's embedding.
        projection_dim: Length to which every modality is projected.
        width: Length of a fused vector.
        depth: Residual blocks behind the gates.
        n_networks: Networks of the ensemble, >= 1.
        dropout: Share of values dropped in training, in [0, 1).
        modality_dropout: Chance that a modality of a row is hidden in training, in [0, 1).

    Raises:
        ValueError: With every setting that is out of its range.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        projection_dim: int = 64,
        width: int = 256,
        depth: int = 2,
        n_networks: int = 4,
        dropout: float = 0.2,
        modality_dropout: float = 0.1,
    ) -> None:
        super().__init__(dims)
        self.settings = checked_settings(
            {
                "projection_dim": projection_dim,
                "width": width,
                "depth": depth,
                "n_networks": n_networks,
                "dropout": dropout,
                "modality_dropout": modality_dropout,
            }
        )
        self.modality_dropout = ModalityDropout(modality_dropout)
        self.absent = AbsentVectors(self.dims)
        self.projections = nn.ModuleDict(
            {
                name: nn.Sequential(
                    Dropout(dropout),
                    nn.Linear(dim, projection_dim),
                    nn.LayerNorm(projection_dim),
                )
                for name, dim in self.dims.items()
            }
        )
        self.gate = nn.Linear(projection_dim * len(self.dims), len(self.dims))
        self.trunk = NetworkTrunk(
            projection_dim, width=width, depth=depth, n_networks=n_networks, dropout=dropout
        )

    @property
    def fused_dim(self) -> int:
        """Length of a fused vector."""
        return int(self.settings["width"])

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild this fusion."""
        return {"dims": self.dims, **self.settings}

    def forward(self, embeddings: Embeddings, present: Present) -> Tensor:
        """Fused vectors of every member."""
        present = self.modality_dropout(present)
        projected = self._project(embeddings, present)  # [batch, n_modalities, projection_dim]
        weights = self._weights(projected, present)
        fused: Tensor = self.trunk((torch.tanh(projected) * weights[:, :, None]).sum(dim=1))
        return fused

    def weights(self, embeddings: Embeddings, present: Present) -> dict[str, Tensor]:
        """Gate of each modality `[batch]`, in [0, 1]; they sum to one where anything is present."""
        weights = self._weights(self._project(embeddings, present), present)
        return dict(zip(self.dims, weights.unbind(dim=1), strict=True))

    def _project(self, embeddings: Embeddings, present: Present) -> Tensor:
        filled = self.absent(embeddings, present)
        return torch.stack([self.projections[name](filled[name]) for name in self.dims], dim=1)

    def _weights(self, projected: Tensor, present: Present) -> Tensor:
        mask = torch.stack([present[name] for name in self.dims], dim=1)
        logits = self.gate(projected.flatten(start_dim=1))
        logits = logits.masked_fill(~mask, torch.finfo(logits.dtype).min)
        weights: Tensor = logits.softmax(dim=1) * mask
        return weights

    @classmethod
    def tiny(cls, dims: Mapping[str, int]) -> Self:
        """A small instance for contract tests."""
        return cls(dims, projection_dim=4, width=16, depth=1, n_networks=2, dropout=0.0)

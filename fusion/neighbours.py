"""The nearest known items beside networks and linear model: how much their targets count."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusion.blending import Raw, blend, single_score_heads
from fusion.strategies.base import Embeddings, Present
from heads.base import Head

CHUNK_ROWS = 1024


class NeighbourPart(nn.Module):
    """Answers every question by the targets of the nearest known items, and blends that answer in.

    Why: catalogues are full of variants of one product, whose targets say more than any smooth
    function; in the space of tuned encoders they lie beside each other. How much they count is
    measured on rows held out, as for `LinearPart`.
    Source: Nadaraya (1964) and Watson (1964), kernel regression on the k nearest; Khandelwal et al.
    (2020), nearest-neighbour language models, equation 3, for the blend.

    Shape:
        embeddings `{modality: [batch, dim]}`, present `{modality: [batch]}` -> scores
        `[batch, n_heads]`.

    Args:
        dims: Length of the embedding of each modality that is compared.
        heads: The networks' heads; each is made anew for a single score.
        n_known: Number of known items.
        n_neighbours: How many of them are asked.
        temperature: Similarities (mean cosine) are divided by it: small asks the nearest alone.

    Example:
        >>> from heads import RegressionHead
        >>> part = NeighbourPart({"text": 2}, {"price": RegressionHead.tiny()}, n_known=4)
        >>> part.scores({"text": torch.ones(3, 2)}, {"text": torch.ones(3).bool()}).shape
        torch.Size([3, 1])
    """

    vectors: Tensor
    targets: Tensor
    shares: Tensor

    def __init__(
        self,
        dims: Mapping[str, int],
        heads: Mapping[str, Head],
        *,
        n_known: int,
        n_neighbours: int = 5,
        temperature: float = 0.1,
    ) -> None:
        super().__init__()
        self.dims = dict(sorted(dims.items()))
        self.n_neighbours = n_neighbours
        self.temperature = temperature
        self.answers = single_score_heads(heads)
        self.register_buffer("vectors", torch.zeros(n_known, sum(self.dims.values())))
        self.register_buffer("targets", torch.zeros(n_known, len(self.answers)))
        self.register_buffer("shares", torch.zeros(len(self.answers)))

    @property
    def config(self) -> dict[str, Any]:
        """What the part is rebuilt from, besides the heads."""
        return {
            "dims": self.dims,
            "n_known": len(self.vectors),
            "n_neighbours": self.n_neighbours,
            "temperature": self.temperature,
        }

    @property
    def neighbour_shares(self) -> dict[str, float]:
        """How much the nearest items count in the answer of each head, in [0, 1]."""
        return dict(zip(self.answers, self.shares.tolist(), strict=True))

    def joined(self, embeddings: Embeddings, present: Present) -> Tensor:
        """Embeddings side by side, `[batch, dim]`, each of length 1; zeros where absent."""
        return joined(embeddings, present, tuple(self.dims))

    def scores(self, embeddings: Embeddings, present: Present) -> Tensor:
        """Weighted mean targets `[batch, n_heads]` of the nearest items, in deviations."""
        return kernel_means(
            self.joined(embeddings, present),
            (self.vectors, self.targets),
            n_neighbours=self.n_neighbours,
            temperature=self.temperature * len(self.dims),
        )

    def blend(self, raw: Raw, embeddings: Embeddings, present: Present) -> Raw:
        """Raw outputs `[batch, ..., raw_dim]`, moved towards the answer of the nearest items."""
        return blend(raw, self.scores(embeddings, present), self.answers, 1.0 - self.shares)


def joined(embeddings: Embeddings, present: Present, modalities: Sequence[str]) -> Tensor:
    """Embeddings side by side, each of length 1; zeros where absent. Shape: `[batch, dim]`."""
    return torch.cat(
        [
            F.normalize(torch.where(present[name][:, None], embeddings[name].float(), 0.0), dim=1)
            for name in modalities
        ],
        dim=1,
    )


def kernel_means(
    queries: Tensor, known: tuple[Tensor, Tensor], *, n_neighbours: int, temperature: float
) -> Tensor:
    """Mean targets of the nearest known vectors, weighted by similarity.

    Shape:
        queries `[n, dim]`, known `[n_known, dim]` and `[n_known, n_targets]` -> `[n, n_targets]`.
    """
    vectors, targets = known
    return weighted_means(nearest(queries, vectors, n_neighbours), targets, temperature)


def nearest(queries: Tensor, vectors: Tensor, n_neighbours: int) -> tuple[Tensor, Tensor]:
    """Similarities and positions of the nearest known vectors, both `[n, n_neighbours]`."""
    k = min(n_neighbours, len(vectors))
    found = [(chunk @ vectors.T).topk(k, dim=1) for chunk in queries.split(CHUNK_ROWS)]
    return torch.cat([near.values for near in found]), torch.cat([near.indices for near in found])


def weighted_means(near: tuple[Tensor, Tensor], targets: Tensor, temperature: float) -> Tensor:
    """Means `[n, n_targets]` of the targets of what `nearest` found, weighted by similarity."""
    similarities, positions = near
    weights = (similarities / temperature).softmax(dim=1)
    return (weights[:, :, None] * targets[positions]).sum(dim=1)

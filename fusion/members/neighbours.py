"""The nearest known items beside networks and linear model: how much their targets count."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fusion.members.blending import Raw, ScoreDecoders, blend
from fusion.strategies.base import Embeddings, Present
from heads.base import Head

Columns = list[int]

CHUNK_ROWS = 1024
TIED = 1e-6
"""Similarities that differ by less are the same: the rest is rounding."""


class Near(NamedTuple):
    """What was found nearest to each query.

    Args:
        similarities: Mean cosines `[n, k]` in [-1, 1], the largest first; -inf where fewer than k
            known items can be compared.
        targets: `[n, k, n_scores]`; of items tied for the last place the mean of all tied ones.
    """

    similarities: Tensor
    targets: Tensor

    @property
    def found(self) -> Tensor:
        """Mask `[n]` of the queries with at least one neighbour."""
        return self.similarities[:, :1].isfinite().any(dim=1)


class Known(NamedTuple):
    """What queries are compared with.

    Args:
        vectors: Of `joined`, `[n_known, dim]`.
        targets: `[n_known, n_scores]`; what stands where there is none says nothing.
        has_target: Mask `[n_known, n_scores]`.
    """

    vectors: Tensor
    targets: Tensor
    has_target: Tensor


class NeighbourMember(nn.Module):
    """Answers every question by the targets of the nearest known items, and blends that answer in.

    Why: catalogues are full of variants of one product, whose targets say more than any smooth
    function; in the space of tuned encoders they lie beside each other. How much they count is
    measured on rows held out, as for `RidgeMember`. A query is compared in the modalities that it
    has, with the known items that have all of these; where there is none the member counts nothing,
    and the others answer alone.
    Source: Nadaraya (1964) and Watson (1964), kernel regression on the k nearest; Khandelwal et al.
    (2020), nearest-neighbour language models, equation 3, for the blend.

    Shape:
        embeddings `{modality: [batch, dim]}`, present `{modality: [batch]}` -> scores
        `[batch, n_scores of all heads]`.

    Args:
        dims: Length of the embedding of each modality that is compared.
        heads: The networks' heads: scores are those of `Head.additive_scale`.
        n_known: Number of known items.
        n_neighbours: How many of them are asked.
        temperature: Similarities (mean cosine) are divided by it: small asks the nearest alone.

    Raises:
        ValueError: If a number is not positive.

    Example:
        >>> from heads import RegressionHead
        >>> member = NeighbourMember({"text": 2}, {"price": RegressionHead()}, n_known=4)
        >>> member.scores({"text": torch.ones(3, 2)}, {"text": torch.ones(3).bool()}).shape
        torch.Size([3, 1])
    """

    vectors: Tensor
    targets: Tensor
    has_target: Tensor
    blend_weights: Tensor

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
        if n_known < 1 or n_neighbours < 1 or not 0 < temperature < math.inf:
            raise ValueError(
                "n_known, n_neighbours and temperature must be positive, got "
                f"{n_known}, {n_neighbours} and {temperature}."
            )
        self.dims = dict(sorted(dims.items()))
        self.n_neighbours = n_neighbours
        self.temperature = temperature
        self.answers = ScoreDecoders(heads)
        n_scores = self.answers.n_scores
        self.register_buffer("vectors", torch.zeros(n_known, sum(self.dims.values())))
        self.register_buffer("targets", torch.zeros(n_known, n_scores))
        self.register_buffer("has_target", torch.ones(n_known, n_scores).bool())
        self.register_buffer("blend_weights", torch.zeros(len(self.answers)))

    @property
    def config(self) -> dict[str, Any]:
        """What the member is rebuilt from, besides the heads."""
        return {
            "dims": self.dims,
            "n_known": len(self.vectors),
            "n_neighbours": self.n_neighbours,
            "temperature": self.temperature,
        }

    @property
    def neighbour_weights(self) -> dict[str, float]:
        """How much the nearest items count in the answer of each head, in [0, 1]."""
        return dict(zip(self.answers, self.blend_weights.tolist(), strict=True))

    def joined(self, embeddings: Embeddings, present: Present) -> Tensor:
        """Embeddings side by side, `[batch, dim]`, each of length 1; zeros where absent."""
        return joined(embeddings, present, tuple(self.dims))

    def scores(self, embeddings: Embeddings, present: Present) -> Tensor:
        """Weighted mean scores of the nearest items, in deviations, those of all heads.

        0 where no known item that has the target can be compared.
        """
        return self._means(embeddings, present)[0]

    def blend(self, raw: Raw, embeddings: Embeddings, present: Present) -> Raw:
        """Raw outputs, moved towards the answer of the nearest items; shapes stay.

        Rows without a neighbour stay as they are.
        """
        means, found = self._means(embeddings, present)
        raw_weights = {
            name: 1.0 - share * found[:, self.answers.places[name]].all(dim=1)
            for name, share in zip(self.answers, self.blend_weights, strict=True)
        }
        return blend(raw, self.answers(means), raw_weights)

    def _means(self, embeddings: Embeddings, present: Present) -> tuple[Tensor, Tensor]:
        near = nearest_of_each(
            self.joined(embeddings, present),
            Known(self.vectors, self.targets, self.has_target),
            dims=tuple(self.dims.values()),
            n_neighbours=self.n_neighbours,
        )
        return means_of_each(near, self.temperature)


def joined(embeddings: Embeddings, present: Present, modalities: Sequence[str]) -> Tensor:
    """Embeddings side by side, each of length 1; zeros where absent. Shape: `[batch, dim]`."""
    return torch.cat(
        [
            F.normalize(torch.where(present[name][:, None], embeddings[name].float(), 0.0), dim=1)
            for name in modalities
        ],
        dim=1,
    )


def nearest_of_each(
    queries: Tensor, known: Known, *, dims: Sequence[int], n_neighbours: int
) -> list[tuple[Columns, Near]]:
    """The nearest known items that have a target, for targets that the same items have together.

    Args:
        queries: `[n, dim]`, of `joined`.
        known: What they are compared with.
        dims: Length of each modality's part of a vector.
        n_neighbours: How many are asked.

    Returns:
        Columns of the targets, and what is nearest to each query; every column stands once.
    """
    groups: dict[bytes, Columns] = {}
    for column, mask in enumerate(known.has_target.T.cpu()):
        groups.setdefault(mask.numpy().tobytes(), []).append(column)
    found = []
    for columns in groups.values():
        mask = known.has_target[:, columns[0]]
        near = nearest(
            queries,
            (known.vectors, torch.where(mask[:, None], known.targets[:, columns], 0.0)),
            dims=dims,
            n_neighbours=n_neighbours,
            among=mask,
        )
        found.append((columns, near))
    return found


def means_of_each(
    near: Sequence[tuple[Columns, Near]], temperature: float
) -> tuple[Tensor, Tensor]:
    """Weighted mean targets of what `nearest_of_each` found, and where it found anything.

    Shape:
        Returns `[n, n_targets]` and a mask of the same shape.
    """
    order = torch.tensor([column for columns, _ in near for column in columns]).argsort()
    means = torch.cat([weighted_means(one, temperature) for _, one in near], dim=1)
    found = torch.cat([one.found[:, None].expand(-1, len(columns)) for columns, one in near], dim=1)
    return means[:, order], found[:, order]


def nearest(
    queries: Tensor,
    known: tuple[Tensor, Tensor],
    *,
    dims: Sequence[int],
    n_neighbours: int,
    among: Tensor | None = None,
) -> Near:
    """The known items most similar to each query, in the modalities that the query has.

    A part of zeros is an absent modality (or an embedding without a direction, which says as
    little). Known items that lack a modality of the query are no neighbours of it. The order of
    the known items does not matter: those tied for the last place share it.

    Args:
        queries: `[n, dim]`, of `joined`.
        known: The same of known items `[n_known, dim]`, and their targets `[n_known, n_targets]`.
        dims: Length of each modality's part of a vector.
        n_neighbours: How many are asked; all of them where there are fewer.
        among: Mask `[n_known]` of the known items that may be neighbours; all where None.
    """
    vectors, targets = known
    lacking = (~_directed(vectors, dims)).float()
    if among is not None and not bool(among.all()):
        lacking = torch.where(among[:, None], lacking, 1.0)  # as if it had nothing of any query
    chunks = [
        _nearest_of_chunk(chunk, (vectors, targets), lacking, dims=dims, n_neighbours=n_neighbours)
        for chunk in queries.split(CHUNK_ROWS)
    ]
    return Near(*(torch.cat(parts) for parts in zip(*chunks, strict=True)))


def _nearest_of_chunk(
    queries: Tensor,
    known: tuple[Tensor, Tensor],
    lacking: Tensor,
    *,
    dims: Sequence[int],
    n_neighbours: int,
) -> Near:
    vectors, targets = known
    asked = _directed(queries, dims)
    similarities = (queries @ vectors.T) / asked.sum(dim=1, keepdim=True).clamp_min(1)
    unlike = asked.float() @ lacking.T > 0  # lacks a modality of the query
    similarities.masked_fill_(unlike | ~asked.any(dim=1, keepdim=True), -torch.inf)
    values, places = similarities.topk(min(n_neighbours, len(vectors)), dim=1)
    found = targets[places]
    last = values[:, -1:]
    tied = (similarities >= last - TIED) & (similarities <= last + TIED) & last.isfinite()
    tied_means = (tied.to(targets) @ targets) / tied.sum(dim=1, keepdim=True).clamp_min(1)
    at_last = (values <= last + TIED) & last.isfinite()
    return Near(values, torch.where(at_last[:, :, None], tied_means[:, None], found))


def _directed(vectors: Tensor, dims: Sequence[int]) -> Tensor:
    """Mask `[n, n_modalities]` of the parts that have a direction."""
    return torch.stack([(part != 0).any(dim=1) for part in vectors.split(tuple(dims), 1)], dim=1)


def weighted_means(near: Near, temperature: float) -> Tensor:
    """Means `[n, n_targets]` of the targets of the nearest, weighted by similarity; 0 of none."""
    weights = (near.similarities / temperature).softmax(dim=1)
    weights = torch.where(near.found[:, None], weights, 0.0)
    return (weights[:, :, None] * near.targets).sum(dim=1)

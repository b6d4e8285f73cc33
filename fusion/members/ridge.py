"""The linear model beside the networks: scores for each question, and how much they count."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fusion.members.blending import Raw, ScoreDecoders, blend
from fusion.strategies.base import Present
from heads.base import Head

Blocks = Mapping[str, tuple[Tensor, ...]]


class RidgeMember(nn.Module):
    """Answers every question by linear scores, and blends that answer with the networks'.

    Why: on a few hundred rows a linear model with a penalty of its own for each modality errs less
    than any network, on many rows more; how much each counts is measured, not guessed.
    Source: Cheng et al. (2016), Wide & Deep; differs: the two are solved apart and blended by
    their errors on rows that neither has seen (van der Laan et al., 2007, Super Learner).

    Shape:
        blocks `{modality: ([batch, dim], ...)}`, present `{modality: [batch]}` -> scores
        `[batch, n_scores of all heads]`; an absent modality adds nothing to a score.

    Args:
        dims: Lengths of the blocks of each modality.
        heads: The networks' heads: scores are those of `Head.additive_scale`.

    Example:
        >>> from heads import RegressionHead
        >>> member = RidgeMember({"text": [2]}, {"price": RegressionHead()})
        >>> member.scores({"text": (torch.ones(3, 2),)}, {"text": torch.ones(3).bool()}).shape
        torch.Size([3, 1])
    """

    center: Tensor
    weights: Tensor
    offsets: Tensor
    blend_weights: Tensor

    def __init__(self, dims: Mapping[str, Sequence[int]], heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.dims = {name: list(sizes) for name, sizes in sorted(dims.items())}
        n_features = sum(sum(sizes) for sizes in self.dims.values())
        self.answers = ScoreDecoders(heads)
        n_scores = self.answers.n_scores
        self.register_buffer("center", torch.zeros(n_features, dtype=torch.float64))
        weights = torch.zeros(n_features, n_scores, dtype=torch.float64)
        self.register_buffer("weights", weights)
        offsets = torch.zeros(len(self.dims), n_scores, dtype=torch.float64)
        self.register_buffer("offsets", offsets)
        self.register_buffer("blend_weights", torch.ones(len(self.answers)))

    @property
    def config(self) -> dict[str, Any]:
        """What the member is rebuilt from, besides the heads."""
        return {"dims": self.dims}

    @property
    def network_weights(self) -> dict[str, float]:
        """How much the networks count in the answer of each head, in [0, 1]."""
        return dict(zip(self.answers, self.blend_weights.tolist(), strict=True))

    def features(self, blocks: Blocks, present: Present) -> Tensor:
        """Centred features `[batch, n_features]`, float64, 0 where a modality is absent."""
        parts, start = [], 0
        for name, sizes in self.dims.items():
            for block, size in zip(blocks[name], sizes, strict=True):
                centred = block.double() - self.center[start : start + size]
                parts.append(torch.where(present[name][:, None], centred, 0.0))
                start += size
        return torch.cat(parts, dim=1)

    def scores(self, blocks: Blocks, present: Present) -> Tensor:
        """Scores of all heads: standard deviations of their additive scales from the means."""
        there = torch.stack([present[name] for name in self.dims], dim=1).double()
        scores: Tensor = self.features(blocks, present) @ self.weights + there @ self.offsets
        return scores.float()

    def take_over(self, solved: "RidgeMember") -> None:
        """Centre and weights of a member that was solved for some heads on rows of their own.

        There is one centre: a head that was solved around another one is moved from it to this one,
        by `offsets [n_modalities, n_scores]`, as an absent modality must add nothing.
        """
        if not self.weights.any():
            self.center.copy_(solved.center)
        places = [place for name in solved.answers for place in self.answers.places[name]]
        self.weights[:, places] = solved.weights
        moved = (self.center - solved.center)[:, None] * solved.weights
        sizes = [sum(parts) for parts in self.dims.values()]
        self.offsets[:, places] = torch.stack([part.sum(dim=0) for part in moved.split(sizes)])

    def blend(self, raw: Raw, blocks: Blocks, present: Present) -> Raw:
        """Raw outputs of the networks, moved towards the linear answer; shapes stay."""
        others = self.answers(self.scores(blocks, present))
        return blend(raw, others, dict(zip(self.answers, self.blend_weights, strict=True)))

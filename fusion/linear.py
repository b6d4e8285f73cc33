"""The linear model beside the networks: one score for each question, and how much it counts."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fusion.blending import Raw, blend, single_score_heads
from fusion.strategies.base import Present
from heads.base import Head

Blocks = Mapping[str, tuple[Tensor, ...]]


class LinearPart(nn.Module):
    """Answers every question by a linear score, and blends that answer with the networks'.

    Why: on a few hundred rows a linear model with a penalty of its own for each modality errs less
    than any network, on many rows more; how much each counts is measured, not guessed.
    Source: Cheng et al. (2016), Wide & Deep; differs: the two are solved apart and blended by
    their errors on rows that neither has seen (van der Laan et al., 2007, Super Learner).

    Shape:
        blocks `{modality: ([batch, dim], ...)}`, present `{modality: [batch]}` -> scores
        `[batch, n_heads]`; an absent modality adds nothing to a score.

    Args:
        dims: Lengths of the blocks of each modality.
        heads: The networks' heads; each is made anew for a single score.

    Example:
        >>> from heads import RegressionHead
        >>> part = LinearPart({"text": [2]}, {"price": RegressionHead.tiny()})
        >>> part.scores({"text": (torch.ones(3, 2),)}, {"text": torch.ones(3).bool()}).shape
        torch.Size([3, 1])
    """

    center: Tensor
    weights: Tensor
    offsets: Tensor
    shares: Tensor

    def __init__(self, dims: Mapping[str, Sequence[int]], heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.dims = {name: list(sizes) for name, sizes in sorted(dims.items())}
        n_features = sum(sum(sizes) for sizes in self.dims.values())
        self.answers = single_score_heads(heads)
        self.register_buffer("center", torch.zeros(n_features, dtype=torch.float64))
        weights = torch.zeros(n_features, len(self.answers), dtype=torch.float64)
        self.register_buffer("weights", weights)
        offsets = torch.zeros(len(self.dims), len(self.answers), dtype=torch.float64)
        self.register_buffer("offsets", offsets)
        self.register_buffer("shares", torch.ones(len(self.answers)))

    @property
    def config(self) -> dict[str, Any]:
        """What the part is rebuilt from, besides the heads."""
        return {"dims": self.dims}

    @property
    def network_shares(self) -> dict[str, float]:
        """How much the networks count in the answer of each head, in [0, 1]."""
        return dict(zip(self.answers, self.shares.tolist(), strict=True))

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
        """Scores `[batch, n_heads]`: standard deviations of the linear target from its mean."""
        there = torch.stack([present[name] for name in self.dims], dim=1).double()
        scores: Tensor = self.features(blocks, present) @ self.weights + there @ self.offsets
        return scores.float()

    def take_over(self, solved: "LinearPart") -> None:
        """Centre and weights of a part that was solved for some of the heads on rows of their own.

        There is one centre: a head that was solved around another one is moved from it to this one,
        by `offsets [n_modalities, n_heads]`, as an absent modality must add nothing.
        """
        if not self.weights.any():
            self.center.copy_(solved.center)
        places = [list(self.answers).index(name) for name in solved.answers]
        self.weights[:, places] = solved.weights
        moved = (self.center - solved.center)[:, None] * solved.weights
        sizes = [sum(parts) for parts in self.dims.values()]
        self.offsets[:, places] = torch.stack([part.sum(dim=0) for part in moved.split(sizes)])

    def blend(self, raw: Raw, blocks: Blocks, present: Present) -> Raw:
        """Raw outputs `[batch, ..., raw_dim]` of the networks, moved towards the linear answer."""
        return blend(raw, self.scores(blocks, present), self.answers, self.shares)

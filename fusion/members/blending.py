"""Answers to a few scores beside the networks', and how the two are blended."""

from collections.abc import Mapping

from torch import Tensor

from heads.base import Head
from heads.decoders.linear import LinearDecoder
from heads.decoders.named import NamedDecoders

Raw = dict[str, Tensor]


def score_decoder(head: Head) -> LinearDecoder:
    """A decoder that answers a head by its `n_scores` scores alone."""
    return LinearDecoder(head.n_scores, head)


class ScoreDecoders(NamedDecoders):
    """Answers of each head by its own of the scores of all heads.

    Shape:
        scores `[batch, n_scores]` -> `{head: [batch, 1, *target_shape, raw_dim]}`.

    Args:
        heads: By name; each reads `Head.n_scores` of the scores, in order.

    Example:
        >>> import torch
        >>> from heads import RegressionHead
        >>> decoders = ScoreDecoders({"price": RegressionHead(), "weight": RegressionHead()})
        >>> decoders.places, decoders(torch.zeros(5, 2))["weight"].shape
        ({'price': [0], 'weight': [1]}, torch.Size([5, 1, 1]))
    """

    def __init__(self, heads: Mapping[str, Head]) -> None:
        super().__init__({name: score_decoder(head) for name, head in heads.items()})
        self.places: dict[str, list[int]] = {}
        self.n_scores = 0
        for name, head in heads.items():
            self.places[name] = list(range(self.n_scores, self.n_scores + head.n_scores))
            self.n_scores += head.n_scores

    def forward(self, scores: Tensor) -> Raw:
        """Raw outputs of every head, as of one network."""
        return {name: decoder(scores[:, None, self.places[name]]) for name, decoder in self.items()}


def blend(raw: Raw, others: Mapping[str, Tensor], raw_weights: Mapping[str, Tensor]) -> Raw:
    """Raw outputs, moved towards other answers.

    Args:
        raw: `[batch, n_networks, *target_shape, raw_dim]` of each head.
        others: `[batch, 1, *target_shape, raw_dim]` of each head.
        raw_weights: Share of `raw` in the blend of each head, in [0, 1]: one number, or `[batch]`.
    """
    blended = {}
    for name, other in others.items():
        share = raw_weights[name].reshape(-1, *[1] * (other.ndim - 1))
        blended[name] = share * raw[name] + (1.0 - share) * other
    return blended

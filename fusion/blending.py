"""Answers of a single score beside the networks', and how the two are blended."""

from collections.abc import Mapping

from torch import Tensor, nn

from heads.base import Head
from heads.named import NamedHeads

Raw = dict[str, Tensor]


def single_score_heads(heads: Mapping[str, Head]) -> NamedHeads:
    """The same heads, made anew for an input of one number."""
    return NamedHeads(
        {name: type(head)(**{**head.config, "in_dim": 1}) for name, head in heads.items()}
    )


def blend(raw: Raw, scores: Tensor, answers: nn.ModuleDict, kept: Tensor) -> Raw:
    """Raw outputs, moved towards what `answers` make of scores.

    Shape:
        raw `{head: [batch, ..., raw_dim]}`, scores `[batch, n_heads]`, kept `[n_heads]` or, where
        it differs from row to row, `[batch, n_heads]` (share of `raw` in each blend, in [0, 1])
        -> the shapes of raw.
    """
    blended = {}
    for place, (name, answer) in enumerate(answers.items()):
        other = answer(scores[:, [place]])  # [batch, raw_dim]
        beside = [1] * (raw[name].ndim - 2)
        other = other.reshape(len(other), *beside, other.shape[-1])
        share = kept[..., place].reshape(-1, *beside, 1)
        blended[name] = share * raw[name] + (1.0 - share) * other
    return blended

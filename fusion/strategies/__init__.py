"""Fusion strategies: embeddings of several modalities in, fused vectors out.

A new strategy is one file, one line in `FUSIONS` and one test file.
"""

from fusion.strategies.base import Fusion
from fusion.strategies.concat import ConcatFusion
from fusion.strategies.gated import GatedFusion
from fusion.strategies.join import JoinFusion

FUSIONS: dict[str, type[Fusion]] = {
    "concat": ConcatFusion,
    "gated": GatedFusion,
    "join": JoinFusion,
}

__all__ = ["FUSIONS", "ConcatFusion", "Fusion", "GatedFusion", "JoinFusion"]

"""Fusion strategies: embeddings of several modalities in, fused vectors out.

`registry.py` shows every strategy on one screen. Names are imported when they are first used, so
that the name of a strategy can be checked without torch.
"""

from typing import TYPE_CHECKING

from fusion.first_use import on_first_use

if TYPE_CHECKING:
    from fusion.strategies.base import Fusion
    from fusion.strategies.concat import ConcatFusion
    from fusion.strategies.gated import GatedFusion
    from fusion.strategies.join import JoinFusion
    from fusion.strategies.registry import FUSIONS

__all__ = ["FUSIONS", "ConcatFusion", "Fusion", "GatedFusion", "JoinFusion"]

__getattr__ = on_first_use(
    __name__,
    {
        "FUSIONS": "registry",
        "ConcatFusion": "concat",
        "Fusion": "base",
        "GatedFusion": "gated",
        "JoinFusion": "join",
    },
)

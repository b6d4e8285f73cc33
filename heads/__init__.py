"""Heads: one business question each, and how a network answers it. Imports nothing of ours.

`registry.py` shows every head on one screen, `decoders/` every decoder. Names are imported when
they are first used, so that the name of a head can be checked without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heads.base import Column, Floats, Head
    from heads.check import check_head
    from heads.decoders import DECODERS, ClosedForm, Decoder, Memory, check_decoder
    from heads.demand import DemandHead
    from heads.hot_item import HotItemHead
    from heads.linear import LinearHead
    from heads.multiclass import MulticlassHead
    from heads.price_path import PricePathHead
    from heads.quantiles import QuantilesHead
    from heads.registry import HEADS
    from heads.regression import RegressionHead
    from heads.sales_path import SalesPathHead
    from heads.sales_volume import SalesVolumeHead
    from heads.tree_objective import TreeObjective

_PLACES = {
    "DECODERS": "decoders",
    "DemandHead": "demand",
    "HEADS": "registry",
    "ClosedForm": "decoders",
    "Column": "base",
    "Decoder": "decoders",
    "Floats": "base",
    "Head": "base",
    "HotItemHead": "hot_item",
    "LinearHead": "linear",
    "Memory": "decoders",
    "MulticlassHead": "multiclass",
    "PricePathHead": "price_path",
    "QuantilesHead": "quantiles",
    "RegressionHead": "regression",
    "SalesPathHead": "sales_path",
    "SalesVolumeHead": "sales_volume",
    "TreeObjective": "tree_objective",
    "check_decoder": "decoders",
    "check_head": "check",
}

__all__ = [
    "DECODERS",
    "HEADS",
    "ClosedForm",
    "Column",
    "Decoder",
    "DemandHead",
    "Floats",
    "Head",
    "HotItemHead",
    "LinearHead",
    "Memory",
    "MulticlassHead",
    "PricePathHead",
    "QuantilesHead",
    "RegressionHead",
    "SalesPathHead",
    "SalesVolumeHead",
    "TreeObjective",
    "check_decoder",
    "check_head",
]


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _PLACES:
        raise AttributeError(f"module 'heads' has no attribute {name!r}")
    return getattr(import_module(f"heads.{_PLACES[name]}"), name)

"""Heads: fused vectors in, one business answer out. Imports nothing of `fusion` or `encoders`.

`registry.py` shows every head on one screen. Names are imported when they are first used, so that
the name of a head can be checked without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from heads.base import Column, Floats, Head
    from heads.check import check_head
    from heads.closed_form import ClosedForm
    from heads.hot_item import HotItemHead
    from heads.linear import LinearHead
    from heads.registry import HEADS
    from heads.regression import RegressionHead
    from heads.sales_volume import SalesVolumeHead

_PLACES = {
    "HEADS": "registry",
    "ClosedForm": "closed_form",
    "Column": "base",
    "Floats": "base",
    "Head": "base",
    "HotItemHead": "hot_item",
    "LinearHead": "linear",
    "RegressionHead": "regression",
    "SalesVolumeHead": "sales_volume",
    "check_head": "check",
}

__all__ = [
    "HEADS",
    "ClosedForm",
    "Column",
    "Floats",
    "Head",
    "HotItemHead",
    "LinearHead",
    "RegressionHead",
    "SalesVolumeHead",
    "check_head",
]


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _PLACES:
        raise AttributeError(f"module 'heads' has no attribute {name!r}")
    return getattr(import_module(f"heads.{_PLACES[name]}"), name)

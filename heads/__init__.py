"""Heads: fused vectors in, one business answer out. Imports nothing of `fusion` or `encoders`."""

from heads.base import Column, Floats, Head
from heads.check import check_head
from heads.closed_form import ClosedForm
from heads.hot_item import HotItemHead
from heads.linear import LinearHead
from heads.regression import RegressionHead
from heads.sales_volume import SalesVolumeHead

HEADS: dict[str, type[Head]] = {
    "sales_volume": SalesVolumeHead,
    "regression": RegressionHead,
    "hot_item": HotItemHead,
    "linear": LinearHead,
}
"""Every head by its registry name; add your own with `HEADS["mine"] = Mine`."""

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

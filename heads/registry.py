"""Every head on one screen.

Another head is one file, one line here and one test file; `check_head` tests its laws.
"""

from heads.base import Head
from heads.demand import DemandHead
from heads.hot_item import HotItemHead
from heads.linear import LinearHead
from heads.multiclass import MulticlassHead
from heads.price_path import PricePathHead
from heads.quantiles import QuantilesHead
from heads.regression import RegressionHead
from heads.sales_path import SalesPathHead
from heads.sales_volume import SalesVolumeHead

HEADS: dict[str, type[Head]] = {
    "sales_volume": SalesVolumeHead,
    "regression": RegressionHead,
    "hot_item": HotItemHead,
    "linear": LinearHead,
    "multiclass": MulticlassHead,
    "quantiles": QuantilesHead,
    "sales_path": SalesPathHead,
    "demand": DemandHead,
    "price_path": PricePathHead,
}

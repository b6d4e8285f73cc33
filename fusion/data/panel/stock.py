"""Which periods of a panel were not in full stock, so that more may have been wanted than sold."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fusion.data.panel.filling import carried
from fusion.data.panel.panel import Floats, Panel

STOCK_ROLES = ("stock", "in_stock")
"""Roles of sales columns that say whether an item was to be had."""


def in_stock_shares(panel: Panel) -> Floats:
    """Share of each period in which the item was to be had, 0 to 1, `[n_values]`.

    A period of which nothing is told is like the one before it where that was without stock, else
    in full stock.

    Raises:
        ValueError: If the panel tells nothing of stock.
    """
    told = panel.columns.get("in_stock")
    if told is None:
        raise ValueError(
            "columns must hold in_stock for demand to be told from sales, got "
            f"{', '.join(panel.columns) or 'none'}. Name a column as stock or in_stock."
        )
    last = carried(told.astype(np.float64), panel.offsets)
    shares = np.where(np.isnan(told), np.where(last == 0.0, 0.0, 1.0), told)
    return shares.astype(np.float32)


def of_demand(panel: Panel) -> Panel:
    """The panel in which units of periods without full stock are lower bounds of what was wanted.

    Raises:
        ValueError: If the panel tells nothing of stock.
    """
    is_bound: NDArray[np.bool_] = in_stock_shares(panel) < 1.0
    return replace(panel, is_bound=is_bound)

"""A panel whose demand is what is asked for: more may have been wanted than was sold."""

from dataclasses import replace

from fusion.data.panel.panel import Panel

STOCK_ROLES = ("stock", "in_stock")
"""Roles of sales columns that say whether an item was to be had."""


def of_demand(panel: Panel) -> Panel:
    """The panel in which units of periods without full stock are lower bounds of what was wanted.

    Raises:
        ValueError: If the panel tells nothing of stock, or is not of units.
    """
    if panel.quantity != "units" or "in_stock" not in panel.columns:
        raise ValueError(
            "panel must be of units and hold in_stock for demand to be told from sales, got "
            f"{panel.quantity} with {', '.join(panel.columns) or 'no further column'}. Name a "
            "column as stock or in_stock."
        )
    return replace(panel, quantity="demand")

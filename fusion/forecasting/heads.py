"""Every question that a forecast can answer, on one screen.

Another one is a head in `heads/`, two lines here and one test file.
"""

from typing import Any

import numpy as np

from encoders.spelling import unknown_name
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.panel import SOLD, Panel, Quantity
from fusion.data.panel.priced import PRICE, priced
from fusion.data.panel.reach import check_horizon
from fusion.data.panel.stock import STOCK_ROLES, of_demand
from fusion.errors import CatalogueError
from heads.demand import DemandHead
from heads.price_path import PricePathHead
from heads.sales_path import SalesPathHead

FORECAST_HEADS: dict[str, type[SalesPathHead]] = {
    "sales_path": SalesPathHead,
    "demand": DemandHead,
    "price_path": PricePathHead,
}
"""Every head of a forecast by its registry name."""
QUANTITIES: dict[type[SalesPathHead], Quantity] = {
    SalesPathHead: "units",
    DemandHead: "demand",
    PricePathHead: "price",
}
"""What each of them forecasts."""
NEEDED: dict[str, tuple[tuple[str, ...], str]] = {
    "demand": (
        STOCK_ROLES,
        "Without it nobody can tell a period that was sold out from one in which little was "
        "wanted: name the column, or take head sales_path.",
    ),
    "price_path": (
        (PRICE,),
        "Without prices of the past there is none to forecast: name their column, as in "
        'price = "price".',
    ),
}
"""Head -> roles of sales columns of which it needs one, and why; not named: it needs none."""


def head_name(head: SalesPathHead) -> str:
    """Registry name of a head.

    Raises:
        KeyError: If it is in no registry.
    """
    by_type = {kind: name for name, kind in FORECAST_HEADS.items()}
    return by_type[type(head)]


def head_mistakes(name: Any, columns: SalesColumns) -> list[str]:
    """What is wrong with the choice of a head: its name, or a sales column that it needs.

    Args:
        name: What was chosen.
        columns: Names of the columns of the sales table.
    """
    if not isinstance(name, str) or name not in FORECAST_HEADS:
        return [unknown_name("head", name, FORECAST_HEADS)]
    if name == "price_path" and (found := _price_mistakes(columns)):
        return found
    roles, why = NEEDED.get(name, ((), ""))
    if not roles or any(getattr(columns, role) is not None for role in roles):
        return []
    return [
        f"sales must name a column for {' or '.join(roles)} where head is {name}, got none. {why}"
    ]


def panel_of(kind: type[SalesPathHead], panel: Panel) -> Panel:
    """The sales as a head forecasts them: units, the demand behind them, or the price of one.

    Args:
        kind: The head.
        panel: Of units, or what comes back, which stays as it is.

    Raises:
        ValueError: If the panel does not tell what is asked for.
    """
    quantity = QUANTITIES[kind]
    if panel.quantity == quantity:
        return panel
    if panel.quantity != "units":
        raise ValueError(f"panel must be of units, got one of {panel.quantity}. Read it anew.")
    return of_demand(panel) if quantity == "demand" else priced(panel)


def check_sales(kind: type[SalesPathHead], panel: Panel, *, horizon: int, until: int) -> None:
    """Refuses sales that a head cannot learn from, before items are read.

    Args:
        kind: The head.
        panel: Of units.
        horizon: Periods that are forecast.
        until: Period before which histories end.

    Raises:
        CatalogueError: If the horizon is longer than any history; if demand is asked for and no
            period was in full stock.
    """
    check_horizon(panel, horizon, until=until)
    if QUANTITIES[kind] != "demand":
        return
    known = ~np.isnan(of_demand(panel).known_units) & panel.given
    if not (known & (panel.places() < until - panel.start)).any():
        raise CatalogueError(
            "sales must hold periods in full stock for demand to be learned, got none: each of "
            "them is below 1. Round shares up that are as good as 1, or take head sales_path."
        )


def _price_mistakes(columns: SalesColumns) -> list[str]:
    """What a forecast of prices cannot be made with."""
    found = []
    if PRICE in columns.known_ahead:
        found.append(
            "known must not name the price where head is price_path, got "
            f"{columns.price}: what is known ahead need not be forecast. Take it out of known."
        )
    if SOLD in (*columns.past, *columns.known):
        found.append(
            f"past and known must not name a covariate {SOLD} where head is price_path, which the "
            "units are called there. Rename the column."
        )
    return found

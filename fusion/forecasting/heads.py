"""Every question that a forecast can answer, on one screen.

Another one is a head in `heads/`, one line here and one test file.
"""

from typing import Any

from encoders.spelling import unknown_name
from fusion.data.panel.columns import SalesColumns
from fusion.data.panel.panel import Panel
from fusion.data.panel.stock import STOCK_ROLES, of_demand
from heads.demand import DemandHead
from heads.sales_path import SalesPathHead

FORECAST_HEADS: dict[str, type[SalesPathHead]] = {
    "sales_path": SalesPathHead,
    "demand": DemandHead,
}
"""Every head of a forecast by its registry name."""
NEEDED: dict[str, tuple[tuple[str, ...], str]] = {
    "demand": (
        STOCK_ROLES,
        "Without it nobody can tell a period that was sold out from one in which little was "
        "wanted: name the column, or take head sales_path.",
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


def asked_panel(name: str, panel: Panel) -> Panel:
    """The sales as a head takes them: of `demand`, periods without full stock are bounds.

    Raises:
        ValueError: If the head asks for what the panel does not tell.
    """
    return of_demand(panel) if name == "demand" else panel


def head_mistakes(name: Any, columns: SalesColumns) -> list[str]:
    """What is wrong with the choice of a head: its name, or a sales column that it needs.

    Args:
        name: What was chosen.
        columns: Names of the columns of the sales table.
    """
    if not isinstance(name, str) or name not in FORECAST_HEADS:
        return [unknown_name("head", name, FORECAST_HEADS)]
    roles, why = NEEDED.get(name, ((), ""))
    if not roles or any(getattr(columns, role) is not None for role in roles):
        return []
    return [
        f"sales must name a column for {' or '.join(roles)} where head is {name}, got none. {why}"
    ]

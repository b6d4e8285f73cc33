"""A panel whose price is what is forecast: the units that were sold are one of its columns."""

from dataclasses import replace

import numpy as np

from fusion.data.panel.panel import SOLD, Panel
from fusion.progress import say_once

PRICE = "price"


def priced(panel: Panel) -> Panel:
    """The same sales, with the price of each period in the place of its units.

    The price is known where something was sold and a price above 0 was given: what was not sold had
    no price that anybody paid. A series begins to be known with its first known price. Units stand
    beside it as `units_sold`, known for the past alone.

    Args:
        panel: Of units, with a column `price` that is not known ahead.

    Raises:
        ValueError: If it is another panel.
    """
    if panel.quantity != "units" or PRICE not in panel.columns or PRICE in panel.known:
        raise ValueError("panel must be of units, with a price that is not known ahead.")
    price, sold = panel.columns[PRICE], panel.known_units
    with np.errstate(invalid="ignore"):
        is_sold = (sold > 0) & ~np.isnan(price)
        known = is_sold & (price > 0)
    if n_free := int((is_sold & ~known).sum()):
        say_once(
            f"{n_free} price(s) of the sales table are 0 or less. They count as unknown, as no "
            "price can be told as a share of them."
        )
    others = {name: values for name, values in panel.columns.items() if name != PRICE}
    return replace(
        panel,
        quantity="price",
        units=np.where(known, price, np.float32(np.nan)),
        given=known,
        columns={**others, SOLD: sold},
    )

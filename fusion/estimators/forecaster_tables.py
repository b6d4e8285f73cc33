"""Tables in memory as a forecaster reads them."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from fusion.data.frames import as_frame

if TYPE_CHECKING:
    from fusion.forecasting.history import ItemSales, SalesSpec
    from fusion.forecasting.trained import TrainedForecast


def asked_sales(
    trained: "TrainedForecast", items: Any, sales: Any, *, market: Any = None, planned: Any = None
) -> "ItemSales":
    """The sales of items that a trained forecast is asked about; all of them may be new."""
    from fusion.forecasting.history import SalesSpec

    spec = SalesSpec(
        trained.sales,
        trained.frequency.unit,
        trained.launch,
        frame_if_any(market),
        frame_if_any(planned),
    )
    return item_sales(items, sales, spec, may_all_be_new=True)


def item_sales(
    items: Any, sales: Any, spec: "SalesSpec", *, may_all_be_new: bool = False
) -> "ItemSales":
    """The sales of items; with `may_all_be_new` also where none of them was ever sold."""
    from fusion.data.panel.cells import frame_parts
    from fusion.forecasting.history import frames_reader, sales_of_items

    read = frames_reader(frame_parts(sales), spec)
    return sales_of_items(as_frame(items), read, spec, may_all_be_new=may_all_be_new)


def frame_if_any(table: Any) -> pd.DataFrame | None:
    """A table as a frame of pandas, if there is one."""
    return None if table is None else as_frame(table)

"""Tables in memory as a forecaster reads them."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from fusion.data.frames import as_frame
from fusion.errors import ConfigError

if TYPE_CHECKING:
    from fusion.forecasting.content import ContentSpec
    from fusion.forecasting.history import ItemSales, SalesSpec
    from fusion.forecasting.trained import TrainedForecast
    from fusion.forecasting.updating.histories import NewRows


def asked_sales(
    trained: "TrainedForecast", items: Any, sales: Any, *, market: Any = None, planned: Any = None
) -> "ItemSales":
    """The sales of items that a trained forecast is asked about; all of them may be new.

    Without a sales table these are the histories that the forecast keeps, which hold the market.

    Raises:
        CatalogueError: If a table does not suit.
        ConfigError: If a market is given without sales.
    """
    from fusion.forecasting.history import SalesSpec

    if sales is None:
        if market is not None:
            raise ConfigError(
                "market must be left out where the kept histories are asked, got a table. Give "
                "sales too, or bring it in by update."
            )
        from fusion.data.panel.cells import frame_parts
        from fusion.forecasting.updating.histories import kept_sales

        plan = None if planned is None else frame_parts(planned, name="planned")
        return kept_sales(trained, as_frame(items), planned=plan)

    spec = SalesSpec(
        trained.sales,
        trained.frequency.unit,
        trained.launch,
        *tables_beside(market, planned),
    )
    return item_sales(items, sales, spec, may_all_be_new=True)


def new_rows(
    trained: "TrainedForecast",
    items: Any,
    sales: Any,
    *,
    market: Any = None,
    planned: Any = None,
    content: "ContentSpec",
) -> "NewRows":
    """What came since a forecast was trained, as an update takes it."""
    from fusion.data.panel.cells import frame_parts
    from fusion.forecasting.trained import kept_of
    from fusion.forecasting.updating.histories import NewRows
    from fusion.forecasting.updating.new_periods import NewSales, spec_as_trained

    market, planned = tables_beside(market, planned)
    kept = kept_of(trained).panel
    spec = spec_as_trained(trained.sales, kept, market=market, planned=planned)
    new_items = None if items is None else as_frame(items)
    return NewRows(NewSales(frame_parts(sales, name="new_sales"), spec), new_items, content)


def item_sales(
    items: Any, sales: Any, spec: "SalesSpec", *, may_all_be_new: bool = False
) -> "ItemSales":
    """The sales of items; with `may_all_be_new` also where none of them was ever sold."""
    from fusion.data.panel.cells import frame_parts
    from fusion.forecasting.history import frames_reader, sales_of_items

    read = frames_reader(frame_parts(sales), spec)
    return sales_of_items(as_frame(items), read, spec, may_all_be_new=may_all_be_new)


def tables_beside(market: Any, planned: Any) -> tuple[pd.DataFrame | None, pd.DataFrame | None]:
    """Tables of the market and of what is planned as frames of pandas, each if there is one."""
    return (
        None if market is None else as_frame(market, name="market", row="a period"),
        None if planned is None else as_frame(planned, name="planned", row="an item and period"),
    )

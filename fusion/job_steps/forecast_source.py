"""Tables that a trained forecast is asked about: where they lie, and how they are opened."""

from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.bundle.document import saved_schema
from fusion.bundle.folder import read_description
from fusion.choices.mistakes import Mistakes, checked_settings
from fusion.choices.parameters import EncoderPaths
from fusion.choices.paths import folder_mistakes, input_mistakes, photo_folder_mistakes
from fusion.data.absent import absent_columns
from fusion.data.problems import OnBadRows, raise_for
from fusion.data.schema import missing_columns
from fusion.errors import CatalogueError, ConfigError
from fusion.forecasting.saved.document import FORECAST, ForecastDocument

if TYPE_CHECKING:
    import pandas as pd

    from fusion.forecasting.content import ContentSpec
    from fusion.forecasting.history import ItemSales
    from fusion.forecasting.trained import TrainedForecast
    from fusion.job_steps.config import SalesTable


@dataclass(frozen=True)
class ForecastSource:
    """Tables to forecast by, photo folder, embedding store, and what bad rows do.

    Args:
        items: Items table.
        sales: Sales table; None: the histories that the forecast keeps.
        market: Table of dates and numbers of the whole market.
        planned: Table of item, date and what is planned.
        as_of: First day of what is forecast; None: the day after the sales.
        photos: Photo folder.
        store: Embedding store.
        on_bad_rows: What faulty rows do.
        delimiter: What separates the cells of the items table, where it is CSV; found where None.
        encoders: Where weights of the encoders lie now, if they have moved.
    """

    items: Path
    sales: Path | None
    market: Path | None = None
    planned: Path | None = None
    as_of: str | None = None
    photos: Path | None = None
    store: Path | None = None
    on_bad_rows: OnBadRows = "raise"
    delimiter: str | None = None
    encoders: EncoderPaths = field(default_factory=EncoderPaths)

    def overwritten(self, name: str, path: Path | None, bundle: Path) -> list[str]:
        """Why an output of this name may not go to a path, see `input_mistakes`."""
        return input_mistakes(name, path, {**self.tables, "bundle": bundle})

    @property
    def tables(self) -> dict[str, Path | None]:
        """Tables that are read, by name."""
        return {each: getattr(self, each) for each in ("items", "sales", "market", "planned")}

    @property
    def content(self) -> "ContentSpec":
        """How a trained forecast reads items."""
        from fusion.forecasting.content import ContentSpec

        return ContentSpec(photos=self.photos, store=self.store, on_bad_rows=self.on_bad_rows)


def market_mistakes(document: ForecastDocument, market: Path | None) -> list[str]:
    """That no market is given to a forecast that was trained with one."""
    if not document.info.get("market") or market is not None:
        return []
    return [
        "market must be given, as in training, got none. Give --market FILE, a table of dates and "
        "numbers of the whole market."
    ]


def trained_section(document: ForecastDocument, **given: "Path | str | None") -> "SalesTable":
    """How sales are read by the names of columns that a forecast was trained with.

    Args:
        document: The forecast.
        given: The tables, and further settings of `SalesTable`.

    Raises:
        ConfigError: If they do not suit.
    """
    from fusion.job_steps.config import SalesTable

    values = {**asdict(document.sales), "frequency": document.frequency.unit, **given}
    return checked_settings(SalesTable, values, source="sales")


def opened(
    bundle: Path, source: ForecastSource, *, mistakes: Mistakes
) -> "tuple[TrainedForecast, ItemSales]":
    """A trained forecast and the sales of the items, both checked as far as can be.

    Why this order: the description says which columns are read, so nobody has to wait for torch to
    hear of those that are missing.

    Args:
        bundle: Folder of the forecast.
        source: Where the tables lie.
        mistakes: What has been found wrong before; it is told together with the rest.

    Raises:
        BundleError, CatalogueError, ConfigError, OSError: With everything that is wrong.
    """
    mistakes.add(folder_mistakes("store", source.store))
    mistakes.add(photo_folder_mistakes(source.photos))
    document: ForecastDocument | None = None
    with mistakes.gathered():
        document = read_description(bundle, FORECAST)
        if source.sales is None:
            _check_kept(document, source)
        else:
            mistakes.add(market_mistakes(document, source.market))
    items: pd.DataFrame | None = None
    with mistakes.gathered():
        items = _items(source)
    sales: ItemSales | None = None
    if document is not None and items is not None:
        with mistakes.gathered():
            _check_columns(document, items, source)
        if source.sales is not None:
            with mistakes.gathered():
                sales = _sales(document, items, source)
    if document is not None and source.sales is not None and sales is None:
        from fusion.job_steps.panel import check_columns

        with mistakes.gathered():  # also where a mistake in the items comes before
            check_columns(_section(document, source))
    mistakes.refuse()
    from fusion.forecasting.saved.folder import load_forecast

    trained = load_forecast(bundle, encoder_paths=source.encoders)
    if sales is None:
        from fusion.forecasting.updating.histories import kept_sales
        from fusion.job_steps.panel import plan_parts

        assert items is not None
        plan = None if source.planned is None else plan_parts(source.planned, trained.sales)
        sales = kept_sales(trained, items, planned=plan)
    return trained, sales


def _check_kept(document: ForecastDocument, source: ForecastSource) -> None:
    """Refuses to ask without sales what keeps none, and tables that belong to sales.

    Raises:
        ConfigError: Saying so.
    """
    if document.kept is None:
        raise ConfigError(
            "--sales must be given for a forecast that keeps no histories, got none. Give the "
            "sales table, or train with keep_histories = true."
        )
    if source.market is not None:
        raise ConfigError(
            "--market must be left out where the kept histories are asked, got one. Give --sales "
            "too, or bring it in by `fusion update`."
        )


def _items(source: ForecastSource) -> "pd.DataFrame":
    from fusion.data.tables import read_table

    frame = read_table(source.items, delimiter=source.delimiter)
    if not len(frame):
        raise CatalogueError(f"{source.items.name} must hold rows, got a header alone. Add items.")
    return frame


def _check_columns(
    document: ForecastDocument, items: "pd.DataFrame", source: ForecastSource
) -> None:
    """Refuses items that lack columns that the forecast reads.

    Raises:
        CatalogueError: With their names.
    """
    schema = saved_schema(document.schema)
    if source.on_bad_rows == "absent":  # what is absent is told later
        absent_columns(schema.all_columns, items.columns, id_column=schema.id, source="items")
        return
    raise_for(missing_columns(schema.all_columns, items.columns), source=source.items.name)


def _section(document: ForecastDocument, source: ForecastSource) -> "SalesTable":
    """How the sales that are given are read."""
    return trained_section(
        document,
        table=source.sales,
        market=source.market,
        planned=source.planned,
        launch=document.launch,
        as_of=source.as_of,
    )


def _sales(
    document: ForecastDocument, items: "pd.DataFrame", source: ForecastSource
) -> "ItemSales":
    """The sales of the items, by the names of columns that the forecast was trained with.

    Raises:
        CatalogueError, ConfigError: With what is wrong with tables or date.
    """
    from fusion.forecasting.history import sales_of_items
    from fusion.job_steps.panel import names_of, read_sales, sales_spec

    section = _section(document, source)
    read = partial(read_sales, section)
    found = sales_of_items(items, read, sales_spec(section), may_all_be_new=True)
    return replace(found, source=names_of(section))

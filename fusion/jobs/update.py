"""`fusion update`: a trained forecast goes on with the periods that came since.

Reads: a forecast that keeps its histories, a sales table of new periods and, where items are new,
an items table with their photos.
Writes: the forecast, in place of the old one, and a page where one is asked for; or nothing, where
it is refused.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from fusion.bundle.folder import check_folder, read_description
from fusion.choices.mistakes import Mistakes
from fusion.choices.parameters import EncoderPaths
from fusion.choices.paths import (
    file_mistakes,
    folder_mistakes,
    input_mistakes,
    photo_folder_mistakes,
)
from fusion.data.panel.cells import Parts
from fusion.data.tables import read_table
from fusion.forecasting.saved.document import FORECAST, ForecastDocument
from fusion.forecasting.saved.folder import load_forecast, save_forecast
from fusion.forecasting.trained import NO_HISTORIES, TrainedForecast, kept_of
from fusion.forecasting.updating.histories import NewRows
from fusion.forecasting.updating.new_periods import NewSales, spec_as_trained
from fusion.forecasting.updating.update import How, Updated, update_forecast
from fusion.job_steps.forecast_source import market_mistakes, trained_section
from fusion.job_steps.made_with import versions
from fusion.job_steps.panel import own_parts
from fusion.progress import Stage, silent
from fusion.report.forecast_content import UpdateReport
from fusion.report.forecast_page import render_update
from fusion.report.page import write_page
from fusion.system.lock import locked_file

if TYPE_CHECKING:
    from fusion.forecasting.content import ContentSpec


@dataclass(frozen=True)
class UpdateSource:
    """Tables of what came, and where the rest lies.

    Args:
        sales: Rows of the new periods.
        items: Items table; None: no item is new.
        market: Numbers of the market in these periods.
        planned: What is planned from now on.
        content: How new items are read.
        delimiter: What separates the cells of the items table, where it is CSV; found where None.
        encoders: Where weights of the encoders lie now, if they have moved.
    """

    sales: Path
    items: Path | None
    market: Path | None
    planned: Path | None
    content: "ContentSpec"
    delimiter: str | None = None
    encoders: EncoderPaths = field(default_factory=EncoderPaths)


def update(
    bundle: Path,
    source: UpdateSource,
    *,
    how: How = "recalibrate",
    page: Path | None = None,
    stage: Stage = silent,
) -> Updated:
    """Updates a forecast in place; the old one or the new one is there whenever this is stopped.

    Args:
        bundle: Folder of the forecast.
        source: What came.
        how: Whether members learn anew too.
        page: Where the page for people is written (HTML); None writes none.
        stage: Opens progress bars.

    Raises:
        BundleError: If the forecast is damaged.
        CatalogueError: If rows do not go on where the kept histories end, or members that learned
            anew would be worse.
        JobError: If another process updates it.
    """
    mistakes = Mistakes()
    mistakes.add(folder_mistakes("store", source.content.store))
    mistakes.add(photo_folder_mistakes(source.content.photos))
    if page is not None:
        mistakes.add(file_mistakes("page", page, suffixes=(".html",)))
        read = {name: getattr(source, name) for name in ("sales", "items", "market", "planned")}
        mistakes.add(input_mistakes("page", page, {**read, "bundle": bundle}))
    document: ForecastDocument | None = None
    with mistakes.gathered():
        document = read_description(bundle, FORECAST)
        check_folder(bundle, FORECAST)
    tables = None if document is None else _tables(document, source, mistakes)
    mistakes.refuse()
    assert tables is not None
    with locked_file(bundle.resolve()):
        trained = load_forecast(bundle, encoder_paths=source.encoders)
        found = update_forecast(trained, _rows(trained, source, tables), how=how, stage=stage)
        save_forecast(_told(found), bundle)
    if page is not None:
        title = str(trained.info.get("title") or "Forecast")
        write_page(render_update(UpdateReport(title, source.sales.name, found, versions())), page)
    return found


@dataclass(frozen=True)
class _Tables:
    """Tables that were opened before the forecast was loaded, which takes longer."""

    sales: Parts
    items: pd.DataFrame | None
    market: pd.DataFrame | None
    planned: pd.DataFrame | None


def _tables(document: ForecastDocument, source: UpdateSource, mistakes: Mistakes) -> _Tables | None:
    """All tables of what came; None where one cannot be read, which is noted."""
    if document.kept is None:
        mistakes.add([NO_HISTORIES])
    mistakes.add(market_mistakes(document, source.market))
    sales: Parts | None = None
    with mistakes.gathered():
        section = trained_section(
            document, table=source.sales, market=source.market, planned=source.planned
        )
        sales = own_parts(section)
    read: dict[str, pd.DataFrame | None] = dict.fromkeys(("items", "market", "planned"))
    for name in read:
        path = getattr(source, name)
        with mistakes.gathered():
            delimiter = source.delimiter if name == "items" else None
            read[name] = None if path is None else read_table(path, delimiter=delimiter)
    return None if sales is None else _Tables(sales, **read)


def _rows(trained: TrainedForecast, source: UpdateSource, tables: _Tables) -> NewRows:
    """The tables, as an update takes them."""
    spec = spec_as_trained(
        trained.sales, kept_of(trained).panel, market=tables.market, planned=tables.planned
    )
    return NewRows(NewSales(tables.sales, spec, source.sales.name), tables.items, source.content)


def _told(found: Updated) -> TrainedForecast:
    """The forecast with a note of its last update."""
    trained = found.trained
    note = {"from": found.first_day, "to": found.last_day, "n_items": found.n_new_items}
    return replace(trained, info={**trained.info, "updated": note})

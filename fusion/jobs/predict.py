"""`fusion predict`: a trained model and new items in, one row of answers for each item out.

Reads: a bundle, an items table, photos and, where past sales are given, a sales table.
Writes: one CSV or Parquet file, rows in input order, failures with their reason.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fusion.bundle import Bundle, load_bundle
from fusion.data.policy import OnBadRows
from fusion.data.tables import read_table, write_table
from fusion.errors import ConfigError
from fusion.jobs.config import SalesSection
from fusion.jobs.items import join_history
from fusion.parameters import EncoderPlaces
from fusion.predictor import Predictor
from fusion.progress import Stage, silent


@dataclass(frozen=True)
class PastSales:
    """A sales table and the date of the forecast; only weeks that ended before it are read."""

    table: Path
    as_of: str


@dataclass(frozen=True)
class ItemSource:
    """Items to work on: their table, photo folder, embedding store, and what bad rows do.

    Args:
        items: Items table.
        photos: Photo folder.
        store: Embedding store.
        on_bad_rows: What faulty rows do.
        sales: Past sales, for a model that was trained with a sales table.
        delimiter: What separates the cells of the items table, where it is CSV; found where None.
        encoders: Where checkpoints lie now, if they have moved.
    """

    items: Path
    photos: Path | None = None
    store: Path | None = None
    on_bad_rows: OnBadRows = "raise"
    sales: PastSales | None = None
    delimiter: str | None = None
    encoders: EncoderPlaces | None = None


def sales_section(bundle: Bundle, sales: PastSales) -> SalesSection:
    """The sales table as the model's own configuration named its columns.

    Raises:
        ConfigError: If the model was trained without a sales table.
    """
    known = bundle.info.get("sales")
    if known is None:
        raise ConfigError(
            f"sales must be left out, got {sales.table}: the model was trained without a sales "
            "table. Write past sales into the items table, as in training."
        )
    return SalesSection(**{**known, "table": sales.table, "as_of": sales.as_of})


def read_items_for(bundle: Bundle, source: ItemSource) -> pd.DataFrame:
    """The items table, with history where past sales are given.

    Raises:
        CatalogueError: If a table cannot be read or is faulty.
        ConfigError: If sales are given that the model does not know.
    """
    frame = read_table(source.items, delimiter=source.delimiter)
    if source.sales is None:
        return frame
    return join_history(frame, sales_section(bundle, source.sales))


def open_predictor(bundle: Path, source: ItemSource, *, stage: Stage = silent) -> Predictor:
    """A predictor of a saved model, for items as a source describes them.

    Raises:
        BundleError: If the bundle is damaged.
    """
    return Predictor(
        load_bundle(bundle, places=source.encoders),
        photos=source.photos,
        store=source.store,
        on_bad_rows=source.on_bad_rows,
        stage=stage,
    )


@dataclass(frozen=True)
class PredictResult:
    """Where the answers are and how many rows failed."""

    output: Path
    n_rows: int
    n_failed: int


def predict(
    bundle: Path, source: ItemSource, output: Path, *, stage: Stage = silent
) -> PredictResult:
    """Predicts items with a bundle and writes a table.

    Raises:
        BundleError: If the bundle is damaged.
        CatalogueError: If the items have problems and must not; nothing is written then.
    """
    predictor = open_predictor(bundle, source, stage=stage)
    frame = read_items_for(predictor.bundle, source)
    table = predictor.predict(frame, source=source.items.name)
    write_table(table, output)
    return PredictResult(output, len(table), int((table["error"] != "").sum()))

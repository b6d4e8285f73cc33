"""`fusion predict`: a trained model and new items in, one row of answers for each item out.

Reads: a bundle, an items table, photos and, where past sales are given, a sales table.
Writes: one CSV or Parquet file, rows in input order, failures with their reason.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fusion.bundle import Bundle, load_bundle
from fusion.choices import file_mistakes, folder_mistakes, photo_folder_mistakes
from fusion.data.policy import OnBadRows
from fusion.data.problems import raise_for
from fusion.data.schema import HISTORY, missing_columns
from fusion.data.tables import WRITTEN, read_table, write_table
from fusion.errors import ConfigError
from fusion.jobs.config import SalesSection
from fusion.jobs.sales import join_history
from fusion.mistakes import Mistakes, checked_settings
from fusion.parameters import EncoderPlaces
from fusion.predictor import Predictor
from fusion.progress import Stage, silent
from fusion.shards.lock import locked_file


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
    values = {**known, "table": sales.table, "as_of": sales.as_of}
    return checked_settings(SalesSection, values, source="sales")


def opened(
    bundle: Path, source: ItemSource, *, mistakes: Mistakes, stage: Stage = silent
) -> tuple[Predictor, pd.DataFrame]:
    """A predictor of a saved model and the items table, both checked as far as can be.

    Args:
        bundle: Folder of the model.
        source: Items, and where the rest lies.
        mistakes: What has been found wrong before; it is told together with the rest.
        stage: Opens progress bars.

    Raises:
        BundleError, CatalogueError, ConfigError: With everything that is wrong.
    """
    predictor: Predictor | None = None
    frame: pd.DataFrame | None = None
    mistakes.add(folder_mistakes("store", source.store))
    mistakes.add(photo_folder_mistakes(source.photos))
    with mistakes.gathered():
        predictor = Predictor(
            load_bundle(bundle, places=source.encoders),
            photos=source.photos,
            store=source.store,
            on_bad_rows=source.on_bad_rows,
            stage=stage,
        )
    with mistakes.gathered():
        frame = read_table(source.items, delimiter=source.delimiter)
    if predictor is not None and source.sales is not None:
        with mistakes.gathered():
            sales_section(predictor.bundle, source.sales)
    if predictor is not None and frame is not None:
        columns = predictor.bundle.schema.columns
        joined = [name for name in columns if HISTORY.fullmatch(name)]
        lacking = [name for name in joined if name not in frame.columns]
        is_partial = source.on_bad_rows == "absent"
        if (
            source.sales is None
            and lacking
            and not is_partial
            and predictor.bundle.info.get("sales")
        ):
            mistakes.add(
                [
                    "sales must be given, as in training, got none, nor the columns "
                    f"{', '.join(lacking)} ({source.items.name}). Give --sales FILE --as-of DATE."
                ]
            )
            joined = lacking
        elif source.sales is None:
            joined = []
        wanted = [name for name in columns if name not in joined]
        with mistakes.gathered():
            if not is_partial:  # else the predictor tells what is absent
                raise_for(missing_columns(wanted, frame.columns), source=source.items.name)
    mistakes.refuse()
    assert predictor is not None and frame is not None
    return predictor, frame


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
        JobError: If another process is about to write the same file.
    """
    mistakes = Mistakes()
    mistakes.add(file_mistakes("out", output, suffixes=WRITTEN))
    predictor, frame = opened(bundle, source, mistakes=mistakes, stage=stage)
    if source.sales is not None:
        frame = join_history(frame, sales_section(predictor.bundle, source.sales))
    with locked_file(output):
        table = predictor.predict(frame, source=source.items.name)
        write_table(table, output)
    return PredictResult(output, len(table), int((table["error"] != "").sum()))

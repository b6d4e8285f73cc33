"""`fusion predict`: a trained model and new items in, one row of answers for each item out.

Reads: a bundle, an items table, photos and, where past sales are given, a sales table.
Writes: one CSV or Parquet file, rows in input order, failures with their reason.
"""

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion.bundle.document import Document, described
from fusion.bundle.folder import read_description
from fusion.data.absent import absent_columns
from fusion.data.delimiters import SAMPLE_BYTES, checked_delimiter
from fusion.data.header import DELIMITED, WRITTEN, table_kind
from fusion.data.problems import OnBadRows, raise_for
from fusion.data.schema import HISTORY, Schema, missing_columns
from fusion.errors import ConfigError, FusionError
from fusion.mistakes import Mistakes, checked_settings
from fusion.parameters import EncoderPlaces
from fusion.places import file_mistakes, folder_mistakes, photo_folder_mistakes
from fusion.progress import Stage, silent
from fusion.shards.lock import locked_file
from fusion.shards.tables import column_names

if TYPE_CHECKING:
    import pandas as pd

    from fusion.bundle import Bundle
    from fusion.jobs.config import SalesSection
    from fusion.predictor import Predictor


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


def sales_section(bundle: "Bundle", sales: PastSales) -> "SalesSection":
    """The sales table as the model's own configuration named its columns.

    Raises:
        ConfigError: If the model was trained without a sales table.
    """
    from fusion.jobs.config import SalesSection  # with all that trains

    _check_sales(bundle.info, sales)
    values = {**bundle.info["sales"], "table": sales.table, "as_of": sales.as_of}
    return checked_settings(SalesSection, values, source="sales")


def _check_sales(info: Mapping[str, Any], sales: PastSales) -> None:
    if info.get("sales") is None:
        raise ConfigError(
            f"sales must be left out, got {sales.table}: the model was trained without a sales "
            "table. Write past sales into the items table, as in training."
        )


def opened(
    bundle: Path, source: ItemSource, *, mistakes: Mistakes, stage: Stage = silent
) -> "tuple[Predictor, pd.DataFrame]":
    """A predictor of a saved model and the items table, both checked as far as can be.

    What is wrong with the table's columns is told first: the model's description says which it
    reads, and nobody has to wait for torch to hear of them.

    Args:
        bundle: Folder of the model.
        source: Items, and where the rest lies.
        mistakes: What has been found wrong before; it is told together with the rest.
        stage: Opens progress bars.

    Raises:
        BundleError, CatalogueError, ConfigError: With everything that is wrong.
    """
    mistakes.add(folder_mistakes("store", source.store))
    mistakes.add(photo_folder_mistakes(source.photos))
    document: Document | None = None
    with mistakes.gathered():
        document = read_description(bundle)
        if source.sales is not None:
            _check_sales(document["info"], source.sales)
    with mistakes.gathered():
        names = _header(source)
        if document is not None and names is not None:
            _check_columns(document, names, source, mistakes)
    mistakes.refuse()
    assert document is not None
    from fusion.data.tables import read_table

    frame = read_table(source.items, delimiter=source.delimiter)
    _check_columns(document, frame.columns, source, mistakes)
    mistakes.refuse()
    from fusion.bundle import load_bundle
    from fusion.predictor import Predictor

    predictor: Predictor | None = None
    with mistakes.gathered():
        predictor = Predictor(
            load_bundle(bundle, places=source.encoders),
            photos=source.photos,
            store=source.store,
            on_bad_rows=source.on_bad_rows,
            stage=stage,
        )
    if predictor is not None and source.sales is not None:
        with mistakes.gathered():
            sales_section(predictor.bundle, source.sales)
    mistakes.refuse()
    assert predictor is not None
    return predictor, frame


def _header(source: ItemSource) -> list[str] | None:
    """Names of the columns of a CSV file, by its first lines; None where all must be read.

    Raises:
        CatalogueError: If there is no table.
        ValueError: If the delimiter is none.
    """
    if source.delimiter is not None:
        checked_delimiter(source.delimiter)
    if table_kind(source.items) not in DELIMITED or source.items.suffix.lower() == ".gz":
        return None
    try:
        if not _begins_as_utf8(source.items):
            return None
        return column_names(source.items, delimiter=source.delimiter)
    except (FusionError, OSError, ValueError):
        return None  # `read_table` says all that is wrong


def _begins_as_utf8(path: Path) -> bool:
    """False where the first rows are of another encoding: that is to be told, not the columns."""
    with path.open("rb") as file:
        begin = file.read(SAMPLE_BYTES)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return False
    return True


def _check_columns(
    document: Document, names: Iterable[str], source: ItemSource, mistakes: Mistakes
) -> None:
    """Takes the columns that the model reads and the table lacks as mistakes."""
    with described("schema"):
        schema = Schema.from_dict(document["schema"])
    columns, there = schema.columns, list(names)
    joined = [name for name in columns if HISTORY.fullmatch(name)]
    if source.on_bad_rows == "absent":  # the predictor tells what is absent
        found = there if source.sales is None else [*there, *joined]
        with mistakes.gathered():
            absent_columns(columns, found, id_column=schema.id, source=source.items.name)
        return
    lacking = [name for name in joined if name not in there]
    if source.sales is None and lacking and document["info"].get("sales"):
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
        raise_for(missing_columns(wanted, there), source=source.items.name)


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
    from fusion.data.tables import write_table

    if source.sales is not None:
        from fusion.jobs.sales import join_history

        frame = join_history(frame, sales_section(predictor.bundle, source.sales))
    with locked_file(output):
        table = predictor.predict(frame, source=source.items.name)
        write_table(table, output)
    return PredictResult(output, len(table), int((table["error"] != "").sum()))

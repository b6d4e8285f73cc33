"""Items that a trained model is asked about: where they lie, and checks that need no torch."""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.bundle.document import BUNDLE, Document, saved_schema
from fusion.bundle.folder import read_description
from fusion.choices.mistakes import Mistakes, checked_settings
from fusion.choices.parameters import EncoderPaths
from fusion.choices.paths import folder_mistakes, input_mistakes, photo_folder_mistakes
from fusion.data.absent import absent_columns
from fusion.data.delimiters import SAMPLE_BYTES, checked_delimiter
from fusion.data.header import DELIMITED, table_kind
from fusion.data.packed import unpacked_suffix
from fusion.data.problems import OnBadRows, raise_for
from fusion.data.schema import HISTORY, missing_columns
from fusion.errors import FusionError
from fusion.progress import Stage, silent
from fusion.shards.predict_settings import PastSales
from fusion.shards.tables import column_names, list_files
from fusion.shards.whole import is_whole

if TYPE_CHECKING:
    import pandas as pd

    from fusion.bundle import Bundle
    from fusion.job_steps.config import SalesSection
    from fusion.predictor import Predictor


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
        encoders: Where weights of the model's encoders lie now, if they have moved.
    """

    items: Path
    photos: Path | None = None
    store: Path | None = None
    on_bad_rows: OnBadRows = "raise"
    sales: PastSales | None = None
    delimiter: str | None = None
    encoders: EncoderPaths = field(default_factory=EncoderPaths)

    def overwritten(self, name: str, path: Path | None, bundle: Path) -> list[str]:
        """Why an output of this name may not go to a path, see `input_mistakes`."""
        table = None if self.sales is None else self.sales.table
        return input_mistakes(name, path, {"items": self.items, "sales": table, "bundle": bundle})


def sales_section(bundle: "Bundle", sales: PastSales) -> "SalesSection":
    """The sales table as the model's own configuration named its columns.

    Raises:
        ConfigError: If the model was trained without a sales table.
    """
    from fusion.job_steps.config import SalesSection  # with all that trains

    return checked_settings(SalesSection, sales.as_trained(bundle.info), source="sales")


def opened(
    bundle: Path, source: ItemSource, *, mistakes: Mistakes, stage: Stage = silent
) -> "tuple[Predictor, pd.DataFrame]":
    """A predictor of a saved model and the items table, both checked as far as can be.

    Args:
        bundle: Folder of the model.
        source: Items, one table, and where the rest lies.
        mistakes: What has been found wrong before; it is told together with the rest.
        stage: Opens progress bars.

    Raises:
        BundleError, CatalogueError, ConfigError: With everything that is wrong.
    """
    if source.items.is_dir():
        with mistakes.gathered():
            table_kind(source.items)  # which says what to give in its place
    document = checked_description(bundle, source, mistakes=mistakes)
    frame = _read(source)
    _check_columns(document, frame.columns, source, mistakes, file=source.items.name)
    mistakes.refuse()
    from fusion.bundle import load_bundle
    from fusion.predictor import Predictor

    predictor: Predictor | None = None
    with mistakes.gathered():
        predictor = Predictor(
            load_bundle(bundle, encoder_paths=source.encoders),
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


def checked_description(bundle: Path, source: ItemSource, *, mistakes: Mistakes) -> Document:
    """The description of a model that can read the items, as far as their first lines tell.

    Why: the description says which columns the model reads, so nobody has to wait for torch to
    hear of those that are missing.

    Args:
        bundle: Folder of the model.
        source: Items, one table or a folder of them, and where the rest lies.
        mistakes: What has been found wrong before; it is told together with the rest.

    Raises:
        BundleError, CatalogueError, ConfigError, OSError: With everything that is wrong.
    """
    mistakes.add(folder_mistakes("store", source.store))
    mistakes.add(photo_folder_mistakes(source.photos))
    document: Document | None = None
    with mistakes.gathered():
        document = read_description(bundle, BUNDLE)
        if source.sales is not None:
            source.sales.as_trained(document.info)
    with mistakes.gathered():
        names = _first_names(source)
        for file, found in names.items() if document is not None else ():
            _check_columns(document, found, source, mistakes, file=file)
        if mistakes and names and not _begins_as_utf8(source.items):
            _read(source)  # which says so, and where
    mistakes.refuse()
    assert document is not None
    return document


def _first_names(source: ItemSource) -> dict[str, list[str]]:
    """Names of the columns of each table by its first lines; nothing where it must be read whole.

    Raises:
        CatalogueError: If there is no table.
        ValueError: If the delimiter is none.
    """
    if source.delimiter is not None:
        checked_delimiter(source.delimiter)
    if not source.items.is_dir():
        table_kind(source.items)
    is_one = is_whole(source.items)
    if is_one and unpacked_suffix(source.items) not in DELIMITED:
        return {}
    paths = [source.items] if is_one else list_files(source.items)
    try:
        return {path.name: column_names(path, delimiter=source.delimiter) for path in paths}
    except (FusionError, OSError, ValueError):
        if source.items.is_dir():
            raise
        _read(source)  # which says all that is wrong, and where
        return {}


def _read(source: ItemSource) -> "pd.DataFrame":
    from fusion.data.tables import read_table  # with pandas

    return read_table(source.items, delimiter=source.delimiter)


def _begins_as_utf8(items: Path) -> bool:
    """False where the first rows of a CSV file are of another encoding."""
    if not items.is_file() or items.suffix.lower() not in DELIMITED:
        return True
    with items.open("rb") as file:
        begin = file.read(SAMPLE_BYTES)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(begin)
    except UnicodeDecodeError:
        return False
    return True


def _check_columns(
    document: Document,
    names: Iterable[str],
    source: ItemSource,
    mistakes: Mistakes,
    *,
    file: str,
) -> None:
    """Takes the columns that the model reads and a table lacks as mistakes."""
    schema = saved_schema(document.schema)
    columns, there = schema.all_columns, list(names)
    joined = [name for name in columns if HISTORY.fullmatch(name)]
    if source.on_bad_rows == "absent":  # what is absent is told later
        found = there if source.sales is None else [*there, *joined]
        with mistakes.gathered():
            absent_columns(columns, found, id_column=schema.id, source=file)
        return
    lacking = [name for name in joined if name not in there]
    if source.sales is None and lacking and document.info.get("sales"):
        mistakes.add(
            [
                "sales must be given, as in training, got none, nor the columns "
                f"{', '.join(lacking)} ({file}). Give --sales FILE --as-of DATE."
            ]
        )
        joined = lacking
    elif source.sales is None:
        joined = []
    wanted = [name for name in columns if name not in joined]
    with mistakes.gathered():
        raise_for(missing_columns(wanted, there), source=file)

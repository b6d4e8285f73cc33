"""`fusion predict`: a trained model and new items in, one row of answers for each item out.

Reads: a bundle, an items table of any size, photos and, where past sales are given, a sales table.
Writes: one CSV or Parquet file, rows in input order, failures with their reason; or a folder of a
job with these, see `fusion.shards.plan`.
"""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fusion.bundle.document import Document, described
from fusion.bundle.folder import read_description
from fusion.data.absent import absent_columns
from fusion.data.delimiters import SAMPLE_BYTES, checked_delimiter
from fusion.data.header import DELIMITED, WRITTEN, table_kind
from fusion.data.problems import OnBadRows, raise_for
from fusion.data.schema import HISTORY, Schema, missing_columns
from fusion.errors import FusionError
from fusion.mistakes import Mistakes, checked_settings
from fusion.parameters import EncoderPlaces
from fusion.places import file_mistakes, folder_mistakes, photo_folder_mistakes
from fusion.progress import Stage, silent
from fusion.shards.job import Engine, JobResult
from fusion.shards.plan import Places
from fusion.shards.predict_job import is_folder, job_folder, predict_catalogue
from fusion.shards.predict_settings import PastSales, PredictSettings
from fusion.shards.tables import column_names, list_files
from fusion.shards.whole import is_whole

if TYPE_CHECKING:
    import pandas as pd

    from fusion.bundle import Bundle
    from fusion.jobs.config import SalesSection
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

    return checked_settings(SalesSection, sales.as_trained(bundle.info), source="sales")


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
            source.sales.as_trained(document["info"])
    with mistakes.gathered():
        names = _header(source)
        if document is not None and names is not None:
            _check_columns(document, names, source, mistakes, file=source.items.name)
    mistakes.refuse()
    assert document is not None
    from fusion.data.tables import read_table

    frame = read_table(source.items, delimiter=source.delimiter)
    _check_columns(document, frame.columns, source, mistakes, file=source.items.name)
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
    if path.suffix.lower() not in DELIMITED:
        return True
    with path.open("rb") as file:
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
    with described("schema"):
        schema = Schema.from_dict(document["schema"])
    columns, there = schema.columns, list(names)
    joined = [name for name in columns if HISTORY.fullmatch(name)]
    if source.on_bad_rows == "absent":  # what is absent is told later
        found = there if source.sales is None else [*there, *joined]
        with mistakes.gathered():
            absent_columns(columns, found, id_column=schema.id, source=file)
        return
    lacking = [name for name in joined if name not in there]
    if source.sales is None and lacking and document["info"].get("sales"):
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


@dataclass(frozen=True)
class PredictResult:
    """Where the answers are, and what the job ended with."""

    output: Path
    job: JobResult

    @property
    def n_rows(self) -> int:
        """Rows of the items table."""
        return self.job.n_rows

    @property
    def n_failed(self) -> int:
        """Rows with an error in place of an answer."""
        return self.job.n_failed


def predict(
    bundle: Path,
    source: ItemSource,
    output: Path,
    *,
    shard_rows: int = PredictSettings.shard_rows,
    engine: Engine | None = None,
    retry_failed: bool = False,
    stage: Stage = silent,
) -> PredictResult:
    """Predicts items with a bundle; writes a table, or a folder where `output` has no suffix.

    Args:
        bundle: Folder of the model.
        source: Items, and where the rest lies.
        output: A `.csv` or `.parquet` file, or a folder.
        shard_rows: Rows that are done or lost together.
        engine: Where it is done, see `predict_catalogue`.
        retry_failed: Do the shards with error records again.
        stage: Is told of progress.

    Raises:
        BundleError: If the bundle is damaged.
        CatalogueError: If the items have problems and must not; no answer is written then.
        ConfigError: With everything that is wrong with what was chosen.
        JobError: If another process is about to write the same output, or the job cannot go on.
    """
    mistakes = Mistakes()
    settings: PredictSettings | None = None
    with mistakes.gathered():
        settings = PredictSettings(
            on_bad_rows=source.on_bad_rows,
            shard_rows=shard_rows,
            delimiter=source.delimiter,
            sales=source.sales,
        )
    moved = source.encoders or EncoderPlaces()
    places = Places(
        items=source.items,
        photos=source.photos,
        store=source.store,
        bundle=bundle,
        text_encoder=moved.text,
        image_weights=moved.photo_weights,
    )
    if output.suffix:
        mistakes.add(file_mistakes("out", output, suffixes=WRITTEN))
    else:
        mistakes.add(folder_mistakes("out", output))
    _check(bundle, places, source, mistakes)
    assert settings is not None
    result = predict_catalogue(
        places, output, settings, engine=engine, retry_failed=retry_failed, stage=stage
    )
    return PredictResult(output, result)


def _check(bundle: Path, places: Places, source: ItemSource, mistakes: Mistakes) -> None:
    """Refuses what cannot be read or answered, with the mistakes that were found before.

    What is wrong with the tables' columns is told first, as in `opened`.

    Raises:
        BundleError, CatalogueError, ConfigError, OSError: With everything that is wrong.
    """
    mistakes.add(folder_mistakes("store", source.store))
    mistakes.add(photo_folder_mistakes(source.photos))
    document: Document | None = None
    names: dict[str, list[str]] = {}
    with mistakes.gathered():
        document = read_description(bundle)
        if source.sales is not None:
            source.sales.as_trained(document["info"])
    with mistakes.gathered():
        names = _names(source)
        for file, found in names.items() if document is not None else ():
            _check_columns(document, found, source, mistakes, file=file)
        if mistakes and names and source.items.is_file() and not _begins_as_utf8(source.items):
            from fusion.data.tables import read_table

            read_table(source.items, delimiter=source.delimiter)  # which says so, and where
    mistakes.refuse()
    assert document is not None
    if not names:
        from fusion.data.tables import read_table

        frame = read_table(source.items, delimiter=source.delimiter)
        _check_columns(document, frame.columns, source, mistakes, file=source.items.name)
        mistakes.refuse()
    from fusion.shards.models import kept_bundle

    model: Bundle | None = None
    with mistakes.gathered():
        model = kept_bundle(places)
    if model is not None and source.sales is not None:
        with mistakes.gathered():
            sales_section(model, source.sales)
    mistakes.refuse()


def _names(source: ItemSource) -> dict[str, list[str]]:
    """Names of the columns of each table by its first lines; nothing where it must be read whole.

    Raises:
        CatalogueError: If there is no table.
        ValueError: If the delimiter is none.
    """
    if source.delimiter is not None:
        checked_delimiter(source.delimiter)
    if not source.items.is_dir():
        table_kind(source.items)
    if is_whole(source.items):
        return {}
    paths = list_files(source.items)
    try:
        return {path.name: column_names(path, delimiter=source.delimiter) for path in paths}
    except (FusionError, OSError, ValueError):
        if source.items.is_dir():
            raise
        return {}  # `read_table` says all that is wrong


def summary_lines(result: PredictResult) -> list[str]:
    """What a run ended with, in words."""
    job, output = result.job, result.output
    lines = []
    if job.n_already:
        lines.append(f"{job.n_already} of {job.n_shards} shards were finished before.")
    if not job.failed_shards:
        lines.append(f"{job.n_rows:,} rows, {job.n_failed:,} with an error: {output}")
    else:
        folder = output if is_folder(output) else job_folder(output)
        n_failed = len(job.failed_shards)
        lines.append(f"{n_failed} of {job.n_shards} shards failed; the others are kept: {folder}")
    lines += [f"- shard {number}: {why}" for number, why in sorted(job.failed_shards.items())]
    if job.state:
        lines.append(f"This run: {job.state}.")
    return lines

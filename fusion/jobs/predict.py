"""`fusion predict`: a trained model and new items in, one row of answers for each item out.

Reads: a bundle, an items table of any size, photos and, where past sales are given, a sales table.
Writes: one CSV or Parquet file, rows in input order, failures with their reason; or a folder of a
job with these, see `fusion.shards.plan`.
"""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from fusion.bundle import Bundle, load_bundle
from fusion.choices import file_mistakes, folder_mistakes, photo_folder_mistakes
from fusion.data.infer import HISTORY
from fusion.data.policy import OnBadRows
from fusion.data.problems import raise_for
from fusion.data.schema import missing_columns
from fusion.data.tables import WRITTEN, read_table
from fusion.errors import ConfigError
from fusion.jobs.config import SalesSection
from fusion.mistakes import Mistakes, checked_settings
from fusion.parameters import EncoderPlaces
from fusion.predictor import Predictor
from fusion.progress import Show, Stage, silent
from fusion.shards.job import Engine, JobResult
from fusion.shards.models import kept_bundle
from fusion.shards.plan import Places
from fusion.shards.predict_job import is_folder, job_folder, predict_catalogue
from fusion.shards.predict_settings import PastSales, PredictSettings
from fusion.shards.tables import column_names, list_files
from fusion.shards.whole import is_whole


def hidden(done: int, total: int, state: str) -> None:
    """A bar that shows nothing."""
    del done, total, state


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
        names = [str(name) for name in frame.columns]
        _check_columns(predictor.bundle, source, names, mistakes, file=source.items.name)
    mistakes.refuse()
    assert predictor is not None and frame is not None
    return predictor, frame


def _check_columns(
    bundle: Bundle, source: ItemSource, names: list[str], mistakes: Mistakes, *, file: str
) -> None:
    """Adds what a table of items lacks."""
    columns = bundle.schema.columns
    joined = [name for name in columns if HISTORY.fullmatch(name)]
    lacking = [name for name in joined if name not in names]
    if source.sales is None and lacking and bundle.info.get("sales"):
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
        raise_for(missing_columns(wanted, names), source=file)


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
    show: Show = hidden,
) -> PredictResult:
    """Predicts items with a bundle; writes a table, or a folder where `output` has no suffix.

    Args:
        bundle: Folder of the model.
        source: Items, and where the rest lies.
        output: A `.csv` or `.parquet` file, or a folder.
        shard_rows: Rows that are done or lost together.
        engine: Where it is done, see `predict_catalogue`.
        retry_failed: Do the shards with error records again.
        show: Shows progress.

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
    _check(places, source, output, mistakes)
    assert settings is not None
    result = predict_catalogue(
        places, output, settings, engine=engine, retry_failed=retry_failed, show=show
    )
    return PredictResult(output, result)


def _check(places: Places, source: ItemSource, output: Path, mistakes: Mistakes) -> None:
    """Refuses what cannot be read, written or answered, with the mistakes that were found before.

    Raises:
        BundleError, CatalogueError, ConfigError, OSError: With every mistake.
    """
    model: Bundle | None = None
    names: dict[str, list[str]] = {}
    if output.suffix:
        mistakes.add(file_mistakes("out", output, suffixes=WRITTEN))
    else:
        mistakes.add(folder_mistakes("out", output))
    mistakes.add(folder_mistakes("store", places.store))
    mistakes.add(photo_folder_mistakes(places.photos))
    with mistakes.gathered():
        model = kept_bundle(places)
    with mistakes.gathered():
        if is_whole(places.items):
            frame = read_table(places.items, delimiter=source.delimiter)
            names[places.items.name] = [str(name) for name in frame.columns]
        for path in [] if is_whole(places.items) else list_files(places.items):
            names[path.name] = column_names(path, delimiter=source.delimiter)
    if model is not None and source.sales is not None:
        with mistakes.gathered():
            sales_section(model, source.sales)
    for file, found in names.items() if model is not None else ():
        _check_columns(model, source, found, mistakes, file=file)
    mistakes.refuse()


def summary_lines(result: PredictResult) -> list[str]:
    """What a run ended with, in words."""
    job, output = result.job, result.output
    lines = []
    if job.n_already:
        lines.append(f"{job.n_already} of {job.n_shards} shards were finished before.")
    if not job.failed_shards:
        lines.append(f"{job.n_rows:,} rows, {job.n_failed:,} with an error: {output}")
        return lines
    folder = output if is_folder(output) else job_folder(output)
    lines.append(
        f"{len(job.failed_shards)} of {job.n_shards} shards failed; the others are kept: {folder}"
    )
    return lines + [f"- shard {number}: {why}" for number, why in sorted(job.failed_shards.items())]

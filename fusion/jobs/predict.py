"""`fusion predict`: a trained model and new items in, one row of answers for each item out.

Reads: a bundle, an items table of any size, photos and, where past sales are given, a sales table.
Writes: one CSV or Parquet file, rows in input order, failures with their reason; or a folder of a
job with these, see `fusion.shards.plan`; where asked for, a page for people.
"""

from dataclasses import dataclass
from pathlib import Path

from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import file_mistakes, folder_mistakes
from fusion.data.header import WRITTEN
from fusion.job_steps.source import ItemSource, checked_description, sales_section
from fusion.progress import Stage, silent
from fusion.shards.data_paths import DataPaths
from fusion.shards.job import Engine, JobResult
from fusion.shards.plan import has_plan
from fusion.shards.predict_job import is_folder, job_folder, predict_catalogue
from fusion.shards.predict_settings import PredictSettings
from fusion.system.imports import without_collection


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
    page: Path | None = None,
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
        page: Where the page for people is written (HTML), which takes both tables into memory;
            None writes none.
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
    paths = DataPaths(
        items=source.items,
        photos=source.photos,
        store=source.store,
        bundle=bundle,
        encoders=source.encoders,
    )
    if output.suffix:
        mistakes.add(file_mistakes("out", output, suffixes=WRITTEN))
    else:
        mistakes.add(folder_mistakes("out", output))
    mistakes.add(source.overwritten("out", output, bundle))
    mistakes.add(_page_mistakes(page, output, source, bundle))
    checked_description(bundle, source, mistakes=mistakes)
    if not has_plan(job_folder(output) if output.suffix else output):
        _check_model(paths, source)
    assert settings is not None
    result = predict_catalogue(
        paths, output, settings, engine=engine, retry_failed=retry_failed, stage=stage
    )
    if page is not None and not result.failed_shards:
        from fusion.job_steps.new_items import page_of_answers
        from fusion.shards.models import kept_bundle

        page_of_answers(kept_bundle(paths), source, output, page, stage=stage)
    return PredictResult(output, result)


def _page_mistakes(page: Path | None, output: Path, source: ItemSource, bundle: Path) -> list[str]:
    """What speaks against a page: it is of one table of items and one file of answers."""
    if page is None:
        return []
    found = list(file_mistakes("page", page, suffixes=(".html",)))
    found += source.overwritten("page", page, bundle)
    if not output.suffix or source.items.is_dir():
        what = f"a folder of items, {source.items}" if output.suffix else f"the folder {output}"
        found.append(
            f"page must go with one items table and one output file, got {what}. Give a .csv or "
            ".parquet file, or leave --page out."
        )
    return found


def _check_model(paths: DataPaths, source: ItemSource) -> None:
    """Refuses a model that cannot be loaded; a job that goes on does so where it is needed.

    Raises:
        BundleError, ConfigError, OSError: With everything that is wrong.
    """
    with without_collection():
        from fusion.shards.models import kept_bundle

        model = kept_bundle(paths)
    if source.sales is not None:
        sales_section(model, source.sales)


def summary_lines(result: PredictResult) -> list[str]:
    """What a run ended with, in words."""
    job, output = result.job, result.output
    lines = []
    if job.n_already:
        lines.append(f"{job.n_already} of {job.n_shards} shards were finished before.")
    if not job.failed_shards:
        where = f"{output}/errors" if is_folder(output) else "column error"
        failed = f" ({where})" if job.n_failed else ""
        lines.append(f"{job.n_rows:,} rows, {job.n_failed:,} with an error{failed}: {output}")
    else:
        folder = output if is_folder(output) else job_folder(output)
        n_failed = len(job.failed_shards)
        lines.append(f"{n_failed} of {job.n_shards} shards failed; the others are kept: {folder}")
    lines += [f"- shard {number}: {why}" for number, why in sorted(job.failed_shards.items())]
    if job.state:
        lines.append(f"This run: {job.state}.")
    return lines

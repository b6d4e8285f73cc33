"""`fusion embed`, `verify` and `merge`: embeddings of whole catalogues, and checks of jobs."""

from pathlib import Path
from typing import Annotated

import typer

from fusion.cli.job_options import ItemFiles, JobOptions, StatusOf, show_status
from fusion.cli.option_groups import grouped
from fusion.cli.part_options import (
    Columns,
    Encoders,
    column_words,
    encoder_words,
    moved_encoders,
)
from fusion.cli.shared import (
    BadRows,
    Delimiter,
    LogJson,
    Photos,
    Policy,
    Quiet,
    Store,
    VectorType,
    app,
    complain,
    open_stage,
    reported,
    say,
)
from fusion.system.words import number_of

JobFolder = Annotated[Path | None, typer.Option("--out", help="Folder of the job.")]
FusingBundle = Annotated[
    Path | None, typer.Option("--bundle", help="Trained model: gives fused vectors.")
]
OutputType = Annotated[VectorType, typer.Option(help="float16 halves the size of the output.")]
Normalized = Annotated[
    bool, typer.Option("--normalize", help="Vectors of length 1: inner products are cosines.")
]


@app.command()
@reported
@grouped
def embed(
    *,
    items: ItemFiles = None,
    out: JobFolder = None,
    delimiter: Delimiter = None,
    photos: Photos = None,
    column: Columns = None,
    encoder: Encoders = None,
    bundle: FusingBundle = None,
    store: Store = None,
    on_bad_rows: Policy = BadRows.RECORD,
    dtype: OutputType = VectorType.FLOAT32,
    normalize: Normalized = False,
    job: JobOptions,
    status: StatusOf = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Embed a catalogue of any size; stopped jobs go on where they were.

    Exit codes: 0 every row has an embedding or an error record; 1 refused or stopped by an error;
    3 some shards failed; 4 another process writes to the folder; 130 and 143 stopped, run again.
    """
    if status is not None:
        show_status(status)
        return
    from fusion.choices.encoders import EncoderChoices
    from fusion.choices.mistakes import Mistakes
    from fusion.choices.parameters import EncoderPaths
    from fusion.errors import ConfigError
    from fusion.jobs.embed import check_data_paths, summary_lines
    from fusion.jobs.embed import embed as run
    from fusion.shards import DataPaths, JobSettings

    if items is None or out is None:
        raise ConfigError("--items and --out must be given, or --status alone. See --help.")
    mistakes = Mistakes()
    moved, encoders, columns = EncoderPaths(), EncoderChoices(), dict[str, list[str] | None]()
    with mistakes.gathered():
        if bundle is not None:
            moved = moved_encoders(encoder)
        else:
            encoders = EncoderChoices(encoder_words(encoder))
    with mistakes.gathered():
        columns |= column_words(column)
    with mistakes.gathered():
        settings = JobSettings(
            encoders=encoders,
            columns=columns,
            on_bad_rows=on_bad_rows.value,
            dtype=dtype.value,
            normalize=normalize,
            shard_rows=job.shard_rows,
            delimiter=delimiter,
        )
    with mistakes.gathered():
        engine = job.chosen_engine()
    paths = DataPaths(items, photos, store, bundle, moved)
    check_data_paths(paths, out, mistakes)
    with open_stage(quiet, log_json) as stage:
        result = run(
            paths, out, settings, engine=engine, retry_failed=job.retry_failed, stage=stage
        )
    for line in summary_lines(result, out):
        say(line)
    if result.failed_shards:
        raise typer.Exit(3)


@app.command()
@reported
def verify(folder: Annotated[Path, typer.Argument(help="Folder of a job.")]) -> None:
    """Check that the output of a job is whole, unchanged and free of repetition."""
    from fusion.shards import verify_job, why_not_compared

    problems = verify_job(folder)
    for problem in problems:
        say(f"- {problem}")
    if reason := why_not_compared(folder):
        say(f"Note: {reason}")
    if problems:
        complain(f"{number_of(len(problems), 'problem')} in {folder}.")
        raise typer.Exit(1)
    say("Whole: every row once, every file as it was committed.")


@app.command()
@reported
def merge(
    stores: Annotated[list[Path], typer.Argument(help="Embedding stores.")],
    out: Annotated[Path, typer.Option("--out", help="Store that gets everything.")],
) -> None:
    """Merge embedding stores into one with few large files; the stores stay as they are."""
    from fusion.store import merge_stores

    for fingerprint, n_new in merge_stores(stores, out).items():
        say(f"{fingerprint[:12]}  {n_new:,} embeddings added")

"""`fusion evaluate`, `predict` and `similar`: what a trained model says of items."""

from pathlib import Path
from typing import Annotated

import typer

from fusion.cli.item_options import ItemOptions
from fusion.cli.job_options import ItemFiles, JobOptions, StatusOf, show_status
from fusion.cli.option_groups import grouped
from fusion.cli.shared import (
    BadRows,
    BundleFolder,
    Items,
    LogJson,
    Policy,
    Quiet,
    app,
    open_stage,
    reported,
    say,
)
from fusion.cli.similar_table import show_similar

ModelFolder = Annotated[Path | None, typer.Argument(help="Folder of a trained model.")]
Page = Annotated[
    Path | None, typer.Option("--page", help="HTML page for people: forecasts in words, likeness.")
]
Answers = Annotated[
    Path | None, typer.Option("--out", help="CSV or Parquet file, or a folder for the job.")
]


@app.command()
@reported
@grouped
def evaluate(
    bundle: BundleFolder,
    items: Items,
    asked: ItemOptions,
    on_bad_rows: Policy = BadRows.RAISE,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for the metrics.")] = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Measure a trained model on items whose targets are known."""
    from fusion.jobs.evaluate import evaluate as run

    source = asked.source(items, on_bad_rows)
    with open_stage(quiet, log_json) as stage:
        metrics = run(bundle, source, output=out, stage=stage)
    for head, values in metrics.items():
        say(head, style="bold")
        for name, value in values.items():
            say(f"  {name:<24}{value:.4g}")


@app.command()
@reported
@grouped
def predict(
    bundle: ModelFolder = None,
    items: ItemFiles = None,
    out: Answers = None,
    page: Page = None,
    *,
    asked: ItemOptions,
    on_bad_rows: Policy = BadRows.RECORD,
    job: JobOptions,
    status: StatusOf = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Predict items, any number: one row each, in input order, failures with their reason.

    A table of at most --shard-rows rows is done in this process. A larger one has workers, and a
    stopped run goes on where it was when the same command is run again.

    Exit codes: 0 every row has an answer or an error record; 1 refused or stopped by an error;
    3 some shards failed; 4 another process writes to the output; 130 and 143 stopped, run again.
    """
    if status is not None:
        show_status(status)
        return
    from fusion.errors import ConfigError
    from fusion.jobs.predict import predict as run
    from fusion.jobs.predict import summary_lines

    if bundle is None or items is None or out is None:
        raise ConfigError(
            "the bundle, --items and --out must be given, or --status alone. See --help."
        )
    source = asked.source(items, on_bad_rows)
    engine = job.chosen_engine() if job.names_engine else None
    with open_stage(quiet, log_json) as stage:
        result = run(
            bundle,
            source,
            out,
            page=page,
            shard_rows=job.shard_rows,
            engine=engine,
            retry_failed=job.retry_failed,
            stage=stage,
        )
    for line in summary_lines(result):
        say(line)
    if result.job.failed_shards:
        raise typer.Exit(3)


@app.command()
@reported
@grouped
def similar(
    bundle: BundleFolder,
    items: Items,
    *,
    k: Annotated[int, typer.Option("--k", help="Known items for each item.", min=1)] = 3,
    out: Annotated[
        Path | None, typer.Option("--out", help="CSV or Parquet file; printed where not given.")
    ] = None,
    page: Page = None,
    asked: ItemOptions,
    on_bad_rows: Policy = BadRows.RECORD,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Show the known items most like each item, and what they sold."""
    from fusion.jobs.similar import similar as run

    source = asked.source(items, on_bad_rows)
    with open_stage(quiet, log_json) as stage:
        found = run(bundle, source, k=k, output=out, page=page, stage=stage)
    table = found.table
    firsts = table[table["rank"] == 1]
    n_failed = int((firsts["error"] != "").sum())
    if out is None and page is None:
        show_similar(table, found.words)
    written = ", ".join(str(path) for path in (out, page) if path is not None)
    say(f"{len(firsts)} rows, {n_failed} with an error{written and f': {written}'}")

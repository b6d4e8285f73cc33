"""`fusion evaluate`, `predict` and `similar`: what a trained model says of items."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusion.cli.job_options import (
    GpusPerWorker,
    ItemFiles,
    RayAddress,
    RetryFailed,
    ShardRows,
    StatusOf,
    Where,
    Workers,
    show_status,
)
from fusion.cli.shared import (
    AsOf,
    BadRows,
    BundleFolder,
    Delimiter,
    EngineName,
    Items,
    LogJson,
    MovedText,
    MovedWeights,
    Photos,
    Policy,
    Quiet,
    SalesFile,
    StallSeconds,
    Store,
    app,
    open_stage,
    reported,
    say,
)
from fusion.cli.similar_table import show_similar

ModelFolder = Annotated[Path | None, typer.Argument(help="Folder of a trained model.")]
Answers = Annotated[
    Path | None, typer.Option("--out", help="CSV or Parquet file, or a folder for the job.")
]


def _past_sales(sales: Path | None, as_of: str | None) -> Any:
    from fusion.errors import ConfigError
    from fusion.shards import PastSales

    if (sales is None) != (as_of is None):
        given = "--as-of" if sales is None else "--sales"
        raise ConfigError(
            f"--sales and --as-of must be given together, got {given} alone. Give both or none."
        )
    return None if sales is None or as_of is None else PastSales(sales, as_of)


@app.command()
@reported
def evaluate(
    bundle: BundleFolder,
    items: Items,
    delimiter: Delimiter = None,
    photos: Photos = None,
    store: Store = None,
    on_bad_rows: Policy = BadRows.RAISE,
    sales: SalesFile = None,
    as_of: AsOf = None,
    text_encoder: MovedText = None,
    image_weights: MovedWeights = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for the metrics.")] = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Measure a trained model on items whose targets are known."""
    from fusion.jobs.evaluate import evaluate as run
    from fusion.jobs.source import ItemSource
    from fusion.parameters import EncoderPlaces

    past = _past_sales(sales, as_of)
    places = EncoderPlaces(text_encoder, image_weights)
    source = ItemSource(items, photos, store, on_bad_rows.value, past, delimiter, places)
    with open_stage(quiet, log_json) as stage:
        metrics = run(bundle, source, output=out, stage=stage)
    for head, values in metrics.items():
        say(head, style="bold")
        for name, value in values.items():
            say(f"  {name:<24}{value:.4g}")


@app.command()
@reported
def predict(
    bundle: ModelFolder = None,
    items: ItemFiles = None,
    out: Answers = None,
    delimiter: Delimiter = None,
    photos: Photos = None,
    store: Store = None,
    on_bad_rows: Policy = BadRows.RECORD,
    sales: SalesFile = None,
    as_of: AsOf = None,
    text_encoder: MovedText = None,
    image_weights: MovedWeights = None,
    shard_rows: ShardRows = 4096,
    engine: Where = EngineName.LOCAL,
    workers: Workers = None,
    gpus_per_worker: GpusPerWorker = 0,
    ray_address: RayAddress = None,
    stall_seconds: StallSeconds = 300.0,
    retry_failed: RetryFailed = False,
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
    from fusion.jobs.embed import engine_of
    from fusion.jobs.predict import predict as run
    from fusion.jobs.predict import summary_lines
    from fusion.jobs.source import ItemSource
    from fusion.parameters import EncoderPlaces

    if bundle is None or items is None or out is None:
        raise ConfigError(
            "the bundle, --items and --out must be given, or --status alone. See --help."
        )
    past = _past_sales(sales, as_of)
    places = EncoderPlaces(text_encoder, image_weights)
    source = ItemSource(items, photos, store, on_bad_rows.value, past, delimiter, places)
    where = None
    if (engine, workers, gpus_per_worker, ray_address) != (EngineName.LOCAL, None, 0, None):
        where = engine_of(
            engine.value, workers, gpus=gpus_per_worker, address=ray_address, stall_s=stall_seconds
        )
    with open_stage(quiet, log_json) as stage:
        result = run(
            bundle,
            source,
            out,
            shard_rows=shard_rows,
            engine=where,
            retry_failed=retry_failed,
            stage=stage,
        )
    for line in summary_lines(result):
        say(line)
    if result.job.failed_shards:
        raise typer.Exit(3)


@app.command()
@reported
def similar(
    bundle: BundleFolder,
    items: Items,
    k: Annotated[int, typer.Option("--k", help="Known items for each item.", min=1)] = 3,
    out: Annotated[
        Path | None, typer.Option("--out", help="CSV or Parquet file; printed where not given.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option("--page", help="HTML page for people, with forecasts too.")
    ] = None,
    delimiter: Delimiter = None,
    photos: Photos = None,
    store: Store = None,
    on_bad_rows: Policy = BadRows.RECORD,
    sales: SalesFile = None,
    as_of: AsOf = None,
    text_encoder: MovedText = None,
    image_weights: MovedWeights = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Show the known items most like each item, and what they sold."""
    from fusion.jobs.similar import similar as run
    from fusion.jobs.source import ItemSource
    from fusion.parameters import EncoderPlaces

    past = _past_sales(sales, as_of)
    places = EncoderPlaces(text_encoder, image_weights)
    source = ItemSource(items, photos, store, on_bad_rows.value, past, delimiter, places)
    with open_stage(quiet, log_json) as stage:
        table = run(bundle, source, k=k, output=out, page=page, stage=stage)
    firsts = table[table["rank"] == 1]
    n_failed = int((firsts["error"] != "").sum())
    if out is None and page is None:
        show_similar(table)
    written = ", ".join(str(path) for path in (out, page) if path is not None)
    say(f"{len(firsts)} rows, {n_failed} with an error{written and f': {written}'}")

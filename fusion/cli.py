"""The command line: `fusion VERB`. The only place that reads arguments."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

app = typer.Typer(
    help="Predict how products will sell from their texts, photos, numbers and sales history.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Console()
errors = Console(stderr=True)


class BadRows(StrEnum):
    """What faulty rows do."""

    RAISE = "raise"
    RECORD = "record"
    ABSENT = "absent"


class Decoder(StrEnum):
    """How photos are decoded."""

    EXACT = "exact"
    FAST = "fast"


class Backend(StrEnum):
    """What runs a text encoder."""

    TORCH = "torch"
    ONNX = "onnx"
    OPENVINO = "openvino"


class TuningMode(StrEnum):
    """What fine-tuning changes of an encoder."""

    LORA = "lora"
    LAST_LAYERS = "last_layers"
    GRADUAL = "gradual"
    FULL = "full"


class VectorType(StrEnum):
    """Number format of embeddings on disk."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class EngineName(StrEnum):
    """Where a job runs."""

    LOCAL = "local"
    RAY = "ray"


Items = Annotated[Path, typer.Option("--items", help="Items table, CSV or Parquet.")]
Photos = Annotated[Path | None, typer.Option("--photos", help="Folder of the photos.")]
Store = Annotated[Path | None, typer.Option("--store", help="Folder of the embedding store.")]
Policy = Annotated[
    BadRows,
    typer.Option(
        "--on-bad-rows",
        help="raise: stop and list them; record: leave them out with their reason; "
        "absent: treat a faulty value as absent.",
    ),
]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.", min=0)]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
SalesFile = Annotated[
    Path | None,
    typer.Option("--sales", help="Sales table, for a model that was trained with one."),
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Date of the forecast; goes with --sales.")
]
TextEncoder = Annotated[str, typer.Option(help="minilm, a hub id or a folder.")]
ImageEncoder = Annotated[str, typer.Option(help="resnet18 .. resnet152, colour_texture.")]
ImageWeights = Annotated[str, typer.Option(help="clothing18, imagenet, a file.")]
StallSeconds = Annotated[
    float, typer.Option(help="A worker without a sign of life for so long is replaced.")
]
BundleFolder = Annotated[Path, typer.Argument(help="Folder of a trained model.")]


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turns errors into one message and their exit code (1), and Ctrl-C into 130."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        from fusion.errors import FusionError

        try:
            command(*arguments, **options)
        except (FusionError, ValueError, FloatingPointError, ImportError, OSError) as error:
            errors.print(f"[bold red]fusion:[/] {_escaped(str(error))}", soft_wrap=True)
            raise typer.Exit(getattr(error, "exit_code", 1)) from error
        except KeyboardInterrupt as stop:
            errors.print("Stopped. Run the same command again: what is finished is kept.")
            raise typer.Exit(getattr(stop, "exit_code", 130)) from None

    return run


def _past_sales(sales: Path | None, as_of: str | None) -> Any:
    from fusion.errors import ConfigError
    from fusion.jobs.predict import PastSales

    if (sales is None) != (as_of is None):
        raise ConfigError("--sales and --as-of must be given together, got one. Give both or none.")
    return None if sales is None or as_of is None else PastSales(sales, as_of)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")


@contextmanager
def _stage(quiet: bool) -> Iterator[Any]:
    from fusion.processes import is_first
    from fusion.progress import progress_bars, silent

    if quiet or not is_first():
        yield silent
    else:
        with progress_bars() as stage:
            yield stage


@app.command()
@reported
def train(
    config: Annotated[Path, typer.Argument(help="Configuration, TOML.")],
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("runs/model"),
    seed: Seed = None,
    quiet: Quiet = False,
) -> None:
    """Train, measure and save a model, and write its report."""
    from fusion.jobs.config import TrainConfig
    from fusion.jobs.train import train as run

    overrides = {} if seed is None else {"training.seed": seed}
    settings = TrainConfig.from_file(config, overrides=overrides)
    with _stage(quiet) as stage:
        result = run(settings, out, stage=stage)
    _show_result(result)


@app.command()
@reported
def fine_tune(
    config: Annotated[Path, typer.Argument(help="Configuration, TOML.")],
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("runs/tuned"),
    mode: Annotated[
        TuningMode | None, typer.Option(help="What is tuned; [tuning] of the file otherwise.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the rows, at most.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Rows in one step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of the last layer.")] = None,
    tensorboard: Annotated[Path | None, typer.Option(help="Folder for TensorBoard logs.")] = None,
    seed: Seed = None,
    quiet: Quiet = False,
) -> None:
    """Tune text and photo encoders on the target, train on what they then give, and compare.

    Killed, it goes on where it was when it is started again. Under torchrun or accelerate launch,
    all processes share each step.
    """
    from fusion.jobs.config import TrainConfig
    from fusion.jobs.train import fine_tune as run

    given = {
        "tuning.mode": None if mode is None else mode.value,
        "tuning.epochs": epochs,
        "tuning.batch_size": batch_size,
        "tuning.learning_rate": learning_rate,
        "tuning.tensorboard": tensorboard,
        "tuning.seed": seed,
        "training.seed": seed,
    }
    overrides = {name: value for name, value in given.items() if value is not None}
    settings = TrainConfig.from_file(config, overrides=overrides)
    with _stage(quiet) as stage:
        result = run(settings, out, stage=stage)
    _show_result(result)


@app.command()
@reported
def evaluate(
    bundle: BundleFolder,
    items: Items,
    photos: Photos = None,
    store: Store = None,
    on_bad_rows: Policy = BadRows.RAISE,
    sales: SalesFile = None,
    as_of: AsOf = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for the metrics.")] = None,
    quiet: Quiet = False,
) -> None:
    """Measure a trained model on items whose targets are known."""
    from fusion.jobs.evaluate import evaluate as run
    from fusion.jobs.predict import ItemSource

    past = _past_sales(sales, as_of)
    source = ItemSource(items, photos, store, on_bad_rows.value, past)
    with _stage(quiet) as stage:
        metrics = run(bundle, source, output=out, stage=stage)
    for head, values in metrics.items():
        console.print(f"[bold]{head}[/]")
        for name, value in values.items():
            console.print(f"  {name:<24}{value:.4g}")


@app.command()
@reported
def predict(
    bundle: BundleFolder,
    items: Items,
    out: Annotated[Path, typer.Option("--out", help="CSV or Parquet file.")],
    photos: Photos = None,
    store: Store = None,
    on_bad_rows: Policy = BadRows.RECORD,
    sales: SalesFile = None,
    as_of: AsOf = None,
    quiet: Quiet = False,
) -> None:
    """Predict items: one row each, in input order, failures with their reason."""
    from fusion.jobs.predict import ItemSource
    from fusion.jobs.predict import predict as run

    past = _past_sales(sales, as_of)
    source = ItemSource(items, photos, store, on_bad_rows.value, past)
    with _stage(quiet) as stage:
        result = run(bundle, source, out, stage=stage)
    console.print(f"{result.n_rows} rows, {result.n_failed} with an error: {result.output}")


@app.command()
@reported
def embed(
    items: Annotated[
        Path | None, typer.Option("--items", help="CSV or Parquet file, or a folder of them.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the job.")] = None,
    photos: Photos = None,
    id_column: Annotated[str | None, typer.Option("--id", help="The id column.")] = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text column.")] = None,
    image: Annotated[
        list[str] | None, typer.Option("--image", help="A column of photo names or photo bytes.")
    ] = None,
    text_encoder: TextEncoder = "minilm",
    image_encoder: ImageEncoder = "resnet18",
    image_weights: ImageWeights = "clothing18",
    decoder: Annotated[
        Decoder, typer.Option(help="fast: decode large JPEGs at a fraction of their size.")
    ] = Decoder.EXACT,
    backend: Annotated[
        Backend, typer.Option(help="onnx, openvino: run the text encoder in int8 on the CPU.")
    ] = Backend.TORCH,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Trained model: gives fused vectors.")
    ] = None,
    store: Store = None,
    on_bad_rows: Policy = BadRows.RECORD,
    dtype: Annotated[
        VectorType, typer.Option(help="float16 halves the size of the output.")
    ] = VectorType.FLOAT32,
    shard_rows: Annotated[int, typer.Option(help="Rows that are done or lost together.")] = 4096,
    engine: Annotated[EngineName, typer.Option(help="Where it runs.")] = EngineName.LOCAL,
    workers: Annotated[
        int | None, typer.Option(help="Processes; tried out where not given.", min=1)
    ] = None,
    gpus_per_worker: Annotated[float, typer.Option(help="Only with --engine ray.", min=0)] = 0,
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster; a local one where not given.")
    ] = None,
    stall_seconds: StallSeconds = 300.0,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do shards with error records again.")
    ] = False,
    status: Annotated[
        Path | None, typer.Option("--status", help="Show how far the job in this folder is.")
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Embed a catalogue of any size; stopped jobs go on where they were.

    Exit codes: 0 every row has an embedding or an error record; 1 refused or stopped by an error;
    3 some shards failed; 4 another process writes to the folder; 130 and 143 stopped, run again.
    """
    if status is not None:
        _show_status(status)
        return
    from fusion.build import EncoderChoice
    from fusion.errors import ConfigError
    from fusion.jobs.embed import embed as run
    from fusion.jobs.embed import engine_of, summary_lines
    from fusion.shards import JobSettings, Places

    if items is None or out is None:
        raise ConfigError("--items and --out must be given, or --status alone. See --help.")
    settings = JobSettings(
        choice=EncoderChoice(
            text_encoder, image_encoder, image_weights, decoder.value, backend.value
        ),
        columns={"id": None if id_column is None else [id_column], "text": text, "image": image},
        on_bad_rows=on_bad_rows.value,
        dtype=dtype.value,
        shard_rows=shard_rows,
    )
    where = engine_of(
        engine.value, workers, gpus=gpus_per_worker, address=ray_address, stall_s=stall_seconds
    )
    places = Places(items, photos, store, bundle)
    result = run(places, out, settings, engine=where, retry_failed=retry_failed, quiet=quiet)
    for line in summary_lines(result, out):
        console.print(line, highlight=False, soft_wrap=True)
    if result.failed_shards:
        raise typer.Exit(3)


def _show_status(folder: Path) -> None:
    from fusion.jobs.embed import status_lines
    from fusion.shards import job_status

    for line in status_lines(job_status(folder)):
        console.print(line, highlight=False)


@app.command()
@reported
def verify(folder: Annotated[Path, typer.Argument(help="Folder of an embedding job.")]) -> None:
    """Check that the output of an embedding job is whole, unchanged and free of repetition."""
    from fusion.shards import verify_job

    problems = verify_job(folder)
    for problem in problems:
        console.print(f"- {_escaped(problem)}", highlight=False, soft_wrap=True)
    if problems:
        errors.print(f"[bold red]fusion:[/] {len(problems)} problems in {_escaped(str(folder))}.")
        raise typer.Exit(1)
    console.print("Whole: every row once, every file as it was committed.")


@app.command()
@reported
def merge(
    stores: Annotated[list[Path], typer.Argument(help="Embedding stores.")],
    out: Annotated[Path, typer.Option("--out", help="Store that gets everything.")],
) -> None:
    """Merge embedding stores into one with few large files; the stores stay as they are."""
    from fusion.store import merge_stores

    for fingerprint, n_new in merge_stores(stores, out).items():
        console.print(f"{fingerprint[:12]}  {n_new:,} embeddings added", highlight=False)


@app.command()
@reported
def demo(
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("fusion-demo"),
    seed: Seed = None,
    quiet: Quiet = False,
) -> None:
    """Run everything on the made-up demo catalogue: train, measure, report, predict new items."""
    from fusion.jobs.demo import demo as run

    with _stage(quiet) as stage:
        result, predicted = run(out, seed=seed or 0, stage=stage)
    _show_result(result)
    console.print(f"New items    {predicted.output}")


def _show_result(result: Any) -> None:
    from fusion.evaluation import format_table

    for evaluation in result.evaluations.values():
        console.print(format_table(evaluation))
    if result.dropped:
        console.print(f"{len(result.dropped)} rows were left out; the report says why.")
    console.print(f"Model        {result.bundle}\nReport       {result.report}")

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
BundleFolder = Annotated[Path, typer.Argument(help="Folder of a trained model.")]


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turns the toolkit's errors into one message and exit code 1, and Ctrl-C into 130."""

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        from fusion.errors import FusionError

        try:
            command(*arguments, **options)
        except (FusionError, ValueError, FloatingPointError, ImportError, OSError) as error:
            errors.print(f"[bold red]fusion:[/] {_escaped(str(error))}", soft_wrap=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            errors.print("Stopped. Run the same command again: finished embeddings are kept.")
            raise typer.Exit(130) from None

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
    from fusion.progress import progress_bars, silent

    if quiet:
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
    items: Items,
    out: Annotated[Path, typer.Option("--out", help="Parquet file.")],
    photos: Photos = None,
    text: Annotated[list[str] | None, typer.Option("--text", help="A text column.")] = None,
    image: Annotated[list[str] | None, typer.Option("--image", help="A photo column.")] = None,
    text_encoder: Annotated[str, typer.Option(help="minilm, a hub id or a folder.")] = "minilm",
    image_encoder: Annotated[str, typer.Option(help="resnet18 .. resnet152.")] = "resnet18",
    image_weights: Annotated[
        str, typer.Option(help="clothing18, imagenet, a file.")
    ] = "clothing18",
    bundle: Annotated[
        Path | None, typer.Option("--bundle", help="Trained model: gives fused vectors.")
    ] = None,
    store: Store = None,
    on_bad_rows: Policy = BadRows.RECORD,
    quiet: Quiet = False,
) -> None:
    """Embed texts and photos, or whole items with a trained model."""
    from fusion.build import EncoderChoice
    from fusion.jobs.embed import embed as run
    from fusion.jobs.embed import embed_fused
    from fusion.jobs.predict import ItemSource

    source = ItemSource(items, photos, store, on_bad_rows.value)
    with _stage(quiet) as stage:
        if bundle is not None:
            result = embed_fused(bundle, source, out, stage=stage)
        else:
            choice = EncoderChoice(text_encoder, image_encoder, image_weights)
            columns = {"text": text, "image": image}
            result = run(source, out, choice=choice, columns=columns, stage=stage)
    dims = ", ".join(f"{name} {dim}" for name, dim in result.dims.items())
    console.print(f"{result.n_rows} rows ({dims}), {result.n_failed} with an error: {out}")


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

"""What every verb shares: the application, its options, how errors and progress are shown."""

import atexit
import gc
import io
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.text import Text

from fusion.cli.event_lines import run_lines, stage_lines
from fusion.cli.verbs import Verbs
from fusion.system.files import expanded, readable

app = typer.Typer(
    cls=Verbs,
    help="Predict how products will sell from their texts, photos, numbers and sales history.",
    epilog="Exit codes: 0 done; 1 refused, or stopped by an error; 2 wrong verb or option; 3 some "
    "shards failed; 4 another process writes there; 130, 143 stopped. A row with an error in place "
    "of an answer does not change the code: their number is printed.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# Paths, target names and messages come from outside: nothing in them is a style or an emoji.
_console = Console(markup=False, emoji=False, highlight=False)
_errors = Console(markup=False, emoji=False, highlight=False, stderr=True)


def show_version(wanted: bool) -> None:
    """Shows the version and ends the program, if that is wanted."""
    if wanted:
        import fusion

        say(f"product-fusion {fusion.__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", callback=show_version, is_eager=True),
    ] = False,
) -> None:
    """Options of the program itself, before a verb."""
    del version  # its callback has shown it and ended the program
    atexit.register(leave_cycles)


def leave_cycles() -> None:
    """Keeps Python from looking through all objects for cycles at its end.

    Why: it is a second of processor time where torch is loaded, a third of a short command, for
    memory that goes back with the process anyway. Not where a training has brought triton, which
    calls whatever stays a leak, in 40 lines.
    """
    if "triton" not in sys.modules:
        gc.freeze()


class BadRows(StrEnum):
    """What faulty rows do."""

    RAISE = "raise"
    RECORD = "record"
    ABSENT = "absent"


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


def finite(value: float | None) -> float | None:
    """A number as it was given.

    Raises:
        BadParameter: If it is not a number, or infinite.
    """
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"must be a finite number, got {value}.")
    return value


Items = Annotated[
    Path, typer.Option("--items", help="Items table: CSV, TSV, JSON lines, Parquet or Feather.")
]
Delimiter = Annotated[
    str | None,
    typer.Option("--delimiter", help="What separates the cells of CSV; found where not given."),
]
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
LogJson = Annotated[
    bool,
    typer.Option(
        "--log-json", help="Progress and errors as JSON lines on the error stream, for programs."
    ),
]
SalesFile = Annotated[
    Path | None,
    typer.Option("--sales", help="Sales table, for a model that was trained with one."),
]
AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Date of the forecast; goes with --sales.")
]
BundleFolder = Annotated[Path, typer.Argument(help="Folder of a trained model.")]
Epochs = Annotated[int | None, typer.Option(help="Passes over the rows, at most.")]
BatchSize = Annotated[int | None, typer.Option(help="Rows in one step.")]
Logs = Annotated[Path | None, typer.Option(help="Folder for TensorBoard logs.")]


EXPECTED = (ValueError, FloatingPointError, ImportError, OSError, MemoryError)


def reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turns errors into one message and their exit code (1), and Ctrl-C into 130.

    A `~` at the begin of a path is the home folder, which shells leave alone in `--items=~/a.csv`.
    """

    @wraps(command)
    def run(*arguments: Any, **options: Any) -> None:
        from fusion.errors import FusionError

        for stream in (sys.stdout, sys.stderr):  # a terminal may know less than UTF-8
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        options = {name: _expanded(value) for name, value in options.items()}
        with _told(command, as_json=options.get("log_json", False)) as tell:
            try:
                command(*arguments, **options)
            except (*EXPECTED, FusionError) as error:
                tell(str(error))
                raise typer.Exit(getattr(error, "exit_code", 1)) from error
            except KeyboardInterrupt as stop:
                tell("Stopped. Run the same command again: what is finished is kept.")
                raise typer.Exit(getattr(stop, "exit_code", 130)) from None

    return run


def _told(command: Callable[..., None], *, as_json: bool) -> AbstractContextManager[Any]:
    """Gives what tells why a run stops; for programs, its begin and end are told too."""
    if not as_json:
        return nullcontext(complain)
    from fusion.system.processes import is_first

    verb = command.__name__.replace("_", "-")
    return run_lines(verb) if is_first() else nullcontext(complain)


def _expanded(value: Any) -> Any:
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    return expanded(value) if isinstance(value, Path) else value


def say(what: RenderableType, *, style: str = "") -> None:
    """Prints a result as it is, brackets too; a line is not cut where the window ends."""
    shown = readable(what) if isinstance(what, str) else what
    _console.print(shown, style=style, soft_wrap=isinstance(what, str))


def complain(message: str) -> None:
    """Prints why a command stopped, on the error stream, as it is."""
    _errors.print(Text.assemble(("fusion:", "bold red"), " ", readable(message)), soft_wrap=True)


@contextmanager
def open_stage(quiet: bool, log_json: bool = False) -> Iterator[Any]:
    """What shows progress to people or to programs, in the first process alone and if wanted."""
    from fusion.progress import progress_shown, silent
    from fusion.system.processes import is_first

    if quiet or not is_first():
        yield silent
    elif log_json:
        yield stage_lines
    else:
        with progress_shown() as stage:
            yield stage


def show_result(result: Any) -> None:
    """Tables of a training, and where model and report are."""
    from fusion.evaluation import format_table

    for evaluation in result.evaluations.values():
        say(format_table(evaluation))
    for note in result.notes:
        say(note)
    for column, reason in result.unread.items():
        say(f"Not used     {column}: {reason}")
    say(f"Model        {result.bundle}\nReport       {result.report}")
    if result.new_items is not None:
        say(f"New items    {result.new_items}")

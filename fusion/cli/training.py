"""`fusion train`, `fine-tune` and `demo`: from a catalogue to a model and its report."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fusion.cli.part_options import Columns, Encoders, column_words, encoder_words
from fusion.cli.shared import (
    BatchSize,
    Epochs,
    LogJson,
    Logs,
    Quiet,
    Seed,
    TuningMode,
    app,
    finite,
    open_stage,
    reported,
    show_result,
)

TextNumbers = Annotated[
    bool,
    typer.Option(" /--no-text-numbers", help="Leave numbers in texts alone."),
]


@app.command()
@reported
def train(
    config: Annotated[Path, typer.Argument(help="Configuration, TOML.")],
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("runs/model"),
    encoder: Encoders = None,
    column: Columns = None,
    text_numbers: TextNumbers = True,
    seed: Seed = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Train, measure and save a model, and write its report."""
    overrides: dict[str, Any] = {} if seed is None else {"training.seed": seed}
    overrides |= _numbers_off(text_numbers)
    settings = _settings(config, overrides, encoder, column)
    from fusion.jobs.train import train as run

    with open_stage(quiet, log_json) as stage:
        result = run(settings, out, stage=stage)
    show_result(result)


@app.command()
@reported
def fine_tune(
    config: Annotated[Path, typer.Argument(help="Configuration, TOML.")],
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("runs/tuned"),
    mode: Annotated[
        TuningMode | None, typer.Option(help="What is tuned; [tuning] of the file otherwise.")
    ] = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Of the last layer.", callback=finite)
    ] = None,
    tensorboard: Logs = None,
    encoder: Encoders = None,
    column: Columns = None,
    text_numbers: TextNumbers = True,
    seed: Seed = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Tune text and photo encoders on the target, train on what they then give, and compare.

    Killed, it goes on where it was when it is started again. Under torchrun or accelerate launch,
    all processes share each step.
    """
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
    overrides |= _numbers_off(text_numbers)
    settings = _settings(config, overrides, encoder, column)
    from fusion.jobs.train import fine_tune as run

    with open_stage(quiet, log_json) as stage:
        result = run(settings, out, stage=stage)
    show_result(result)


@app.command()
@reported
def demo(
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("fusion-demo"),
    seed: Seed = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Run everything on the made-up demo catalogue: train, measure, report, predict new items."""
    from fusion.jobs.demo import demo as run

    with open_stage(quiet, log_json) as stage:
        result = run(out, seed=seed or 0, stage=stage)
    show_result(result)


def _settings(
    config: Path,
    overrides: dict[str, Any],
    encoder: list[str] | None,
    column: list[str] | None,
) -> Any:
    """The configuration; what is wrong with it is told before all that trains is imported."""
    from fusion.job_steps.config_file import config_values

    values = config_values(config)
    from fusion.job_steps.config import TrainConfig

    return TrainConfig.from_file(config, overrides=overrides | _parts(values, encoder, column))


def _numbers_off(text_numbers: bool) -> dict[str, Any]:
    """What leaves numbers in texts alone; nothing where the file decides."""
    return {} if text_numbers else {"data.text_numbers": False}


def _parts(
    values: dict[str, Any], encoder: list[str] | None, column: list[str] | None
) -> dict[str, Any]:
    """What options choose in place of the file; of an encoder, options alone keep its name."""
    from fusion.choices.mistakes import Mistakes
    from fusion.choices.parameters import merged_encoders

    encoders, columns, mistakes = dict[str, Any](), dict[str, list[str]](), Mistakes()
    with mistakes.gathered():
        encoders = encoder_words(encoder)
    with mistakes.gathered():
        columns = column_words(column)
    mistakes.refuse()
    merged = merged_encoders(values.get("encoders", {}), encoders)
    found = {f"encoders.{modality}": merged[modality] for modality in encoders}
    data = values.get("data")
    before = data.get("columns", {}) if isinstance(data, dict) else {}
    if columns and isinstance(before, dict):  # else the mistake is reported with all others
        found["data.columns"] = {**before, **columns}
    return found

"""`fusion train`, `fine-tune` and `demo`: from a catalogue to a model and its report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from fusion.cli.option_groups import grouped
from fusion.cli.part_options import (
    Columns,
    Encoders,
    Members,
    column_words,
    encoder_words,
    member_words,
)
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


@dataclass(frozen=True)
class ModelOptions:
    """What a model is made of, in place of what the file says."""

    encoder: Encoders = None
    column: Columns = None
    member: Members = None
    weight: Annotated[
        str | None, typer.Option(help="Column that says how much a row counts in training.")
    ] = None
    text_numbers: Annotated[
        bool, typer.Option(" /--no-text-numbers", help="Leave numbers in texts alone.")
    ] = True


@app.command()
@reported
@grouped
def train(
    *,
    config: Annotated[Path, typer.Argument(help="Configuration, TOML.")],
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("runs/model"),
    model: ModelOptions,
    seed: Seed = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Train, measure and save a model, and write its report."""
    settings = _settings(config, {"training.seed": seed}, model)
    from fusion.jobs.train import train as run

    with open_stage(quiet, log_json) as stage:
        result = run(settings, out, stage=stage)
    show_result(result)


@app.command()
@reported
@grouped
def fine_tune(
    *,
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
    model: ModelOptions,
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
    settings = _settings(config, given, model)
    from fusion.jobs.train import fine_tune as run

    with open_stage(quiet, log_json) as stage:
        result = run(settings, out, stage=stage)
    show_result(result)


@app.command()
@reported
def demo(
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Output folder [fusion-demo, or fusion-demo-forecast]."),
    ] = None,
    forecast: Annotated[
        bool, typer.Option("--forecast", help="Forecast its sales week by week instead.")
    ] = False,
    seed: Seed = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Run everything on the made-up demo catalogue: train, measure, report, predict new items."""
    if forecast:
        from fusion.cli.forecasting import show_forecast
        from fusion.jobs.demo import demo_forecast

        with open_stage(quiet, log_json) as stage:
            found = demo_forecast(out or Path("fusion-demo-forecast"), seed=seed or 0, stage=stage)
        show_forecast(found)
        return
    from fusion.jobs.demo import demo as run

    with open_stage(quiet, log_json) as stage:
        result = run(out or Path("fusion-demo"), seed=seed or 0, stage=stage)
    show_result(result)


def _settings(config: Path, given: dict[str, Any], model: ModelOptions) -> Any:
    """The configuration; what is wrong with it is told before all that trains is imported."""
    from fusion.job_steps.config_file import config_values

    values = config_values(config)
    from fusion.job_steps.config import TrainConfig

    given = {**given, "data.weight": model.weight}
    overrides = {name: value for name, value in given.items() if value is not None}
    if not model.text_numbers:
        overrides["data.text_numbers"] = False
    return TrainConfig.from_file(config, overrides=overrides | _parts(values, model))


def _parts(values: dict[str, Any], model: ModelOptions) -> dict[str, Any]:
    """What options choose in place of the file; options of an encoder or member stay its own."""
    from fusion.choices.mistakes import Mistakes
    from fusion.choices.parameters import merged_encoders

    encoders, columns, mistakes = dict[str, Any](), dict[str, list[str]](), Mistakes()
    members: list[str] = []
    with mistakes.gathered():
        encoders = encoder_words(model.encoder)
    with mistakes.gathered():
        columns = column_words(model.column)
    with mistakes.gathered():
        members = member_words(model.member)
    mistakes.refuse()
    merged = merged_encoders(values.get("encoders", {}), encoders)
    found = {f"encoders.{modality}": merged[modality] for modality in encoders}
    before = _table(values, "data", "columns")
    if columns and before is not None:  # else the mistake is reported with all others
        found["data.columns"] = {**before, **columns}
    if members:
        options = _table(values, "model", "members") or {}
        found["model.members"] = {name: options.get(name, {}) for name in members}
    return found


def _table(values: dict[str, Any], section: str, key: str) -> dict[str, Any] | None:
    """A table of the file, empty where it is not there; None where something else stands there."""
    outer = values.get(section, {})
    inner = outer.get(key, {}) if isinstance(outer, dict) else None
    return inner if isinstance(inner, dict) else None

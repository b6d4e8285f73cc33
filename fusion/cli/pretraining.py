"""`fusion pretrain`: encoders learn from photos and texts alone."""

from pathlib import Path
from typing import Annotated

import typer

from fusion.cli.part_options import Columns, Encoders, column_words, encoder_words
from fusion.cli.shared import (
    BadRows,
    BatchSize,
    Delimiter,
    Epochs,
    Items,
    LogJson,
    Logs,
    Photos,
    Policy,
    Quiet,
    Seed,
    app,
    finite,
    open_stage,
    reported,
    say,
)


@app.command()
@reported
def pretrain(
    items: Items,
    objective: Annotated[str, typer.Option(help="contrastive, mlm, self_supervised.")],
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("runs/pretrained"),
    delimiter: Delimiter = None,
    photos: Photos = None,
    column: Columns = None,
    encoder: Encoders = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the photos, pixels.")] = None,
    text_layers: Annotated[int | None, typer.Option(help="Last layers that train.")] = None,
    image_layers: Annotated[int | None, typer.Option(help="Last stages that train.")] = None,
    loss: Annotated[str | None, typer.Option(help="clip, siglip.")] = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Peak step size.", callback=finite)
    ] = None,
    save_steps: Annotated[int | None, typer.Option(help="Steps that a kill can cost.")] = None,
    tensorboard: Logs = None,
    on_bad_rows: Policy = BadRows.RAISE,
    seed: Seed = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Teach encoders from photos and texts without sales; killed, it goes on where it was."""
    from fusion.choices.encoders import EncoderChoices
    from fusion.choices.mistakes import Mistakes
    from fusion.jobs.pretrain import Source, settings_of, summary_lines
    from fusion.jobs.pretrain import pretrain as run

    mistakes = Mistakes()
    with mistakes.gathered():
        settings = settings_of(
            objective=objective,
            loss=loss,
            text_layers=text_layers,
            image_layers=image_layers,
            image_size=image_size,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            save_steps=save_steps,
            seed=seed,
            tensorboard=tensorboard,
        )
    with mistakes.gathered():
        columns = column_words(column)
    with mistakes.gathered():
        choices = EncoderChoices(encoder_words(encoder))
    mistakes.refuse()
    source = Source(items, photos, columns, on_bad_rows.value, delimiter)
    with open_stage(quiet, log_json) as stage:
        result = run(source, out, settings, encoders=choices, stage=stage)
    for line in summary_lines(result, out):
        say(line)

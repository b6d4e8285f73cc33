"""`fusion update`: a trained forecast goes on with the periods that came since."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusion.cli.part_options import MovedEncoders, moved_encoders
from fusion.cli.shared import (
    BadRows,
    Delimiter,
    LogJson,
    Photos,
    Policy,
    Quiet,
    Store,
    app,
    open_stage,
    reported,
    say,
)
from fusion.system.words import number_of

if TYPE_CHECKING:
    from fusion.forecasting.updating.update import How, Updated


@app.command()
@reported
def update(
    *,
    bundle: Annotated[Path, typer.Argument(metavar="FORECAST", help="Folder of a forecast.")],
    sales: Annotated[Path, typer.Option("--sales", help="Rows of the new periods alone.")],
    items: Annotated[
        Path | None, typer.Option("--items", help="Items table, where items are new.")
    ] = None,
    market: Annotated[
        Path | None, typer.Option("--market", help="Numbers of the market in these periods.")
    ] = None,
    planned: Annotated[
        Path | None, typer.Option("--planned", help="What is planned from now on.")
    ] = None,
    photos: Photos = None,
    store: Store = None,
    delimiter: Delimiter = None,
    encoder: MovedEncoders = None,
    on_bad_rows: Policy = BadRows.RAISE,
    retrain: Annotated[
        bool,
        typer.Option(
            "--retrain", help="Members learn from the new periods too, networks for few epochs."
        ),
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--page", help="HTML page for people: what came, what drifted.")
    ] = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Bring a trained forecast up to date with new periods: histories, blend and ranges.

    Ranges that would be worse than before stay as they were; with --retrain, members that would be
    worse are refused, and the old forecast stays as it is.
    """
    from fusion.cli.drift_table import show_drift
    from fusion.forecasting.content import ContentSpec
    from fusion.jobs.update import UpdateSource
    from fusion.jobs.update import update as run

    content = ContentSpec(photos=photos, store=store, on_bad_rows=on_bad_rows.value)
    moved = moved_encoders(encoder)
    source = UpdateSource(sales, items, market, planned, content, delimiter, moved)
    with open_stage(quiet, log_json) as stage:
        how: How = "retrain" if retrain else "recalibrate"
        found = run(bundle, source, how=how, page=page, stage=stage)
    show_update(found, bundle)
    show_drift(found.drift)
    if page is not None:
        say(f"Report       {page}")


def show_update(found: "Updated", bundle: Path) -> None:
    """Prints what was updated, and how good it is."""
    periods = number_of(found.n_periods, found.trained.frequency.unit)
    days = found.first_day
    if found.last_day != days:
        days += f" to {found.last_day}"
    items = number_of(found.n_new_items, "new item")
    rows = number_of(found.n_rows, "row")
    say(f"New          {periods} ({days}), {rows}, {items}")
    if found.silent_note:
        say(f"Look         {found.silent_note}")
    if found.comparison is not None:
        say(f"Compared     {found.comparison.text}")
        if not found.comparison.is_step_back:
            before, now = found.comparison.old_coverage, found.comparison.new_coverage
            right = f"{found.right_coverage:.2g} is right"
            say(f"Coverage     {before:.3f} before and {now:.3f} now, over the same steps; {right}")
    if found.ranges_note:
        say(f"Kept         {found.ranges_note}")
    say(f"Model        {bundle}")

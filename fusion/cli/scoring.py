"""`fusion score`: what sealed forecasts were worth, once the sales have come."""

from pathlib import Path
from typing import Annotated

import typer

from fusion.cli.shared import LogJson, Quiet, app, open_stage, reported, say


@app.command()
@reported
def score(
    ledger: Annotated[Path, typer.Argument(help="Folder `ledger` that forecasts were sealed in.")],
    sales: Annotated[Path, typer.Option("--sales", help="Sales table with what came since.")],
    planner: Annotated[
        Path | None,
        typer.Option("--planner", help="Figures of a planner: item, date, units."),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Output folder.")] = Path("runs/score"),
    entry: Annotated[
        list[int] | None,
        typer.Option("--entry", metavar="N", help="Score this entry alone; repeatable. Else all."),
    ] = None,
    noted: Annotated[
        str | None,
        typer.Option("--noted", metavar="HASH", help="A hash that must be in the ledger."),
    ] = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Compare sealed forecasts with the sales that came, and with a planner's figures.

    The ledger is checked first: where an entry or its answers have changed, nothing is scored.
    """
    from fusion.cli.score_table import show_score
    from fusion.jobs.score import ScoreOptions
    from fusion.jobs.score import score as run

    options = ScoreOptions(planner, tuple(entry or ()), noted)
    with open_stage(quiet, log_json) as stage:
        found = run(ledger, sales, out, options, stage=stage)
    show_score(found.score)
    say(f"Figures      {found.table}\nReport       {found.report}")
    say(f"Last hash    {found.score.last_hash}")

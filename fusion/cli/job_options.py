"""What every verb that is a job of shards can be told, and how its state is shown."""

from pathlib import Path
from typing import Annotated

import typer

from fusion.cli.shared import EngineName, finite, say

ItemFiles = Annotated[
    Path | None, typer.Option("--items", help="CSV, TSV or Parquet file, or a folder of them.")
]
ShardRows = Annotated[int, typer.Option(help="Rows that are done or lost together.", min=1)]
Where = Annotated[EngineName, typer.Option(help="Where it runs.")]
Workers = Annotated[
    int | None,
    typer.Option(help="Processes; 0: this one alone; tried out where not given.", min=0),
]
GpusPerWorker = Annotated[
    float, typer.Option(help="Only with --engine ray.", min=0, callback=finite)
]
RayAddress = Annotated[
    str | None, typer.Option(help="Address of a Ray cluster; a local one where not given.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Do shards with error records again.")
]
StatusOf = Annotated[
    Path | None, typer.Option("--status", help="Show how far the job in this folder is.")
]


def show_status(folder: Path) -> None:
    """Prints how far a job is."""
    from fusion.jobs.embed import status_lines
    from fusion.shards import job_status

    for line in status_lines(job_status(folder)):
        say(line)

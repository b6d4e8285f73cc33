"""What every verb that is a job of shards can be told, and how its state is shown."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusion.cli.shared import EngineName, finite, say

if TYPE_CHECKING:
    from fusion.shards.job import Engine

ItemFiles = Annotated[
    Path | None, typer.Option("--items", help="CSV, TSV or Parquet file, or a folder of them.")
]


@dataclass(frozen=True)
class JobOptions:
    """How a job is cut, where it runs, and what a run that goes on does again."""

    shard_rows: Annotated[int, typer.Option(help="Rows that are done or lost together.", min=1)] = (
        4096
    )
    engine: Annotated[EngineName, typer.Option(help="Where it runs.")] = EngineName.LOCAL
    workers: Annotated[
        int | None,
        typer.Option(help="Processes; 0: this one alone; tried out where not given.", min=0),
    ] = None
    gpus_per_worker: Annotated[
        float, typer.Option(help="Only with --engine ray.", min=0, callback=finite)
    ] = 0
    ray_address: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster; a local one where not given.")
    ] = None
    stall_seconds: Annotated[
        float,
        typer.Option(
            help="A worker without a sign of life for so long is replaced.", callback=finite
        ),
    ] = 300.0
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Do shards with error records again.")
    ] = False

    @property
    def names_engine(self) -> bool:
        """Whether anything of the engine was chosen, rather than left to the job."""
        names = ("engine", "workers", "gpus_per_worker", "ray_address", "stall_seconds")
        return any(getattr(self, name) != getattr(JobOptions, name) for name in names)

    def chosen_engine(self) -> "Engine":
        """The engine of these options.

        Raises:
            ConfigError, MissingExtraError: As `fusion.jobs.embed.engine_of`.
        """
        from fusion.jobs.embed import engine_of

        return engine_of(
            self.engine.value,
            self.workers,
            gpus=self.gpus_per_worker,
            address=self.ray_address,
            stall_s=self.stall_seconds,
        )


StatusOf = Annotated[
    Path | None, typer.Option("--status", help="Show how far the job in this folder is.")
]


def show_status(folder: Path) -> None:
    """Prints how far a job is."""
    from fusion.jobs.embed import status_lines
    from fusion.shards import job_status

    for line in status_lines(job_status(folder)):
        say(line)

"""`fusion score`: sealed forecasts compared with the sales that came.

Reads: a ledger, the sales table of today, and a planner's figures where there are some.
Writes, below the output folder: `score.csv` (one row a method, metric and group) and `score.html`.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import folder_mistakes, input_mistakes
from fusion.data.tables import read_table, write_table
from fusion.errors import ConfigError
from fusion.forecasting.ledger.chain import LEDGER, Ledger, check_noted, read_ledger
from fusion.forecasting.ledger.choice import chosen_entries
from fusion.forecasting.ledger.score import LedgerScore, PlannerTable, score_ledger
from fusion.job_steps.made_with import versions
from fusion.job_steps.panel import header_of
from fusion.job_steps.score_tables import score_reader, score_table
from fusion.job_steps.sealing import FOLDER
from fusion.progress import Stage, silent
from fusion.report.forecast_content import ScoreReport
from fusion.report.forecast_page import render_score
from fusion.report.page import write_page
from fusion.system.lock import locked

TABLE, PAGE = "score.csv", "score.html"


@dataclass(frozen=True)
class ScoreOptions:
    """What is scored, and beside what.

    Args:
        planner: Table of a planner's figures.
        entries: Numbers of the entries that count; empty: all.
        noted: Hash of an entry that was noted elsewhere and must be in the ledger.
    """

    planner: Path | None = None
    entries: tuple[int, ...] = ()
    noted: str | None = None


@dataclass(frozen=True)
class ScoreJob:
    """What a score found, and where it is written.

    Args:
        folder: The output folder.
        score: How good the forecasts were.
    """

    folder: Path
    score: LedgerScore

    @property
    def table(self) -> Path:
        """Metrics by method and group."""
        return self.folder / TABLE

    @property
    def report(self) -> Path:
        """The page."""
        return self.folder / PAGE


def score(
    ledger: Path,
    sales: Path,
    folder: Path,
    options: ScoreOptions | None = None,
    *,
    stage: Stage = silent,
) -> ScoreJob:
    """Checks the chain of a ledger, then scores its entries whose periods are over.

    Args:
        ledger: Folder of the ledger.
        sales: The sales table, in the columns that the forecasts were made with.
        folder: Output folder; made if absent.
        options: What is scored.
        stage: Opens progress bars.

    Raises:
        LedgerError: If an entry or its answers are not as they were sealed; nothing is scored then.
        CatalogueError: If tables have problems, or no entry is over; nothing is written then.
        ConfigError: With everything that is wrong with what was chosen.
        JobError: If another process writes to the folder.
    """
    options = options or ScoreOptions()
    mistakes = Mistakes()
    read = {"ledger": ledger, "sales": sales, "planner": options.planner}
    mistakes.add(folder_mistakes("out", folder))
    mistakes.add(input_mistakes("out", folder, read))
    planner: PlannerTable | None = None
    with mistakes.gathered():
        header_of(sales)
    with mistakes.gathered():
        planner = _planner(options.planner)
    with mistakes.gathered():
        _check_place(ledger)
    mistakes.refuse()  # before the ledger, which may be large, is hashed
    found = _checked(ledger, options.noted)
    run = chosen_entries(found, options.entries)[-1].entry.run
    made = score_ledger(
        found,
        partial(score_reader, sales=sales),
        planner=planner,
        entries=options.entries,
        source=sales.name,
        stage=stage,
    )
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        write_table(score_table(made), folder / TABLE)
        report = ScoreReport(
            title=run.title or "Sealed forecasts",
            source=f"{ledger} and {sales.name}",
            score=made,
            table=TABLE,
            made_with=versions(),
        )
        write_page(render_score(report), folder / PAGE)
    return ScoreJob(folder, made)


def _check_place(ledger: Path) -> None:
    """Refuses a folder that is no ledger.

    Raises:
        ConfigError: With the ledger that lies in it, if one does.
    """
    if not (ledger / LEDGER).is_file():
        inner = ledger / FOLDER
        hint = f"Give the folder `{FOLDER}` that `fusion forecast` writes beside a forecast."
        if (inner / LEDGER).is_file():
            hint = f"Did you mean {inner}?"
        raise ConfigError(f"ledger must be a folder with {LEDGER}, got none in {ledger}. {hint}")


def _checked(ledger: Path, noted: str | None) -> Ledger:
    """The ledger, once its chain holds.

    Raises:
        LedgerError: If it has changed, or does not hold the noted hash.
    """
    found = read_ledger(ledger)
    if noted is not None:
        check_noted(found, noted)
    return found


def _planner(path: Path | None) -> PlannerTable | None:
    return None if path is None else PlannerTable(read_table(path), path.name)

"""Forecasts of a job go into a ledger: where it lies, what was read, and the entry."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fusion.choices.mistakes import Mistakes
from fusion.choices.paths import folder_mistakes, input_mistakes
from fusion.errors import CatalogueError
from fusion.forecasting.asked import AskedAnswers
from fusion.forecasting.heads import head_name
from fusion.forecasting.ledger.append import append_entry, check_ledger
from fusion.forecasting.ledger.entries import ForecastRun, SealedEntry
from fusion.forecasting.ledger.sealed_answers import answers_to_seal
from fusion.forecasting.saved.document import FrequencyEntry, SalesEntry
from fusion.forecasting.saved.folder import forecast_fingerprint
from fusion.forecasting.trained import TrainedForecast
from fusion.shards.tables import list_files

FOLDER = "ledger"


@dataclass(frozen=True)
class Seal:
    """An entry of a job, and the ledger that holds it.

    Args:
        ledger: Its folder.
        sealed: The entry with its hash.
    """

    ledger: Path
    sealed: SealedEntry


def ledger_of(bundle: Path, given: Path | None) -> Path:
    """The ledger of a trained forecast: the one that is named, else `ledger` beside its folder."""
    if given is not None:
        return given
    named = bundle if bundle.name not in ("", "..") else bundle.resolve()
    return named.parent / FOLDER


def check_seal(
    ledger: Path, bundle: Path, tables: Mapping[str, Path | None], mistakes: Mistakes
) -> None:
    """Finds why nothing could be appended to a ledger, before any work.

    Args:
        ledger: Its folder.
        bundle: Folder of the trained forecast, whether it is there or not.
        tables: What is read, by the name of its option.
        mistakes: Takes what is wrong.
    """
    mistakes.add(folder_mistakes("ledger", ledger))
    mistakes.add(input_mistakes("ledger", ledger, tables))
    if ledger.resolve().is_relative_to(bundle.resolve()):
        mistakes.add(
            [
                f"ledger must not lie in the folder of the trained forecast, got {ledger} in "
                f"{bundle}. Choose another."
            ]
        )
        return
    with mistakes.gathered():
        check_ledger(ledger)


@contextmanager
def hashed(tables: Mapping[str, Path | None]) -> Iterator[dict[str, str]]:
    """SHA-256 of tables that are read in the block, by name.

    That of a folder is of the names and hashes of its files. What is wrong with a table that cannot
    be hashed is told by whoever reads it.

    Why twice: a hash from before alone, or from behind alone, may be of bytes that nobody read.

    Args:
        tables: Where they lie; None: not given.

    Raises:
        CatalogueError: If one has changed, or is gone, at the end of the block.
    """
    before = _hashes(tables)
    yield before
    after = _hashes(tables)
    given = {name: path for name, path in tables.items() if path is not None}
    if changed := [
        str(path)
        for name, path in given.items()
        if name not in after or after[name] != before.get(name)
    ]:
        raise CatalogueError(
            f"{', '.join(changed)} must stay as it is while it is read, got other bytes or none "
            "behind it. Run the same command again when nothing writes to it."
        )


def _hashes(tables: Mapping[str, Path | None]) -> dict[str, str]:
    found = {}
    for name, path in tables.items():
        if path is not None and (path.is_file() or path.is_dir()):  # reading ends no pipe
            with suppress(OSError, CatalogueError):
                found[name] = _hash(path)
    return found


def _hash(path: Path) -> str:
    if path.is_dir():
        names = {file: file.relative_to(path).as_posix() for file in list_files(path)}
        lines = "".join(f"{_hash(file)}  {name}\n" for file, name in names.items())
        return hashlib.sha256(lines.encode(errors="surrogateescape")).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(
    ledger: Path,
    trained: TrainedForecast,
    found: AskedAnswers,
    *,
    bundle: Path,
    inputs: Mapping[str, str],
) -> Seal:
    """Appends what was answered to a ledger.

    Args:
        ledger: Its folder.
        trained: What was asked.
        found: What it answered.
        bundle: Folder of the trained forecast.
        inputs: See `hashed`.

    Raises:
        LedgerError, LockedError, OSError: See `append_entry`.
    """
    answers, levels = answers_to_seal(found)
    frequency = trained.frequency
    run = ForecastRun(
        title=str(trained.info.get("title") or ""),
        head=head_name(trained.model.head),
        forecast=forecast_fingerprint(bundle),
        inputs=dict(inputs),
        as_of=str(frequency.first_day(found.examples.until)),
        frequency=FrequencyEntry(frequency.unit, frequency.anchor),
        horizon=trained.horizon,
        levels=levels,
        sales=SalesEntry.of(trained.sales),
    )
    return Seal(ledger, append_entry(ledger, run, answers))

"""What one line of a ledger says: a forecast, hashes of all that it was made of, and a seal.

A line is a JSON object of sorted keys that begins with the SHA-256 of all that follows in it. It
holds that of the line before, so that a line can neither be changed, nor taken out, nor moved
without all the later ones being written anew.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, with_config

from fusion.data.panel.frequency import Frequency
from fusion.forecasting.saved.document import MOST_LEVELS, MOST_STEPS, FrequencyEntry, SalesEntry
from fusion.system.documents import (
    EXACT,
    Count,
    Finite,
    Positive,
    Sha256,
    Text,
    parse_document,
    seal_of,
    sealed,
)

FORMAT: Literal[1] = 1
NOTHING_BEFORE = "0" * 64
"""What the first entry says of the one before it."""


def _is_day(text: str) -> str:
    if date.fromisoformat(text).isoformat() != text:
        raise ValueError("must be a date such as 2026-01-31")
    return text


def _is_time(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("must be a time with its offset, such as 2026-01-31T09:30:00+00:00")
    return text


Day = Annotated[Text, AfterValidator(_is_day)]
Time = Annotated[Text, AfterValidator(_is_time)]


@with_config(EXACT)
@dataclass(frozen=True)
class ForecastRun:
    """What was forecast, and of what.

    Args:
        title: What the forecast is called.
        head: Which question it answers, one of `FORECAST_HEADS`.
        forecast: SHA-256 of the `forecast.json` of the trained forecast.
        inputs: Name of each table that was read -> SHA-256 of its bytes.
        as_of: First day of what is forecast, ISO 8601.
        frequency: What a period is.
        horizon: Steps.
        levels: Quantile levels of the answers, ascending.
        sales: Names of the columns of the sales table.
    """

    title: Text
    head: Text
    forecast: Sha256
    inputs: Annotated[dict[Text, Sha256], Field(max_length=100)]
    as_of: Day
    frequency: FrequencyEntry
    horizon: Annotated[Positive, Field(le=MOST_STEPS)]
    levels: Annotated[list[Finite], Field(min_length=1, max_length=MOST_LEVELS)]
    sales: SalesEntry

    @property
    def period(self) -> int:
        """Number of the first step, by `frequency`."""
        day = np.array([self.as_of], dtype="datetime64[D]")
        return int(self.periods.next_whole(day)[0])

    @property
    def periods(self) -> Frequency:
        """What a period is, ready to count."""
        return Frequency(**vars(self.frequency))


@with_config(EXACT)
@dataclass(frozen=True)
class AnswersFile:
    """What the file of answers must be.

    Args:
        sha256: Of its bytes.
        size_bytes: Its size.
    """

    sha256: Sha256
    size_bytes: Count


@with_config(EXACT)
@dataclass(frozen=True)
class LedgerEntry:
    """One line of a ledger.

    Args:
        format: Version of this schema.
        number: Place in the ledger, from 1.
        made: When it was appended by the clock of the machine, ISO 8601, UTC.
        run: What was forecast.
        answers: The file `answers/<number>.parquet`.
        before: Hash of the entry before; 64 zeros in the first one.
    """

    format: Literal[1]
    number: Positive
    made: Time
    run: ForecastRun
    answers: AnswersFile
    before: Sha256

    @property
    def file(self) -> str:
        """Name of the file of answers in its folder."""
        return answers_name(self.number)

    @property
    def is_late(self) -> bool:
        """Whether it was made when its first period was over, so that sales may have been known."""
        periods, run = self.run.periods, self.run
        over = periods.first_day(run.period + 1).astype(object)
        return bool(datetime.fromisoformat(self.made).date() >= over)


@dataclass(frozen=True)
class SealedEntry:
    """An entry with its hash.

    Args:
        entry: What it says.
        sha256: Its hash: that with which its line begins.
    """

    entry: LedgerEntry
    sha256: str


def answers_name(number: int) -> str:
    """Name of the file of answers of an entry.

    Example:
        >>> answers_name(7)
        '000007.parquet'
    """
    return f"{number:06}.parquet"


def line_of(entry: LedgerEntry) -> bytes:
    """The line of an entry, without its end."""
    text = json.dumps(asdict(entry), sort_keys=True, separators=(",", ":"), allow_nan=False)
    return sealed(text.encode())


def parse_line(line: bytes) -> SealedEntry:
    """What a line says.

    Raises:
        ValueError: If it is not as it was written, or no entry.
    """
    return SealedEntry(parse_document(line, LedgerEntry), seal_of(line))

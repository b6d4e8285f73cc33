"""The answers of an entry as metrics read them: one row a series, with its steps and its total."""

import io
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from fusion.data.panel.items import Series
from fusion.data.panel.layout import NO_SHOP
from fusion.errors import LedgerError
from fusion.forecasting.answer_table import STEP, forecast_table
from fusion.forecasting.asked import AskedAnswers
from fusion.forecasting.backtest.forecasts import Forecasts
from fusion.forecasting.backtest.origins import measured_levels
from fusion.forecasting.examples import STAGES, Ints
from fusion.forecasting.ledger.chain import Ledger, answers_of
from fusion.forecasting.ledger.entries import SealedEntry
from heads.levels import percent


@dataclass(frozen=True, eq=False)
class SealedAnswers:
    """What an entry said, `n` rows.

    Args:
        sealed: The entry.
        series: Item and shop of each row; the shop is empty where there are none.
        as_of: Number of the first step of each row, `[n]`.
        stages: Position in `STAGES` of the life stage that each row had then, `[n]`.
        forecasts: Mean and quantiles of each step and of the total.
    """

    sealed: SealedEntry
    series: tuple[Series, ...]
    as_of: Ints
    stages: Ints
    forecasts: Forecasts

    @property
    def first_days(self) -> dict[str, str]:
        """Item -> first day that it was forecast for, ISO 8601."""
        days = self.sealed.entry.run.periods.first_day(self.as_of).astype(str).tolist()
        found: dict[str, str] = {}
        for (item, _), day in zip(self.series, days, strict=True):
            found[item] = min(day, found.get(item, day))
        return found

    def take(self, rows: Ints) -> "SealedAnswers":
        """Some of the rows, in the given order."""
        return replace(
            self,
            series=tuple(self.series[row] for row in rows.tolist()),
            as_of=self.as_of[rows],
            stages=self.stages[rows],
            forecasts=self.forecasts.take(rows),
        )


def answers_to_seal(found: AskedAnswers) -> tuple[pd.DataFrame, list[float]]:
    """The table that is sealed, and its quantile levels.

    It has the levels that were asked for, and those that metrics need besides: a median and one on
    either side of it.
    """
    levels = list(measured_levels(found.levels))
    return forecast_table(found.examples, found.answers, levels=levels, hot=found.hot), levels


def sealed_answers(ledger: Ledger, sealed: SealedEntry) -> SealedAnswers:
    """The answers of an entry.

    Raises:
        LedgerError: If the file has changed, or is no table of answers.
    """
    content = answers_of(ledger, sealed)
    try:
        return _read(pd.read_parquet(io.BytesIO(content)), sealed)
    except (KeyError, ValueError, OSError) as error:
        raise LedgerError(
            f"answers/{sealed.entry.file} of {ledger.folder} must be answers of "
            f"{sealed.entry.run.horizon} steps, got another table: {error}. It was sealed so: take "
            "another ledger."
        ) from error


def _read(table: pd.DataFrame, sealed: SealedEntry) -> SealedAnswers:
    run = sealed.entry.run
    columns = [percent(level) for level in run.levels]
    table = table[table[columns].notna().all(axis=1)]  # rows of all shops together have none
    entries = run.horizon + 1
    values = table[["mean", *columns]].to_numpy(np.float64).reshape(-1, entries, 1 + len(columns))
    first = table.iloc[::entries]
    if not (first["window"] == STEP).all():
        raise ValueError("steps and totals must stand in their order")
    shops = first["shop"] if "shop" in table else [NO_SHOP] * len(first)
    days = first["from"].to_numpy(dtype="datetime64[D]")
    return SealedAnswers(
        sealed,
        tuple(zip(first["id"].astype(str), map(str, shops), strict=True)),
        run.periods.period(days),
        np.array([STAGES.index(name) for name in first["life_stage"]], dtype=np.int64),
        Forecasts(values[..., 0], values[..., 1:], tuple(run.levels)),
    )

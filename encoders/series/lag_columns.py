"""Which numbers of windows become lag features, and what each is called."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from encoders.base import check_whole
from encoders.series import lag_families as families
from encoders.series.holidays import nearness
from encoders.series.inputs import cycles
from encoders.series.known import known_mean, last_known
from encoders.series.lag_families import SPANS, Array, Numbers, Spans, covers_years
from encoders.series.levels import LEVEL_PERIODS, own_means
from encoders.series.windows import THURSDAY, UNITS, Calendar, Unit, Windows

MOST_COLUMNS = 1000
"""Numbers that may be read: each gives some 60 features."""


@dataclass(frozen=True)
class LagColumns:
    """Columns that lag features are made of.

    Args:
        columns: Names of numbers of items, besides the units.
        market: Names of numbers of the whole market, besides the units.
        known: Names among both that are known ahead.
        unit: What a period is.
        n_steps: Steps that are asked for, >= 1.
        reads_dates: Whether the units of the whole market, the place in the year and feasts are
            read.

    Raises:
        ValueError: If the unit is unknown, the number of steps out of its range, or names are no
            list of at most 1,000.
    """

    columns: Sequence[str] = ()
    market: Sequence[str] = ()
    known: Sequence[str] = ()
    unit: Unit = "week"
    n_steps: int = 1
    reads_dates: bool = False

    def __post_init__(self) -> None:
        check_whole("n_steps", self.n_steps, least=1, most=10_000)
        if self.unit not in SPANS:
            raise ValueError(f"unit must be one of day, week, month, got {self.unit!r}.")
        for key in ("columns", "market", "known"):
            names = getattr(self, key)
            if isinstance(names, str) or len(names) > MOST_COLUMNS:
                raise ValueError(
                    f"{key} must be a list of at most {MOST_COLUMNS:,} names, got {len(names):,} "
                    f"in a {type(names).__name__}. Leave some columns out."
                )

    @classmethod
    def of(cls, windows: Windows) -> Self:
        """Every column of some windows; what tells the date alone only where they cover years."""
        columns = sorted(windows.columns.keys() - {UNITS})
        market = sorted(windows.market.keys() - {UNITS})
        return cls(
            columns=columns,
            market=market,
            known=sorted(windows.known & {*columns, *market}),
            unit=windows.calendar.unit,
            n_steps=windows.n_steps,
            reads_dates=covers_years(windows),
        )

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments that rebuild it, JSON-serialisable."""
        names = {key: list(getattr(self, key)) for key in ("columns", "market", "known")}
        return {**asdict(self), **names}

    @property
    def spans(self) -> Spans:
        """How far back the numbers look."""
        return SPANS[self.unit]

    @property
    def length(self) -> int:
        """Periods before the first step that are read."""
        return self.spans.year + self.spans.trend

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each number is called, in the order of `numbers`."""
        return tuple(self.numbers(self._no_windows()))

    def numbers(self, windows: Windows) -> Numbers:
        """Every number by its name, each `[n]`, NaN where it is unknown; always in one order."""
        spans = self.spans
        units = _wide(windows.past(UNITS, self.length))
        level = np.nan_to_num(windows.levels(), nan=1.0)
        ratio = units / level[:, None]
        found = {
            f"{UNITS}_level": np.log(level),
            **self._age(windows),
            **families.recent(UNITS, ratio, spans, spans.lags),
            **families.spread(UNITS, ratio, spans),
            **families.year_ago(UNITS, ratio, spans, self.n_steps),
            **families.zeros(UNITS, units, spans),
            **families.amounts(UNITS, units, spans),
        }
        for name in self.columns:
            past = _wide(windows.past(name, self.length))
            future = windows.future(name) if name in self.known else None
            found |= self._other(name, past, future)
            if name not in self.known:
                found |= families.per_other(name, units, past, spans)
        for name in self.market:
            past = _wide(windows.past_market(name, self.length))
            future = windows.future_market(name) if name in self.known else None
            found |= self._other(f"market_{name}", past, future)
        if self.reads_dates:
            past = _wide(windows.past_market(UNITS, self.length))
            found |= self._other(f"market_{UNITS}", past, None) | _dates(windows)
        if self.unit == "day":
            weekday = (windows.period + THURSDAY) % 7
            found |= {f"weekday_{day}": (weekday == day) * 1.0 for day in range(7)}
        return found

    def check(self, windows: Windows) -> None:
        """Refuses windows that are not like those it was made for.

        Raises:
            ValueError: If a column is not there, or another frequency or other steps are given.
        """
        windows.check_like(self.columns, self.market, n_steps=self.n_steps)
        if windows.calendar.unit != self.unit:
            raise ValueError(
                f"windows must count by the {self.unit}, got the {windows.calendar.unit}. "
                "Give sales of the frequency that the encoder was fitted with."
            )

    def _other(self, name: str, past: Array, future: NDArray[Any] | None) -> Numbers:
        """What is told of a number that is not the units of a series.

        Its size is told once: many numbers that hold it would name the item.
        """
        spans = self.spans
        level = _own_level(past)
        if future is not None:  # of a series without a past, what is known ahead is the measure
            never = np.isnan(past).all(axis=1)
            level = np.where(never, _own_level(_wide(future)), level)
        ratio = past / level[:, None]
        last = last_known(past)
        found = {
            f"{name}_level": np.where(np.isnan(last), np.nan, np.log1p(level)),
            f"{name}_last_relative": families.signed_log(last / level),
            f"{name}_known_share": known_mean((~np.isnan(past[:, -LEVEL_PERIODS:])) * 1.0),
            **families.recent(name, ratio, spans, range(1, spans.trend + 1)),
            **families.year_ago(name, ratio, spans, self.n_steps),
        }
        if future is not None:
            found |= families.ahead(name, _wide(future) / level[:, None])
        return found

    def _age(self, windows: Windows) -> Numbers:
        """Periods of the history: up to half a year, and as a share of the first few.

        Why no further: the age of all old series together is the date.
        """
        most = self.spans.year // 2
        return {
            "age": np.log1p(np.minimum(windows.lengths, most).astype(np.float64)),
            "age_young": np.minimum(windows.lengths, LEVEL_PERIODS) / LEVEL_PERIODS,
        }

    def _no_windows(self) -> Windows:
        """Windows of no example that have every column: what is read of them has names alone."""
        none, places = np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64)
        return Windows(
            columns=dict.fromkeys([UNITS, *self.columns], none),
            series=places,
            begin=places,
            end=places,
            stop=places,
            is_cut=places > 0,
            period=places,
            calendar=Calendar(self.unit),
            n_steps=self.n_steps,
            series_end=0,
            market=dict.fromkeys([UNITS, *self.market], none),
            market_start=0,
            known=frozenset(self.known),
        )


def _own_level(past: Array) -> Array:
    """Mean size of the last known numbers, of all where these are 0, else 1: `[n]`, > 0."""
    sizes = np.abs(past)
    near = own_means(sizes[:, -LEVEL_PERIODS:], otherwise=0.0)
    overall = own_means(sizes, otherwise=0.0)
    level = np.where(near > 0, near, overall)
    return np.where(level > 0, level, 1.0)


def _wide(values: NDArray[Any]) -> Array:
    return values.astype(np.float64)


def _dates(windows: Windows) -> Numbers:
    """Place of the first step in the year, and feasts near each step."""
    days = windows.step_dates()
    names = ("year_sin", "year_cos", "half_year_sin", "half_year_cos")
    found = dict(zip(names, cycles(days[:, 0])[:4], strict=True))
    for name, near in nearness(days).items():
        found |= {f"{name}_step_{step + 1}": near[:, step] for step in range(near.shape[1])}
    return found

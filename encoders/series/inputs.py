"""What encoders that read a series step by step see of windows: numbers on scales, and masks."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from encoders.base import Tensors, check_whole
from encoders.series.lag_families import covers_years
from encoders.series.levels import own_means
from encoders.series.windows import UNITS, Windows
from encoders.table.spread import is_skewed

Array = NDArray[np.float64]
FARTHEST = 5.0
"""Numbers further from 0 than this are cut, in standard deviations."""
FIT_ROWS = 4096
"""Windows that scales are learned from, at most."""


@dataclass(frozen=True)
class NumberScale:
    """How the numbers of one column become numbers about 0.

    Args:
        is_log: Whether their logarithm (of 1 + number) is taken first: they act by factors.
        mean: Mean over windows.
        std: Standard deviation over windows, > 0.
        own_std: Standard deviation about the mean of the own window, > 0.
    """

    is_log: bool = False
    mean: float = 0.0
    std: float = 1.0
    own_std: float = 1.0

    def transformed(self, values: NDArray[Any]) -> Array:
        """Logarithms, or the numbers themselves, float64; a negative number counts as 0 there."""
        numbers = np.asarray(values, dtype=np.float64)
        return np.log1p(np.maximum(numbers, 0.0)) if self.is_log else numbers

    @classmethod
    def fitted(cls, values: NDArray[Any]) -> Self:
        """The scale of the numbers of windows `[n, length]`, NaN where unknown."""
        known = np.asarray(values[~np.isnan(values)], dtype=np.float64)
        if not len(known):
            return cls()
        is_log = is_skewed(pd.DataFrame({"values": known}), "values")
        numbers = cls(is_log=is_log).transformed(values)
        apart = numbers - own_means(numbers, otherwise=0.0)[:, None]
        return cls(
            is_log=is_log,
            mean=float(np.nanmean(numbers)),
            std=float(np.nanstd(numbers)) or 1.0,
            own_std=float(np.sqrt(np.nanmean(apart**2))) or 1.0,
        )


@dataclass(frozen=True)
class SeriesInputs:
    """Which numbers of windows are read, and on which scales.

    Units are read relative to the level of their own window, so that large and small items look
    alike; other columns by how far they lie from the mean of their own window.

    Args:
        length: Periods before the first step that are read, >= 1.
        n_steps: Steps that are asked for, >= 1.
        columns: Scales of numbers of items besides the units, by name.
        market: Scales of numbers of the market, by name.
        known: Names among both that are known ahead.
        reads_year: Whether the place of each step in the year is read.
        reads_weekday: Whether its day of the week is.

    Raises:
        ValueError: If a number is out of its range.
    """

    length: int = 26
    n_steps: int = 1
    columns: Mapping[str, NumberScale] = field(default_factory=dict)
    market: Mapping[str, NumberScale] = field(default_factory=dict)
    known: Sequence[str] = ()
    reads_year: bool = False
    reads_weekday: bool = False

    def __post_init__(self) -> None:
        check_whole("length", self.length, least=1, most=10_000)
        check_whole("n_steps", self.n_steps, least=1, most=10_000)

    @classmethod
    def fitted(cls, windows: Windows, *, length: int = 26) -> Self:
        """Reads every number of the windows, on scales that are learned from their past.

        Units of the market and places in the year are the same for all series at a date. They are
        read only where the windows cover 1.5 years: with less, a model learns the dates by heart.
        """
        n_read = min(FIT_ROWS, len(windows))
        few = windows.take(np.linspace(0, len(windows) - 1, n_read).astype(np.int64))
        columns = {
            name: NumberScale.fitted(few.past(name, length))
            for name in sorted(windows.columns)
            if name != UNITS
        }
        market = {
            name: NumberScale.fitted(few.past_market(name, length))
            for name in sorted(windows.market)
            if name != UNITS or covers_years(windows)
        }
        return cls(
            length=length,
            n_steps=windows.n_steps,
            columns=columns,
            market=market,
            known=sorted(windows.known & {*columns, *market}),
            reads_year=covers_years(windows),
            reads_weekday=windows.calendar.unit == "day",
        )

    @property
    def config(self) -> dict[str, Any]:
        """Keyword arguments of `from_config`, JSON-serialisable."""
        return {**asdict(self), "known": list(self.known)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """The inputs that have a `config`."""
        scales = {
            kind: {name: NumberScale(**scale) for name, scale in config.get(kind, {}).items()}
            for kind in ("columns", "market")
        }
        return cls(**{**config, **scales})

    @property
    def past_dim(self) -> int:
        """Numbers of one past period."""
        return 2 + len(self.columns) + len(self.market)

    @property
    def own_dim(self) -> int:
        """Numbers of a whole window."""
        return 3 + len(self.columns) + len(self.market)

    @property
    def future_dim(self) -> int:
        """Numbers of one step to come."""
        return 4 * self.reads_year + 2 * self.reads_weekday + 2 * len(self.known)

    def tensors(self, windows: Windows) -> Tensors:
        """The numbers of windows, finite, 0 where nothing is known.

        Shape:
            `past` `[n, length, past_dim]`: units by their level (logarithm), whether they are
            known, then the other numbers; `mask` `[n, length]`, bool, True within the history;
            `own` `[n, own_dim]`: logarithms of level and age, whether there is any history, means
            of the other numbers; `future` `[n, n_steps, future_dim]`: year and week as cycles,
            then what is known ahead and whether it is. All but the mask float32.

        Raises:
            ValueError: If a column is not there, or other steps are asked for.
        """
        windows.check_like(self.columns, self.market, n_steps=self.n_steps)
        mask = np.arange(-self.length, 0) >= -windows.lengths[:, None]
        units = np.asarray(windows.past(UNITS, self.length), dtype=np.float64)
        level = np.nan_to_num(windows.levels(), nan=1.0)
        ratio = units / level[:, None]
        past = [np.sign(ratio) * np.log1p(np.abs(ratio)), ~np.isnan(units)]
        own = [np.log(level) / 2, np.log1p(np.minimum(windows.lengths, 520)) / 3, mask[:, -1]]
        turns = cycles(windows.step_dates())
        future = [*turns[: 4 * self.reads_year], *turns[4 : 4 + 2 * self.reads_weekday]]
        for name, scale, read, ahead in self._numbers(windows):
            numbers = np.where(mask, read, np.nan)  # the market is older than the series
            mean = own_means(numbers, otherwise=scale.mean)
            past.append((numbers - mean[:, None]) / scale.own_std)
            own.append((mean - scale.mean) / scale.std)
            if name in self.known:
                future += [(ahead - mean[:, None]) / scale.own_std, ~np.isnan(ahead)]
        return {
            "past": _stacked(past) * torch.from_numpy(mask)[..., None],
            "mask": torch.from_numpy(mask),
            "own": _stacked(own),
            "future": _stacked(future) if future else torch.zeros(*turns[0].shape, 0),
        }

    def _numbers(self, windows: Windows) -> Any:
        """Name, scale, past `[n, length]` and, of what is known ahead, future `[n, n_steps]`."""
        sources = (
            (self.columns, windows.past, windows.future),
            (self.market, windows.past_market, windows.future_market),
        )
        for scales, past, future in sources:
            for name, scale in scales.items():
                ahead = scale.transformed(future(name)) if name in self.known else np.empty(0)
                yield name, scale, scale.transformed(past(name, self.length)), ahead


def cycles(dates: NDArray[np.datetime64]) -> list[Array]:
    """Sine and cosine of the year, twice a year, and of the week, each as `dates`."""
    days = dates.astype("datetime64[D]")
    years = days.astype("datetime64[Y]")
    year = (days - years.astype("datetime64[D]")).astype(np.int64) / 365.25
    week = (days.astype(np.int64) % 7) / 7
    return [f(2 * np.pi * turn) for turn in (year, 2 * year, week) for f in (np.sin, np.cos)]


def _stacked(numbers: Sequence[NDArray[Any]]) -> torch.Tensor:
    """The numbers side by side in a last axis, float32, within `FARTHEST`, 0 for NaN."""
    joined = np.stack(numbers, axis=-1).astype(np.float32)
    return torch.from_numpy(np.clip(np.nan_to_num(joined), -FARTHEST, FARTHEST))

"""Numbers that tell of a history at a glance: the strong default of what a forecast reads."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoders.base import Encoder, Tensors, check_whole
from encoders.blocks import Block
from encoders.series import lag_families as families
from encoders.series.example import example_windows
from encoders.series.holidays import nearness
from encoders.series.inputs import FARTHEST, LEVEL_PERIODS, cycles, own_means
from encoders.series.lag_families import SPANS, Array, Numbers
from encoders.series.windows import UNITS, Calendar, Windows

CHUNK_NUMBERS = 2_000_000
"""Past numbers of one column that are held at a time, at most."""
YEARS_FOR_DATES = 1.5
"""Years that training dates must cover for numbers that all series share to be read."""
Unit = Literal["day", "week", "month"]


class LagFeaturesEncoder(Encoder):
    """Turns histories into lags, means, medians, zeros, what is known ahead, and the calendar.

    Units are measured by the recent level of the series, so that large and small items look alike;
    each other column by its own. All are logarithms, standardised over training windows.

    Numbers that all series share at a date (units of the whole market, place in the year, feasts)
    are read only where training covers 1.5 years: with less, each place in the year was seen once,
    and a model learns the dates by heart. Columns of the market that were given are always read.

    Source: Januschowski et al. (2022), Forecasting with trees, for pooled models on lags; Salinas
    et al. (2020), DeepAR, section 3.3, for the scale of each series.

    Shape:
        windows of `n` examples -> `[n, embedding_dim]`, float32, in [-5, 5]; 0 is the training mean
        or unknown.

    Args:
        columns: Names of numbers of items, besides the units.
        market: Names of numbers of the whole market, besides the units.
        known: Names among both that are known ahead.
        unit: What a period is.
        n_steps: Steps that are asked for, >= 1.
        reads_dates: Whether numbers that all series share at a date are read.
        mean: Mean of each number over training windows; `fitted` finds it.
        std: Standard deviation of each; 0 where it never changed: it is left out.

    Raises:
        ValueError: If a length or a number is out of its range.

    Example:
        >>> from encoders.series.example import example_windows
        >>> encoder = LagFeaturesEncoder.fitted(example_windows())
        >>> encoder.encode(example_windows(3)).shape == (3, len(encoder.names))
        True
    """

    modality: ClassVar[str] = "series"

    def __init__(
        self,
        *,
        columns: Sequence[str] = (),
        market: Sequence[str] = (),
        known: Sequence[str] = (),
        unit: Unit = "week",
        n_steps: int = 1,
        reads_dates: bool = False,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        check_whole("n_steps", n_steps, least=1, most=10_000)
        if unit not in SPANS:
            raise ValueError(f"unit must be one of day, week, month, got {unit!r}.")
        self._columns, self._market, self._known = list(columns), list(market), list(known)
        self._unit, self._n_steps, self._reads_dates = unit, n_steps, reads_dates
        self.names = tuple(self._numbers(self._no_windows()))
        self._mean = _checked("mean", mean, len(self.names), otherwise=0.0)
        self._std = _checked("std", std, len(self.names), otherwise=1.0)

    @property
    def embedding_dim(self) -> int:
        """How many numbers there are: the length of `names`."""
        return len(self.names)

    @property
    def config(self) -> dict[str, Any]:
        """Columns, frequency, steps, and what was learned of each number."""
        return {
            "columns": self._columns,
            "market": self._market,
            "known": self._known,
            "unit": self._unit,
            "n_steps": self._n_steps,
            "reads_dates": self._reads_dates,
            "mean": self._mean.tolist(),
            "std": self._std.tolist(),
        }

    @classmethod
    def fitted(cls, values: Windows) -> Self:
        """An encoder that reads every number of some windows, scaled by what was known in them.

        Args:
            values: Windows of training examples.
        """
        columns = sorted(values.columns.keys() - {UNITS})
        market = sorted(values.market.keys() - {UNITS})
        plain = cls(
            columns=columns,
            market=market,
            known=sorted(values.known & {*columns, *market}),
            unit=values.calendar.unit,
            n_steps=values.n_steps,
            reads_dates=_covers_years(values),
        )
        mean, std = plain._moments(values)
        return cls(**{**plain.config, "mean": mean.tolist(), "std": std.tolist()})

    def preprocess(self, values: Windows) -> Tensors:
        """The numbers as they are, in parts that fit into memory.

        Shape:
            `numbers` `[n, embedding_dim]`, float32, NaN where one is unknown.

        Raises:
            ValueError: If a column is not there, or another frequency or other steps are given.
        """
        self._check(values)
        found = np.empty((len(values), self.embedding_dim), dtype=np.float32)
        for rows in self._chunks(len(values)):
            numbers = self._numbers(values.take(rows))
            found[rows] = np.stack(list(numbers.values()), axis=1)
        return {"numbers": torch.from_numpy(found)}

    def forward(self, tensors: Tensors) -> Tensor:
        """The numbers standardised, 0 where unknown: `[n, embedding_dim]`, float32."""
        numbers = tensors["numbers"]
        mean = torch.from_numpy(self._mean).to(numbers)
        std = torch.from_numpy(self._std).to(numbers)
        scaled = (numbers - mean) / torch.where(std > 0, std, torch.inf)
        return scaled.clamp(-FARTHEST, FARTHEST).nan_to_num(0.0)

    def feature_blocks(self, tensors: Tensors) -> tuple[Block, ...]:
        """The same as one block of numbers; `names` tells of each column."""
        return (Block("", "numbers", self(tensors).numpy()),)

    @torch.inference_mode()
    def encode(self, values: Windows) -> NDArray[np.float32]:
        """Embeddings of windows, in order: `[n, embedding_dim]`, float32."""
        found: NDArray[np.float32] = self(self.preprocess(values)).numpy()
        return found

    @classmethod
    def tiny(cls) -> Self:
        """The numbers of a made-up table."""
        return cls.fitted(example_windows())

    def _numbers(self, windows: Windows) -> Numbers:
        """Every number by its name, each `[n]`, in one order."""
        spans = SPANS[self._unit]
        length = spans.year + spans.trend
        units = windows.past(UNITS, length).astype(np.float64)
        level = own_means(units[:, -LEVEL_PERIODS:], otherwise=0.0, least=0.0) + 1.0
        found = {
            f"{UNITS}_level": np.log(level),
            **self._age(windows),
            **families.relative(UNITS, units, level, spans),
            **families.year_ago(UNITS, units, level, spans, windows.n_steps),
            **families.zeros(UNITS, units, spans),
            **families.amounts(UNITS, units, spans),
        }
        for name in self._columns:
            past = windows.past(name, length).astype(np.float64)
            future = windows.future(name) if name in self._known else None
            found |= self._other(name, past, future)
            found |= families.per_other(name, units, past, spans)
        for name in self._market:
            past = windows.past_market(name, length).astype(np.float64)
            future = windows.future_market(name) if name in self._known else None
            found |= self._other(f"market_{name}", past, future)
        if self._reads_dates:
            past = windows.past_market(UNITS, length).astype(np.float64)
            found |= self._other(f"market_{UNITS}", past, None) | _dates(windows)
        if self._unit == "day":
            weekday = (windows.period + 3) % 7  # day 0 was a Thursday
            found |= {f"weekday_{day}": (weekday == day).astype(np.float64) for day in range(7)}
        return found

    def _other(self, name: str, past: Array, future: NDArray[Any] | None) -> Numbers:
        """What is told of a number that is not the units of a series."""
        spans = SPANS[self._unit]
        near = np.abs(past)
        overall = own_means(near, otherwise=0.0)
        recent = families.mean(near[:, -LEVEL_PERIODS:])
        level = np.where(np.isnan(recent), overall, recent) + 1.0
        last = families.last_known(past)
        found = {
            f"{name}_level": np.where(np.isnan(last), np.nan, np.log(level)),
            f"{name}_last": families.signed_log(last),
            f"{name}_last_relative": families.signed_log(last / level),
            f"{name}_known_share": families.mean((~np.isnan(past[:, -LEVEL_PERIODS:])) * 1.0),
            **families.relative(name, past, level, spans),
            **families.year_ago(name, past, level, spans, self._n_steps),
        }
        if future is not None:
            found |= families.ahead(name, future.astype(np.float64), level)
        return found

    def _age(self, windows: Windows) -> Numbers:
        """Periods of the history up to half a year, and whether nobody knows how old it is.

        Why no further: the age of all old series together is the date.
        """
        half = SPANS[self._unit].year // 2
        return {
            "age": np.log1p(np.minimum(windows.lengths, half).astype(np.float64)),
            "age_young": np.minimum(windows.lengths, LEVEL_PERIODS) / LEVEL_PERIODS,
        }

    def _moments(self, values: Windows) -> tuple[Array, Array]:
        """Mean and standard deviation of each number over windows; 0 where it never changes."""
        counts, sums, squares = (np.zeros(self.embedding_dim) for _ in range(3))
        for rows in self._chunks(len(values)):
            numbers = np.stack(list(self._numbers(values.take(rows)).values()), axis=1)
            known = ~np.isnan(numbers)
            counts += known.sum(axis=0)
            sums += np.where(known, numbers, 0.0).sum(axis=0)
            squares += np.where(known, numbers**2, 0.0).sum(axis=0)
        counts = np.maximum(counts, 1)
        mean = sums / counts
        variance = squares / counts - mean**2
        return mean, np.where(variance > 1e-8 * (1 + mean**2), np.sqrt(np.maximum(variance, 0)), 0)

    def _chunks(self, n: int) -> Iterator[NDArray[np.int64]]:
        """Positions of examples that are read together."""
        spans = SPANS[self._unit]
        size = max(1, CHUNK_NUMBERS // (spans.year + spans.trend))
        for start in range(0, n, size):
            yield np.arange(start, min(start + size, n))

    def _check(self, windows: Windows) -> None:
        missing = [name for name in self._columns if name not in windows.columns]
        missing += [name for name in self._market if name not in windows.market]
        if missing:
            raise ValueError(
                f"windows must have the columns {', '.join(missing)}, got windows without them. "
                "Give the numbers that the encoder was fitted with."
            )
        if windows.n_steps != self._n_steps:
            raise ValueError(
                f"windows must ask for {self._n_steps} steps, got {windows.n_steps}. "
                "Ask for the horizon that the encoder was fitted for."
            )
        if windows.calendar.unit != self._unit:
            raise ValueError(
                f"windows must count by the {self._unit}, got the {windows.calendar.unit}. "
                "Give sales of the frequency that the encoder was fitted with."
            )

    def _no_windows(self) -> Windows:
        """Windows of no example that have every column: what is read of them has names alone."""
        none, places = np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.int64)
        return Windows(
            columns=dict.fromkeys([UNITS, *self._columns], none),
            series=places,
            begin=places,
            end=places,
            stop=places,
            is_cut=places > 0,
            period=places,
            calendar=Calendar(self._unit),
            n_steps=self._n_steps,
            series_end=0,
            market=dict.fromkeys([UNITS, *self._market], none),
            market_start=0,
            known=frozenset(self._known),
        )


def _covers_years(windows: Windows) -> bool:
    """Whether the first steps lie so far apart that a place in the year is no date."""
    if not len(windows):
        return False
    covered = int(windows.period.max() - windows.period.min())
    return covered >= YEARS_FOR_DATES * SPANS[windows.calendar.unit].year


def _dates(windows: Windows) -> Numbers:
    """Place of the first step in the year, and feasts near each step."""
    days = windows.step_dates()
    names = ("year_sin", "year_cos", "half_year_sin", "half_year_cos")
    found = dict(zip(names, cycles(days[:, 0])[:4], strict=True))
    for name, near in nearness(days).items():
        found |= {f"{name}_step_{step + 1}": near[:, step] for step in range(near.shape[1])}
    return found


def _checked(name: str, given: Sequence[float] | None, n: int, *, otherwise: float) -> Array:
    """Numbers `[n]` of a configuration.

    Raises:
        ValueError: If there are more or fewer, or one is not finite.
    """
    values = np.full(n, otherwise) if given is None else np.asarray(given, dtype=np.float64)
    if values.shape != (n,) or not np.isfinite(values).all():
        raise ValueError(f"{name} must be {n} finite numbers, one for each name. Fit it anew.")
    return values

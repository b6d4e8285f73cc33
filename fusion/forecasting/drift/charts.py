"""Control charts: when a number that is told once a period is no longer what it was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from fusion.data.panel.frequency import Unit
from fusion.forecasting.drift.distances import Floats, Ints, cusum, tail_limit
from fusion.forecasting.drift.signals import Key

RUN: Mapping[Unit, int] = {"day": 28, "week": 13, "month": 6}
"""Periods that are watched, the latest; limits are set for so many."""
SEASONS: Mapping[Unit, tuple[float, ...]] = {
    "day": (7.0, 365.25),
    "week": (365.25 / 7,),
    "month": (12.0,),
}
"""Lengths of seasons, in periods."""
LEAST_PERIODS = 12
"""Periods of a reference with fewer of which nothing can be said."""
SLACK = 0.1
N_DRAWS = 600
LEAST_STD = {"jumps": 0.05}
"""Standard deviation that a number has at least, else 0.01: what moves by less is no drift."""
MOST_MEMORY = 0.95
BURN_IN = 30
NOISE = 0.3


@dataclass(frozen=True)
class Chart:
    """What a number is without drift, and how far off it must be to count as drifted.

    Args:
        season: What it is: a mean and how it moves with the season, see `season_columns`.
        memory: Part of an error around that which comes back in the next period, 0 to 0.95.
        std: Standard deviation of what is new in an error, > 0.
        limit: Standard score of a single period above which it has drifted.
        sum_limit: The same of the cumulative sum.
    """

    season: list[float]
    memory: float
    std: float
    limit: float
    sum_limit: float

    def scores(self, values: Floats, periods: Ints, unit: Unit) -> Floats:
        """Standard scores of what is new in each period but the first, `[n - 1]`.

        Args:
            values: The number in consecutive periods, `[n]`; NaN where it is not known.
            periods: Their numbers.
            unit: What a period is.
        """
        errors = values - season_columns(periods, unit, len(self.season)) @ np.array(self.season)
        return fresh_errors(errors, self.memory) / self.std


def fit_charts(
    signals: Mapping[Key, Floats], periods: Ints, unit: Unit, *, share: float, seed: int = 0
) -> dict[Key, Chart]:
    """Charts of numbers that together alarm by chance in a stated share of stable stretches.

    Each number is taken as a season plus an error that remembers the one before it; what is new in
    an error is charted (Alwan and Roberts 1988). Such numbers
    are drawn anew from its own errors, with the periods that are watched behind them, fitted as the
    reference is, and charted: that tells what chance alone does, also that a mean of few periods is
    not sure. A limit is never below what the reference itself has shown.

    *Source:* sieve bootstrap (Bühlmann 1997) of an autoregression; Bonferroni for many numbers.

    Args:
        signals: A number a period of the reference, `[n_periods]` each.
        periods: Their numbers, `[n_periods]`.
        unit: What a period is.
        share: Of stretches of `RUN` periods, in (0, 0.1].
        seed: Of the draws.
    """
    draw = np.random.default_rng(seed)
    enough = {
        key: values for key, values in signals.items() if (~np.isnan(values)).sum() >= LEAST_PERIODS
    }
    return {
        key: _chart(
            values[~np.isnan(values)],
            periods[~np.isnan(values)],
            unit,
            share=share / (2 * len(enough)),
            least=LEAST_STD.get(key[1], 0.01),
            draw=draw,
        )
        for key, values in enough.items()
    }


def _chart(
    values: Floats,
    periods: Ints,
    unit: Unit,
    *,
    share: float,
    least: float,
    draw: np.random.Generator,
) -> Chart:
    n_columns = 1 + 2 * sum(_harmonics(len(values), length) for length in SEASONS[unit])
    columns = season_columns(periods, unit, n_columns)
    season = np.linalg.lstsq(columns, values)[0]
    errors = values - columns @ season
    memory = float(memories(errors))
    fresh = fresh_errors(errors, memory)
    std = max(float(_stds(fresh, n_columns)), least)
    ahead = season_columns(periods[-1] + np.arange(RUN[unit] + 1), unit, n_columns)
    scores = _drawn_scores(fresh, memory, columns, ahead, draw)
    singles, sums = np.abs(scores).max(axis=-1), cusum(scores, slack=SLACK).max(axis=(0, -1))
    own = fresh / std
    limit = max(float(tail_limit(singles**2, share)) ** 0.5, float(np.abs(own).max()))
    stretches = [own[start : start + RUN[unit]] for start in range(0, len(own), RUN[unit])]
    seen = max(float(cusum(one, slack=SLACK).max()) for one in stretches)
    sum_limit = max(float(tail_limit(sums**2, share)) ** 0.5, seen)
    return Chart(season.tolist(), memory, std, limit, sum_limit)


def _drawn_scores(
    fresh: Floats, memory: float, columns: Floats, ahead: Floats, draw: np.random.Generator
) -> Floats:
    """Standard scores of drawn numbers in the periods behind the reference, `[n_draws, n]`."""
    n = len(columns)
    errors = (fresh - fresh.mean()) / (fresh.std() or 1.0)
    drawn = errors[draw.integers(len(errors), size=(N_DRAWS, BURN_IN + n + len(ahead) - 1))]
    # a little noise: the largest error that was seen is not the largest there is
    drawn = (drawn + NOISE * draw.normal(size=drawn.shape)) / math.sqrt(1.0 + NOISE**2)
    numbers, running = np.empty_like(drawn), np.zeros(N_DRAWS)
    for place in range(drawn.shape[1]):
        running = memory * running + drawn[:, place]
        numbers[:, place] = running
    past, coming = numbers[:, BURN_IN : BURN_IN + n], numbers[:, BURN_IN + n - 1 :]
    season = past @ np.linalg.pinv(columns).T
    left = past - season @ columns.T
    found = memories(left)[:, None]
    stds = _stds(fresh_errors(left, found), columns.shape[1])
    scores: Floats = fresh_errors(coming - season @ ahead.T, found) / stds[:, None]
    return scores


def fresh_errors(errors: Floats, memory: "float | Floats") -> Floats:
    """What is new in each error but the first: it without the part of the one before it.

    Where the one before is not known the error is scaled down to be as wide as the others.

    Shape:
        `[..., n]`; returns `[..., n - 1]`.
    """
    before, now = errors[..., :-1], errors[..., 1:]
    alone = np.sqrt(1.0 - np.square(memory)) * now
    return np.where(np.isnan(before), alone, now - memory * before)


def memories(errors: Floats) -> Floats:
    """Correlation of errors with those before them, 0 to 0.95, `[...]` of `[..., n]`.

    *Source:* Kendall (1954) for what a short series tells too little of.
    """
    total = (errors**2).sum(axis=-1)
    found = (errors[..., 1:] * errors[..., :-1]).sum(axis=-1) / np.maximum(total, 1e-12)
    corrected = found + (1.0 + 3.0 * found) / errors.shape[-1]
    return np.where(total > 0, np.clip(corrected, 0.0, MOST_MEMORY), 0.0)


def _stds(fresh: Floats, n_fitted: int) -> Floats:
    """Standard deviation of errors that are left by a fit of so many numbers."""
    freedom = max(fresh.shape[-1] - n_fitted, 1)
    stds: Floats = np.sqrt(np.maximum((fresh**2).sum(axis=-1) / freedom, 1e-18))
    return stds


def season_columns(periods: Ints, unit: Unit, n_columns: int) -> Floats:
    """A column of ones, then waves of the seasons, `[n, n_columns]`.

    Args:
        periods: Numbers of the periods.
        unit: What a period is.
        n_columns: 1, and 2 for each wave.
    """
    waves = [(length, nth) for length in SEASONS[unit] for nth in range(1, 4) if nth < length / 2]
    columns = [np.ones(len(periods))]
    for length, nth in waves[: (n_columns - 1) // 2]:
        angle = 2.0 * math.pi * nth * periods / length
        columns += [np.cos(angle), np.sin(angle)]
    return np.stack(columns, axis=1)


def _harmonics(n_periods: int, length: float) -> int:
    """Waves of a season that so many periods can tell: none before it was seen once."""
    if n_periods < 0.98 * length:
        return 0
    return 1 if n_periods < 1.9 * length else 2 if n_periods < 3 * length else 3

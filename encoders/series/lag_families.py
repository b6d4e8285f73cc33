"""Families of numbers that tell of a history: lags, means, quantiles, zeros, what is known ahead.

All read a past `[n, length]`, float64, whose last entry is the last period before the first step,
and which is NaN where nothing is known. Each number is `[n]`, NaN where it cannot be told.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from encoders.series.known import known_mean, known_quantiles
from encoders.series.windows import Unit, Windows

Array = NDArray[np.float64]
Numbers = dict[str, Array]
"""Numbers of `n` examples by name."""
WEIGHTS = (0.1, 0.2, 0.35, 0.5)
"""Weight of the last period in exponential averages."""
QUANTILES = {"median": 0.5, "q25": 0.25, "q75": 0.75, "q90": 0.9, "max": 1.0}


@dataclass(frozen=True)
class Spans:
    """How far back the numbers of a frequency look, in periods.

    Args:
        lags: Single periods.
        means: Spans of means.
        quantiles: Spans of medians, quantiles, largest values and deviations; some of `means`.
        trend: Two such spans, one behind the other, are compared.
        year: Periods of a year; a multiple of seven days.
    """

    lags: tuple[int, ...]
    means: tuple[int, ...]
    quantiles: tuple[int, ...]
    trend: int
    year: int


SPANS: dict[Unit, Spans] = {
    "day": Spans((*range(1, 15), 21, 28), (7, 14, 28, 91, 364), (14, 28, 91), 7, 364),
    "week": Spans((*range(1, 14), 26), (2, 4, 8, 13, 26, 52), (8, 13, 26), 4, 52),
    "month": Spans(tuple(range(1, 13)), (2, 3, 6, 12), (6, 12), 3, 12),
}
YEARS_FOR_DATES = 1.5
"""Years that training dates must cover for numbers that all series share to be read."""


def signed_log(values: Array) -> Array:
    """sign(x) log(1 + |x|): factors become differences, and 0 stays 0."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def exponential_means(values: Array, weights: Sequence[float]) -> list[Array]:
    """Means of what is known that give each period back `1 - weight` of the one after it."""
    back = np.arange(values.shape[1])[::-1, None]
    shares = (1.0 - np.asarray(weights)) ** back  # [length, weights]
    known = ~np.isnan(values)
    total = known.astype(np.float64) @ shares
    sums = np.where(known, values, 0.0) @ shares
    means = np.where(total > 0, sums / np.where(total > 0, total, 1.0), np.nan)
    return list(means.T)


def recent(name: str, ratio: Array, spans: Spans, lags: Sequence[int]) -> Numbers:
    """Lags, means and trend of a past by its level."""
    found = {f"{name}_lag_{lag}": signed_log(ratio[:, -lag]) for lag in lags}
    for span in spans.means:
        found[f"{name}_mean_{span}"] = signed_log(known_mean(ratio[:, -span:]))
    now = signed_log(known_mean(ratio[:, -spans.trend :]))
    then = signed_log(known_mean(ratio[:, -2 * spans.trend : -spans.trend]))
    return found | {f"{name}_trend": now - then}


def spread(name: str, ratio: Array, spans: Spans) -> Numbers:
    """Exponential averages, quantiles, means of logarithms and deviations of a past."""
    found: Numbers = {}
    for weight, values in zip(WEIGHTS, exponential_means(ratio, WEIGHTS), strict=True):
        found[f"{name}_exponential_{weight}"] = signed_log(values)
    (middle,) = known_quantiles(ratio[:, -spans.trend :], (0.5,))
    found[f"{name}_median_{spans.trend}"] = signed_log(middle)
    for span in spans.quantiles:
        near = ratio[:, -span:]
        for kind, values in zip(
            QUANTILES, known_quantiles(near, list(QUANTILES.values())), strict=True
        ):
            found[f"{name}_{kind}_{span}"] = signed_log(values)
        found[f"{name}_mean_log_{span}"] = known_mean(signed_log(near))
        squares = known_mean((near - known_mean(near)[:, None]) ** 2)
        found[f"{name}_std_{span}"] = np.log1p(np.sqrt(squares))
    return found


def year_ago(name: str, ratio: Array, spans: Spans, n_steps: int) -> Numbers:
    """What was a year before the steps: their mean by the level, and by the periods before them."""
    start = ratio.shape[1] - spans.year
    steps = signed_log(known_mean(ratio[:, start : start + min(n_steps, spans.year)]))
    before = signed_log(known_mean(ratio[:, start - spans.trend : start]))
    return {f"{name}_year_ago": steps, f"{name}_year_ago_rise": steps - before}


def zeros(name: str, past: Array, spans: Spans) -> Numbers:
    """Share of periods without any, by span, and periods since the last one with some."""
    nothing = np.where(np.isnan(past), np.nan, past <= 0)
    found = {
        f"{name}_zero_share_{span}": known_mean(nothing[:, -span:])
        for span in spans.means
        if span > 2
    }
    some = (past > 0)[:, ::-1]
    back = np.where(some.any(axis=1), some.argmax(axis=1), past.shape[1])
    found[f"{name}_since_last"] = np.where(
        np.isnan(past).all(axis=1), np.nan, np.log1p(back.astype(np.float64))
    )
    return found


def amounts(name: str, past: Array, spans: Spans) -> Numbers:
    """Logarithms of the numbers themselves: the last, and means and medians of some spans."""
    found = {f"{name}_amount": signed_log(past[:, -1])}
    for span in spans.quantiles:
        found[f"{name}_amount_{span}"] = known_mean(signed_log(past[:, -span:]))
        found[f"{name}_median_amount_{span}"] = signed_log(
            known_quantiles(past[:, -span:], (0.5,))[0]
        )
    return found


def per_other(name: str, units: Array, other: Array, spans: Spans) -> Numbers:
    """Units by each of another number, such as pieces an order, as a difference of logarithms."""
    return {
        f"units_per_{name}_{span}": signed_log(known_mean(units[:, -span:]))
        - signed_log(known_mean(other[:, -span:]))
        for span in (1, spans.trend, spans.quantiles[0], spans.quantiles[-1])
    }


def ahead(name: str, ratio: Array) -> Numbers:
    """What is known ahead of each step `[n, n_steps]` by the level, and whether it is known."""
    found: Numbers = {}
    for step in range(ratio.shape[1]):
        found[f"{name}_step_{step + 1}"] = signed_log(ratio[:, step])
        found[f"{name}_step_{step + 1}_known"] = (~np.isnan(ratio[:, step])) * 1.0
    return found


def covers_years(windows: Windows) -> bool:
    """Whether the first steps lie so far apart that a place in the year is no date of its own."""
    if not len(windows):
        return False
    covered = int(windows.period.max() - windows.period.min())
    return covered >= YEARS_FOR_DATES * SPANS[windows.calendar.unit].year

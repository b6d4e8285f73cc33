"""Simple forecasts that a trained one has to beat: what each says, and how sure it is.

Rules read the history of a row alone and say one number for each step. What they lack is learned
from past examples: the spread around them, and an answer where there is no history.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from encoders.series.known import known_mean, known_quantiles
from encoders.series.windows import UNITS, Windows
from fusion.forecasting.backtest.baseline_models import least_squares, trees
from fusion.forecasting.backtest.baseline_spread import AgeMedians, scales, with_spread
from fusion.forecasting.backtest.forecasts import CHUNK_ROWS, Forecasts, unit_paths
from fusion.forecasting.examples import Examples, Floats
from fusion.forecasting.smoothing import exponential_smoothing, teunter_syntetos_babai
from fusion.progress import Stage, silent

Rule = Callable[[Windows], Floats]
"""Units of each step `[n, horizon]`, of a step alone `[n, 1]` where all are alike; nan: unknown."""
SMOOTHED_PERIODS = 104
"""Periods that are smoothed: what is older weighs less than 1e-10."""
ALPHA = 0.2
"""Weight of the latest period, or sale, in a smoothed one."""
YEARS = {"day": 364, "week": 52, "month": 12}
"""Periods of a year; of days, whole weeks of them, so that weekdays meet."""
SPREAD_ROWS = 50_000
"""Past examples, the latest, by whose errors the spread of a rule is known."""


def last_value(windows: Windows) -> Floats:
    """Units of the last period that is known, `[n, 1]`."""
    return exponential_smoothing(_smoothed(windows), alpha=1.0)[:, None]


def mean_of_last(length: int) -> Rule:
    """Mean of the last known periods, of so many at most; of the last known one if these lack."""

    def rule(windows: Windows) -> Floats:
        return _or_last(known_mean(windows.past(UNITS, length).astype(np.float64)), windows)

    return rule


def median_of_last(length: int) -> Rule:
    """Median of the last known periods, likewise."""

    def rule(windows: Windows) -> Floats:
        past = windows.past(UNITS, length).astype(np.float64)
        return _or_last(known_quantiles(past, (0.5,))[0], windows)

    return rule


def smoothed(windows: Windows) -> Floats:
    """Level by simple exponential smoothing, `[n, 1]`."""
    return exponential_smoothing(_smoothed(windows), alpha=ALPHA)[:, None]


def size_and_probability(windows: Windows) -> Floats:
    """Size of a demand times its probability by Teunter, Syntetos and Babai, `[n, 1]`."""
    size, probability = teunter_syntetos_babai(_smoothed(windows), alpha=ALPHA, beta=ALPHA)
    return np.where(probability == 0, 0.0, size * probability)[:, None]


def year_before(windows: Windows) -> Floats:
    """Units of the same period a year before, `[n, horizon]`; of the last known one without it."""
    year = YEARS[windows.calendar.unit]
    past = windows.past(UNITS, year).astype(np.float64)
    values = past[:, np.arange(windows.n_steps) % year]
    return np.where(np.isnan(values), last_value(windows), values)


def drift(windows: Windows) -> Floats:
    """The last known value, moved on as it moved in the mean since the first one, `[n, horizon]`.

    Source: Hyndman and Athanasopoulos (2021), section 5.2; *differs:* where the last periods are
    not known, it has moved on in these as well.
    """
    past = windows.past(UNITS, int(windows.lengths.max(initial=0))).astype(np.float64)
    if not past.shape[1]:
        return np.full((len(past), windows.n_steps), np.nan)
    known, rows = ~np.isnan(past), np.arange(len(past))
    first, back = known.argmax(axis=1), known[:, ::-1].argmax(axis=1)
    last = past.shape[1] - 1 - back
    change = (past[rows, last] - past[rows, first]) / np.maximum(last - first, 1)
    steps = 1 + back[:, None] + np.arange(windows.n_steps)
    return np.asarray(past[rows, last][:, None] + change[:, None] * steps)


def week_before(windows: Windows) -> Floats:
    """Units of the same weekday a week before, `[n, horizon]`; of the last known day without it."""
    values = windows.past(UNITS, 7).astype(np.float64)[:, np.arange(windows.n_steps) % 7]
    return np.where(np.isnan(values), last_value(windows), values)


def zero(windows: Windows) -> Floats:
    """Nothing is sold, `[n, 1]`."""
    return np.zeros((len(windows), 1))


RULES: dict[str, Rule] = {
    "zero": zero,
    "last value": last_value,
    "mean of last 4": mean_of_last(4),
    "mean of last 8": mean_of_last(8),
    "mean of last 13": mean_of_last(13),
    "median of last 4": median_of_last(4),
    "median of last 8": median_of_last(8),
    "median of last 13": median_of_last(13),
    "exponential smoothing": smoothed,
    "TSB": size_and_probability,
    "seasonal naive": year_before,
}
"""Every rule of units by the name that tables show."""
PRICE_RULES: dict[str, Rule] = {
    "last price": last_value,
    "drift": drift,
    **{name: rule for name, rule in RULES.items() if name not in ("zero", "last value", "TSB")},
}
"""Every rule of prices: one that does not move, one that moves on as it did, and those of units."""
WEEKDAY = "same weekday"
"""Name of `week_before`, a rule of days alone."""
BY_AGE, RATIO = "median by age", "ratio by age"
LEAST_SQUARES = "least squares on lags"
TREES = "trees on lags"
OF_UNITS = (RATIO, LEAST_SQUARES, TREES)
"""Methods that say nothing of prices."""


@dataclass(frozen=True)
class Baselines:
    """Forecasts of simple methods.

    Args:
        forecasts: By the name of the method, all of the same rows.
        left_out: Methods that have nothing to go by here, and why.
    """

    forecasts: dict[str, Forecasts]
    left_out: dict[str, str]


def baseline_forecasts(
    training: Examples,
    asked: Examples,
    *,
    levels: Sequence[float],
    names: Collection[str] | None = None,
    seed: int = 0,
    stage: Stage = silent,
) -> Baselines:
    """Forecasts of simple methods, which learn from past examples alone.

    A rule without an answer (an item without a history) has the median path of its age. Its answer
    is mean and median; the other quantiles lie by its errors in the past, see `with_spread`.
    Two read the age: the median path of it in units, and in levels of the items, times the level of
    the item that is asked.

    Args:
        training: Past examples, whose steps are known at least in part.
        asked: Examples to forecast.
        levels: Ascending levels in (0, 1), 0.5 among them.
        names: Methods that are asked for; None: all.
        seed: The same seed gives the same trees.
        stage: Opens a progress bar.
    """
    windows = training.windows
    paths = unit_paths(training.targets(), training.panel.quantity)
    ages = AgeMedians.fitted(windows, paths)
    ratios = AgeMedians.fitted(windows, paths / scales(training)[:, None])
    spread = training.take(np.argsort(-training.as_of, kind="stable")[:SPREAD_ROWS])

    def around(method: Callable[[Examples], Floats]) -> Forecasts:
        return with_spread((spread, method(spread)), (asked, method(asked)), levels)

    quantity = asked.panel.quantity
    rules = PRICE_RULES if quantity == "price" else RULES
    point_methods: dict[str, Callable[[Examples], Floats]] = {
        **{name: partial(points, rule, ages) for name, rule in rules.items()},
        BY_AGE: lambda one: ages.of(one.windows.lengths),
        RATIO: lambda one: ratios.of(one.windows.lengths) * scales(one)[:, None],
    }
    if asked.windows.calendar.unit == "day":
        point_methods[WEEKDAY] = partial(points, week_before, ages)
    methods: dict[str, Callable[[], Forecasts]] = {
        **{name: partial(around, method) for name, method in point_methods.items()},
        LEAST_SQUARES: lambda: least_squares(training, asked, ages, levels=levels),
        TREES: lambda: trees(training, asked, levels=levels, seed=seed),
    }
    if quantity == "price":  # these read sums, and levels of which new items have none
        methods = {name: one for name, one in methods.items() if name not in OF_UNITS}
    methods = {name: one for name, one in methods.items() if names is None or name in names}
    left_out = {name: why for name in methods if (why := lack(name, asked))}
    found: dict[str, Forecasts] = {}
    with stage("simple methods", len(methods) - len(left_out), "methods") as work:
        for name, method in methods.items():
            if name not in left_out:
                found[name] = method()
                work(1)
    return Baselines(found, left_out)


def lack(name: str, asked: Examples) -> str:
    """Why a method has nothing to go by; empty where it has."""
    windows = asked.windows
    if name in ("zero", BY_AGE):
        return ""
    if not (windows.lengths > 0).any():
        return "no item has a history"
    if name == "seasonal naive":
        year = YEARS[windows.calendar.unit]
        if not (windows.lengths > year - windows.n_steps).any():
            return f"no history reaches back {year} {windows.calendar.unit}s"
    return ""


def points(rule: Rule, ages: AgeMedians, examples: Examples) -> Floats:
    """What a rule says in units, `[n, horizon + 1]`; the median path of its age where it is nan."""
    windows, horizon = examples.windows, examples.horizon
    steps = np.empty((len(windows), horizon))
    for first in range(0, len(windows), CHUNK_ROWS):
        rows = np.arange(first, min(first + CHUNK_ROWS, len(windows)))
        steps[rows] = rule(windows.take(rows))
    said = unit_paths(steps, examples.panel.quantity)
    return np.where(np.isnan(said), ages.of(windows.lengths), said)


def _or_last(points: Floats, windows: Windows) -> Floats:
    """Points `[n]` as `[n, 1]`; the last known value where there is none."""
    return np.where(np.isnan(points)[:, None], last_value(windows), points[:, None])


def _smoothed(windows: Windows) -> Floats:
    length = min(int(windows.lengths.max(initial=0)), SMOOTHED_PERIODS)
    return windows.past(UNITS, length).astype(np.float64)

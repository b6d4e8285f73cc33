"""Backtest: forecasts as they would have been made at past dates, beside what was sold then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np

from fusion.choices.mistakes import Mistakes
from fusion.data.panel.panel import Panel
from fusion.errors import CatalogueError
from fusion.forecasting.examples import Examples, Ints, examples_at, past_examples
from fusion.forecasting.history import History
from fusion.forecasting.trained import ForecastSpec, train_forecast, with_content
from fusion.progress import Stage, silent, within
from heads.sales_distribution import SalesDistribution


@dataclass(frozen=True)
class Origin:
    """Forecasts of one past date.

    Args:
        period: The first step.
        examples: What was asked.
        training: Examples of the past that could be learned from then.
        answers: The forecast of what was asked.
        levels: Quantile levels that are measured, see `measured_levels`.
        weights: Life stage -> member -> how much it counted.
    """

    period: int
    examples: Examples
    training: Examples
    answers: SalesDistribution
    levels: tuple[float, ...]
    weights: Mapping[str, Mapping[str, float]]


def origin_periods(
    panel: Panel,
    *,
    horizon: int,
    n_origins: int,
    every: int,
    gap: int = 0,
    until: int | None = None,
) -> Ints:
    """The latest periods at which a forecast could have been made and is over by now, ascending.

    Args:
        panel: The sales.
        horizon: Steps, >= 1.
        n_origins: How many, >= 1.
        every: Periods from one to the next, >= 1.
        gap: As in `backtest`.
        until: Period by which all of them are over (default: the end of the sales).

    Raises:
        ConfigError: With every count that is no whole number or too small.
        CatalogueError: If the sales are too short for them.
    """
    _check_counts(origins=(n_origins, 1), every=(every, 1), gap=(gap, 0))
    end = panel.end if until is None else until
    periods = end - horizon - every * np.arange(n_origins)[::-1]
    least = panel.start + 2 * horizon + 1 + gap
    if periods[0] < least:
        unit = panel.frequency.unit
        raise CatalogueError(
            f"sales must reach back {least - periods[0]} {unit}s more for {n_origins} origins of "
            f"{horizon} {unit}s each, got {end - panel.start} {unit}s. Ask for fewer origins "
            "or a shorter horizon."
        )
    return periods


def _check_counts(**counts: tuple[int, int]) -> None:
    """Refuses counts, each with the least that it may be."""
    mistakes = Mistakes()
    for name, (count, least) in counts.items():
        is_whole = isinstance(count, Integral) and not isinstance(count, bool)
        if not is_whole or count < least:
            mistakes.add([f"{name} must be a whole number >= {least}, got {count!r}."])
    mistakes.refuse()


def backtest(
    history: History,
    spec: ForecastSpec,
    origins: Sequence[int],
    *,
    gap: int = 0,
    stage: Stage = silent,
) -> Iterator[Origin]:
    """Trains a forecast anew for each origin, by what was known then, and asks it.

    Asked are all items that had been on sale before the origin, or are new at it.

    Args:
        history: Items and sales.
        spec: How forecasts are made.
        origins: First steps, periods by `Panel.frequency`.
        gap: Periods for which a trained forecast has been in use: it learns from what was known so
            long before the origin, and reads what is known at it.
        stage: Opens progress bars.
    """
    panel = history.panel
    for period in origins:
        named = within(stage, f"origin {panel.frequency.first_day(period)}")
        until = int(period) - gap
        model, content = train_forecast(history, spec, until=until, stage=named)
        asked = _asked(history, int(period), horizon=spec.horizon)
        asked = with_content(asked, history, content)
        yield Origin(
            int(period),
            asked,
            past_examples(panel, horizon=spec.horizon, until=until),
            model.distribution(asked),
            measured_levels(model.head.levels),
            model.blend.config,
        )


def measured_levels(levels: Sequence[float]) -> tuple[float, ...]:
    """Levels that are asked for, ascending, with a median and one on either side of it.

    Example:
        >>> measured_levels([0.8])
        (0.1, 0.5, 0.8)
    """
    found = {0.5, *levels}
    if min(found) == 0.5:
        found.add(0.1)
    if max(found) == 0.5:
        found.add(0.9)
    return tuple(sorted(found))


def _asked(history: History, period: int, *, horizon: int) -> Examples:
    panel = history.panel
    is_cut = panel.first <= panel.start
    series = np.flatnonzero((panel.first < period) | ((panel.first == period) & ~is_cut))
    return examples_at(panel, series, np.full(len(series), period), horizon=horizon)

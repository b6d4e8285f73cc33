"""Whether what was found anew is worse than the old forecast on the latest known periods."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fusion.forecasting.backtest.forecasts import Actual, Forecasts
from fusion.forecasting.backtest.metrics import METRICS
from fusion.forecasting.backtest.origins import measured_levels
from fusion.forecasting.backtest.paired import paired_gains
from fusion.forecasting.examples import Floats
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.pool import Pool
from heads.sales_distribution import SalesDistribution

METRIC = "pinball"
"""What is compared: how good all quantiles are together."""
MARGIN = 0.01
"""Share by which what was found anew must be worse, and surely so, not to be taken.

It is that of `SURE_PERIODS` periods. What all items of a period share is in no interval over items,
so fewer periods want more: twice the share of a single one.
"""
SURE_PERIODS = 4
OLD, NEW = "old", "new"


@dataclass(frozen=True)
class Comparison:
    """How good both forecasts are on the same steps, of which they know alike.

    Args:
        old: Mean pinball loss of the old forecast, in units.
        new: Of the one with all found anew, which is not taken where it is a step back.
        low: Lower end of the 95 % interval of `old - new`, over items.
        high: Upper end.
        n_steps: Steps that are compared.
        n_periods: Periods that these lie in.
        old_coverage: How often units lay between the lowest and the highest level that is told by
            the old forecast, 0 to 1.
        new_coverage: The same of the other one.
        is_learned: Whether both have learned from these periods; else neither has.
    """

    old: float
    new: float
    low: float
    high: float
    n_steps: int
    n_periods: int
    old_coverage: float
    new_coverage: float
    is_learned: bool = False

    @property
    def is_step_back(self) -> bool:
        """Whether what was found anew is worse beyond the interval and the margin."""
        margin = MARGIN * math.sqrt(SURE_PERIODS / min(self.n_periods, SURE_PERIODS))
        return self.high < 0 and self.new > (1.0 + margin) * self.old

    @property
    def text(self) -> str:
        """Both figures, the interval, and whether the steps were known to both."""
        whose = "both have" if self.is_learned else "neither has"
        first, second = ("as it is", "found anew") if self.is_step_back else ("before", "now")
        digits = max(0, 3 - math.floor(math.log10(max(self.old, self.new, 1e-9))))
        gain, low, high = (
            f"{value:+.{digits}f}" if round(value, digits) else "0"
            for value in (self.old - self.new, self.low, self.high)
        )
        return (
            f"pinball loss {self.old:.4g} {first} and {self.new:.4g} {second} over "
            f"{self.n_steps:,} steps that {whose} learned from (gain {gain}, 95 % interval {low} "
            f"to {high})"
        )


@dataclass(frozen=True, eq=False)
class Scored:
    """Steps of some examples and what both forecasts say of them.

    Args:
        pool: The examples.
        sold: Units `[n, horizon]`, NaN where a step is not compared.
        old: By the old forecast.
        new: By the one with all found anew.
    """

    pool: Pool
    sold: Floats
    old: SalesDistribution
    new: SalesDistribution


def compared(scored: Sequence[Scored], levels: Sequence[float]) -> Comparison | None:
    """The comparison over all that was scored; None where no step is known.

    Args:
        scored: Examples with answers of both.
        levels: Quantile levels that are told.
    """
    told = measured_levels(tuple(levels))
    sold = np.concatenate([one.sold for one in scored])
    rows = np.flatnonzero(~np.isnan(sold).all(axis=1))
    if not len(rows):
        return None
    unknown = np.full(len(rows), np.nan)
    actual = Actual(sold[rows], unknown, unknown)
    both = {
        name: _forecasts([getattr(one, name) for one in scored], told).take(rows)
        for name in (OLD, NEW)
    }
    items = np.concatenate(
        [np.array(one.pool.examples.panel.ids)[one.pool.out_of_fold.series] for one in scored]
    )
    gain = paired_gains(actual, both, blocks=items[rows], reference=NEW, metrics=(METRIC,)).rows[0]
    values = {name: _value(METRIC, actual, one) for name, one in both.items()}
    steps = np.concatenate([one.pool.periods()[~np.isnan(one.sold)] for one in scored])
    n_periods = len(np.unique(steps))
    return Comparison(
        values[OLD],
        values[NEW],
        gain.low,
        gain.high,
        n_steps=len(steps),
        n_periods=n_periods,
        old_coverage=_value("coverage", actual, both[OLD]),
        new_coverage=_value("coverage", actual, both[NEW]),
    )


def _value(metric: str, actual: Actual, forecasts: Forecasts) -> float:
    parts = METRICS[metric].parts(actual, forecasts)
    return float(METRICS[metric].value(parts.numerator.sum(), parts.denominator.sum()))


def _forecasts(answers: Sequence[SalesDistribution], levels: tuple[float, ...]) -> Forecasts:
    return Forecasts(
        np.concatenate([one.mean for one in answers]),
        np.concatenate([one.quantile(levels) for one in answers]),
        levels,
    )


def scored_periods(
    pool: Pool, old: ForecastModel, new: ForecastModel, begin: int, end: int
) -> Scored:
    """What both say of the steps in some periods."""
    sold = pool.sold_within(begin, end)
    rows = np.flatnonzero(~np.isnan(sold).all(axis=1))
    some = pool.take(rows)
    return Scored(some, sold[rows], some.answered(old), some.answered(new))

"""Errors of a trained forecast by period, in answers given before it learned from them."""

from dataclasses import dataclass

import numpy as np

from fusion.forecasting.drift.distances import Floats, Ints
from fusion.forecasting.drift.signals import Key, standard_errors
from fusion.forecasting.model import ForecastModel
from fusion.forecasting.pool import Pool

ERROR = "forecast"
"""What the errors of the trained forecast stand under, beside the columns."""


@dataclass(frozen=True, eq=False)
class PeriodErrors:
    """How far a forecast was off, period by period, answered before it had learned from them.

    Args:
        periods: Numbers of the periods, ascending, `[n]`.
        means: Mean over items of the standard error of each, `[n]`, see `standard_errors`.
        sizes: Logarithm of their mean square, `[n]`.
    """

    periods: Ints
    means: Floats
    sizes: Floats

    @classmethod
    def of(cls, periods: Ints, forecast: Floats, sold: Floats) -> "PeriodErrors":
        """Errors by period.

        Args:
            periods: Of each answer, `[n]`.
            forecast: Units that were expected, >= 0, `[n]`.
            sold: Units that were sold, `[n]`; NaN where unknown.
        """
        known = ~np.isnan(sold) & ~np.isnan(forecast)
        names, place = np.unique(periods[known], return_inverse=True)
        errors = standard_errors(forecast[known], sold[known])
        counts = np.bincount(place, minlength=len(names))
        means = np.bincount(place, errors, minlength=len(names)) / np.maximum(counts, 1)
        squares = np.bincount(place, errors**2, minlength=len(names)) / np.maximum(counts, 1)
        return cls(names, means, np.log(squares + 1e-4))

    def signals(self, periods: Ints) -> dict[Key, Floats]:
        """The errors of some periods, NaN where there are none."""
        found = {}
        for measure, values in (("error", self.means), ("spread", self.sizes)):
            own = dict(zip(self.periods.tolist(), values.tolist(), strict=True))
            found[ERROR, measure] = np.array([own.get(one, np.nan) for one in periods.tolist()])
        return found


def forecast_errors(model: ForecastModel, pool: Pool | None) -> PeriodErrors | None:
    """How far members were off in the first period that they were asked for, at each date.

    They are joined as the forecast joins them, and not corrected: ranges and means that an update
    finds anew would hide what has moved. New items are left out, as their level is a guess.

    Args:
        model: The forecast.
        pool: Answers of its members out of fold.

    Returns:
        None where nothing was asked.
    """
    if pool is None:
        return None
    stages = pool.examples.stages()
    pool = pool.take(np.flatnonzero(stages > 0))
    if not len(pool):
        return None
    blended = model.blended(pool.out_of_fold.answers, pool.out_of_fold.knows, stages[stages > 0])
    told = model.head.distribution(blended, pool.examples.levels(), stages=stages[stages > 0])
    return PeriodErrors.of(pool.examples.as_of, told.mean[:, 0], pool.examples.targets()[:, 0])

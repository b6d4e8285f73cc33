"""How good forecasts of paths are: every metric as a ratio of two sums over rows and steps.

Why sums: the same parts give a metric of all rows, of the rows of a group (`breakdown`) and of rows
that are drawn again (`paired`), so that these cannot disagree. Values that are not known count in
neither sum; a ratio to a sum of 0 is nan, without a warning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from encoders.series.known import known_mean
from fusion.forecasting.backtest.forecasts import Actual, Forecasts, check_same_rows
from fusion.forecasting.examples import Floats, Ints


class Parts(NamedTuple):
    """What each row and entry adds to the two sums whose ratio is a metric.

    Args:
        numerator: `[n, n_entries]`.
        denominator: `[n, n_entries]`, >= 0; 0 where it is not counted.
    """

    numerator: Floats
    denominator: Floats


@dataclass(frozen=True)
class Metric:
    """A number that says how good forecasts are.

    Args:
        description: What it says, in one sentence.
        unit: `share`, `units`, or `scaled` (1 is as good as the naive forecast in the past).
        entries: What it looks at: each `step` alone, the `total` of the window, or a `row` whole.
        terms: Numerator and denominator of every entry of a path, `[n, horizon + 1]` each.
        finish: From the ratio of sums to the metric.
    """

    description: str
    unit: Literal["share", "units", "scaled"]
    entries: Literal["step", "total", "row"]
    terms: Callable[[Actual, Forecasts], tuple[Floats, Floats]]
    finish: Callable[[Floats], Floats] = np.asarray

    def parts(self, actual: Actual, forecasts: Forecasts) -> Parts:
        """What rows add: `[n, horizon]` of steps, else `[n, 1]`."""
        numerator, denominator = self.terms(actual, forecasts)
        if self.entries == "row":
            counted = (denominator > 0) & ~np.isnan(numerator)
        else:
            chosen = slice(None, -1) if self.entries == "step" else slice(-1, None)
            numerator, denominator = numerator[:, chosen], denominator[:, chosen]
            counted = ~np.isnan(actual.paths[:, chosen]) & ~np.isnan(denominator)
        return Parts(np.where(counted, numerator, 0.0), np.where(counted, denominator, 0.0))

    def value(self, numerator: Floats, denominator: Floats) -> Floats:
        """The metric of sums, of any shape; nan where the denominator is 0."""
        there = denominator > 0
        ratio = np.where(there, numerator, np.nan) / np.where(there, denominator, 1.0)
        return self.finish(ratio)


def scores(actual: Actual, forecasts: Forecasts) -> dict[str, float]:
    """Every metric of `METRICS` over all rows.

    Args:
        actual: What was sold.
        forecasts: What was forecast, of the same rows and steps.

    Returns:
        Metrics by name, nan where one is not defined.

    Raises:
        ValueError: If the rows or steps are not the same.
    """
    check_same_rows(actual, forecasts)
    found = {}
    for name, metric in METRICS.items():
        parts = metric.parts(actual, forecasts)
        found[name] = float(metric.value(parts.numerator.sum(), parts.denominator.sum()))
    return found


def sums_by(codes: Ints, values: Floats, *, n_groups: int) -> Floats:
    """Sums `[n_groups]` of the values of rows, by the position of the group of each."""
    return np.bincount(codes, values, minlength=n_groups).astype(np.float64)


Terms = tuple[Floats, Floats]


def _wape(actual: Actual, forecasts: Forecasts) -> Terms:
    return np.abs(actual.paths - forecasts.median), np.abs(actual.paths)


def _mae(actual: Actual, forecasts: Forecasts) -> Terms:
    return _counted(np.abs(actual.paths - forecasts.median))


def _bias(actual: Actual, forecasts: Forecasts) -> Terms:
    return forecasts.mean - actual.paths, np.abs(actual.paths)


def _squared(actual: Actual, forecasts: Forecasts) -> Terms:
    return _counted((actual.paths - forecasts.mean) ** 2)


def _mase(actual: Actual, forecasts: Forecasts) -> Terms:
    error, scale = np.abs(actual.paths - forecasts.median), actual.naive_absolute[:, None]
    return error / scale, np.where(np.isnan(scale), np.nan, np.ones_like(error))


def _rmsse(actual: Actual, forecasts: Forecasts) -> Terms:
    mean = known_mean((actual.steps - forecasts.mean[:, :-1]) ** 2)
    scaled = np.sqrt(mean / actual.naive_squared)[:, None]
    return scaled, (~np.isnan(scaled)).astype(np.float64)


def _pinball(actual: Actual, forecasts: Forecasts) -> Terms:
    return _counted(_losses(actual, forecasts).mean(axis=2))


def _crps(actual: Actual, forecasts: Forecasts) -> Terms:
    return _counted(2.0 * _losses(actual, forecasts) @ level_shares(forecasts.levels))


def _losses(actual: Actual, forecasts: Forecasts) -> Floats:
    """Pinball losses `[n, horizon + 1, n_levels]`. Source: Koenker and Bassett (1978)."""
    error = actual.paths[:, :, None] - forecasts.quantiles
    levels = np.array(forecasts.levels)
    return np.asarray(np.maximum(levels * error, (levels - 1.0) * error))


def level_shares(levels: tuple[float, ...]) -> Floats:
    """Share of (0, 1) that each level stands for: what lies nearer to it than to another.

    Example:
        >>> level_shares((0.1, 0.5, 0.9)).round(2).tolist()
        [0.3, 0.4, 0.3]
    """
    middles = (np.array(levels)[1:] + np.array(levels)[:-1]) / 2
    return np.diff(np.concatenate([[0.0], middles, [1.0]]))


def _coverage(actual: Actual, forecasts: Forecasts) -> Terms:
    low, high = forecasts.quantiles[:, :, 0], forecasts.quantiles[:, :, -1]
    return _counted((low <= actual.paths) & (actual.paths <= high))


def _below(actual: Actual, forecasts: Forecasts) -> Terms:
    return _counted(actual.paths < forecasts.quantiles[:, :, 0])


def _above(actual: Actual, forecasts: Forecasts) -> Terms:
    return _counted(actual.paths > forecasts.quantiles[:, :, -1])


def _width(actual: Actual, forecasts: Forecasts) -> Terms:
    del actual
    return _counted(forecasts.quantiles[:, :, -1] - forecasts.quantiles[:, :, 0])


def _counted(values: Floats | NDArray[np.bool_]) -> Terms:
    return values.astype(np.float64), np.ones(values.shape)


METRICS: dict[str, Metric] = {
    "wape": Metric(
        "Sum of absolute errors of the median over the sum of actual units.", "share", "step", _wape
    ),
    "wape_total": Metric("The same of the total by its own median.", "share", "total", _wape),
    "mae": Metric("Mean absolute error of the median.", "units", "step", _mae),
    "bias": Metric(
        "Sum of forecast means less actual units, over the sum of actual units.",
        "share",
        "step",
        _bias,
    ),
    "rmse": Metric(
        "Root of the mean squared error of the mean.", "units", "step", _squared, np.sqrt
    ),
    "mase": Metric(
        "Absolute error of the median over that of the last value as the forecast of the next "
        "period, in the past of each row (Hyndman and Koehler 2006); rows whose past does not "
        "change are left out.",
        "scaled",
        "step",
        _mase,
    ),
    "rmsse": Metric(
        "Root of the mean squared error of the mean over that of the last value in the past of "
        "each row, mean over rows (M5 competition, unweighted).",
        "scaled",
        "row",
        _rmsse,
    ),
    "pinball": Metric("Mean quantile loss over the levels.", "units", "step", _pinball),
    "pinball_total": Metric("The same of the total.", "units", "total", _pinball),
    "crps": Metric(
        "Continuous ranked probability score: twice the integral of the quantile loss over levels, "
        "each level standing for those nearest to it (Gneiting and Ranjan 2011).",
        "units",
        "step",
        _crps,
    ),
    "crps_total": Metric("The same of the total.", "units", "total", _crps),
    "coverage": Metric(
        "Share of actual units from the lowest to the highest quantile.", "share", "step", _coverage
    ),
    "below": Metric("Share of actual units below the lowest quantile.", "share", "step", _below),
    "above": Metric("Share of actual units above the highest quantile.", "share", "step", _above),
    "width": Metric(
        "Mean distance from the lowest to the highest quantile.", "units", "step", _width
    ),
    "coverage_total": Metric("Coverage of the total.", "share", "total", _coverage),
    "below_total": Metric("Share of totals below the lowest one.", "share", "total", _below),
    "above_total": Metric("Share of totals above the highest one.", "share", "total", _above),
    "width_total": Metric("Mean width of the total.", "units", "total", _width),
}
"""Every metric by its name, in the order of tables."""

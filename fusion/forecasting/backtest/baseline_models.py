"""Two baselines that learn from lags, as a practitioner would: least squares and boosted trees."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from encoders.series.windows import UNITS, Windows
from fusion.forecasting.backtest.baseline_spread import AgeMedians, with_spread
from fusion.forecasting.backtest.forecasts import Forecasts, unit_paths
from fusion.forecasting.examples import Examples, Floats
from fusion.members.openmp import lightgbm

N_LAGS = 8
SPANS = (4, 8, 13, 26)
"""Periods whose sum and number of sales are told."""
MOST_TREE_ROWS = 200_000
"""Examples times steps that trees learn from, the latest."""
N_TREES = 100
PARAMETERS: dict[str, Any] = {
    "learning_rate": 0.1,
    "num_leaves": 31,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def lag_table(windows: Windows) -> Floats:
    """Numbers of each history, `[n, n_features]`: lags, sums, counts of sales, age.

    NaN where a lag is unknown or before the series began.
    """
    past = windows.past(UNITS, max(SPANS)).astype(np.float64)
    filled = np.nan_to_num(past, nan=0.0)
    sums = [filled[:, -span:].sum(axis=1) for span in SPANS]
    sold = [(filled[:, -span:] > 0).sum(axis=1) for span in SPANS]
    return np.column_stack([past[:, -N_LAGS:], *sums, *sold, windows.lengths])


def least_squares(
    training: Examples, asked: Examples, ages: AgeMedians, *, levels: Sequence[float]
) -> Forecasts:
    """Ordinary least squares of units on `lag_table`, each step and the total by itself.

    Unknown lags are 0. An item without a history has the median path of its age.

    Args:
        training: Past examples.
        asked: Examples to forecast.
        ages: Median paths of past examples.
        levels: Ascending levels in (0, 1), 0.5 among them.
    """
    design, paths = _design(training), unit_paths(training.targets())
    weights = np.zeros((design.shape[1], paths.shape[1]))
    for entry, values in enumerate(paths.T):
        known = ~np.isnan(values)
        weights[:, entry] = np.linalg.lstsq(design[known], values[known], rcond=None)[0]

    def points(examples: Examples, design: Floats) -> Floats:
        lengths = examples.windows.lengths
        return np.where(lengths[:, None] > 0, design @ weights, ages.of(lengths))

    return with_spread(
        (training, points(training, design)), (asked, points(asked, _design(asked))), levels
    )


def _design(examples: Examples) -> Floats:
    table = np.nan_to_num(lag_table(examples.windows), nan=0.0)
    return np.column_stack([np.ones(len(table)), table])


def trees(training: Examples, asked: Examples, *, levels: Sequence[float], seed: int) -> Forecasts:
    """Boosted trees (LightGBM) on `lag_table` and the step, pooled over all items and steps.

    One model a quantile level, and one by Tweedie deviance for the mean; further ones for the
    quantiles of the total, whose mean is the sum of those of the steps.

    Args:
        training: Past examples.
        asked: Examples to forecast.
        levels: Ascending levels in (0, 1), 0.5 among them.
        seed: The same seed gives the same answers.
    """
    horizon = asked.horizon
    latest = np.argsort(-training.as_of, kind="stable")[: MOST_TREE_ROWS // horizon]
    training = training.take(np.sort(latest))
    table, wanted = lag_table(training.windows), lag_table(asked.windows)
    targets = np.maximum(training.targets(), 0.0)
    long, long_wanted = _by_step(table, horizon), _by_step(wanted, horizon)

    def grown(rows: Floats, labels: Floats, asked_rows: Floats, **objective: Any) -> Floats:
        known = ~np.isnan(labels)
        if not (labels[known] > 0).any():
            return np.zeros(len(asked_rows))
        threads = torch.get_num_threads()
        settings = {**PARAMETERS, **objective, "seed": seed, "num_threads": threads}
        library = lightgbm()
        data = library.Dataset(rows[known], label=labels[known], params=settings)
        model = library.train(settings, data, num_boost_round=N_TREES)
        found = np.asarray(model.predict(asked_rows, num_threads=threads), dtype=np.float64)
        return np.maximum(found, 0.0)

    mean = grown(long, targets.ravel(), long_wanted, objective="tweedie").reshape(-1, horizon)
    quantiles = []
    for level in levels:
        options = {"objective": "quantile", "alpha": level}
        steps = grown(long, targets.ravel(), long_wanted, **options).reshape(-1, horizon)
        total = grown(table, targets.sum(axis=1), wanted, **options)
        quantiles.append(np.column_stack([steps, total]))
    ordered = np.sort(np.stack(quantiles, axis=2), axis=2)
    return Forecasts(unit_paths(mean), ordered, tuple(levels))


def _by_step(table: Floats, horizon: int) -> Floats:
    """Rows `[n * horizon, n_features + 1]`: each row once a step, with the number of the step."""
    steps = np.tile(np.arange(horizon), len(table))
    return np.column_stack([np.repeat(table, horizon, axis=0), steps])

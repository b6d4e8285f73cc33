"""How sure it is that one method forecasts better than another: whole items are drawn anew."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import ArrayLike

from fusion.evaluation.bootstrap import bootstrap_of_sums
from fusion.forecasting.backtest.forecasts import Actual, Forecasts, check_same_rows
from fusion.forecasting.backtest.metrics import METRICS, Metric, Parts, sums_by
from fusion.forecasting.backtest.tables import Gain, GainTable
from fusion.forecasting.examples import Floats, Ints

HEADLINES = ("wape", "wape_total", "pinball", "pinball_total")
"""Metrics whose gains are told: the lower the better."""


def paired_gains(
    actual: Actual,
    forecasts: Mapping[str, Forecasts],
    *,
    blocks: ArrayLike,
    reference: str,
    metrics: Sequence[str] = HEADLINES,
    seed: int = 0,
) -> GainTable:
    """Gains of a reference over all other methods, with 95 % intervals over blocks.

    Why blocks: weeks and origins of one item err alike, so they are no new evidence of their own;
    an item is drawn with all of them or not at all. All metrics are ratios of sums, so a block is
    its two sums, whatever the number of its rows. Source: `bootstrap_of_sums`.

    Args:
        actual: What was sold.
        forecasts: Forecasts of the same rows by method.
        blocks: Labels `[n]`: the item of each row.
        reference: One of the methods.
        metrics: Names out of `METRICS` whose lower values are better.
        seed: The same seed gives the same intervals.

    Raises:
        ValueError: If the reference is no method, or rows or labels do not fit.
    """
    if reference not in forecasts:
        raise ValueError(
            f"reference must be one of {', '.join(forecasts)}, got {reference}. Name one of them."
        )
    for each in forecasts.values():
        check_same_rows(actual, each)
    labels, codes = np.unique(np.asarray(blocks), return_inverse=True)
    if codes.shape != (len(actual),):
        raise ValueError(f"blocks must have {len(actual)} labels, one a row, got {codes.size}.")
    rows = []
    for name in metrics:
        metric = METRICS[name]
        share = partial(_share, metric)
        sums = {
            method: _block_sums(metric.parts(actual, each), codes, n_blocks=len(labels))
            for method, each in forecasts.items()
        }
        for method in forecasts:
            if method != reference:
                found = bootstrap_of_sums(share, sums[reference], sums[method], seed=seed)
                rows.append(Gain(method, name, *found))
    order = {method: place for place, method in enumerate(forecasts)}
    rows.sort(key=lambda row: order[row.method])
    return GainTable(reference, len(labels), tuple(rows))


def _share(metric: Metric, sums: Floats) -> Floats:
    """The metric of numerators and denominators `[..., 2]`."""
    return metric.value(sums[..., 0], sums[..., 1])


def _block_sums(parts: Parts, codes: Ints, *, n_blocks: int) -> Floats:
    """Numerator and denominator of a metric in each block, `[n_blocks, 2]`."""
    sums = [sums_by(codes, values.sum(axis=1), n_groups=n_blocks) for values in parts]
    return np.stack(sums, axis=1)

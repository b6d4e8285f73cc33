"""The same metrics for groups of rows: by step, category, life stage, price band, origin."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from encoders.series.windows import UNITS
from fusion.forecasting.backtest.forecasts import Actual, Forecasts, check_same_rows
from fusion.forecasting.backtest.metrics import METRICS, sums_by
from fusion.forecasting.backtest.tables import BacktestRow, BacktestTable
from fusion.forecasting.examples import STAGES, Examples, Floats, Ints

PRICE, PRICE_UNKNOWN = "price", "unknown"


@dataclass(frozen=True, eq=False)
class Grouping:
    """Which group each row belongs to.

    Args:
        by: What makes the groups, such as `category`.
        labels: Groups in the order in which they are shown.
        codes: Position of the group of each row, `[n]`.
    """

    by: str
    labels: tuple[str, ...]
    codes: Ints


def group_rows(by: str, labels: Sequence[str]) -> Grouping:
    """Groups of rows by the label of each, `[n]`, in the order of the labels."""
    found, codes = np.unique(np.asarray(labels, dtype=object), return_inverse=True)
    return Grouping(by, tuple(found.tolist()), codes.astype(np.int64))


def example_groupings(examples: Examples) -> list[Grouping]:
    """Groups by life stage, by origin (the first day forecast), and by price where there is one."""
    windows, frequency = examples.windows, examples.panel.frequency
    days = frequency.first_day(examples.as_of).astype(str).tolist()
    found = [
        Grouping("life stage", STAGES, examples.stages()),
        group_rows("origin", days),
    ]
    column = UNITS if examples.panel.quantity == "price" else PRICE
    if column in windows.columns:
        found.append(group_prices(windows.last(column)))
    return found


def group_prices(prices: Floats) -> Grouping:
    """Groups of rows by quartiles of the known prices: four bands at most, and `unknown`.

    Args:
        prices: Last price that was known of each row, `[n]`, NaN where there is none. Rows of one
            price are always in one band.
    """
    known = ~np.isnan(prices)
    edges = np.unique(np.quantile(prices[known], [0.25, 0.5, 0.75])) if known.any() else np.empty(0)
    inside = np.searchsorted(edges, prices[known], side="left")
    bands = [
        f"{low} to {high}" if low else f"up to {high}"
        for low, high in zip(["", *_texts(edges)], _texts(edges), strict=False)
    ]
    last = f"over {_texts(edges)[-1]}" if len(edges) else "any"
    labels = (*bands, last, PRICE_UNKNOWN)
    codes = np.full(len(prices), len(labels) - 1, dtype=np.int64)
    codes[known] = inside
    used = np.unique(codes)
    return Grouping(
        PRICE, tuple(labels[code] for code in used.tolist()), np.searchsorted(used, codes)
    )


def _texts(edges: Floats) -> list[str]:
    """Edges with four digits that count, without an exponent."""
    return [np.format_float_positional(e, precision=4, fractional=False, trim="-") for e in edges]


def breakdown(
    actual: Actual, forecasts: Mapping[str, Forecasts], groupings: Sequence[Grouping] = ()
) -> tuple[BacktestTable, ...]:
    """Metrics of every method: of all rows, by step, and by each grouping.

    Args:
        actual: What was sold.
        forecasts: Forecasts of the same rows by method.
        groupings: Groups of these rows.

    Returns:
        A table by `all`, one by `step` (from 1), one for each grouping in the given order.

    Raises:
        ValueError: If rows or steps do not fit.
    """
    n_rows, n_steps = actual.steps.shape
    everything = Grouping("all", ("all",), np.zeros(n_rows, dtype=np.int64))
    of_rows = (everything, *groupings)
    for grouping in groupings:
        if grouping.codes.shape != (n_rows,):
            raise ValueError(
                f"groups by {grouping.by} must be {n_rows}, one a row, got {len(grouping.codes)}."
            )
    found = {method: _values(actual, each, of_rows) for method, each in forecasts.items()}
    steps = tuple(str(step + 1) for step in range(n_steps))
    by_step = Grouping("step", steps, np.arange(n_steps))  # of steps, each of which all rows have
    counts = [np.bincount(each.codes, minlength=len(each.labels)) for each in of_rows]
    tables = [
        _table(grouping, count, {method: found[method][place] for method in found})
        for place, (grouping, count) in enumerate(zip(of_rows, counts, strict=True))
    ]
    last = {method: found[method][-1] for method in found}
    tables.insert(1, _table(by_step, np.full(n_steps, n_rows), last))
    return tuple(tables)


Values = dict[str, Floats]
"""Values of each metric in the groups of a grouping."""


def _values(actual: Actual, forecasts: Forecasts, groupings: Sequence[Grouping]) -> list[Values]:
    """Metrics by each grouping of rows, then by step."""
    check_same_rows(actual, forecasts)
    found: list[Values] = [{} for _ in (*groupings, "step")]
    for name, metric in METRICS.items():
        parts = metric.parts(actual, forecasts)
        if metric.entries == "step":
            found[-1][name] = metric.value(*(values.sum(axis=0) for values in parts))
        of_rows = [values.sum(axis=1) for values in parts]
        for place, grouping in enumerate(groupings):
            n_groups = len(grouping.labels)
            sums = (sums_by(grouping.codes, values, n_groups=n_groups) for values in of_rows)
            found[place][name] = metric.value(*sums)
    return found


def _table(grouping: Grouping, counts: Ints, found: Mapping[str, Values]) -> BacktestTable:
    rows = [
        BacktestRow(
            method,
            label,
            int(counts[place]),
            {name: float(values[place]) for name, values in metrics.items()},
        )
        for place, label in enumerate(grouping.labels)
        if counts[place]
        for method, metrics in found.items()
    ]
    return BacktestTable(grouping.by, tuple(rows))
